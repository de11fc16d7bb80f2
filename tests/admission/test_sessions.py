"""Sessions of browsers: signing out ends one, on every server of the store, and nothing else."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from graph.admission.access import COOKIE
from graph.admission.caller import Caller
from graph.admission.tokens import TokenCache
from graph.app import create_app
from graph.settings import Settings
from models.job import now
from models.store.database import Database
from models.token import Scope
from models.tokens import MOST_SESSIONS, SESSION_LASTS, Tokens
from tests.conftest import running
from tests.tools.outside import Outside
from tests.tools.serving import served
from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.streaming import TRANSPORTS, Begin
from tests.tools.waiting import PATIENCE, eventually

HELLO = {"query": "{ __typename }"}


class Servers(NamedTuple):
    """Two servers of one store, and a token of it."""

    addresses: tuple[str, str]
    secret: str
    token_id: int


@pytest.fixture
async def servers(database_url: str) -> AsyncIterator[Servers]:
    async with Database(database_url) as database:
        made = await Tokens(database).create("ada", Scope.READ)
    settings = Settings(database_url=database_url)
    one, other = create_app(settings), create_app(settings)
    async with running(one), running(other), served(one, settings) as first, served(other, settings) as second:
        yield Servers((first, second), made.secret, made.token.id)


async def signed_in(address: str, secret: str) -> str:
    """The cookie of a browser that signs in."""
    async with httpx.AsyncClient(base_url=address) as http:
        response = await http.post("/sign-in", data={"token": secret})
        assert response.status_code == 303
        cookie: str = response.cookies[COOKIE]
        return cookie


async def status(address: str, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient(base_url=address) as http:
        return (await http.post("/graphql", json=HELLO, headers=headers)).status_code


def cookie_header(cookie: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={cookie}"}


async def test_signing_out_ends_the_session_and_what_it_holds_open_on_every_server(servers: Servers) -> None:
    left, stays = [await signed_in(servers.addresses[0], servers.secret) for _ in range(2)]
    assert servers.secret not in (left, stays), "a browser does not keep the token"
    sockets = {}
    async with asyncio.timeout(PATIENCE):
        for address in servers.addresses:
            for cookie in (left, stays):
                assert await status(address, cookie_header(cookie)) == 200
                connection = await connect(
                    websocket_url(address), subprotocols=[PROTOCOL], additional_headers=cookie_header(cookie)
                )
                sockets[address, cookie] = Socket(connection)
                await sockets[address, cookie].send({"type": "connection_init"})
                assert await sockets[address, cookie].receive() == {"type": "connection_ack"}
        async with httpx.AsyncClient(base_url=servers.addresses[0], headers=cookie_header(left)) as http:
            assert (await http.post("/sign-out")).status_code == 303
        assert await status(servers.addresses[0], cookie_header(left)) == 401, "at once where one signs out"
        for address in servers.addresses:
            with pytest.raises(ConnectionClosed) as closed:
                await sockets[address, left].receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403
            assert await status(address, cookie_header(left)) == 401
            assert await status(address, cookie_header(stays)) == 200, "another browser of the same token"
            assert await status(address, {"Authorization": f"Bearer {servers.secret}"}) == 200, "a script's token"
            await sockets[address, stays].send({"type": "ping"})
            assert await sockets[address, stays].receive() == {"type": "pong"}


async def test_a_session_ends_by_its_age_and_with_its_token(servers: Servers, database_url: str) -> None:
    old, young = [await signed_in(servers.addresses[0], servers.secret) for _ in range(2)]
    async with Database(database_url) as database, asyncio.timeout(PATIENCE):
        with Outside(database_url) as outside:
            outside.execute(
                "UPDATE session SET created_at = ? WHERE id = 1", [now() - SESSION_LASTS - timedelta(seconds=1)]
            )
        for address in servers.addresses:
            while await status(address, cookie_header(old)) != 401:
                pass
        assert await status(servers.addresses[1], cookie_header(young)) == 200
        await Tokens(database).revoke(servers.token_id)
        while await status(servers.addresses[1], cookie_header(young)) != 401:
            pass


@pytest.mark.sqlite_alone("the store finds either by its digest")
async def test_a_token_is_not_a_cookie_and_a_session_is_not_a_token(servers: Servers) -> None:
    cookie = await signed_in(servers.addresses[0], servers.secret)
    assert await status(servers.addresses[0], cookie_header(servers.secret)) == 401
    assert await status(servers.addresses[0], {"Authorization": f"Bearer {cookie}"}) == 401
    async with httpx.AsyncClient(base_url=servers.addresses[0]) as http:
        assert (await http.post("/sign-in", data={"token": cookie})).status_code == 401


async def test_the_store_keeps_so_many_sessions_of_a_token_and_none_for_ever(database_url: str) -> None:
    async with Database(database_url) as database:
        token_id = (await Tokens(database).create("ada", Scope.READ)).token.id
        with Outside(database_url) as outside:
            rows = [f"({token_id}, '{number}', '2999-01-01')" for number in range(MOST_SESSIONS + 5)]
            rows += ["(9, 'expired', '2020-01-01')", "(9, 'other', '2999-01-01')"]
            outside.execute(f"INSERT INTO session (token_id, digest, created_at) VALUES {', '.join(rows)}")
            await Tokens(database).begin_session(token_id)
            kept = outside.execute("SELECT digest FROM session WHERE token_id = ? ORDER BY id", [token_id])
            assert (len(kept), kept[0]) == (MOST_SESSIONS, ("6",))
            assert outside.execute("SELECT digest FROM session WHERE token_id = 9") == [("other",)]


async def test_a_session_expires_though_nothing_is_written(database_url: str) -> None:
    async with Database(database_url) as database:
        made = await Tokens(database).create("ada", Scope.READ)
        secret = await Tokens(database).begin_session(made.token.id)
        with Outside(database_url) as outside:
            outside.execute("UPDATE session SET created_at = ?", [now() - SESSION_LASTS + timedelta(seconds=1)])
        cache = TokenCache(Tokens(database), trust_seconds=0.1)
        async with cache.refreshed(), asyncio.timeout(PATIENCE):
            while await cache.of_session(secret):
                pass


async def test_a_failing_sign_out_is_reported_and_the_session_stays(servers: Servers, database_url: str) -> None:
    cookie = await signed_in(servers.addresses[0], servers.secret)
    async with httpx.AsyncClient(base_url=servers.addresses[0], headers=cookie_header(cookie)) as http:
        with Outside(database_url) as outside:
            outside.execute("ALTER TABLE session RENAME TO away")
            for path, form in (("/sign-out", {}), ("/sign-in", {"token": servers.secret})):
                refused = await http.post(path, data=form)
                assert (refused.status_code, "set-cookie" in refused.headers) == (503, False)
            outside.execute("ALTER TABLE away RENAME TO session")
    assert await status(servers.addresses[0], cookie_header(cookie)) == 200


@pytest.mark.sqlite_alone("which store it is does not matter")
@pytest.mark.parametrize("begun", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_caller_keeps_nothing_of_sockets_and_streams_that_have_ended(address: str, begun: Begin) -> None:
    """It lives as long as its token, or as the server."""
    callers = [each for each in gc.get_objects() if type(each) is Caller]

    def followers() -> int:
        return sum(caller.followers for caller in callers)

    before = followers()
    for _ in range(3):
        async with begun(address, "subscription { jobChanged(current: true) { id } }"):
            await eventually(lambda: followers() == before + 1)
        await eventually(lambda: followers() == before)
