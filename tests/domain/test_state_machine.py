"""All verbs in any order against a model of the rules, over the API: hypothesis looks for the order that breaks one."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from graph.app import create_app
from graph.settings import Settings
from simulator.scenarios import SimulatedCrash
from tests.conftest import running
from tests.tools.api import METRIC, Api
from tests.tools.model import ModelJob, ModelPoint, input_of, inputs
from tests.tools.postgres import Postgres

T = TypeVar("T")

SETTINGS = "name modelName epochs stepsPerEpoch learningRate scenario seed"
TIMES = "createdAt updatedAt startedAt finishedAt"
EVERYTHING = f"""id {SETTINGS} status totalSteps metricCount progress failureReason {TIMES} archivedAt
    attempt attempts {{ number outcome fromStep firstSeq }} outcome endedEarly stop {{ reason receivedAt }}
    series {{ name count last {{ seq }} lowest {{ seq }} highest {{ seq }} }}
    metrics(limit: 10000) {{ {METRIC} }} latestMetrics(count: 2) {{ seq }}"""

NO_IDS = ["abc", "", "-1", "0", "1.0", "99", str(2**63 - 1), str(2**70)]


def jobs(*statuses: str) -> st.SearchStrategy[ModelJob]:
    """Any job of the machine in one of these statuses; those who draw it see to it that there is one."""
    return st.runner().flatmap(lambda machine: st.sampled_from(machine.those(*statuses)))


A_JOB = jobs("QUEUED", "RUNNING", "COMPLETE", "FAILED")
A_RUNNING_JOB = jobs("RUNNING")
AN_ENDED_JOB = jobs("COMPLETE", "FAILED")


@pytest.fixture(scope="module", autouse=True)
def stores(postgres: Postgres) -> Iterator[None]:
    """Where the machines that Hypothesis makes find their stores: it asks for no fixtures."""
    EveryVerbOnPostgres.server = postgres
    yield
    del EveryVerbOnPostgres.server


class EveryVerb(RuleBasedStateMachine):
    """One app on a store of its own, and the model of its jobs."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, ModelJob] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        """The times of each job as they were shown last."""
        self.gone: set[str] = set()
        """The jobs that were deleted."""
        self.touched: set[str] = set()
        """The jobs that were changed since then."""
        self._loop = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._open = contextlib.AsyncExitStack()
        self.api = self.run(self._opened())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(coroutine)

    async def _opened(self) -> Api:
        store = self._open.enter_context(self.new_store())
        app = create_app(Settings(database_url=store, max_cost=10**9))  # it asks for all there is
        await self._open.enter_async_context(running(app))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        return Api(await self._open.enter_async_context(client))

    @contextlib.contextmanager
    def new_store(self) -> Iterator[str]:
        """The address of a store with nothing in it."""
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite://{Path(folder) / 'test.sqlite3'}"

    def teardown(self) -> None:
        self.run(self._open.aclose())
        self._loop.close()

    @initialize()
    def first_job(self) -> None:
        self._created(epochs=2, steps_per_epoch=2, scenario="HEALTHY", start=True)

    @precondition(lambda self: len(self.model) < 4)
    @rule(
        epochs=st.integers(1, 2),
        steps_per_epoch=st.integers(1, 3),
        scenario=st.sampled_from(["HEALTHY", "DIVERGENCE", "CRASH"]),
        start=st.booleans(),
    )
    def create(self, epochs: int, steps_per_epoch: int, scenario: str, start: bool) -> None:
        self._created(epochs, steps_per_epoch, scenario, start)

    def _created(self, epochs: int, steps_per_epoch: int, scenario: str, start: bool) -> None:
        number = len(self.model) + len(self.gone)
        given = {
            "name": f"run {number}", "modelName": "resnet", "epochs": epochs, "stepsPerEpoch": steps_per_epoch,
            "learningRate": 0.1, "scenario": scenario, "seed": number,
        }  # fmt: skip
        id = self.run(self.api.created(**given))
        assert id not in self.model
        assert id not in self.gone, "an id is never used again"
        job = self.model[id] = ModelJob(id, given)
        self.touched.add(id)
        if start:
            self.start(job)

    @precondition(lambda self: self.model)
    @rule(job=A_JOB, verb=st.sampled_from(["start", "start", "simulate", "complete", "fail"]))
    def ask_whatever_its_status(self, job: ModelJob, verb: str) -> None:
        getattr(self, verb)(job)

    def start(self, job: ModelJob) -> None:
        self._expect(self.run(self.api.start(job.id)), "StartJobSuccess", job, allowed=job.start())

    def complete(self, job: ModelJob) -> None:
        self._expect(self.run(self.api.complete(job.id)), "CompleteJobSuccess", job, allowed=job.complete())

    def fail(self, job: ModelJob) -> None:
        allowed = job.fail(f"enough of {job.id}")
        self._expect(self.run(self.api.fail(job.id, f" enough of {job.id} ")), "FailJobSuccess", job, allowed=allowed)

    @precondition(lambda self: self.those("COMPLETE", "FAILED"))
    @rule(job=AN_ENDED_JOB, from_step=st.none() | st.integers(0, 7))
    def resume(self, job: ModelJob, from_step: int | None = None) -> None:
        allowed = job.resume(from_step)
        self._expect(self.run(self.api.resume(job.id, from_step)), "ResumeJobSuccess", job, allowed=allowed)

    @precondition(lambda self: self.those("RUNNING"))
    @rule(job=A_RUNNING_JOB)
    def request_stop(self, job: ModelJob) -> None:
        allowed = job.request_stop(f"enough of {job.id}")
        answer = self.run(self.api.request_stop(job.id, f"enough of {job.id}"))
        self._expect(answer, "RequestStopSuccess", job, allowed=allowed)

    @precondition(lambda self: self.model)
    @rule(job=A_JOB, is_archived=st.booleans())
    def archive(self, job: ModelJob, is_archived: bool) -> None:
        answer = self.run(self.api.archive(job.id) if is_archived else self.api.unarchive(job.id))
        self._expect(answer, "ArchiveJobSuccess", job, allowed=job.archive(is_archived))

    @precondition(lambda self: self.model)
    @rule(job=A_JOB)
    def delete(self, job: ModelJob) -> None:
        answer = self.run(self.api.delete(job.id))
        if job.status == "RUNNING":
            self._expect(answer, "DeleteJobSuccess", job, allowed=False)
            return
        assert answer == {"__typename": "DeleteJobSuccess", "id": job.id}
        self.gone.add(job.id)
        del self.model[job.id]
        assert self.run(self.api.delete(job.id))["__typename"] == "JobNotFound"

    @precondition(lambda self: self.those("COMPLETE", "FAILED"))
    @rule(target=batches, job=AN_ENDED_JOB, batch=st.lists(inputs(), min_size=1, max_size=5))
    def log_late(self, job: ModelJob, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.log(job, batch, late=True)
        return batch

    @precondition(lambda self: self.those("RUNNING"))
    @rule(job=A_RUNNING_JOB, times=st.integers(1, 3))
    def simulate(self, job: ModelJob, times: int = 1) -> None:
        for _ in range(times):
            came_to = job.simulate()
            answer = self.run(self.api.step(job.id))
            if came_to == "FAILED":
                self.touched.add(job.id)
                assert answer == {"__typename": "SimulationFailed", "message": f"The simulation failed: {job.reason}"}
                continue
            self._expect(answer, "SimulateStepSuccess", job, allowed=came_to is not None)
            if isinstance(came_to, ModelPoint):
                assert repr(answer["metric"]) == repr(came_to.view(len(job.points)))
                assert answer["complete"] is False
                assert answer["progress"] == came_to.step / job.total_steps
            elif came_to == "COMPLETE":
                assert (answer["metric"], answer["complete"], answer["progress"]) == (None, True, 1)

    @precondition(lambda self: self.those("RUNNING"))
    @rule(target=batches, job=A_RUNNING_JOB, batch=st.lists(inputs(), min_size=1, max_size=5))
    def log(self, job: ModelJob, batch: list[dict[str, Any]], late: bool = False) -> list[dict[str, Any]]:
        recorded = job.log(batch, late=late)
        answer = self.run(self.api.log(job.id, batch, late=late))
        self._expect(answer, "LogMetricsSuccess", job, allowed=recorded is not None)
        if recorded is not None:
            assert answer["recorded"] == recorded
            assert answer["stopRequested"] == (job.stop is not None)
        return batch

    @precondition(lambda self: self.model)
    @rule(job=A_JOB, batch=batches)
    def send_again(self, job: ModelJob, batch: list[dict[str, Any]]) -> None:
        """To whichever job: what it has of the batch is not stored again."""
        self.log(job, batch)

    @precondition(lambda self: self.those("RUNNING"))
    @rule(job=A_RUNNING_JOB, ahead=st.integers(0, 2))
    def log_what_the_simulator_would_make(self, job: ModelJob, ahead: int) -> None:
        with contextlib.suppress(SimulatedCrash):
            self.log(job, [input_of(job.simulated(len(job.points) + 1 + ahead))])

    @precondition(lambda self: self.those("RUNNING"))
    @rule(
        job=A_RUNNING_JOB,
        good=inputs(),
        bad=st.sampled_from(
            [
                ({"step": -1}, ".step"),
                ({"step": 1, "epoch": -1}, ".epoch"),
                ({"step": 1, "values": [{"name": "a"}]}, ".values[0]"),
                ({"step": 1, "loss": 1, "values": [{"name": "loss", "value": 1}]}, ".values[0].name"),
                ({"step": 1, "values": [{"name": "", "value": 1}]}, ".values[0].name"),
            ]
        ),
    )
    def log_a_batch_with_a_bad_point(
        self, job: ModelJob, good: dict[str, Any], bad: tuple[dict[str, Any], str]
    ) -> None:
        """All of a batch is stored, or none: that good ones come before it makes no difference."""
        point, path = bad
        answer = self.run(self.api.log(job.id, [good, point]))
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", f"metrics[1]{path}")

    @rule(id=st.sampled_from(NO_IDS), verb=st.sampled_from(["start", "step", "complete", "fail", "log"]))
    def ask_for_a_job_that_is_not_there(self, id: str, verb: str) -> None:
        extra = [[{"step": 1}]] if verb == "log" else []
        answer = self.run(getattr(self.api, verb)(id, *extra))
        assert (answer["__typename"], answer["id"]) == ("JobNotFound", id)

    @precondition(lambda self: self.model)
    @rule(job=A_JOB, limit=st.integers(1, 3))
    def page_through_jobs_and_points(self, job: ModelJob, limit: int) -> None:
        ids: list[str] = []
        query = "query ($after: ID, $limit: Int!) { jobs(after: $after, limit: $limit) { id } }"
        while jobs := self.run(self.api.data(query, after=ids[-1] if ids else None, limit=limit))["jobs"]:
            assert len(jobs) <= limit
            ids += [each["id"] for each in jobs]
        assert ids == [id for id, job in self.model.items() if not job.archived][::-1]
        seqs: list[int] = []
        while metrics := self.run(self.api.metrics(job.id, limit, len(seqs))):
            assert len(metrics) <= limit
            seqs += [metric["seq"] for metric in metrics]
        assert seqs == [*range(1, len(job.points) + 1)]

    def those(self, *statuses: str) -> list[ModelJob]:
        return [job for job in self.model.values() if job.status in statuses]

    @invariant()
    def everything_is_as_the_model_has_it(self) -> None:
        all = "jobList(first: 500, filter: { archived: null })"
        shown = self.run(self.api.data(f"{{ {all} {{ nodes {{ {EVERYTHING} }} }} }}"))["jobList"]["nodes"]
        assert [job["id"] for job in shown] == [*self.model][::-1], "newest first"
        for job in shown:
            times = {name: job.pop(name) for name in TIMES.split()}
            model = self.model[job["id"]]
            expected = model.view()
            assert (job.pop("archivedAt") is not None) == model.archived
            stop = job.pop("stop")
            assert stop == (model.stop and {"reason": model.stop["reason"], "receivedAt": stop and stop["receivedAt"]})
            if stop and model.stop:
                assert (stop["receivedAt"] is not None) == model.stop["receivedAt"]
            assert job == expected
            for metric, point in zip(job["metrics"], expected["metrics"], strict=True):
                assert repr(metric["values"]) == repr(point["values"]), "-0.0 and 0.0 are told apart"
            self._check_times(self.model[job["id"]], times)
        self.touched.clear()

    def _check_times(self, job: ModelJob, times: dict[str, Any]) -> None:
        before = self.seen.get(job.id)
        self.seen[job.id] = times
        assert (times["startedAt"] is not None) == job.started
        assert (times["finishedAt"] is not None) == (job.status in {"COMPLETE", "FAILED"})
        times["attempt"] = len(job.attempts)
        happened = [times[name] for name in ("createdAt", "startedAt", "finishedAt", "updatedAt") if times[name]]
        moments = [datetime.fromisoformat(text) for text in happened]
        assert moments == sorted(moments)
        if before is None:
            return
        if job.id not in self.touched:
            assert times == before, "what was refused changes nothing"
        for name in ("createdAt", "startedAt", *(["finishedAt"] if before["attempt"] == times["attempt"] else [])):
            assert before[name] in {None, times[name]}, "what has happened stays where it was"
        assert datetime.fromisoformat(before["updatedAt"]) <= moments[-1]

    def _expect(self, answer: dict[str, Any], success: str, job: ModelJob, *, allowed: bool) -> None:
        """The answer of a verb that the model has just done, or refused."""
        if not allowed:
            assert answer["__typename"] == "IllegalTransition"
            assert answer["job"] == {"id": job.id, "status": job.status}
            return
        self.touched.add(job.id)
        assert answer["__typename"] == success, answer
        view = job.view()
        for name in ("id", "status", "progress", "metricCount", "failureReason"):
            assert answer["job"][name] == view[name]


class EveryVerbOnPostgres(EveryVerb):
    """The same on the other kind of store."""

    server: ClassVar[Postgres]

    @contextlib.contextmanager
    def new_store(self) -> Iterator[str]:
        url = self.server.new()
        yield url
        self.server.drop(url)


TestEveryVerb = EveryVerb.TestCase
TestEveryVerbOnPostgres = EveryVerbOnPostgres.TestCase
TestEveryVerb.settings = TestEveryVerbOnPostgres.settings = settings(
    max_examples=12,
    stateful_step_count=30,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
