"""Many callers at once: whatever they ask of one job, one of them wins, nothing is lost and nothing is there twice.

Every rule is held by callers who are split over two processes on one store, of each kind; some share a process.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from itertools import chain, cycle, islice
from typing import Any

import httpx
import pytest

from models.cursors import change_of
from tests.tools.api import Api
from tests.tools.process import ServerProcess
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE


@pytest.fixture(scope="module", params=["two processes", "two replicas on PostgreSQL"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    """Servers on one store, started at the same moment, when there was nothing in it: migrations race too.

    Processes share a file and nothing else; replicas PostgreSQL and Valkey, and look at the store too seldom to matter.
    """
    with ExitStack() as stack:
        if request.param == "two replicas on PostgreSQL":
            postgres, valkey = (request.getfixturevalue(name) for name in ("postgres", "valkey"))
            url = postgres.new()
            stack.callback(postgres.drop, url)
            flags = ["--live-check-seconds", "60", "--feed-url", valkey.url]
        else:
            url = f"sqlite://{tmp_path_factory.mktemp('races') / 'shared.sqlite3'}"
            flags = ["--live-check-seconds", "0.1"]
        servers = [ServerProcess(url, *flags) for _ in range(2)]
        with ThreadPoolExecutor() as starting:
            for started in [starting.submit(stack.enter_context, server) for server in servers]:
                started.result()
        yield servers


@pytest.fixture
async def callers(servers: list[ServerProcess]) -> AsyncIterator[Sequence[Api]]:
    """Clients of each, among whom calls are dealt out."""
    async with AsyncExitStack() as stack:
        http = [httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) for server in servers]
        yield [Api(await stack.enter_async_context(client)) for client in http]


async def at_once(callers: Sequence[Api], count: int, verb: str, *arguments: Any) -> list[dict[str, Any]]:
    """What `count` concurrent calls of a verb answer, the callers taking turns."""
    calls: list[Awaitable[dict[str, Any]]] = [getattr(api, verb)(*arguments) for api in islice(cycle(callers), count)]
    return await asyncio.gather(*calls)


def tally(answers: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How often each type of answer was given."""
    return dict(Counter(answer["__typename"] for answer in answers))


async def test_fifty_concurrent_steps_are_fifty_points_numbered_without_gap_or_double(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    answers = await at_once(callers, 50, "step", id)
    assert tally(answers) == {"SimulateStepSuccess": 50}
    assert sorted(answer["metric"]["seq"] for answer in answers) == list(range(1, 51))
    stored = await callers[-1].metrics(id)
    assert [(point["seq"], point["step"]) for point in stored] == [(seq, seq) for seq in range(1, 51)]
    assert stored == sorted((answer["metric"] for answer in answers), key=lambda point: int(point["seq"]))
    assert (await callers[-1].job(id))["metricCount"] == 50


async def test_of_steps_that_race_past_the_end_one_completes_the_job(callers: Sequence[Api]) -> None:
    id = await callers[0].started(stepsPerEpoch=20)
    answers = await at_once(callers, 40, "step", id)
    assert tally(answers) == {"SimulateStepSuccess": 21, "IllegalTransition": 19}
    assert [answer["metric"] for answer in answers if answer.get("complete")] == [None]
    assert [point["seq"] for point in await callers[-1].metrics(id)] == list(range(1, 21))
    assert (await callers[-1].job(id))["status"] == "COMPLETE"


async def test_of_twenty_who_start_a_job_at_once_one_succeeds(callers: Sequence[Api]) -> None:
    id = await callers[0].created()
    answers = await at_once(callers, 20, "start", id)
    assert tally(answers) == {"StartJobSuccess": 1, "IllegalTransition": 19}
    assert {answer["job"]["status"] for answer in answers} == {"RUNNING"}


async def test_of_those_who_complete_and_those_who_fail_a_job_one_succeeds_and_the_others_see_it(
    callers: Sequence[Api],
) -> None:
    id = await callers[0].started()
    # Dealt so that each process is asked for both.
    ended = await asyncio.gather(*(verb(id) for api in [*callers] * 5 for verb in (api.complete, api.fail)))
    (won,) = [answer for answer in ended if answer["__typename"] != "IllegalTransition"]
    assert won["job"]["status"] == {"CompleteJobSuccess": "COMPLETE", "FailJobSuccess": "FAILED"}[won["__typename"]]
    assert {answer["job"]["status"] for answer in ended} == {won["job"]["status"]}
    now = await callers[-1].job(id)
    assert now == won["job"]


async def test_of_starting_and_failing_a_queued_job_at_once_failing_is_what_lasts(callers: Sequence[Api]) -> None:
    id = await callers[0].created()
    answers = await asyncio.gather(*(verb(id) for api in [*callers] * 5 for verb in (api.start, api.fail)))
    won = tally(answers)
    assert won["FailJobSuccess"] == 1
    assert won.get("StartJobSuccess", 0) <= 1
    now = await callers[-1].job(id)
    assert now["status"] == "FAILED"
    assert (now["startedAt"] is not None) == ("StartJobSuccess" in won)


async def test_no_point_is_recorded_once_a_job_has_failed_and_none_acknowledged_is_lost(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    before, failed, after = await asyncio.gather(
        at_once(callers, 15, "step", id), callers[-1].fail(id), at_once(callers, 15, "step", id)
    )
    assert failed["__typename"] == "FailJobSuccess"
    recorded = [answer["metric"] for answer in before + after if answer["__typename"] == "SimulateStepSuccess"]
    assert sorted(recorded, key=lambda point: int(point["seq"])) == await callers[0].metrics(id)
    assert await callers[0].job(id) == failed["job"]
    assert failed["job"]["metricCount"] == len(recorded)


async def test_a_batch_that_is_sent_five_times_at_once_is_recorded_once(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    batch = [{"step": step, "loss": 1 / step, "values": [{"name": "x", "value": step}]} for step in range(1, 101)]
    answers = await at_once(callers, 5, "log", id, batch)
    assert sorted(answer["recorded"] for answer in answers) == [0, 0, 0, 0, 100]
    stored = await callers[-1].metrics(id)
    assert [(point["seq"], point["step"]) for point in stored] == [(seq, seq) for seq in range(1, 101)]


async def test_batches_that_overlap_record_each_of_their_points_once(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    batches = [[{"step": step, "loss": 0.5} for step in range(first, first + 40)] for first in range(0, 100, 10)]
    pairs = zip(cycle(callers), batches, strict=False)
    answers = await asyncio.gather(*(api.log(id, batch) for api, batch in pairs))
    assert sum(answer["recorded"] for answer in answers) == 130
    stored = await callers[-1].metrics(id)
    assert [point["seq"] for point in stored] == list(range(1, 131))
    assert sorted(point["step"] for point in stored) == list(range(130))


async def test_a_batch_keeps_together_among_other_batches(callers: Sequence[Api]) -> None:
    id = await callers[0].started(epochs=10)
    batches = [[{"step": 1000 * nth + step, "loss": 0.5} for step in range(10)] for nth in range(1, 11)]
    single = [[{"step": step, "loss": 0.5}] for step in range(10)]
    calls = [
        (api.log(id, batch), api.log(id, one)) for api, batch, one in zip(cycle(callers), batches, single, strict=False)
    ]
    answers = await asyncio.gather(*chain.from_iterable(calls))
    assert tally(answers) == {"LogMetricsSuccess": 20}
    stored = await callers[-1].metrics(id)
    assert [point["seq"] for point in stored] == list(range(1, 111))
    places = {point["step"]: point["seq"] for point in stored if point["step"] >= 1000}
    for batch in batches:
        first = places[batch[0]["step"]]
        assert [places[point["step"]] for point in batch] == list(range(first, first + 10))


async def test_of_those_who_log_and_those_who_simulate_a_new_job_the_first_decides(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    calls = [(api.log(id, [{"step": 1, "loss": 0.5}]), api.step(id)) for api in [*callers] * 5]
    won = tally(await asyncio.gather(*chain.from_iterable(calls)))
    assert won in (
        {"LogMetricsSuccess": 10, "IllegalTransition": 10},
        {"SimulateStepSuccess": 10, "IllegalTransition": 10},
    )


async def test_of_twenty_who_create_a_job_with_one_key_at_once_one_makes_it(callers: Sequence[Api]) -> None:
    for key in ("a", "b", "c"):
        query = f"""mutation {{ createJob(input: {{ name: "run", key: "{key}" }}) {{
            ... on CreateJobSuccess {{ created job {{ id }} }} }} }}"""
        made = [answer["createJob"] for answer in await at_once(callers, 20, "data", query)]
        assert sum(each["created"] for each in made) == 1
        assert len({each["job"]["id"] for each in made}) == 1


async def test_of_twenty_who_resume_a_job_at_once_one_succeeds(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    await callers[0].log(id, [{"step": step, "loss": 0.5} for step in range(20)])
    await callers[0].fail(id)
    assert tally(await at_once(callers, 20, "resume", id, 5)) == {"ResumeJobSuccess": 1, "IllegalTransition": 19}
    job = await callers[-1].job(id, "attempt attempts { fromStep } series { count }")
    assert job == {"attempt": 2, "attempts": [{"fromStep": None}, {"fromStep": 5}], "series": [{"count": 6}]}


async def test_late_points_that_race_with_resumes_are_each_stored_once_in_one_of_the_attempts(
    callers: Sequence[Api],
) -> None:
    id = await callers[0].started()
    await callers[0].log(id, [{"step": step, "loss": 0.5} for step in range(20)])
    await callers[0].fail(id)
    late = [
        api.log(id, [{"step": step, "loss": 0.25}], late=True)
        for api, step in zip(cycle(callers), range(100, 120), strict=False)
    ]
    answers, resumed = await asyncio.gather(asyncio.gather(*late), at_once(callers, 10, "resume", id, 5))
    assert tally(answers) == {"LogMetricsSuccess": 20}
    assert tally(resumed) == {"ResumeJobSuccess": 1, "IllegalTransition": 9}
    assert [point["seq"] for point in await callers[-1].metrics(id)] == [*range(1, 41)]
    job = await callers[-1].job(id, "attempts { firstSeq } series { count }")
    _, second = job["attempts"]
    # Those before the resume are beyond its step; the others are of its attempt.
    assert job["series"] == [{"count": 6 + 41 - second["firstSeq"]}]


async def test_each_call_after_a_stop_request_that_was_answered_is_told_of_it_whoever_asked(
    callers: Sequence[Api],
) -> None:
    id = await callers[0].started()
    answers = await asyncio.gather(
        at_once(callers, 10, "log", id, [{"step": 1, "loss": 0.5}]), at_once(callers, 10, "request_stop", id)
    )
    assert tally(answers[1]) == {"RequestStopSuccess": 10}
    told = await at_once(callers, 4, "log", id, [{"step": 1, "loss": 0.5}])
    assert [(answer["recorded"], answer["stopRequested"]) for answer in told] == [(0, True)] * 4
    ended = [*await at_once(callers, 4, "complete", id), *await at_once(callers, 4, "request_stop", id)]
    assert tally(ended) == {"CompleteJobSuccess": 1, "IllegalTransition": 7}
    assert (await callers[-1].job(id, "outcome"))["outcome"] == "STOPPED"


async def test_of_twenty_who_delete_a_job_at_once_one_succeeds(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    await callers[0].log(id, [{"step": step, "loss": 0.5} for step in range(100)])
    await callers[0].complete(id)
    deleted, archived = await asyncio.gather(at_once(callers, 20, "delete", id), at_once(callers, 2, "archive", id))
    assert tally(deleted) == {"DeleteJobSuccess": 1, "JobNotFound": 19}
    assert {*tally(archived)} <= {"ArchiveJobSuccess", "JobNotFound"}


async def test_changes_are_numbered_without_a_gap_whoever_makes_them(callers: Sequence[Api]) -> None:
    """So that a stream of them knows whether it missed one."""
    ids = await asyncio.gather(*(api.started() for api in [*callers] * 10))
    before = max([change_of((await callers[0].job(id, "cursor"))["cursor"]) for id in ids])
    await asyncio.gather(*(api.complete(id) for api, id in zip(cycle(callers), ids, strict=False)))
    ends = sorted([change_of((await callers[0].job(id, "cursor"))["cursor"]) for id in ids])
    assert ends == [*range(before + 1, before + 21)]


async def test_a_watcher_at_either_server_sees_each_point_once_whoever_records_it(
    servers: list[ServerProcess],
) -> None:
    async with AsyncExitStack() as stack:
        http = [httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) for server in servers]
        apis = [Api(await stack.enter_async_context(client)) for client in http]
        sockets = [await stack.enter_async_context(opened(websocket_url(server.url))) for server in servers]
        id = await apis[0].started(stepsPerEpoch=40)

        async def watch(socket: Any) -> list[int]:
            return [point["seq"] async for point in socket.metrics(id)]

        watching = [asyncio.create_task(watch(socket)) for socket in sockets]
        await at_once(apis, 41, "step", id)
        assert await asyncio.gather(*watching) == [list(range(1, 41))] * len(servers)


async def test_a_job_is_deleted_while_its_children_go_on(callers: Sequence[Api]) -> None:
    """Whoever waits for whom, none waits for the other: each takes the rows of jobs first, then the change."""
    for _ in range(10):
        parent = await callers[0].created()
        made = [api.created(parentId=parent, start=True) for api in [*callers] * 4]
        children = await asyncio.gather(*made)
        ends = [api.complete(id) for api, id in zip(cycle(reversed(callers)), children, strict=False)]
        deleted, *ended = await asyncio.gather(callers[0].delete(parent), *ends)
        assert deleted["__typename"] == "DeleteJobSuccess"
        assert tally(ended) == {"CompleteJobSuccess": 8}
        assert [await callers[-1].job(id, "parent { id }") for id in children] == [{"parent": None}] * 8


async def test_of_deleting_a_job_and_logging_late_points_of_it_nothing_stays_behind(callers: Sequence[Api]) -> None:
    id = await callers[0].started()
    await callers[0].log(id, [{"step": 0, "loss": 1}])
    await callers[0].complete(id)
    logs = [api.log(id, [{"step": n, "loss": 0.5}], late=True) for n, api in enumerate([*callers] * 10, start=1)]
    deleted, *logged = await asyncio.gather(callers[-1].delete(id), *logs)
    assert deleted["__typename"] == "DeleteJobSuccess"
    assert {*tally(logged)} <= {"LogMetricsSuccess", "JobNotFound"}
    gone = await callers[0].data(f"{{ job(id: {id}) {{ id }} jobList {{ nodes {{ id }} }} }}")
    assert gone["job"] is None
    assert id not in {each["id"] for each in gone["jobList"]["nodes"]}


async def test_a_job_that_completes_while_a_stop_is_requested_was_stopped_where_the_request_came_first(
    callers: Sequence[Api],
) -> None:
    for _ in range(5):
        id = await callers[0].started()
        asked = [api.request_stop(id) for api in [*callers] * 3]
        completed, *stops = await asyncio.gather(callers[-1].complete(id), *asked)
        assert completed["__typename"] == "CompleteJobSuccess"
        assert {*tally(stops)} <= {"RequestStopSuccess", "IllegalTransition"}
        job = await callers[0].job(id, "outcome stop { requestedAt }")
        was_asked = "RequestStopSuccess" in tally(stops)
        assert (job["outcome"], job["stop"] is not None) == ("STOPPED" if was_asked else "COMPLETED", was_asked)
