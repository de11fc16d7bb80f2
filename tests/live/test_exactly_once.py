"""Streams lose nothing and repeat nothing: property tests of that promise, by a feed that keeps none."""

import asyncio
import contextlib
from random import Random

import pytest

from graph.live.changes import Changes
from graph.live.stream import Streams
from models.errors import IllegalTransition
from models.job import Job
from models.job_reads import MAX_PAGE, newest_first
from models.lifecycle import ENDED, JobStatus
from simulator.runner import make_points
from tests.tools.domain import all_has_begun, opened_domain, points
from tests.tools.watchers import BUFFER, OFTEN, Change, ChaosFeed, Follower, Watcher

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus
LIFE = (QUEUED, RUNNING, COMPLETE, FAILED)


class TestPoints:
    TOTAL = 20_000
    CUTS = 200
    WATCHERS = 4

    @pytest.mark.parametrize("seed", range(2))
    async def test_twenty_thousand_points_in_bursts_by_a_feed_in_chaos_to_watchers_that_are_cut_two_hundred_times(
        self, database_url: str, seed: int
    ) -> None:
        """Each watcher sees 1 to 20,000 in order, none twice, though each misses most of what the feed brings."""
        random = Random(seed)
        async with opened_domain(database_url, ChaosFeed(seed)) as domain:
            job = await domain.job(epochs=self.TOTAL, steps_per_epoch=1)
            streams = Streams(domain.database, domain.feed, BUFFER, OFTEN)
            watchers = [Watcher(streams, job.id, batched=number == 0) for number in range(self.WATCHERS)]
            cuts = sorted(random.randrange(self.TOTAL) for _ in range(self.CUTS))
            recorded = 0
            while recorded < self.TOTAL:
                burst = min(random.choice((1, 1, 3, BUFFER, 200, 700)), self.TOTAL - recorded)
                if seed:
                    await domain.jobs.log(job.id, points(recorded + 1, burst))
                else:
                    await domain.jobs.simulate(job.id, make_points, burst)
                recorded += burst
                while cuts and cuts[0] < recorded:
                    cuts.pop(0)
                    await random.choice(watchers).cut()
            await domain.jobs.complete(job.id)
            assert sum(watcher.cuts for watcher in watchers) == self.CUTS
            for watcher in watchers:
                assert await watcher.end() == [*range(1, self.TOTAL + 1)]
            assert streams._watched == {}
            assert domain.feed.listener_count == 0

    @pytest.mark.parametrize("seed", range(3))
    async def test_single_steps_at_once_by_a_feed_in_chaos(self, database_url: str, seed: int) -> None:
        """Several writers: what they publish overtakes each other even before the feed meddles with it."""
        async with opened_domain(database_url, ChaosFeed(seed)) as domain:
            job = await domain.job(epochs=200, steps_per_epoch=1)
            streams = Streams(domain.database, domain.feed, 3, OFTEN)
            watchers = [Watcher(streams, job.id) for _ in range(4)]

            async def step(watcher: Watcher) -> None:
                with contextlib.suppress(IllegalTransition):  # another writer has completed it
                    while not (await domain.jobs.simulate(job.id, make_points)).complete:
                        await watcher.cut()

            await asyncio.gather(*map(step, watchers))
            for watcher in watchers:
                assert await watcher.end() == [*range(1, 201)]


class TestChanges:
    @pytest.mark.parametrize("seed", range(3))
    async def test_every_follower_is_given_the_end_of_every_job_and_nothing_twice_or_backwards(
        self, database_url: str, seed: int
    ) -> None:
        random = Random(seed)
        async with opened_domain(database_url, ChaosFeed(seed), connections=1) as domain:
            changes = Changes(domain.database, domain.feed, 4, OFTEN)
            watched = await domain.job(QUEUED)
            followers = [Follower(changes.follow(None)) for _ in range(3)]
            of_one = Follower(changes.follow(watched.id))
            for follower in (*followers, of_one):
                await follower.begin()

            async def live(job: Job) -> None:
                await domain.jobs.start(job.id)
                await random.choice((domain.jobs.complete, domain.jobs.fail))(job.id)

            async def make(count: int) -> None:
                for _ in range(count):
                    await live(await domain.job(QUEUED))

            async def listen(follower: Follower, laziness: int) -> list[Change]:
                reported: list[Change] = []
                while sum(status in ENDED for _, status in reported) < 41:
                    reported.append(await follower.next())
                    if laziness and len(reported) % laziness == 0:
                        await all_has_begun()  # others go on meanwhile: it falls behind
                return reported

            results = await asyncio.gather(
                *(listen(follower, laziness) for follower, laziness in zip(followers, (0, 5, 1), strict=True)),
                *(make(10) for _ in range(4)),
                live(watched),
            )
            everyone = await newest_first(domain.database.reader, status=None, search=None, after=None, limit=MAX_PAGE)
            ends = {job.id: job.status for job in everyone}
            for reported in results[:3]:
                statuses: dict[int, list[JobStatus]] = {}
                for id, status in reported or ():
                    statuses.setdefault(id, []).append(status)
                assert {id: those[-1] for id, those in statuses.items()} == ends
                for those in statuses.values():
                    assert [LIFE.index(status) for status in those] == sorted({LIFE.index(status) for status in those})
            last = await of_one.next()
            assert last == (watched.id, ends[watched.id]) or await of_one.next() == (watched.id, ends[watched.id])
            assert await of_one.ends()
            for follower in followers:
                await follower.leave()
            assert (changes.followers, domain.feed.listener_count) == (0, 0)
