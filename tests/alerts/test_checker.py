"""What the checker raises: each crossing once, whoever looks, and whenever."""

import asyncio
from datetime import timedelta
from math import nan

import pytest

from models.alert import Alert, AlertLevel, Condition
from models.alerts.alerts import AlertFilter, Alerts, alerts_after, list_alerts
from models.alerts.checker import AlertChecker
from models.alerts.rule import AlertRule
from models.errors import AlertNotFound, JobNotFound
from models.feed.channel import AlertRaised, Event
from models.housekeeping import Housekeeping
from models.job import Job, now
from models.metric import Goal
from models.series import Definition
from models.store.statements import Query
from tests.alerts.rules import new_rule
from tests.tools.domain import Domain, a_point, opened_domain, points
from tests.tools.waiting import PATIENCE


class Watch:
    """A store with rules, and a checker whose moment a test sets."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.alerts = Alerts(domain.database, domain.feed)
        self.at = now()
        self.checker = self.another()

    def another(self) -> AlertChecker:
        """Another checker at the same store."""
        return AlertChecker(self.domain.database, self.domain.feed, PATIENCE, lambda: self.at)

    async def rule(self, condition: Condition = Condition.ABOVE, **settings: object) -> AlertRule:
        return await self.alerts.create_rule(new_rule(condition, **settings))

    async def log(self, job: Job, *losses: float) -> None:
        """Log the losses at the steps that follow."""
        first = (await self.domain.now(job.id)).metric_count + 1
        await self.domain.jobs.log(job.id, [a_point(step, loss=loss) for step, loss in enumerate(losses, first)])

    async def look(self, later: float = 61) -> list[int | None]:
        """The steps of all alerts, once all was looked at so many seconds later."""
        self.at += timedelta(seconds=later)
        await self.checker.look_at_all()
        return [alert.step for alert in await self.all()]

    async def all(self) -> list[Alert]:
        """All alerts, in the order in which they were raised."""
        return await alerts_after(self.domain.database.reader, 0, 1000)


@pytest.fixture
async def watch(domain: Domain) -> Watch:
    return Watch(domain)


class TestValues:
    async def test_each_crossing_is_raised_once_and_again_only_after_a_value_no_longer_met_it(
        self, watch: Watch
    ) -> None:
        await watch.rule(threshold=10.0, level=AlertLevel.ERROR)
        job = await watch.domain.job()
        await watch.log(job, 5, 11, 12)
        assert await watch.look() == [2]
        await watch.log(job, 13)
        assert await watch.look() == [2]
        await watch.log(job, 1, 14)
        assert await watch.look() == [2, 6]
        assert await watch.look() == [2, 6]
        first, _ = await watch.all()
        assert (first.job_id, first.level, first.seq, first.value) == (job.id, AlertLevel.ERROR, 2, 11.0)
        assert (first.title, first.text) == ("rule: loss is 11 at step 2", "A value above 10.")

    async def test_a_point_that_was_stored_before_the_rule_does_not_count(self, watch: Watch) -> None:
        job = await watch.domain.job()
        await watch.domain.jobs.log(job.id, [a_point(step, loss=99) for step in range(1, 40)])
        await watch.rule()
        assert await watch.look() == []
        await watch.log(job, 98)
        assert await watch.look() == [40]

    async def test_nor_one_that_was_stored_before_the_rule_was_made_another(self, watch: Watch) -> None:
        rule = await watch.rule(threshold=100.0)
        job = await watch.domain.job()
        await watch.log(job, 50)
        await watch.alerts.update_rule(rule.id, new_rule(threshold=20.0), keeps_webhook=True)
        await watch.log(job, 30)
        assert await watch.look() == [2]

    async def test_nor_one_that_was_stored_while_the_rule_was_not_enabled(self, watch: Watch) -> None:
        rule = await watch.rule()
        job = await watch.domain.job()
        await watch.alerts.update_rule(rule.id, new_rule(enabled=False), keeps_webhook=True)
        await watch.log(job, 50)
        assert await watch.look() == []
        await watch.alerts.update_rule(rule.id, new_rule(), keeps_webhook=True)
        assert await watch.look() == []

    async def test_a_rule_that_is_only_renamed_remembers(self, watch: Watch) -> None:
        rule = await watch.rule()
        job = await watch.domain.job()
        await watch.log(job, 50)
        await watch.look()
        await watch.alerts.update_rule(rule.id, new_rule(name="another"), keeps_webhook=True)
        await watch.log(job, 50)
        assert await watch.look() == [1]

    async def test_a_rule_and_job_have_at_most_one_alert_in_60_seconds(self, watch: Watch) -> None:
        await watch.rule()
        one, other = await watch.domain.job(), await watch.domain.job()
        for job in (one, other):
            await watch.log(job, 11, 1, 11)
        assert await watch.look() == [1, 1]
        await watch.log(one, 1, 11)
        assert await watch.look(later=59) == [1, 1]
        await watch.log(one, 1, 11)
        assert await watch.look(later=1) == [1, 1, 7]

    async def test_each_attempt_begins_anew_also_one_that_was_over_before_the_look(self, watch: Watch) -> None:
        await watch.rule()
        job = await watch.domain.job()
        await watch.log(job, 11)
        assert await watch.look() == [1]
        for _ in range(2):
            await watch.domain.jobs.fail(job.id)
            await watch.domain.jobs.resume(job.id)
            await watch.log(job, 12)
        assert await watch.look() == [1, 2]  # and the third within 60 seconds of it
        await watch.log(job, 12)
        assert await watch.look() == [1, 2]

    async def test_the_goal_says_what_an_improvement_is(self, watch: Watch) -> None:
        await watch.rule(Condition.NO_IMPROVEMENT, window=2)
        job = await watch.domain.job()
        await watch.log(job, 1)
        await watch.domain.jobs.define_series(job.id, [Definition("loss", goal=Goal.MAXIMIZE)])
        await watch.log(job, 2, 3, 4, 3, 3)
        assert await watch.look() == [6]

    async def test_values_before_a_jump_are_remembered_over_looks(self, watch: Watch) -> None:
        await watch.rule(Condition.JUMP, window=4, threshold=3.0)
        job = await watch.domain.job()
        for loss in (1, 2, 1, 2, 1, 9):
            await watch.log(job, loss)
            steps = await watch.look()
        assert steps == [6]

    async def test_a_value_that_is_not_finite_raises_one_too(self, watch: Watch) -> None:
        await watch.rule(Condition.NOT_FINITE)
        await watch.log(await watch.domain.job(), 1, nan)
        assert await watch.look() == [2]
        assert (await watch.all())[0].title == "rule: loss is NaN at step 2"

    async def test_project_and_job_of_a_rule_both_hold(self, watch: Watch) -> None:
        one, other = await watch.domain.job(project="a"), await watch.domain.job(project="b")
        await watch.rule(project="a")
        await watch.rule(job_id=other.id)
        await watch.rule(project="a", job_id=other.id)
        for job in (one, other):
            await watch.log(job, 11)
        await watch.look()
        assert sorted(alert.job_id for alert in await watch.all()) == [one.id, other.id]

    async def test_many_points_are_looked_at_page_by_page(self, watch: Watch) -> None:
        await watch.rule()
        await watch.rule(threshold=1e9)
        job = await watch.domain.job()
        await watch.domain.jobs.log(job.id, points(1, 2500))  # the losses are step / 8
        assert await watch.look() == [81]


class TestJobs:
    async def test_a_failed_job_raises_one_in_each_attempt(self, watch: Watch) -> None:
        await watch.rule(Condition.FAILED)
        job = await watch.domain.job()
        await watch.domain.jobs.fail(job.id, "out of memory")
        await watch.look()
        await watch.domain.jobs.update(job.id, {"notes": "what a pity"})
        await watch.look()
        (alert,) = await watch.all()
        assert (alert.title, alert.text) == ("rule: run: failed", "out of memory")
        await watch.log(await watch.domain.jobs.resume(job.id), 1)
        await watch.domain.jobs.fail(job.id)
        await watch.look()
        assert len(await watch.all()) == 2

    async def test_a_job_that_failed_before_the_rule_raises_none_whatever_is_changed_of_it(self, watch: Watch) -> None:
        job = await watch.domain.job()
        await watch.domain.jobs.fail(job.id)
        await watch.rule(Condition.FAILED)
        await watch.domain.jobs.update(job.id, {"notes": "what a pity"})
        assert await watch.look() == []

    async def test_a_lost_job_raises_one_each_time_that_it_is_lost(self, watch: Watch) -> None:
        await watch.rule(Condition.LOST)
        job = await watch.domain.job()
        for times in (1, 2):
            seen = (await watch.domain.jobs.beat(job.id, 60)).last_seen_at
            assert seen is not None
            await watch.domain.jobs.lose(job.id, seen, seen + timedelta(seconds=60))
            await watch.look()
            await watch.domain.jobs.update(job.id, {"notes": f"lost {times}"})
            await watch.look()
            assert len(await watch.all()) == times

    async def test_one_that_was_found_at_once_raises_one_too(self, watch: Watch) -> None:
        await watch.rule(Condition.LOST)
        job = await watch.domain.job()
        seen = (await watch.domain.jobs.beat(job.id, 60)).last_seen_at
        assert seen is not None
        async with watch.checker.running():
            with watch.domain.heard() as events:
                await watch.domain.jobs.lose(job.id, seen, seen + timedelta(seconds=60))
                await watch.domain.jobs.beat(job.id, 60)
                await raised_in(events)

    async def test_silence_raises_one_until_the_next_point(self, watch: Watch) -> None:
        await watch.rule(Condition.SILENT, window=100)
        job = await watch.domain.job()
        assert await watch.look(later=90) == []
        assert await watch.look(later=20) == [None]
        assert await watch.look(later=1000) == [None]
        await watch.log(job, 1)
        assert await watch.look(later=61) == [None, None]
        await watch.domain.jobs.complete(job.id)
        assert await watch.look(later=1000) == [None, None]

    async def test_the_longest_silence_is_no_number_too_large(self, watch: Watch) -> None:
        await watch.rule(Condition.SILENT, window=2**53 - 1)
        await watch.domain.job()
        assert await watch.look() == []


class TestSeveral:
    async def test_of_two_checkers_one_raises(self, watch: Watch) -> None:
        await watch.rule()
        await watch.rule(Condition.FAILED)
        jobs = [await watch.domain.job() for _ in range(5)]
        for job in jobs:
            await watch.log(job, 11)
            await watch.domain.jobs.fail(job.id)
        await asyncio.gather(*(watch.another().look_at_all() for _ in range(4)))
        assert len(await watch.all()) == 10

    async def test_of_two_processes_one_raises(self, watch: Watch, database_url: str) -> None:
        await watch.rule()
        job = await watch.domain.job()
        await watch.log(job, 11)
        async with opened_domain(database_url) as other:
            theirs = AlertChecker(other.database, other.feed, PATIENCE, lambda: watch.at)
            await asyncio.gather(watch.checker.look_at_all(), theirs.look_at_all())
        assert [alert.id for alert in await watch.all()] == [1]

    async def test_what_a_process_stored_that_ended_before_its_look_is_found(self, watch: Watch) -> None:
        await watch.rule()
        await watch.rule(Condition.FAILED)
        job = await watch.domain.job()
        await watch.log(job, 11)
        await watch.domain.jobs.fail(job.id)
        watch.checker = watch.another()
        assert await watch.look() == [1, None]
        watch.checker = watch.another()
        assert await watch.look() == [1, None]

    async def test_a_running_checker_raises_what_is_logged_beside_it(self, watch: Watch) -> None:
        await watch.rule()
        job = await watch.domain.job()
        async with watch.checker.running():
            with watch.domain.heard() as events:
                await watch.log(job, 11)
                event = await raised_in(events)
        assert event.job.id == job.id
        assert [event.alert] == await watch.all()


class TestAlerts:
    async def test_they_go_with_their_job_and_so_does_a_rule_of_it_alone(self, watch: Watch) -> None:
        job, other = await watch.domain.job(), await watch.domain.job()
        for id in (job.id, other.id):
            await watch.rule(job_id=id)
            alert = await watch.alerts.raise_by_loop(id, "look", None, AlertLevel.INFO)
        await watch.log(other, 11)
        await watch.look()
        await watch.domain.jobs.complete(other.id)
        await watch.domain.jobs.delete(other.id)
        assert [each.job_id for each in await watch.all()] == [job.id]
        with pytest.raises(AlertNotFound):
            await watch.alerts.acknowledge(alert.id)
        with pytest.raises(JobNotFound):
            await watch.alerts.raise_by_loop(other.id, "look", None, AlertLevel.INFO)
        await Housekeeping(watch.domain.jobs, fail_lost_after=0, keep_days=0).sweep()
        for table in ("alert", "alert_rule", "alert_state"):
            query = Query(f'SELECT 1 FROM "{table}" WHERE "job_id" = ?', [other.id])  # names of ours
            assert await watch.domain.database.reader.rows(query) == []

    async def test_those_of_a_project_are_those_of_its_jobs_as_they_now_are(self, watch: Watch) -> None:
        job = await watch.domain.job(project="a")
        await watch.alerts.raise_by_loop(job.id, "look", None, AlertLevel.INFO)
        await watch.domain.jobs.update(job.id, {"project": "b"})
        for project, count in (("a", 0), ("b", 1)):
            page = await list_alerts(watch.domain.database.reader, AlertFilter(project=project), 10, None)
            assert len(page.alerts) == count


async def raised_in(events: list[Event]) -> AlertRaised:
    """The first alert among events that are being heard."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for event in events:
                if isinstance(event, AlertRaised):
                    return event
            await asyncio.sleep(0.005)
