"""Where jobs come from and where they go: keys and parents, archive, and deletion with all that belongs to a job."""

from datetime import timedelta

import pytest

from models.deletions import BELONGING, PIECE, deleted_since, forgotten
from models.errors import IllegalTransition, InvalidInput, JobNotFound
from models.feed.channel import JobDeleted
from models.housekeeping import Housekeeping, old_jobs
from models.job import now
from models.job_list import JobFilter
from models.lifecycle import JobStatus
from models.series import Definition
from models.validation import NewJob
from tests.tools.domain import Domain, a_point, points, statements
from tests.tools.outside import Outside

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus


def keeping(domain: Domain, keep_days: float = 0) -> Housekeeping:
    return Housekeeping(domain.jobs, fail_lost_after=0, keep_days=keep_days)


class TestKeys:
    async def test_a_second_call_with_a_key_answers_with_the_first_job_as_it_now_is(self, domain: Domain) -> None:
        first = await domain.jobs.create_once(NewJob("one", key="k"))
        await domain.jobs.start(first.job.id)
        with domain.heard() as events:
            second = await domain.jobs.create_once(NewJob("other", key="k", parent_id=99, start=True))
        assert (first.created, second.created, events) == (True, False, [])
        assert second.job == await domain.now(first.job.id)

    async def test_deleting_the_job_frees_its_key(self, domain: Domain) -> None:
        first = await domain.jobs.create_once(NewJob("one", key="k"))
        await domain.jobs.delete(first.job.id)
        again = await domain.jobs.create_once(NewJob("two", key="k"))
        assert again.created
        assert again.job.id > first.job.id


class TestParents:
    async def test_there_must_be_such_a_job(self, domain: Domain) -> None:
        with pytest.raises(InvalidInput) as refusal:
            await domain.jobs.create(NewJob("child", parent_id=99))
        assert refusal.value.field == "parent_id"

    async def test_children_lose_a_parent_that_is_deleted(self, domain: Domain) -> None:
        parent = await domain.job(COMPLETE)
        child = await domain.jobs.create(NewJob("child", parent_id=parent.id))
        assert child.parent_id == parent.id
        await domain.jobs.delete(parent.id)
        assert (await domain.now(child.id)).parent_id is None


class TestArchiving:
    @pytest.mark.parametrize("status", [QUEUED, COMPLETE, FAILED])
    async def test_a_job_is_archived_and_brought_back(self, domain: Domain, status: JobStatus) -> None:
        job = await domain.job(status)
        archived = await domain.jobs.archive(job.id)
        assert (archived.archived_at is not None, archived.change) == (True, job.change + 1)
        assert await domain.jobs.archive(job.id) == archived
        assert (await domain.jobs.unarchive(job.id)).archived_at is None

    async def test_a_running_one_is_not(self, domain: Domain) -> None:
        job = await domain.job()
        for verb in (domain.jobs.archive, domain.jobs.unarchive, domain.jobs.delete):
            with pytest.raises(IllegalTransition, match="a RUNNING job cannot be "):
                await verb(job.id)


class TestDeleting:
    async def test_a_deleted_job_is_gone_at_once_and_known_by_its_place_among_changes(self, domain: Domain) -> None:
        job = await domain.job(COMPLETE)
        with domain.heard() as events:
            await domain.jobs.delete(job.id)
        (event,) = events
        assert isinstance(event, JobDeleted)
        assert (event.job.id, event.job.change) == (job.id, job.change + 1)
        with pytest.raises(JobNotFound):
            await domain.jobs.delete(job.id)
        (deletion,) = await deleted_since(domain.database.reader, job.change, 10)
        assert (deletion.job_id, deletion.change) == (job.id, job.change + 1)
        assert await deleted_since(domain.database.reader, deletion.change, 10) == []

    async def test_all_that_belongs_to_it_follows_in_pieces_and_nothing_else(
        self, domain: Domain, outside: Outside
    ) -> None:
        kept, gone = [await domain.jobs.create(NewJob("run", config={"lr": 1}, start=True)) for _ in range(2)]
        for job in (kept, gone):
            await domain.record(job, 1, 2 * PIECE + 1)
            await domain.jobs.define_series(job.id, [Definition("val")])
            await domain.jobs.fail(job.id)
            await domain.jobs.resume(job.id, 3)
            await domain.jobs.fail(job.id)
        await domain.jobs.delete(gone.id)
        counted = "SELECT " + ", ".join(f'(SELECT count(*) FROM "{table}" WHERE job_id = ?)' for table in BELONGING)
        before = [outside.execute(counted, [job.id] * len(BELONGING))[0] for job in (kept, gone)]
        assert before[0] == before[1]
        with statements() as asked:
            await keeping(domain).sweep()
        pieces = [text for text in asked.all if text.startswith('DELETE FROM "metric"')]
        assert len(pieces) == 3
        assert outside.execute(counted, [gone.id] * len(BELONGING)) == [(0,) * len(BELONGING)]
        assert outside.execute(counted, [kept.id] * len(BELONGING))[0] == before[0]
        with statements() as asked:
            await keeping(domain).sweep()
        assert not any(text.startswith('DELETE FROM "metric"') for text in asked.all), "once is enough"

    @pytest.mark.sqlite_alone("PostgreSQL's own vacuum frees its space")
    async def test_its_space_is_used_again(self, domain: Domain, outside: Outside) -> None:
        sizes = []
        for _ in range(4):
            job = await domain.job()
            await domain.record(job, 1, 3_000)
            await domain.jobs.complete(job.id)
            await domain.jobs.delete(job.id)
            await keeping(domain).sweep()
            ((pages,),) = outside.execute("PRAGMA page_count")
            sizes.append(pages)
        assert sizes[-1] <= sizes[0] * 1.1

    async def test_an_id_is_never_used_again(self, domain: Domain) -> None:
        first = await domain.job(COMPLETE)
        await domain.jobs.delete(first.id)
        await keeping(domain).sweep()
        await domain.database.write(lambda: forgotten(now() + timedelta(days=1)), lambda _: None)
        assert await deleted_since(domain.database.reader, 0, 10) == []
        assert (await domain.job()).id > first.id

    async def test_a_deletion_whose_rows_are_not_swept_is_not_forgotten(self, domain: Domain) -> None:
        job = await domain.job(COMPLETE)
        await domain.jobs.delete(job.id)
        await domain.database.write(lambda: forgotten(now() + timedelta(days=1)), lambda _: None)
        assert len(await deleted_since(domain.database.reader, 0, 10)) == 1


class TestOldJobs:
    async def test_are_those_that_do_not_run_and_have_not_changed_since(self, domain: Domain) -> None:
        old = [await domain.job(status) for status in (FAILED, COMPLETE, QUEUED)]
        await domain.jobs.archive(old[0].id)
        running = await domain.job()
        before = now()
        late = await domain.job(COMPLETE)
        await domain.jobs.log(late.id, [a_point(1)], late=True)
        every = [job.id async for job in old_jobs(domain.jobs, before, JobFilter(archived=None))]
        assert every == [old[1].id, old[2].id, old[0].id]
        failed = JobFilter(status=[FAILED, RUNNING], archived=None)
        assert [job.id async for job in old_jobs(domain.jobs, before, failed)] == [old[0].id]
        assert running.id not in every

    async def test_are_deleted_where_a_setting_says_so(self, domain: Domain, outside: Outside) -> None:
        old, running, new = await domain.job(COMPLETE), await domain.job(), await domain.job(FAILED)
        await domain.jobs.log(running.id, points(1, 1))
        ago = now() - timedelta(days=31)
        for job in (old, running):
            shown = str(ago) if outside.system == "sqlite" else ago
            outside.execute("UPDATE job SET updated_at = ? WHERE id = ?", [shown, job.id])
        await keeping(domain, keep_days=30).delete_old()
        assert [each.job_id for each in await deleted_since(domain.database.reader, 0, 10)] == [old.id]
        assert (await domain.now(new.id)).status is FAILED
