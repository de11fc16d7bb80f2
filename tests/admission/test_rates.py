"""How many requests a second a client may make, and who counts as one."""

import asyncio
import contextlib

import pytest
from starlette.types import Scope
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from graph.admission.caller import Refusal
from graph.admission.gate import Head
from graph.admission.rates import MAX_CLIENTS, Rates
from graph.app import create_app
from graph.settings import Settings
from tests.conftest import running
from tests.tools.serving import served
from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.waiting import PATIENCE


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def passes(rates: Rates, address: str, head: Head | None = None) -> bool:
    """Whether a request from there does."""
    scope: Scope = {"type": "http", "client": (address, 1)}
    try:
        await rates.check(scope, head or {})
    except Refusal as refusal:
        if refusal.status != 429 or int((refusal.headers or {})["Retry-After"]) < 1:
            raise
        return False
    return True


async def passed(rates: Rates, count: int, address: str = "10.0.0.1") -> int:
    """How many of so many requests do."""
    return sum([await passes(rates, address) for _ in range(count)])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(Settings(max_requests_a_second=10), clock)


async def test_three_seconds_worth_may_come_at_once_and_one_more_is_refused(rates: Rates) -> None:
    assert await passed(rates, 30) == 30
    assert not await passes(rates, "10.0.0.1")
    assert await passes(rates, "10.0.0.2"), "another client has its own"


async def test_twice_as_many_pass_for_a_few_seconds_and_then_as_many_as_in_the_long_run(
    rates: Rates, clock: Clock
) -> None:
    served = []
    for _ in range(400):
        served.append(await passes(rates, "10.0.0.1"))
        clock.now += 1 / 20
    assert all(served[:59])
    for second in range(80, 400, 20):
        assert 9 <= served[second : second + 20].count(True) <= 11


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_this_machines_own_are_not_counted(rates: Rates, address: str) -> None:
    assert await passed(rates, 50, address) == 50


async def test_a_household_in_ipv6_is_one_client(rates: Rates) -> None:
    assert sum([await passes(rates, f"2001:db8:0:1::{n:x}") for n in range(1, 41)]) == 30
    assert await passes(rates, "2001:db8:0:2::1")


async def test_a_trusted_proxy_says_the_client_and_no_other_peer_does(clock: Clock) -> None:
    rates = Rates(Settings(max_requests_a_second=10, trusted_proxies="127.0.0.1, 10.9.0.0/16"), clock)
    for n in range(31):
        # What the client wrote itself stands first, and makes no difference.
        head = {b"x-forwarded-for": b"%d.1.1.1, 203.0.113.7, 10.9.0.3" % n}
        assert await passes(rates, "127.0.0.1", head) == (n < 30)
    assert await passes(rates, "127.0.0.1", {b"x-forwarded-for": b"203.0.113.8"})
    claims = [await passes(rates, "198.51.100.1", {b"x-forwarded-for": b"203.0.114.%d" % n}) for n in range(31)]
    assert claims.count(False) == 1


@pytest.mark.parametrize(
    "said", ["203.0.113.7:51234", "[2001:db8::1]:443", "2001:db8::1", "unknown", "", "203.0.113.7, "]
)
async def test_whatever_a_trusted_proxy_writes_its_clients_are_counted(clock: Clock, said: str) -> None:
    rates = Rates(Settings(max_requests_a_second=10, trusted_proxies="127.0.0.1"), clock)
    head = {b"x-forwarded-for": said.encode()}
    assert sum([await passes(rates, "127.0.0.1", head) for _ in range(100)]) == 30
    assert await passes(rates, "127.0.0.1", {b"x-forwarded-for": b"198.51.100.1"}), "others have their own"


async def test_the_operations_of_a_socket_are_counted_with_the_requests_of_its_client(rates: Rates) -> None:
    scope: Scope = {"type": "websocket", "client": ("10.0.0.1", 1)}
    await rates.check(scope, {})
    assert [scope["wait"]() for _ in range(29)] == [0] * 29
    assert scope["wait"]() > 0
    assert not await passes(rates, "10.0.0.1")


@pytest.mark.sqlite_alone("counting does not depend on the store")
async def test_a_socket_with_too_many_operations_is_closed(database_url: str) -> None:
    settings = Settings(database_url=database_url, max_requests_a_second=1, trusted_proxies="127.0.0.1", insecure=True)
    app = create_app(settings)
    client = {"X-Forwarded-For": "203.0.113.7"}
    async with (
        running(app),
        served(app, settings) as address,
        connect(websocket_url(address), subprotocols=[PROTOCOL], additional_headers=client) as connection,
        asyncio.timeout(PATIENCE),
    ):
        socket = Socket(connection)
        await socket.send({"type": "connection_init"})
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.subscribe("{ __typename }")
                await asyncio.sleep(0)
        assert connection.close_code == 4429


async def test_the_least_recent_of_very_many_clients_is_forgotten(rates: Rates) -> None:
    assert await passed(rates, 31) == 30
    for n in range(MAX_CLIENTS):
        await passes(rates, f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert await passes(rates, "10.0.0.1")
