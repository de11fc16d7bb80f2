"""The README says what is so: its examples are run, its chart and its table are made from the code."""

import asyncio
import subprocess
import sys

import pytest
from graphql import parse, validate

from graph.schema import schema
from models.lifecycle import TRANSITIONS
from tests.tools.api import Api
from tests.tools.process import ServerProcess
from tests.tools.readme import README, blocks, check_examples
from tests.tools.sockets import Socket


def test_every_operation_of_the_readme_is_valid() -> None:
    for text in blocks("graphql"):
        assert validate(schema.graphql, parse(text)) == []


async def test_the_examples_answer_what_the_readme_shows(api: Api, socket: Socket) -> None:
    await check_examples(api, socket)


def test_the_chart_is_the_table_of_transitions() -> None:
    begin = ["[*] --> QUEUED"]
    moves = [f"{source} --> {target}" for source, targets in TRANSITIONS.items() for target in sorted(targets)]
    end = [f"{status} --> [*]" for status, targets in TRANSITIONS.items() if not targets]
    (chart,) = blocks("mermaid")
    assert [line.strip() for line in chart.splitlines()] == ["stateDiagram-v2", *begin, *moves, *end]


@pytest.mark.sqlite_alone("a script that knows the API alone")
async def test_the_training_script_runs_as_it_stands_and_fails_its_job_where_the_loop_raises(
    server: ServerProcess, remote: Api
) -> None:
    (script,) = blocks("python")
    at_home = "http://127.0.0.1:8000"
    assert at_home in script
    script = script.replace(at_home, server.url)
    ran, broke = [
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", text], capture_output=True, text=True)
        for text in (script, script.replace("math.exp(-step / 30)", "1 / (step - 4)"))
    ]
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert broke.returncode == 1
    jobs = await remote.data("{ jobs { name status metricCount failureReason } }")
    done, failed = sorted(jobs["jobs"], key=lambda job: str(job["status"]))
    assert done == {"name": "my run", "status": "COMPLETE", "metricCount": 100, "failureReason": None}
    assert (failed["status"], failed["metricCount"]) == ("FAILED", 3)
    assert "ZeroDivisionError" in failed["failureReason"]


def test_the_readme_is_short() -> None:
    assert README.count("\n") <= 200
