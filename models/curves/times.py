"""When points were measured: as their loop says, else when they were stored; in microseconds since 1970."""

from collections.abc import Sequence

import numpy as np

from models.curves.curve import Integers
from models.job import moment_of
from models.metric import EPOCH, instant, microseconds
from models.store.sql import select
from models.store.statements import Query, Reader

READ_AT_ONCE = 10_000
"""Points that one statement looks up."""
LOWEST, HIGHEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last instant that there is."""


async def read_times(reader: Reader, job_id: int, seqs: Sequence[int]) -> tuple[Integers, Integers]:
    """The seqs, which must ascend, and the time of each point."""
    found: list[int] = []
    for begin in range(0, len(seqs), READ_AT_ONCE):
        some = ", ".join(f"{seq:d}" for seq in seqs[begin : begin + READ_AT_ONCE])
        rest = f'WHERE "job_id" = ? AND "seq" IN ({some}) ORDER BY "seq"'
        query = select("metric", ("logged_us", "recorded_at"), rest)
        for logged_us, at in await reader.rows(Query(query, [job_id]), in_thread=True):
            found.append(logged_us if logged_us is not None else microseconds(moment_of(at) or EPOCH))
    return np.array(seqs, np.int64), np.array(found, np.int64)


async def read_range(reader: Reader, job_id: int, until: int, first: int | None, last: int | None) -> tuple[int, int]:
    """The lowest and the highest seq, of the first `until` points, of those measured from `first` to `last`.

    The ends are among them, and None is no end. Where there is no point, an empty range. Loops may say any times, so
    it looks at all points of the job.
    """
    low, high = (
        min(max(bound, LOWEST), HIGHEST)
        for bound in (LOWEST if first is None else first, HIGHEST if last is None else last)
    )
    query = """SELECT min("seq"), max("seq") FROM "metric" WHERE "job_id" = ? AND "seq" <= ? AND (
        "logged_us" BETWEEN ? AND ? OR "logged_us" IS NULL AND "recorded_at" BETWEEN ? AND ?
    )"""
    bounds = [low, high, instant(low), instant(high)]
    ((lowest, highest),) = await reader.rows(Query(query, [job_id, until, *bounds]), in_thread=True)
    return (1, 0) if lowest is None else (lowest, highest)
