"""Verbs of SQLite that wait are committed together, and each is answered as though it had been alone."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from models.errors import IllegalTransition, JobNotFound, SimulationFailed
from models.feed.channel import Feed, JobChanged, MetricsRecorded
from models.job import Job
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.metric import Point
from models.store.database import Database
from models.store.errors import Busy, StoreFailure
from models.store.group_commit import GROUP, GroupCommit
from simulator.runner import make_points
from tests.tools.domain import Domain, a_point, opened_domain, points
from tests.tools.outside import Outside, path_of
from tests.tools.stores import room_for
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("on PostgreSQL each verb has a transaction of its own")

FULL = (2,)


def writer_of(database: Database) -> GroupCommit:
    assert isinstance(database._writer, GroupCommit)
    return database._writer


def synchronous(domain: Domain) -> tuple[int]:
    """When SQLite has a commit on the disk: with FULL before it is acknowledged, which only a power cut would show."""
    setting: tuple[int] = writer_of(domain.database)._connection.execute("PRAGMA synchronous").fetchone()
    return setting


def log_size(url: str) -> int:
    """Bytes of the write-ahead log, which is what grows."""
    return Path(f"{path_of(url)}-wal").stat().st_size


@contextmanager
def commits(domain: Domain) -> Iterator[list[int]]:
    """How many batches of points each commit inside the block brings, for those that bring any."""
    sizes, inserts = [], 0

    def trace(statement: str) -> None:
        nonlocal inserts
        inserts += statement.startswith('INSERT INTO "metric"')
        if statement == "COMMIT" and inserts:
            sizes.append(inserts)
            inserts = 0

    connection = writer_of(domain.database)._connection
    connection.set_trace_callback(trace)
    yield sizes
    connection.set_trace_callback(None)


async def stored(domain: Domain, job: Job) -> list[tuple[int, int]]:
    """(seq, step) of all points of a job."""
    return [(point.seq, point.step) for point in await domain.stored(job)]


class TestTogether:
    async def test_verbs_that_wait_share_a_commit(self, domain: Domain) -> None:
        jobs = [await domain.job() for _ in range(20)]
        with commits(domain) as sizes:
            logged = await asyncio.gather(*(domain.jobs.log(job.id, [a_point(1)]) for job in jobs))
        assert [len(each.metrics) for each in logged] == [1] * 20
        assert sizes == [20]
        assert [await stored(domain, job) for job in jobs] == [[(1, 1)]] * 20

    async def test_a_commit_is_shared_by_no_more_than_a_hundred(self, domain: Domain) -> None:
        job = await domain.job()
        with commits(domain) as sizes:
            await asyncio.gather(*(domain.jobs.log(job.id, [a_point(step)]) for step in range(1, 251)))
        assert sum(sizes) == 250
        assert max(sizes) <= GROUP == 100

    async def test_verbs_of_one_job_are_done_and_published_in_the_order_they_were_called(self, domain: Domain) -> None:
        job = await domain.job(epochs=100)
        with domain.heard(job.id) as events:
            await asyncio.gather(*(domain.jobs.log(job.id, [a_point(step)]) for step in range(1, 51)))
        assert await stored(domain, job) == [(seq, seq) for seq in range(1, 51)]
        published = [point.seq for event in events if isinstance(event, MetricsRecorded) for point in event.metrics]
        assert published == [*range(1, 51)]

    async def test_a_verb_sees_what_those_before_it_did_in_the_same_commit(self, domain: Domain) -> None:
        job = await domain.job(JobStatus.QUEUED)
        verbs = domain.jobs
        early, _, logged, _, late = await asyncio.gather(
            verbs.log(job.id, points(1, 2)),
            verbs.start(job.id),
            verbs.log(job.id, points(1, 3)),
            verbs.fail(job.id, "enough"),
            verbs.log(job.id, points(4, 2)),
            return_exceptions=True,
        )
        assert isinstance(early, IllegalTransition)
        assert (early.job.status, early.job.metric_count) == (JobStatus.QUEUED, 0)
        assert not isinstance(logged, BaseException)
        assert isinstance(late, IllegalTransition)
        assert (late.job.status, late.job.metric_count) == (JobStatus.FAILED, 3)

    async def test_a_long_write_lets_others_on_the_event_loop_have_their_turn(self, domain: Domain) -> None:
        job = await domain.job(epochs=1_000)
        connection = writer_of(domain.database)._connection
        logging = asyncio.create_task(domain.jobs.log(job.id, points(1, 10_000)))
        seen = set()
        while not logging.done():
            seen.add(connection.total_changes)
            await asyncio.sleep(0)
        assert len(seen) > 2, "it was seen before and after, and not in the midst of it"


class TestAFailure:
    async def test_a_verb_that_raises_fails_alone(self, domain: Domain, outside: Outside) -> None:
        """Before it wrote, after it has taken the job's row, and where a part of its points is written."""
        good, bad, refused, late = [await domain.job() for _ in range(4)]
        outside.execute(
            f"CREATE TRIGGER no BEFORE INSERT ON metric WHEN NEW.job_id = {refused.id} AND NEW.step = 150 "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )

        def maker(job: Job, first: int, count: int) -> Sequence[Point]:
            raise RuntimeError("a bug")

        with domain.heard() as events:
            outcomes = await asyncio.gather(
                domain.jobs.log(good.id, points(1, 3)),
                domain.jobs.log(99, points(1, 3)),
                domain.jobs.simulate(bad.id, maker),
                domain.jobs.log(refused.id, points(1, 200)),
                domain.jobs.log(late.id, points(1, 3)),
                return_exceptions=True,
            )
        kinds = [type(outcome) for outcome in outcomes[1:4]]
        assert kinds[:2] == [JobNotFound, SimulationFailed]
        assert isinstance(outcomes[3], StoreFailure)
        assert [await stored(domain, job) for job in (bad, refused)] == [[], []]
        assert [await stored(domain, job) for job in (good, late)] == [[(1, 1), (2, 2), (3, 3)]] * 2
        assert [(await domain.now(job.id)).metric_count for job in (good, bad, refused, late)] == [3, 0, 0, 3]
        published = [(type(event), event.job.id) for event in events]
        assert published == [(MetricsRecorded, good.id), (MetricsRecorded, late.id), (JobChanged, bad.id)]

    async def test_a_commit_that_fails_fails_all_verbs_that_share_it_and_nothing_is_stored_or_published(
        self, domain: Domain, database_url: str
    ) -> None:
        jobs = [await domain.job() for _ in range(5)]
        with domain.heard() as events, room_for(log_size(database_url)):
            outcomes = await asyncio.gather(
                *(domain.jobs.log(job.id, points(1, 3)) for job in jobs), return_exceptions=True
            )
        assert all(isinstance(outcome, StoreFailure) for outcome in outcomes)
        assert len({id(outcome) for outcome in outcomes}) == 5, "each has an error of its own"
        assert events == []
        assert [await stored(domain, job) for job in jobs] == [[]] * 5
        await domain.jobs.log(jobs[0].id, points(1, 3))
        assert len(await stored(domain, jobs[0])) == 3

    async def test_a_verb_too_large_for_the_disk_does_not_take_those_along_that_share_its_commit(
        self, domain: Domain, database_url: str
    ) -> None:
        small, large, later = [await domain.job(epochs=100) for _ in range(3)]
        with domain.heard() as events, room_for(log_size(database_url) + 2**18):
            outcomes = await asyncio.gather(
                domain.jobs.simulate(small.id, make_points),
                domain.jobs.log(large.id, points(1, 10_000)),
                domain.jobs.simulate(later.id, make_points),
                return_exceptions=True,
            )
        assert isinstance(outcomes[1], StoreFailure)
        assert [await stored(domain, job) for job in (small, large, later)] == [[(1, 1)], [], [(1, 1)]]
        assert [event.job.id for event in events] == [small.id, later.id]
        assert [(await domain.now(job.id)).status for job in (small, large, later)] == [JobStatus.RUNNING] * 3

    async def test_a_connection_that_cannot_roll_back_is_opened_anew_and_every_verb_is_answered(
        self, domain: Domain, outside: Outside
    ) -> None:
        jobs = [await domain.job() for _ in range(3)]
        broken = writer_of(domain.database)._connection
        assert synchronous(domain) == FULL
        broken.set_authorizer(refuses_to_end_a_transaction)
        with domain.heard() as events:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(domain.jobs.log(job.id, points(1, 3)) for job in jobs))
        assert [event.job.id for event in events] == [job.id for job in jobs]
        assert [seq for job in jobs for seq, _ in await stored(domain, job)] == [1, 2, 3] * 3
        assert writer_of(domain.database)._connection is not broken
        assert synchronous(domain) == FULL
        outside.execute("UPDATE job SET name = 'free'")  # nothing keeps the file locked

    async def test_a_listener_that_raises_fails_its_own_verb_alone(self, domain: Domain) -> None:
        """That is a bug, which is raised to the caller; the job, whose point is stored, goes on."""
        watched, other = await domain.job(), await domain.job()

        def listener(event: object) -> None:
            raise RuntimeError("a bug")

        with domain.feed.listening(listener, watched.id):
            failed, done = await asyncio.gather(
                *(domain.jobs.simulate(job.id, make_points) for job in (watched, other)), return_exceptions=True
            )
        assert isinstance(failed, RuntimeError)
        assert not isinstance(done, BaseException)
        assert [await stored(domain, job) for job in (watched, other)] == [[(1, 1)]] * 2
        assert (await domain.now(watched.id)).status is JobStatus.RUNNING


class TestACallerThatIsCancelled:
    async def test_its_verb_is_done_and_published_and_those_beside_it_are_answered(self, domain: Domain) -> None:
        job = await domain.job()
        with domain.heard(job.id) as events:
            calls = [asyncio.create_task(domain.jobs.log(job.id, [a_point(step)])) for step in range(1, 11)]
            await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False] * 5
        await domain.jobs.complete(job.id)  # behind all of them
        assert await stored(domain, job) == [(seq, seq) for seq in range(1, 11)]
        assert len(events) == 10


class TestAnotherWriter:
    """Another process that holds the lock."""

    async def test_verbs_wait_for_it_and_reads_go_on_meanwhile(self, domain: Domain, outside: Outside) -> None:
        job = await domain.job()
        with outside.writing():
            calls = [asyncio.create_task(domain.jobs.log(job.id, [a_point(step)])) for step in (1, 2)]
            for _ in range(20):
                assert await stored(domain, job) == []
            assert not any(call.done() for call in calls)
        await asyncio.gather(*calls)
        assert await stored(domain, job) == [(1, 1), (2, 2)]

    @pytest.mark.parametrize("count", [1, 5])
    async def test_a_verb_waits_as_long_as_it_may_and_then_fails(
        self, database_url: str, outside: Outside, count: int
    ) -> None:
        async with Database(database_url, seconds=0.3) as database:
            jobs = Jobs(database, Feed())
            here = Domain(database, Feed(), jobs)
            job = await here.job()

            async def refused(step: int) -> None:
                with pytest.raises(StoreFailure, match="locked"):
                    await jobs.log(job.id, [a_point(step)])

            with outside.writing():
                await asyncio.gather(*(refused(step) for step in range(count)))
            assert await stored(here, job) == []
            await jobs.log(job.id, [a_point(9)])
            assert await stored(here, job) == [(1, 9)]

    async def test_a_step_that_was_lost_with_its_group_and_then_found_the_store_busy_leaves_the_job_running(
        self, database_url: str, outside: Outside
    ) -> None:
        async with Database(database_url, seconds=0.3) as database:
            jobs = Jobs(database, Feed())
            here = Domain(database, Feed(), jobs)
            stepped, lost = await here.job(), await here.job()
            outside.execute(
                f"CREATE TRIGGER no BEFORE INSERT ON metric WHEN NEW.job_id = {lost.id} "
                "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
            )
            begun = 0
            with ExitStack() as stack:

                def trace(statement: str) -> None:
                    nonlocal begun
                    begun += statement == "BEGIN IMMEDIATE"
                    if statement == "BEGIN IMMEDIATE" and begun == 2:  # the other process is a little quicker
                        stack.enter_context(outside.writing())

                writer_of(database)._connection.set_trace_callback(trace)

                async def until_both_are_answered() -> None:
                    try:
                        await jobs.log(lost.id, points(1, 3))
                    finally:
                        stack.close()

                outcomes = await asyncio.gather(
                    jobs.simulate(stepped.id, make_points), until_both_are_answered(), return_exceptions=True
                )
            assert [type(outcome) for outcome in outcomes] == [Busy, Busy]
            assert begun > 2
            assert (await here.now(stepped.id)).status is JobStatus.RUNNING
            await jobs.simulate(stepped.id, make_points)
            assert await stored(here, stepped) == [(1, 1)]

    async def test_two_processes_that_write_to_one_file_take_turns(self, domain: Domain, database_url: str) -> None:
        job = await domain.job()
        async with opened_domain(database_url) as other, asyncio.timeout(PATIENCE):
            writers = (domain, other)
            calls = [writers[step % 2].jobs.log(job.id, [a_point(step)]) for step in range(1, 201)]
            await asyncio.gather(*calls)
        assert [seq for seq, _ in await stored(domain, job)] == [*range(1, 201)]


class TestClosing:
    async def test_it_waits_for_the_verbs_under_way_and_leaves_no_thread(self, database_url: str) -> None:
        async with opened_domain(database_url) as domain:
            job = await domain.job()
            calls = [asyncio.create_task(domain.jobs.log(job.id, [a_point(step)])) for step in range(1, 301)]
            await asyncio.sleep(0)
        logged = [call.result() for call in calls]
        assert [point.seq for each in logged for point in each.metrics] == [*range(1, 301)]
        assert not any(thread.name.startswith("commit") for thread in threading.enumerate())
        async with opened_domain(database_url) as again:
            assert len(await stored(again, job)) == 300


def refuses_to_end_a_transaction(action: int, what: str | None, *_: object) -> int:
    """An authorizer for a connection that can begin transactions and neither commit them nor roll them back."""
    ends = action == sqlite3.SQLITE_TRANSACTION and what != "BEGIN"
    return sqlite3.SQLITE_DENY if ends else sqlite3.SQLITE_OK
