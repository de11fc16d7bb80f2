"""Hosts that are served, origins whose pages may call, and the headers of answers that guard browsers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from graph.app import create_app
from graph.settings import Settings, SettingsError, read_settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.sockets import PROTOCOL, websocket_url

pytestmark = pytest.mark.sqlite_alone("hosts and origins do not depend on the store")

HELLO = {"query": "{ __typename }"}
OURS = "https://dash.example.org"


@asynccontextmanager
async def client(url: str, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app with such settings."""
    app = create_app(Settings(database_url=url, **settings))  # type: ignore[arg-type]  # all of these are text
    async with running(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        yield http


class TestHost:
    async def test_this_machine_and_the_names_that_are_set_are_served_and_no_others(self, database_url: str) -> None:
        async with client(database_url, allowed_hosts="runs.example.org, other.example.org") as http:
            served = ["localhost", "LOCALHOST:8000", "localhost.", "page.localhost:1", "127.0.0.1:8000", "10.1.2.3"]
            served += ["[::1]:8000", "runs.example.org", "Other.example.org:443"]
            for host in served:
                assert (await http.get("/healthz", headers={"Host": host})).status_code == 200, host
            for host in [
                "evil.example",
                "runs.example.org.evil.example",
                "evil-localhost",
                "example.org",
                "1.2.3.4.nip.io",
            ]:
                response = await http.post("/graphql", json=HELLO, headers={"Host": host})
                assert response.status_code == 421, host
                assert "--allowed-hosts" in response.json()["errors"][0]["message"]

    async def test_one_that_is_missing_double_or_garbled_is_refused_with_400(self, api: Api) -> None:
        for hosts in [[], ["localhost", "localhost"], ["local host"], ["a@localhost"], ["localhost/x"], [""], ["é"]]:
            request = api.http.build_request("GET", "/healthz")
            others = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
            request.headers = httpx.Headers([*others, *((b"Host", host.encode("latin-1")) for host in hosts)])
            assert (await api.http.send(request)).status_code == 400, hosts


class TestOrigin:
    async def test_pages_of_other_sites_are_refused_and_nothing_is_done(self, api: Api) -> None:
        id = await api.created()
        mutation = {"query": f"mutation {{ startJob(id: {id}) {{ __typename }} }}"}
        foreign = [
            "null",
            "http://evil.example",
            "http://localhost:1",
            "http://localhost.evil.example",
            "",
            "localhost",
        ]
        sites = [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
        for headers in [*({"Origin": origin} for origin in foreign), *sites]:
            response = await api.http.post("/graphql", json=mutation, headers=headers)
            assert response.status_code == 403, headers
            assert "access-control-allow-origin" not in response.headers
        assert (await api.job(id))["status"] == "QUEUED"

    async def test_its_own_pages_and_programs_are_served(self, api: Api) -> None:
        own = [{"Origin": f"{scheme}://localhost", "Sec-Fetch-Site": "same-origin"} for scheme in ("http", "https")]
        for headers in ({}, *own):
            assert (await api.http.post("/graphql", json=HELLO, headers=headers)).status_code == 200, headers

    async def test_a_socket_of_another_sites_page_is_refused_in_the_handshake(self, address: str) -> None:
        for origin in ("null", "http://evil.example", "http://127.0.0.1:1"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(websocket_url(address), subprotocols=[PROTOCOL], additional_headers={"Origin": origin})
            assert refused.value.response.status_code == 403
        async with connect(
            websocket_url(address), subprotocols=[PROTOCOL], additional_headers={"Origin": address}
        ) as own:
            assert own.subprotocol == PROTOCOL


LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html,*/*;q=0.8"}
"""What a browser says of an address that a person follows a link to."""
PAGES = ["/", "/training/jobs/1", "/playground", "/graphql", "/sign-in", "/nothing"]
DATA = ["/graphql?query={__typename}", "/graphql?a=b", "/metrics", "/session"]
KINDS = [
    "no-cors image", "no-cors script", "no-cors empty", "no-cors document", "cors empty", "navigate iframe",
    "navigate object", "navigate ", " document", " ",
]  # fmt: skip
"""Sec-Fetch-Mode and Sec-Fetch-Dest, of which either may be missing."""


class TestWhatABrowserSaysOfItsRequests:
    """Sec-Fetch-Site and its kin, which pages cannot set; where they need no leave no Origin is sent."""

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    async def test_links_of_other_sites_lead_to_pages_and_to_nothing_else(self, api: Api, site: str) -> None:
        for path in PAGES:
            for method in ("GET", "HEAD"):
                response = await api.http.request(method, path, headers=LINK | {"Sec-Fetch-Site": site})
                assert response.status_code != 403, (method, path)
            form = await api.http.post(path, headers=LINK | {"Sec-Fetch-Site": site})
            assert form.status_code == 403, path
        for path in DATA:
            response = await api.http.get(path, headers=LINK | {"Sec-Fetch-Site": site})
            assert response.status_code == 403, path
            assert response.json()["errors"][0]["extensions"] == {"code": "FOREIGN_ORIGIN"}

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("kind", KINDS)
    async def test_other_requests_of_pages_of_other_sites_are_refused(self, api: Api, site: str, kind: str) -> None:
        mode, _, what = kind.partition(" ")
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": what, "Accept": "text/html"}
        headers = {name: value for name, value in sent.items() if value}
        for path in (*PAGES, *DATA, "/favicon.svg", "/healthz"):
            for method in ("GET", "HEAD", "POST"):
                assert (await api.http.request(method, path, headers=headers)).status_code == 403, (method, path)

    async def test_its_own_pages_a_persons_own_and_programs_are_served(self, api: Api) -> None:
        for site in ("same-origin", "none", ""):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"} if site else {}
            for path in ("/graphql?query={__typename}", "/metrics", "/session", "/favicon.svg"):
                assert (await api.http.get(path, headers=headers)).status_code == 200, (site, path)

    async def test_an_origin_that_is_set_may_ask_for_what_it_may_read(self, database_url: str) -> None:
        async with client(database_url, allowed_origins=OURS) as http:
            said = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "empty"}
            for path in ("/graphql?query={__typename}", "/session"):
                by_cors = await http.get(path, headers=said | {"Sec-Fetch-Mode": "cors", "Origin": OURS})
                assert by_cors.status_code == 200
                without = await http.get(path, headers=said | {"Sec-Fetch-Mode": "no-cors"})
                assert without.status_code == 403


class TestCors:
    async def test_without_the_setting_nothing_is_allowed(self, api: Api) -> None:
        asked = {"Origin": OURS, "Access-Control-Request-Method": "POST"}
        response = await api.http.options("/graphql", headers=asked)
        assert response.status_code == 403
        assert not any(name.startswith("access-control") for name in response.headers)

    async def test_pages_of_an_origin_that_is_set_may_call_and_read_and_no_others(self, database_url: str) -> None:
        async with client(database_url, allowed_origins=OURS) as http:
            headers = "apollographql-client-name,authorization,baggage,content-type,traceparent"
            asked = {
                "Origin": OURS,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": headers,
            }
            preflight = await http.options("/graphql", headers=asked)
            assert preflight.status_code == 204
            assert preflight.headers["access-control-allow-methods"] == "GET, POST"
            assert preflight.headers["access-control-allow-headers"] == headers
            answers = [
                preflight,
                await http.post("/graphql", json=HELLO, headers={"Origin": OURS}),
                await http.post("/graphql", content=b"{", headers={"Origin": OURS, "Content-Type": "application/json"}),
                await http.post("/graphql", json=HELLO, headers={"Origin": OURS, "Host": "evil.example"}),
                await http.get("/nothing", headers={"Origin": OURS}),
            ]
            assert [answer.status_code for answer in answers] == [204, 200, 400, 421, 404]
            for answer in answers:
                assert answer.headers["access-control-allow-origin"] == OURS
                assert "access-control-allow-credentials" not in answer.headers
                assert "Origin" in answer.headers["vary"]
            other = await http.post("/graphql", json=HELLO, headers={"Origin": "https://evil.example"})
            assert (other.status_code, "access-control-allow-origin" in other.headers) == (403, False)
            assert "Origin" in (await http.get("/healthz")).headers["vary"]


class TestHeaders:
    async def test_every_answer_says_what_it_is_and_whose(self, address: str) -> None:
        async with httpx.AsyncClient(base_url=address) as http:
            for path in ("/", "/playground", "/graphql?query={__typename}", "/healthz", "/nothing", "/graphql"):
                answer = await http.get(path)
                assert answer.headers["x-content-type-options"] == "nosniff", path
                assert answer.headers["cross-origin-resource-policy"] == "same-origin"
                assert "server" not in answer.headers
            quick = await http.post("/graphql", json=HELLO)
            assert (quick.headers["cache-control"], quick.headers["x-content-type-options"]) == ("no-store", "nosniff")

    async def test_no_page_can_be_framed_or_reached_from_another(self, api: Api) -> None:
        headers = (await api.http.get("/")).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("allowed_hosts", "http://runs.example.org"),
            ("allowed_hosts", "*"),
            ("allowed_origins", "dash.example.org"),
            ("allowed_origins", "https://dash.example.org/"),
            ("trusted_proxies", "proxy"),
        ],
    )
    def test_what_is_no_such_thing_is_refused_in_a_line_that_shows_one(self, setting: str, value: str) -> None:
        with pytest.raises(SettingsError, match=r"--\S+: .*, as .*, got"):
            read_settings(**{setting: value})


async def test_a_body_that_is_compressed_is_refused(api: Api) -> None:
    response = await api.http.post("/graphql", json=HELLO, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")


@pytest.mark.parametrize("path", ["/", "/graphq", "/api", "/training/jobs"])
async def test_a_post_to_another_address_is_answered_with_that_of_the_api(api: Api, path: str) -> None:
    response = await api.http.post(path, json=HELLO)
    assert (response.status_code, "GET" in response.headers["allow"]) == (405, True)
    assert response.json()["errors"][0]["message"] == "Method Not Allowed. The API is at /graphql."
