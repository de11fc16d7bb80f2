"""Modules of the page that need no browser, run by Node as they stand."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.tools.nodejs import NODE
from tests.tools.waiting import PATIENCE

__all__ = ["evaluated"]

SOURCES = Path(__file__).parents[2] / "web" / "src"
READ = 'import { readFileSync } from "node:fs"; const given = JSON.parse(readFileSync(0, "utf8"));'


async def evaluated(code: str, given: object = None) -> Any:
    """What `code`, a module that imports from web/src as "./…", prints as JSON; it finds `given` in `given`.

    Raises AssertionError with what Node says of it, TimeoutError.
    """
    command = [str(NODE), "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", READ + code]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=SOURCES, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(json.dumps(given).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return json.loads(out)
