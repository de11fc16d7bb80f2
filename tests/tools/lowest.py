"""`make lowest`: install the lowest versions that pyproject.toml allows, and run the README's examples on them."""

import asyncio
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.tools.api import Api
from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess
from tests.tools.readme import ROOT, check_examples
from tests.tools.sockets import opened, websocket_url
from tests.tools.valkey import Valkey
from tests.tools.waiting import PATIENCE


def installed(folder: Path) -> Path:
    """The Python of a new environment in which the product is, with the lowest versions of what it imports."""
    uv = Path(sys.executable).with_name("uv")
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    lowest = ["--resolution", "lowest-direct", f"{ROOT}[tracing]"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *lowest], check=True)
    subprocess.run([uv, "pip", "list", "--python", python], check=True)
    return python


async def check(python: Path, folder: Path, *flags: str) -> None:
    """Serve with that Python, from a folder without the sources, and run the README's examples."""
    with chdir(folder), ServerProcess(*flags, python=python) as server:
        async with (
            httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http,
            opened(websocket_url(server.url)) as socket,
        ):
            await check_examples(Api(http), socket)
            for path in ("/", "/metrics", "/readyz"):
                assert (await http.get(path)).status_code == 200, path
        assert server.stop() == 0, server.log
        assert "Traceback" not in server.log, server.log


def main() -> None:
    with TemporaryDirectory() as name, Postgres() as postgres, Valkey() as valkey:
        folder = Path(name)
        python = installed(folder / "environment")
        asyncio.run(check(python, folder, f"sqlite://{folder / 'lowest.sqlite3'}"))
        asyncio.run(check(python, folder, postgres.new(), "--feed-url", valkey.url))
    print("The README's examples work on the lowest versions that pyproject.toml allows.")  # noqa: T201  # its result


if __name__ == "__main__":
    main()
