"""What the server says when pages and their files are asked for."""

import gzip
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import graph.pages
from graph.app import App, create_app
from graph.settings import Settings

pytestmark = pytest.mark.sqlite_alone("pages are not read from the store")

PAGE = ["/", "/training/jobs", "/training/jobs/1", "/training/compare"]
PLAYGROUND = ["/playground", "/graphql"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def http(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A browser's way to ask, as far as headers go."""
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "gzip"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
        yield http


class TestAPage:
    @pytest.mark.parametrize("path", [*PAGE, *PLAYGROUND])
    async def test_is_html_that_is_sent_only_where_it_is_new_and_reaches_nothing_but_its_own_server(
        self, http: httpx.AsyncClient, path: str
    ) -> None:
        first = await http.get(path)
        assert first.status_code == 200
        assert first.headers["content-type"] == "text/html; charset=utf-8"
        title = "training-monitor playground" if path in PLAYGROUND else "Training Jobs"
        assert f"<title>{title}</title>" in first.text
        assert first.headers["cache-control"] == "no-cache"
        again = await http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = await http.get(path, headers={"If-None-Match": '"of-another-build"'})
        assert other.status_code == 200
        policy = dict(part.strip().split(" ", 1) for part in first.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        allowed = {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
        assert {source for sources in policy.values() for source in sources.split()} <= allowed
        assert "script-src" not in policy, "scripts come from the server only, and none stand in the page"
        assert re.findall(r'(?:src|href)="(?!/"|\./)[^"]*"', first.text) == [], "nor does it name another origin"

    async def test_of_no_such_address_is_not_found_and_at_graphql_is_for_browsers_only(
        self, http: httpx.AsyncClient
    ) -> None:
        outside = ["/assets/../app.py", "/assets/%2e%2e/%2e%2e/app.py", "/assets/..%2f..%2fapp.py"]
        for path in ("/training/nothing", "/assets/nothing.js", *outside):
            assert (await http.get(path)).status_code == 404, path
        response = await http.get("/graphql", headers={"Accept": "*/*"}, params={"query": "{ __typename }"})
        assert response.json() == {"data": {"__typename": "Query"}}


class TestAFile:
    async def test_is_kept_for_good_for_its_name_changes_with_its_content(self, http: httpx.AsyncClient) -> None:
        """Compressed, for a client that takes that."""
        named = re.findall(r'(?:src|href)="\.(/assets/[^"]+)"', (await http.get("/")).text)
        assert {Path(path).suffix for path in named} == {".js", ".css"}
        for path in named:
            assert re.fullmatch(r"/assets/.+-[\w-]{8}\.\w+", path)
            async with http.stream("GET", path) as response:
                sent = b"".join([piece async for piece in response.aiter_raw()])
            assert response.status_code == 200
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
            plain = await http.get(path, headers={"Accept-Encoding": "identity"})
            assert response.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in plain.headers
            assert gzip.decompress(sent) == plain.content
            assert response.headers["content-type"] == plain.headers["content-type"]
            assert response.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
            assert response.headers["etag"] != plain.headers["etag"]
            again = await http.get(path, headers={"If-None-Match": response.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        icon = await http.get("/favicon.svg")
        assert icon.headers["content-type"] == "image/svg+xml"


class TestTheBuild:
    def test_that_was_never_made_is_said_so_at_the_start(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph.pages, "STATIC", tmp_path)
        with pytest.raises(RuntimeError, match=r"web/build\.py"):
            create_app(settings)

    def test_is_carried_by_a_wheel(self, tmp_path: Path) -> None:
        # From a copy with a page as new as its sources: none is built under the feet of other tests.
        copy = tmp_path / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "node_modules", "tests", "benchmarks"))
        (copy / "graph" / "static" / "index.html").touch()
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        (wheel,) = tmp_path.glob("*.whl")
        carried = set(zipfile.ZipFile(wheel).namelist())
        built = {str(path.relative_to(ROOT)) for path in graph.pages.STATIC.rglob("*") if path.is_file()}
        assert built
        assert built <= carried
