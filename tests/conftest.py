"""What tests are given: a store, the app in process, and real servers."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from graph.app import App, create_app
from graph.settings import Settings
from tests.tools.api import Api
from tests.tools.browser import Visits, launched_browser
from tests.tools.domain import Domain, opened_domain
from tests.tools.fuzzing import SEED, TIMES, hypothesis_profile
from tests.tools.outside import Outside
from tests.tools.postgres import Postgres, migrate
from tests.tools.process import ServerProcess
from tests.tools.serving import served
from tests.tools.sockets import Socket, opened, websocket_url
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE

# A shell has what it runs in the background ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started at its first use, for all tests of this process."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A real Valkey, started at its first use, for all tests of this process that leave it as it is."""
    with Valkey() as server:
        yield server


hypothesis_profile()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the product's tables, and nothing in them: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "test.sqlite3"
    asyncio.run(migrate(f"sqlite://{path}"))
    return path


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> str:
    """The address of a database with nothing in it; where it matters, of one that is not there yet."""
    path = tmp_path / "test.sqlite3"
    if not request.node.get_closest_marker("unmigrated"):
        shutil.copy(migrated, path)
    return f"sqlite://{path}"


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    """The same in PostgreSQL."""
    if request.node.get_closest_marker("unmigrated"):
        url = postgres.new()
        yield url
        postgres.drop(url)
    else:
        url = postgres.lend()
        yield url
        postgres.take_back(url)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: a third of the time, tests wait for servers and for time to pass."""
    return max(2, (os.cpu_count() or 2) * 3 // 2)


LONG = {
    "test_durability.py", "test_exactly_once.py", "test_faults.py", "test_full_disk.py", "test_fuzz_schema.py",
    "test_hostile.py", "test_reconnect.py", "test_restart.py", "test_state_machine.py", "test_workers.py",
}  # fmt: skip
"""Files with tests that take 5 seconds and more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each process begin with its part of the long ones, so that none is alone with one of them at the end."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    long, others = ([item for item in items if (item.path.name in LONG) == is_long] for is_long in (True, False))
    items.clear()
    for number in range(count):
        for kind in (long, others):
            items += kind[len(kind) * number // count : len(kind) * (number + 1) // count]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to repeat the requests that were invented, where they are others in each run."""
    if TIMES > 1:
        terminalreporter.write_line(f"to try the same again: FUZZ_SEED={SEED} FUZZ_TIMES={TIMES}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whoever asks for a store is run on every kind, unless marked with the reason why one is enough."""
    if "database_url" in metafunc.fixturenames:
        kinds = ["sqlite"] if metafunc.definition.get_closest_marker("sqlite_alone") else ["sqlite", "postgres"]
        metafunc.parametrize("database_url", kinds, indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a store with nothing in it."""
    return cast("str", request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def domain(database_url: str) -> AsyncIterator[Domain]:
    """An open store with its verbs and its feed."""
    async with opened_domain(database_url) as domain:
        yield domain


@pytest.fixture
def another_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a second store, of the same kind."""
    if database_url.startswith("sqlite"):
        yield f"sqlite://{tmp_path / 'another.sqlite3'}"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.new()
        yield url
        postgres.drop(url)


@pytest.fixture
def outside(database_url: str) -> Iterator[Outside]:
    """Somebody else at that store."""
    with Outside(database_url) as outside:
        yield outside


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings that look at the store often, so that tests wait little."""
    return Settings(database_url=database_url, live_check_seconds=0.2)


@pytest.fixture
def plans() -> bool:
    """Whether the app has compiled plans; a test may be parametrized by it, to have Strawberry answer everything."""
    return True


@pytest.fixture
async def app(settings: Settings, plans: bool) -> AsyncIterator[App]:
    """The app in this process, from its start to its end."""
    app = create_app(settings, plans=plans)
    async with running(app):
        yield app


@pytest.fixture
async def api(app: App) -> AsyncIterator[Api]:
    """A client of the app in this process."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        yield Api(http)


@pytest.fixture
async def address(app: App, settings: Settings) -> AsyncIterator[str]:
    """Where the app in this process is served over real sockets, as http://host:port."""
    async with served(app, settings) as address:
        yield address


@pytest.fixture
async def socket(address: str) -> AsyncIterator[Socket]:
    """A socket to the app in this process."""
    async with opened(websocket_url(address)) as socket:
        yield socket


@pytest.fixture
def server(database_url: str) -> Iterator[ServerProcess]:
    """A server in a process of its own, on a port of its own, as its command line starts it."""
    with ServerProcess(database_url) as process:
        yield process


@pytest.fixture
async def remote(server: ServerProcess) -> AsyncIterator[Api]:
    """A client of that server, over real sockets."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        yield Api(http)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that the tests of a session share: each finds its own jobs by their names."""
    path = tmp_path_factory.mktemp("site") / "test.sqlite3"
    with ServerProcess(f"sqlite://{path}", "--live-check-seconds", "0.2") as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def trainer(site: ServerProcess) -> AsyncIterator[Api]:
    """A client of the shared server: what a page sees others do."""
    async with httpx.AsyncClient(base_url=site.url, timeout=PATIENCE) as http:
        yield Api(http)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser, one for all tests of a session."""
    async with launched_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def visits(browser: Browser, site: ServerProcess) -> AsyncIterator[Visits]:
    """The pages of one test; it fails where anything goes wrong on them."""
    visits = Visits(browser, site.url)
    yield visits
    await visits.end()


@pytest_asyncio.fixture(loop_scope="session")
async def page(visits: Visits) -> Page:
    """A page that has not gone anywhere yet."""
    return await visits.page()


@contextlib.asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    """Inside, the app has started; its lifespan runs in a task of its own, as under a server."""
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.router.lifespan_context(app):
            started.set()
            await stop.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if life.done():
        await life
    try:
        yield
    finally:
        stop.set()
        await life
