"""Tokens: made, listed and revoked; known to servers at once; and what is open without one."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from graph.admission.caller import Refusal
from graph.admission.tokens import TokenCache
from graph.app import create_app
from graph.commands.serving import check_exposure
from graph.settings import Settings, SettingsError
from models.store.database import Database
from models.token import Scope
from models.tokens import TokenError, Tokens, digest_of, is_secret
from tests.conftest import running
from tests.tools.api import BY_THE_VIEW, Api
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess, command
from tests.tools.sockets import PROTOCOL, Socket, websocket_url
from tests.tools.streaming import TRANSPORTS
from tests.tools.waiting import PATIENCE

ASK = {"query": "{ __typename }"}
WATCH = "subscription ($id: ID!) { metricAdded(jobId: $id) { seq } }"
CREATE = """mutation { createJob(input: {name: "a", modelName: "m", epochs: 1, learningRate: 0.1}) { __typename } }"""
WRONG = "tm_" + "x" * 43


@pytest.fixture
async def tokens(database_url: str) -> AsyncIterator[Tokens]:
    """The tokens as the command line has them: by another connection than the server's."""
    async with Database(database_url) as database:
        yield Tokens(database)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def status(http: httpx.AsyncClient, secret: str | None) -> int:
    return (await http.post("/graphql", json=ASK, headers=bearer(secret) if secret else {})).status_code


async def is_refused(http: httpx.AsyncClient, secret: str | None) -> None:
    """Return once a request is. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while await status(http, secret) != 401:
            pass


class TestTheStore:
    async def test_keeps_the_digest_of_a_secret_and_not_the_secret(self, tokens: Tokens, outside: Outside) -> None:
        made = await tokens.create("  ada's laptop ", Scope.WRITE)
        assert is_secret(made.secret)
        assert (made.token.name, made.token.scope) == ("ada's laptop", Scope.WRITE)
        ((digest, *others),) = outside.execute("SELECT digest, name, scope FROM token")
        assert digest == digest_of(made.secret)
        assert made.secret not in (digest, *others)

    async def test_keeps_when_a_token_was_revoked_first(self, tokens: Tokens) -> None:
        made = await tokens.create("a", Scope.READ)
        first = (await tokens.revoke(made.token.id)).revoked_at
        assert first is not None
        assert (await tokens.revoke(made.token.id)).revoked_at == first
        assert [token.revoked_at for token in await tokens.all()] == [first]

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb"])
    async def test_takes_no_name_that_is_none(self, tokens: Tokens, name: str) -> None:
        with pytest.raises(TokenError, match="name must"):
            await tokens.create(name, Scope.READ)
        with pytest.raises(TokenError, match="no token with the id 1"):
            await tokens.revoke(1)


class TestTheCommandLine:
    @pytest.mark.sqlite_alone("what it says is the same of every store")
    def test_shows_a_secret_once_and_for_scripts_alone_on_the_last_line(self, database_url: str) -> None:
        where = ["--database-url", database_url]
        made = command("token", "create", "--name", "trainers", "--scope", "write", *where)
        assert (made.returncode, made.stderr) == (0, "")
        secret = made.stdout.splitlines()[-1]
        assert is_secret(secret)
        revoked = command("token", "revoke", "1", *where)
        assert (revoked.returncode, revoked.stdout) == (0, "Token 1, trainers, is revoked.\n")
        listed = command("token", "list", *where)
        assert listed.returncode == 0
        header, row = listed.stdout.splitlines()
        assert header.split()[:2] == ["id", "scope"]
        assert row.split()[:2] == ["1", "write"]
        assert row.endswith("trainers")
        for said in (revoked, listed):
            assert secret not in said.stdout + said.stderr
            assert digest_of(secret) not in said.stdout

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["create", "--name", " ", "--scope", "read"], "1 to 200 characters"),
            (["revoke", "7"], "no token with the id 7"),
        ],
    )
    @pytest.mark.sqlite_alone("what it says is the same of every store")
    async def test_says_in_one_line_what_is_wrong(
        self, tokens: Tokens, database_url: str, arguments: list[str], named: str
    ) -> None:
        ended = await asyncio.to_thread(command, "token", *arguments, "--database-url", database_url)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        assert ended.stderr.startswith("training-monitor: ")
        assert named in ended.stderr
        assert await tokens.all() == []


class TestAServerThatOthersReach:
    @pytest.mark.sqlite_alone("it is refused before the store matters")
    @pytest.mark.parametrize(
        ("flags", "has_revoked", "words"),
        [
            ([], False, "--insecure"),
            ([], True, "every token is revoked"),
            (["--workers", "2", "--feed-url", "redis://127.0.0.1:1/0"], True, "every token is revoked"),
        ],
    )
    async def test_is_refused_without_a_token_that_is_good_with_the_way_to_serve(
        self, tokens: Tokens, database_url: str, flags: list[str], has_revoked: bool, words: str
    ) -> None:
        if has_revoked:
            await tokens.revoke((await tokens.create("gone", Scope.WRITE)).token.id)
        arguments = ["serve", *flags, "--host", "0.0.0.0", "--port", "0", "--database-url", database_url]
        ended = await asyncio.to_thread(command, *arguments)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        assert "training-monitor token create" in ended.stderr
        assert words in ended.stderr

    @pytest.mark.sqlite_alone("of the store only the tokens matter")
    async def test_is_refused_where_everyone_was_to_be_let_in_and_every_token_is_revoked(self, tokens: Tokens) -> None:
        """For nobody would be: reads at most, where those are open."""
        revoked = await tokens.revoke((await tokens.create("gone", Scope.WRITE)).token.id)
        settings = Settings(host="0.0.0.0", insecure=True)
        with pytest.raises(SettingsError, match="every token is revoked"):
            check_exposure(settings, [revoked])
        check_exposure(settings.model_copy(update={"open_reads": True}), [revoked])

    @pytest.mark.sqlite_alone("of the store only the tokens matter")
    async def test_serves_everyone_where_told_to_until_there_is_a_token(
        self, tokens: Tokens, database_url: str
    ) -> None:
        """And with a token it needs not be told."""
        with ServerProcess(database_url, "--host", "0.0.0.0", "--insecure") as server:
            async with httpx.AsyncClient(base_url=server.url) as http:
                assert await status(http, None) == 200
                assert "every client that reaches this server" in server.log
                made = await tokens.create("first", Scope.READ)
                assert await status(http, made.secret) == 200
                await is_refused(http, None)
                await tokens.revoke(made.token.id)
            server.stop()
            await tokens.create("second", Scope.READ)
            server.arguments.remove("--insecure")
            server.start()
            async with httpx.AsyncClient(base_url=server.url) as http:
                assert await status(http, None) == 401

    def test_is_every_one_but_those_that_only_this_machine_reaches(self) -> None:
        alone = ["127.0.0.1", "127.8.9.10", "localhost", "::1"]
        others = ["0.0.0.0", "::", "10.0.0.1", "192.168.1.2", "no.such.host.invalid"]
        assert [host for host in alone + others if Settings(host=host).is_for_this_machine_alone] == alone

    @pytest.mark.parametrize("setting", [{"allowed_hosts": "runs.example.org"}, {"trusted_proxies": "127.0.0.1"}])
    def test_is_one_on_this_machine_that_others_are_led_to(self, setting: dict[str, str]) -> None:
        settings = Settings().model_copy(update=setting)
        assert not settings.is_for_this_machine_alone
        with pytest.raises(SettingsError, match=r"--(allowed-hosts|trusted-proxies)"):
            check_exposure(settings, [])
        check_exposure(settings.model_copy(update={"insecure": True}), [])


@pytest.mark.sqlite_alone("of the store only the tokens matter")
class TestOpenReads:
    @pytest.mark.parametrize("insecure", [False, True])
    async def test_let_nobody_change_anything_without_a_token_also_while_there_was_never_one(
        self, tokens: Tokens, database_url: str, insecure: bool
    ) -> None:
        app = create_app(Settings(database_url=database_url, open_reads=True, insecure=insecure))
        transport = httpx.ASGITransport(app)
        async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert await status(http, None) == 200
            refused = await http.post("/graphql", json={"query": CREATE})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert (await http.get("/session")).json() == {"session": "SIGNED_OUT", "mayWrite": False}
            made = await tokens.create("first", Scope.WRITE)
            done = await http.post("/graphql", json={"query": CREATE}, headers=bearer(made.secret))
            assert done.json() == {"data": {"createJob": {"__typename": "CreateJobSuccess"}}}

    async def test_beyond_this_machine_are_told_of_as_what_they_are(self, caplog: pytest.LogCaptureFixture) -> None:
        check_exposure(Settings(host="0.0.0.0", insecure=True, open_reads=True), [])
        check_exposure(Settings(host="0.0.0.0", insecure=True), [])
        assert caplog.messages == [
            "--insecure: every client that reaches this server may read everything",
            "--insecure: every client that reaches this server may read and change everything, until there is a token",
        ]


class TestRotation:
    async def test_needs_no_restart(self, address: str, tokens: Tokens) -> None:
        async with httpx.AsyncClient(base_url=address) as http:
            old = await tokens.create("old", Scope.READ)
            assert await status(http, old.secret) == 200, "the first of all is known at once"
            new = await tokens.create("new", Scope.READ)
            assert await status(http, new.secret) == 200, "and so is each after it"
            await tokens.revoke(old.token.id)
            await is_refused(http, old.secret)
            assert await status(http, new.secret) == 200
            await tokens.revoke(new.token.id)
            await is_refused(http, new.secret)
            assert await status(http, None) == 401, "revoking the last of all does not open it again"

    @pytest.mark.sqlite_alone("requests do not know which store told of it")
    @pytest.mark.parametrize(
        "headers", [{"Content-Type": "application/json"}, BY_THE_VIEW], ids=["quick", "by the view"]
    )
    async def test_one_that_is_revoked_while_a_request_comes_changes_nothing(
        self, address: str, tokens: Tokens, outside: Outside, headers: dict[str, str]
    ) -> None:
        made = await tokens.create("ada", Scope.WRITE)
        body = json.dumps({"query": CREATE}).encode()
        come = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield body[:-1]
            await come.wait()
            yield body[-1:]

        headers = {**bearer(made.secret), **headers}
        async with httpx.AsyncClient(base_url=address) as http:
            assert await status(http, made.secret) == 200
            request = asyncio.create_task(http.post("/graphql", content=slowly(), headers=headers))
            await tokens.revoke(made.token.id)
            await is_refused(http, made.secret)
            come.set()
            assert (await request).status_code == 401
        assert outside.execute("SELECT count(*) FROM job") == [(0,)]

    @pytest.mark.parametrize("transport", TRANSPORTS)
    @pytest.mark.sqlite_alone("streams do not know which store tells of it")
    async def test_ends_what_everyone_had_open_before_the_first_token(
        self, address: str, api: Api, tokens: Tokens, transport: str
    ) -> None:
        job_id = await api.started()
        async with TRANSPORTS[transport](address, WATCH, id=job_id) as stream, asyncio.timeout(PATIENCE):
            await tokens.create("first", Scope.WRITE)
            with pytest.raises((EOFError, ConnectionClosed)) as ended:
                await stream.told()
        if isinstance(ended.value, ConnectionClosed):
            assert ended.value.rcvd is not None
            assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4403, "Forbidden")

    @pytest.mark.sqlite_alone("streams do not know which store tells of it")
    async def test_ends_what_a_revoked_token_holds_open_and_nothing_else(
        self, address: str, api: Api, tokens: Tokens
    ) -> None:
        job_id = await api.started()
        made, other = [await tokens.create(name, Scope.WRITE) for name in ("one", "other")]
        body = {"query": WATCH, "variables": {"id": job_id}}
        async with contextlib.AsyncExitStack() as stack:
            sockets = []
            for secret in (made.secret, other.secret):
                connection = await stack.enter_async_context(connect(websocket_url(address), subprotocols=[PROTOCOL]))
                sockets.append(Socket(connection))
                await sockets[-1].send({"type": "connection_init", "payload": {"token": secret}})
                assert await sockets[-1].receive() == {"type": "connection_ack"}
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=PATIENCE))
            headers = bearer(made.secret) | {"Accept": "text/event-stream"}
            stream = await stack.enter_async_context(http.stream("POST", "/graphql", json=body, headers=headers))
            assert stream.status_code == 200
            await tokens.revoke(made.token.id)
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(ConnectionClosed) as closed:
                    await sockets[0].receive()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4403
                said = (await stream.aread()).decode()
            assert "complete" not in said, "the operation is not: a client may come back with another token"
            await sockets[1].send({"type": "ping"})
            assert await sockets[1].receive() == {"type": "pong"}


class TestTheCache:
    async def test_reads_the_store_no_oftener_for_many_wrong_tokens(
        self, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reads = 0
        read = Tokens.digests

        async def counted(self: Tokens) -> object:
            nonlocal reads
            reads += 1
            return await read(self)

        monkeypatch.setattr(Tokens, "digests", counted)
        monkeypatch.setattr(Tokens, "version", lambda _: None)  # as of a store that cannot say whether it changed
        cache = TokenCache(tokens)
        async with cache.refreshed():
            made = await tokens.create("one", Scope.READ)
            before = reads
            found = await asyncio.gather(*(cache.of_token(WRONG) for _ in range(500)), cache.of_token(made.secret))
            assert found[:-1] == [None] * 500
            assert found[-1] is not None
            assert reads - before < 50
            known = await asyncio.gather(*(cache.of_token(made.secret) for _ in range(500)))
            assert set(known) == {found[-1]}, "requests with one token have one caller"

    @pytest.mark.parametrize("trust_seconds", [0.0, 1e9])
    async def test_trusts_its_last_read_for_a_while_when_the_store_is_out_of_reach(
        self, tokens: Tokens, outside: Outside, caplog: pytest.LogCaptureFixture, trust_seconds: float
    ) -> None:
        cache = TokenCache(tokens, trust_seconds)
        async with cache.refreshed():
            made = await tokens.create("one", Scope.READ)
            caller = await cache.of_token(made.secret)
            assert caller is not None
            outside.execute("ALTER TABLE token RENAME TO away")
            with pytest.raises(Refusal) as refused:  # it may have been made meanwhile
                await cache.of_token(WRONG)
            assert (refused.value.status, refused.value.code) == (503, "SERVICE_UNAVAILABLE")
            if trust_seconds:
                assert await cache.of_token(made.secret) is caller
            else:
                with pytest.raises(Refusal):
                    await cache.of_token(made.secret)
            assert not caller.ended
            outside.execute("ALTER TABLE away RENAME TO token")
            async with asyncio.timeout(PATIENCE):
                assert await cache.of_token(WRONG) is None
                assert await cache.of_token(made.secret) is caller
        assert len(caplog.records) == 1, "an outage is logged once"
        assert made.secret not in caplog.text
        assert digest_of(made.secret) not in caplog.text
