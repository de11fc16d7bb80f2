"""A loop that takes job after job through a whole life, whatever breaks meanwhile, and those who follow the list.

It is the only one to change its jobs, so the model knows at each moment what the store must have of them.
"""

import random
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

from models.cursors import change_of
from tests.tools.api import METRIC, Api
from tests.tools.model import ModelJob
from tests.tools.outside import Outside

SETTINGS = "name modelName epochs stepsPerEpoch learningRate"
SHOWN = f"""id {SETTINGS} scenario seed status totalSteps metricCount progress failureReason archivedAt
    attempt attempts {{ number outcome fromStep firstSeq }} outcome endedEarly stop {{ reason }}
    series {{ name count last {{ seq }} lowest {{ seq }} highest {{ seq }} }}
    metrics(limit: 10000) {{ {METRIC} }} latestMetrics(count: 2) {{ seq }}
    curves(names: ["loss"], points: 10000) {{ step }}"""
ALL = "jobList(first: 500, filter: { archived: null }) { nodes { id cursor } }"
CHANGED = "subscription ($since: String) { jobChanged(since: $since) { id cursor } }"
DELETED = "subscription ($since: String) { jobDeleted(since: $since) { id cursor } }"


class Act(NamedTuple):
    """One call of a verb."""

    ask: Callable[[Api], Awaitable[dict[str, Any]]]
    success: str
    repeated: str
    """The member of the union that may come where it was done before, and its answer was lost."""


Answers = Generator[Act, tuple[dict[str, Any], bool], None]
"""Acts; each is sent its answer, and whether it was asked again after an answer that was lost."""


class Lives:
    """One loop; whoever runs it asks for act after act, and for the same again where its answer is lost."""

    def __init__(self, name: str) -> None:
        self.jobs: dict[str, ModelJob] = {}
        self.gone: list[str] = []
        """The ids of those that were deleted, in that order."""
        self.acts = 0
        """Acknowledged ones."""
        self._name = name
        self._chance = random.Random(17)
        self._all = self._whole_lives()
        self._next = next(self._all)
        self._again = False

    @property
    def is_between(self) -> bool:
        """Whether the model knows all that was done: no answer was lost since."""
        return not self._again

    async def act(self, api: Api) -> None:
        """Do what comes next; where this raises, it may be done or not, and the next call does the same again."""
        again, self._again = self._again, True
        answer = await self._next.ask(api)
        kinds = {self._next.success, *([self._next.repeated] if again else [])}
        assert answer["__typename"] in kinds, answer
        self._again = False
        self.acts += 1
        self._next = self._all.send((answer, again))

    async def check(self, api: Api) -> None:
        """Hold what the API shows of its jobs against the model: nothing acknowledged is lost, nothing is doubled."""
        assert self.is_between
        for id in self.gone:
            assert (await api.data("query ($id: ID!) { job(id: $id) { id } }", id=id)) == {"job": None}
        for job in self.jobs.values():
            shown = await api.job(job.id, SHOWN)
            assert (shown.pop("archivedAt") is not None) == job.archived
            assert shown.pop("stop") == (job.stop and {"reason": job.stop["reason"]})
            steps = sorted({point.step for _, point in job.live})
            assert shown.pop("curves") == [{"step": steps}]
            assert shown == job.view()

    def left(self, outside: Outside) -> int:
        """How many points are left of jobs that were deleted."""
        ids = ", ".join(self.gone)
        ((points,),) = outside.execute(f"SELECT count(*) FROM metric WHERE job_id IN ({ids})")  # ids of ours
        assert isinstance(points, int)
        return points

    def _whole_lives(self) -> Answers:
        for number in count():
            yield from self._life(number)

    def _life(self, number: int) -> Answers:
        given = {
            "name": f"{self._name} {number}", "modelName": "resnet", "epochs": 1, "stepsPerEpoch": 100,
            "learningRate": 0.1,
        }  # fmt: skip
        creation = {**given, "key": f"{self._name} {number}", "start": True}
        made, _ = yield Act(lambda api: api.create(**creation), "CreateJobSuccess", "")
        job = ModelJob(made["job"]["id"], {**given, "scenario": None, "seed": None})
        job.start()
        assert job.id not in {*self.jobs, *self.gone}, "an id is never used again"
        self.jobs[job.id] = job
        yield from self._log(job, range(10))
        yield Act(lambda api: api.request_stop(job.id, "enough"), "RequestStopSuccess", "")
        job.request_stop("enough")
        yield from self._log(job, range(10, 15))
        yield Act(lambda api: api.fail(job.id, "gone"), "FailJobSuccess", "IllegalTransition")
        job.fail("gone")
        yield from self._log(job, range(15, 18), late=True)
        step = self._chance.randrange(20)
        yield Act(lambda api: api.resume(job.id, step), "ResumeJobSuccess", "IllegalTransition")
        job.resume(step)
        yield from self._log(job, range(step + 1, step + 6))
        yield Act(lambda api: api.complete(job.id), "CompleteJobSuccess", "IllegalTransition")
        job.complete()
        yield Act(lambda api: api.archive(job.id), "ArchiveJobSuccess", "")
        job.archive(True)
        yield from self._log(job, range(50, 52), late=True)
        if number % 3:
            return
        yield Act(lambda api: api.delete(job.id), "DeleteJobSuccess", "JobNotFound")
        del self.jobs[job.id]
        self.gone.append(job.id)

    def _log(self, job: ModelJob, steps: range, *, late: bool = False) -> Answers:
        values = [[self._chance.random() for _ in range(2)] for _ in steps]
        batch = [
            {"step": step, "values": [{"name": "loss", "value": loss}, {"name": "val/f1", "value": score}]}
            for step, (loss, score) in zip(steps, values, strict=True)
        ]
        answer, again = yield Act(lambda api: api.log(job.id, batch, late=late), "LogMetricsSuccess", "")
        recorded = job.log(batch, late=late)
        assert answer["recorded"] in {recorded, *([0] if again else [])}, "a batch is there as a whole or not at all"
        assert answer["stopRequested"] == (job.stop is not None)


class Follower:
    """One who follows a list over lost lines: of each job the last that it was told, and the place to go on from."""

    def __init__(self, since: str) -> None:
        self.since = since
        self.told: dict[str, str] = {}
        """The cursor of each job."""

    def see(self, event: Mapping[str, str]) -> None:
        """Take what was told; nothing comes twice, and nothing goes backwards."""
        assert change_of(event["cursor"]) > change_of(self.since)
        self.since = self.told[event["id"]] = event["cursor"]

    def has(self, jobs: Iterable[Mapping[str, str]]) -> bool:
        """Whether it was told of each of these jobs as they now are."""
        return all(self.told.get(job["id"]) == job["cursor"] for job in jobs)


async def changed_since(api: Api, since: str) -> list[dict[str, str]]:
    """The jobs that changed after a place, as they now are, in the order of their changes: what a list must be told."""
    jobs = (await api.data(f"{{ {ALL} }}"))["jobList"]["nodes"]
    later = [job for job in jobs if change_of(job["cursor"]) > change_of(since)]
    return sorted(later, key=lambda job: change_of(job["cursor"]))
