"""The chunks of a store: found, read, and made from the points where they are missing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cachetools import LRUCache

from models.curves.chunk import Chunk, Column, Grain, unpacked
from models.curves.curve import NOTHING, Curve
from models.curves.series import COLUMNS, READ_AT_ONCE, Span, read_values
from models.curves.stored import Head
from models.job import Job
from models.job_reads import one_query
from models.store.database import Database, uninterrupted
from models.store.errors import StoreFailure
from models.store.sql import insert, places, select
from models.store.statements import Query, Reader, Work

MADE_AT_ONCE = 200
"""The most chunks that are held in memory until they are stored: each takes some 80 kB."""
STORED_AT_ONCE = 20
"""Those of them that one transaction writes: other writers wait for it."""
REMEMBERED = 16_384
"""The most runs, for all jobs and names, of which it is remembered that they have none of a name: some 4 MB."""

log = logging.getLogger(__name__)


class ChunkGone(LookupError):
    """A chunk was taken out of the store after its shelf was put together."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """All chunks of one name of a job up to some run. A run without one has no value of the name."""

    reader: Reader
    job_id: int
    name: str
    grain: Grain
    heads: Sequence[Head]
    loose: Mapping[int, Chunk]
    """Those of them that the store did not take: readers need not wait until it does."""

    async def curves(self, column: Column, numbers: Collection[int]) -> dict[int, Curve]:
        """What the chunks of these numbers have. Raises ChunkGone."""
        packed: list[tuple[int, bytes]] = []
        if stored := [number for number in numbers if number not in self.loose]:
            rest = f"WHERE job_id = ? AND name = ? AND number IN ({places(stored)})"
            query = Query(select("curve_chunk", ("number", column), rest), [self.job_id, self.name, *stored])
            packed += await self.reader.rows(query, in_thread=True)
        packed += [(number, getattr(self.loose[number], column)) for number in numbers if number in self.loose]
        found = {number: unpacked(each, number * self.grain.run + 1) for number, each in packed}
        if len(found) < len(numbers):
            raise ChunkGone(f"of chunks {numbers} of job {self.job_id}, some are gone")
        return found


class Chunks:
    """The chunks of one store, made where they are first needed; they may be lost at any time, and are made again."""

    def __init__(self, database: Database, grain: Grain | None = None, at_once: int = READ_AT_ONCE) -> None:
        """`at_once`: the points that one statement looks at."""
        self.database = database
        self.grain = grain or Grain()
        self.at_once = at_once
        self._making = asyncio.Lock()
        self._empty: LRUCache[tuple[int, str, int], None] = LRUCache(REMEMBERED)
        """(job id, name, number) of runs that are known to have none of the name, though no chunk says so. It stays
        true, for full runs do not change."""

    async def shelves(self, job_id: int, names: Collection[str], until: int) -> dict[str, Shelf]:
        """The chunks of each name, in the full runs of the first `until` points; those that are missing are made."""
        runs = self.runs(until)
        heads = await self._heads(job_id, names, runs)
        loose: dict[str, dict[int, Chunk]] = {name: {} for name in names}
        if missing := self._missing(job_id, names, runs, heads):
            known = {name for name in names if heads[name]}
            for numbers in missing:
                for name, chunk in await self.make(job_id, names, numbers, known):
                    loose[name][chunk.head.number] = chunk
            heads = await self._heads(job_id, names, runs)
        shelves = {}
        for name in names:
            left = {number: chunk for number, chunk in loose[name].items() if number not in heads[name]}
            found = [*heads[name].values(), *(chunk.head for chunk in left.values())]
            shelves[name] = Shelf(self.database.reader, job_id, name, self.grain, found, left)
        return shelves

    async def make(
        self, job_id: int, names: Collection[str], numbers: Sequence[int], known: Collection[str] = ()
    ) -> list[tuple[str, Chunk]]:
        """Make and store those chunks of some runs that are missing, and give what the store did not take.

        A chunk without a point is stored where its name is `known` to be one of the job's, or is found in these runs:
        clients may request any name, and must not fill the store with that.
        """
        async with self._making:  # one at a time: each holds many points, and others may have made these meanwhile
            heads = await self._heads(job_id, names, range(numbers[0], numbers[-1] + 1))
            lacking = [name for name in names if any(self._lacks(job_id, name, number, heads) for number in numbers)]
            left: list[tuple[str, Chunk]] = []
            count = max(1, MADE_AT_ONCE // len(numbers))
            for begin in range(0, len(lacking), count):
                some = lacking[begin : begin + count]
                made = await self._cut(job_id, some, numbers)
                there = {*COLUMNS, *known, *(name for name, chunk in made if chunk.head.size)}
                for name in some:
                    if name not in there:
                        self._empty.update({(job_id, name, number): None for number in numbers})
                made = [(name, chunk) for name, chunk in made if name in there and chunk.head.number not in heads[name]]
                try:
                    is_stored = await self._store(job_id, made)
                except StoreFailure as outage:
                    log.warning("chunks of job %s were not stored: %s", job_id, outage)
                    is_stored = False
                left += [] if is_stored else made
        return left

    async def rebuild(self, job: Job) -> AsyncIterator[int]:
        """Make all chunks of a job again, and give how many runs were done each time. Raises StoreFailure."""
        names = sorted({*COLUMNS, *await self.names(job.id)})
        await self._drop(job.id)
        for numbers in await self.missing(job.id, names, job.metric_count):
            await self.make(job.id, names, numbers, known=names)
            yield len(numbers)

    async def names(self, job_id: int) -> set[str]:
        """The names that the job has chunks of."""
        query = Query("SELECT DISTINCT name FROM curve_chunk WHERE job_id = ?", [job_id])
        return {name for (name,) in await self.database.reader.rows(query, in_thread=True)}

    async def missing(self, job_id: int, names: Collection[str], until: int) -> list[Sequence[int]]:
        """The full runs, of the first `until` points, that lack a chunk of some name: as many as are made at once."""
        runs = self.runs(until)
        return self._missing(job_id, names, runs, await self._heads(job_id, names, runs))

    def runs(self, until: int) -> range:
        """The numbers of the full runs of the first `until` points."""
        return range(until // self.grain.run)

    def _missing(
        self, job_id: int, names: Collection[str], runs: range, heads: Mapping[str, Mapping[int, Head]]
    ) -> list[Sequence[int]]:
        lacking = [number for number in runs if any(self._lacks(job_id, name, number, heads) for name in names)]
        count = max(1, min(self.at_once // self.grain.run, MADE_AT_ONCE // max(1, len(names))))
        return [lacking[begin : begin + count] for begin in range(0, len(lacking), count)]

    def _lacks(self, job_id: int, name: str, number: int, heads: Mapping[str, Mapping[int, Head]]) -> bool:
        return number not in heads[name] and (job_id, name, number) not in self._empty

    async def _heads(self, job_id: int, names: Collection[str], runs: range) -> dict[str, dict[int, Head]]:
        heads: dict[str, dict[int, Head]] = {name: {} for name in names}
        if not runs or not names:
            return heads
        rest = f"WHERE job_id = ? AND name IN ({places(names)}) AND number BETWEEN ? AND ?"
        query = Query(select("curve_chunk", ("name", *Head._fields), rest), [job_id, *names, runs[0], runs[-1]])
        for name, *head in await self.database.reader.rows(query, in_thread=True):
            heads[name][head[0]] = Head._make(head)
        return heads

    async def _cut(self, job_id: int, names: Collection[str], numbers: Sequence[int]) -> list[tuple[str, Chunk]]:
        run = self.grain.run
        spans = [Span(job_id, number * run + 1, (number + 1) * run) for number in numbers]
        values = await read_values(self.database.reader, spans, names, self.at_once)

        def cut() -> Iterator[tuple[str, Chunk]]:
            for name in names:
                logged = values.get((job_id, name), NOTHING)
                for number in numbers:
                    mine = logged.taken((logged.seq - 1) // run == number)
                    yield name, Chunk.of(number, mine, self.grain)

        return await asyncio.to_thread(lambda: list(cut()))

    @uninterrupted
    async def _drop(self, job_id: int) -> None:
        def work() -> Work[None]:
            yield Query("DELETE FROM curve_chunk WHERE job_id = ?", [job_id])

        await self.database.write(work, _published)

    @uninterrupted
    async def _store(self, job_id: int, made: Sequence[tuple[str, Chunk]]) -> bool:
        """Store chunks: where there is one already, it stays. False where the job was deleted meanwhile."""

        def work(some: Sequence[tuple[str, Chunk]]) -> Work[bool]:
            # Held, or a job that is deleted meanwhile would leave them behind for ever.
            if not (yield one_query(("id",), job_id)._replace(locks=True)):
                return False
            for name, (head, points, fine, coarse) in some:
                yield Query(_INSERT, [job_id, name, *head, points, fine, coarse])
            return True

        for begin in range(0, len(made), STORED_AT_ONCE):
            some = made[begin : begin + STORED_AT_ONCE]
            if not await self.database.write(partial(work, some), _published):
                return False
        return True


_NAMES = ("job_id", "name", *Head._fields, "points", "fine", "coarse")
_INSERT = insert("curve_chunk", _NAMES, rest="ON CONFLICT (job_id, name, number) DO NOTHING")


def _published(_: object) -> None:
    """Nothing is: no query is answered differently."""
