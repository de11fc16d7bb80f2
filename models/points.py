"""A job's points: stored without gap or double, and read by their seq."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import isfinite

from tortoise.expressions import Q

from models.job import Job
from models.lifecycle import epoch_of_step
from models.metric import Metric, Point

__all__ = ["read_after", "read_latest", "store"]

MAX_READ = 10_000
"""The most points of one job that one read gives."""


async def store(job: Job, points: Iterable[Point], at: datetime) -> list[Metric]:
    """Store the points that the job has not got yet, numbered on from its last.

    To be called in the transaction that holds the job's row, with the row as it is in there: the job's counters are
    raised by the same commit. Equal are points of the same step and epoch with the same values. Gives those stored.
    """
    fresh = await _not_recorded(job, [_metric(job, point, at) for point in points])
    for seq, metric in enumerate(fresh, start=job.metric_count + 1):
        metric.seq = seq
    if not fresh:
        return fresh
    await Metric.bulk_create(fresh)
    job.metric_count += len(fresh)
    job.furthest_step = max((job.furthest_step, *(metric.step for metric in fresh)))
    job.updated_at = at
    await job.save(update_fields=["metric_count", "furthest_step", "updated_at"])
    return fresh


async def read_after(job_ids: Sequence[int], after: int, limit: int) -> dict[int, list[Metric]]:
    """The first `limit` points with seq > `after` of each job, by seq, in one query.

    A job's seqs have no gap, so the page is a range of them and costs the same at any depth.
    """
    query = Metric.filter(job_id__in=job_ids, seq__gt=after, seq__lte=after + limit)
    return _by_job(job_ids, await query.order_by("job_id", "seq"))


async def read_latest(jobs: Sequence[Job], count: int) -> dict[int, list[Metric]]:
    """The last `count` points of each job as `jobs` has it, by seq, in one query."""
    ends = [
        Q(job_id=job.id, seq__gt=job.metric_count - count, seq__lte=job.metric_count)
        for job in jobs
        if job.metric_count
    ]
    query = Metric.filter(Q(*ends, join_type="OR")).order_by("job_id", "seq")
    return _by_job([job.id for job in jobs], await query if ends else [])


def _metric(job: Job, point: Point, at: datetime) -> Metric:
    epoch = epoch_of_step(point.step, job.steps_per_epoch) if point.epoch is None else point.epoch
    return Metric(
        job_id=job.id,
        seq=0,
        step=point.step,
        epoch=epoch,
        loss=_finite(point, "loss"),
        accuracy=_finite(point, "accuracy"),
        learning_rate=_finite(point, "learningRate"),
        values=dict(point.values),
        recorded_at=at,
    )


def _finite(point: Point, name: str) -> float | None:
    value = point.values.get(name)
    return value if value is not None and isfinite(value) else None


async def _not_recorded(job: Job, metrics: list[Metric]) -> list[Metric]:
    """Those of `metrics` that equal neither a stored point of the job nor an earlier one of the batch."""
    steps = {metric.step for metric in metrics if metric.step <= job.furthest_step}
    # Nothing at or before the furthest step: nothing to look up.
    recorded = await Metric.filter(job_id=job.id, step__in=steps) if steps else []
    seen = {_identity(metric) for metric in recorded}
    fresh = []
    for metric in metrics:
        if (identity := _identity(metric)) not in seen:
            seen.add(identity)
            fresh.append(metric)
    return fresh


def _identity(metric: Metric) -> tuple[int, int, frozenset[tuple[str, str]]]:
    # By repr, for NaN does not equal itself, and 0.0 equals -0.0.
    values = frozenset((name, repr(value)) for name, value in metric.values.items())
    return metric.step, metric.epoch, values


def _by_job(job_ids: Sequence[int], metrics: Iterable[Metric]) -> dict[int, list[Metric]]:
    grouped: dict[int, list[Metric]] = {job_id: [] for job_id in job_ids}
    for metric in metrics:
        grouped[metric.job_id].append(metric)
    return grouped
