"""Unexpected errors: the client gets a code, the log the cause. Provoked in the store, for real."""

import asyncio
import contextlib
import json
import logging
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.settings import Settings
from tests.tools.api import JOB, METRIC, Api
from tests.tools.outside import Outside, path_of
from tests.tools.sockets import Socket
from tests.tools.waiting import PATIENCE

POINTS = "query ($id: ID!) { job(id: $id) { name metrics { seq values { name } } } }"
STREAM = "subscription ($id: ID!) { metricAdded(jobId: $id, after: 0) { seq values { name } } }"
BUG = {"message": "Something went wrong on the server.", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
OUTAGE = {"message": "The store is busy or out of reach; try again.", "extensions": {"code": "SERVICE_UNAVAILABLE"}}
GONE = {**OUTAGE, "message": "The store is not what it was when the server started."}
INTERNALS = (
    *(
        "secret-place",
        "sqlite",
        "postgres",
        "asyncpg",
        "tortoise",
        "traceback",
        "jsondecodeerror",
        "garbled-text",
        ".py",
    ),
    *("unexpected character", "operationalerror", "no such table", "does not exist", "locked", "timeout"),
)
"""Words that would give internals away, in lower case."""
VERBS = {
    "createJob": 'createJob(input: {name: "other", modelName: "m", epochs: 1, learningRate: 1})',
    "startJob": "startJob(id: $id)",
    "simulateStep": "simulateStep(id: $id)",
    "failJob": "failJob(id: $id)",
    "completeJob": "completeJob(id: $id)",
    "logMetrics": "logMetrics(id: $id, metrics: [{step: 9, loss: 1}])",
}


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file whose name no client may see."""
    return f"sqlite://{tmp_path / 'secret-place.sqlite3'}"


def break_values(outside: Outside) -> None:
    outside.execute("""UPDATE metric SET "values" = 'garbled-text'""")


def take_table_away(outside: Outside) -> None:
    outside.execute("ALTER TABLE metric RENAME TO taken_away")


broken = pytest.mark.parametrize(
    ("break_store", "expected", "cause"),
    [
        pytest.param(break_values, BUG, "JSONDecodeError", id="a stored text that cannot be read"),
        pytest.param(take_table_away, GONE, "gone", id="a table that is gone"),
    ],
)
Break = Callable[[Outside], None]
Answer = dict[str, Any]


@broken
async def test_the_client_gets_a_code_and_the_log_the_cause(
    api: Api,
    socket: Socket,
    outside: Outside,
    caplog: pytest.LogCaptureFixture,
    break_store: Break,
    expected: Answer,
    cause: str,
) -> None:
    job = await api.started()
    await api.step(job)
    break_store(outside)
    answer = await api.post(POINTS, {"id": job})
    assert answer["data"] == {"job": None}
    assert_masked(answer, answer["errors"], expected)
    assert answer["errors"][0]["path"][:2] == ["job", "metrics"]
    for number, operation in enumerate((POINTS, STREAM), start=1):
        assert logged(caplog) == number
        message = await socket.message(await socket.subscribe(operation, id=job))
        payload = message["payload"]
        assert_masked([message], payload if message["type"] == "error" else payload["errors"], expected)
    assert logged(caplog) == 3
    assert (outside.says(cause) if expected is GONE else cause) in caplog.text
    assert await socket.next(await socket.subscribe("{ __typename }")) == {"__typename": "Query"}, "the socket goes on"


async def test_a_step_that_cannot_be_stored_fails_its_job_without_saying_more(
    api: Api, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    id = await api.started()
    take_table_away(outside)
    answer = await api.step(id)
    assert answer["__typename"] == "SimulationFailed"
    job = await api.job(id)
    assert (job["status"], job["metricCount"]) == ("FAILED", 0)
    assert job["failureReason"] in answer["message"]
    assert_nothing_internal([answer, job])
    assert outside.says("gone") in caplog.text


async def test_points_that_cannot_be_stored_are_not_counted(api: Api, outside: Outside) -> None:
    id = await api.started()
    await api.log(id, [{"step": 1}])
    take_table_away(outside)
    answer = await api.post(mutation("logMetrics", id))
    assert answer["data"] is None
    assert_masked(answer, answer["errors"], GONE)
    outside.execute("ALTER TABLE taken_away RENAME TO metric")
    assert (await api.job(id))["metricCount"] == 1
    assert (await api.log(id, [{"step": 2}]))["recorded"] == 1


class TestAStoreThatKeepsVerbsWaiting:
    """Another process writes for longer than a verb waits. Reading goes on, and so do the verbs once it has ended."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """An app that waits a second for the store, where ten are the default."""
        return settings.model_copy(update={"database_seconds": 1})

    async def test_a_verb_has_done_nothing_and_may_be_tried_again(
        self, api: Api, outside: Outside, caplog: pytest.LogCaptureFixture
    ) -> None:
        ids = {verb: await (api.created() if verb == "startJob" else api.started()) for verb in VERBS}
        before = await everything(api)
        with outside.writing():
            for answer in await asyncio.gather(*(api.post(mutation(verb, id)) for verb, id in ids.items())):
                assert answer["data"] is None
                assert_masked(answer, answer["errors"], OUTAGE)
            assert await everything(api) == before
            assert outside.says("locked") in caplog.text
        assert await everything(api) == before
        for verb, id in ids.items():
            async with asyncio.timeout(PATIENCE):
                while "errors" in (answer := await api.post(mutation(verb, id))):  # a machine may stall for a second
                    assert_masked(answer, answer["errors"], OUTAGE)
            assert answer["data"]["answer"]["__typename"].endswith("Success")


@pytest.mark.sqlite_alone("the disk of a server is its own affair")
async def test_a_full_disk_is_an_outage_that_has_stored_nothing(
    api: Api, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(path_of(database_url))
    id = await api.started()
    await api.log(id, [{"step": 1}])
    before = await everything(api)
    with full_disk(path.with_name(f"{path.name}-wal").stat().st_size):
        answer = await api.post(mutation("logMetrics", id))
    assert answer["data"] is None
    assert await everything(api) == before
    assert (await api.log(id, [{"step": 2}]))["job"]["metricCount"] == 2
    assert logged(caplog) == 1
    assert_masked(answer, answer["errors"], OUTAGE)


async def test_what_a_client_does_wrong_is_no_matter_for_the_log(
    api: Api, socket: Socket, caplog: pytest.LogCaptureFixture
) -> None:
    for query in ("{ nonsense", "{ nothing }", "{ job(id: true) { id } }", '{ job(id: "abc") { id } }'):
        await api.post(query)
    assert (await api.http.post("/graphql", json={"query": STREAM})).status_code == 400
    for query in ("{ nothing }", '{ job(id: "abc") { id } }', STREAM):
        await socket.message(await socket.subscribe(query, id="99"))
    assert logged(caplog) == 0


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Inside, this process can make no file longer than `size`: to SQLite, a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mutation(verb: str, id: str) -> str:
    return f"mutation {{ answer: {VERBS[verb]} {{ __typename }} }}".replace("$id", f'"{id}"')


async def everything(api: Api) -> Any:
    """All that there is to read."""
    return await api.data(f"{{ jobs {{ updatedAt {JOB} metrics {{ {METRIC} }} }} }}")


def assert_masked(body: Any, errors: list[dict[str, Any]], expected: Answer) -> None:
    """One error, as expected, and nothing else of what happened."""
    (error,) = errors
    extensions = {**error["extensions"]}
    assert extensions.pop("requestId"), "which is in the log too"
    assert {**{key: error.get(key) for key in expected}, "extensions": extensions} == expected
    assert_nothing_internal(body)


def assert_nothing_internal(body: Any) -> None:
    text = json.dumps(body).lower()
    assert [word for word in INTERNALS if word in text] == []


def logged(caplog: pytest.LogCaptureFixture) -> int:
    """How many errors were logged: a bug with its traceback; an outage, which many will meet, in one line."""
    records = [record for record in caplog.records if record.levelno >= logging.ERROR or record.name == "graph.errors"]
    for record in records:
        assert bool(record.exc_info) == (record.levelno >= logging.ERROR)
    return len(records)
