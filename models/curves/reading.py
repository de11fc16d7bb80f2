"""The curves of jobs, read so that a long one costs hardly more than a short one.

A curve is put together from chunks, of which no more is read than the requested number of points needs, and from the
few points beyond the last full run. What is drawn depends on the points alone, not on which chunks there were.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter, itemgetter

import numpy as np
from cachetools import LRUCache

from models.curves.chunks import ChunkGone, Chunks, Shelf
from models.curves.curve import EVENLY_BELOW, NOTHING, Curve, Wanted, chosen, evenly, outline
from models.curves.series import Span, read_values
from models.curves.stored import Head
from models.validation import MAX_ID

REMEMBERED_BYTES = 4 * 2**20
"""What the curves that were requested lately may take in memory: some 300 of 500 points."""

Part = Head | Curve
"""Of a curve, in the order of its steps: points, or a chunk that is requested whole and that no other reaches into."""


class Curves:
    """Reads curves, and remembers them: see `Wanted` for why none is ever stale."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._remembered: LRUCache[Wanted, Curve] = LRUCache(REMEMBERED_BYTES, attrgetter("bytes"))

    async def read(self, wanted: Sequence[Wanted]) -> list[Curve]:
        """The curves in the order of `wanted`; `chosen` says which points they have.

        Where several points of a step carry the name, the latest seq counts. Jobs that are shorter than a chunk are
        read together, in one statement if they are few.
        """
        curves = {each: curve for each in wanted if (curve := self._remembered.get(each)) is not None}
        if new := [each for each in dict.fromkeys(wanted) if each not in curves]:
            shelves, tails = await self._shelves(new), await self._tails(new)
            for each, tail in zip(new, tails, strict=True):
                try:
                    curves[each] = await _drawn(each, shelves[each.job_id, each.name], tail)
                except ChunkGone:  # taken away meanwhile, as may be done at any time: it is made again
                    shelves |= await self._shelves([each])
                    curves[each] = await _drawn(each, shelves[each.job_id, each.name], tail)
                if curves[each].bytes <= REMEMBERED_BYTES:
                    self._remembered[each] = curves[each]
        return [curves[each] for each in wanted]

    async def _shelves(self, wanted: Iterable[Wanted]) -> dict[tuple[int, str], Shelf]:
        names: dict[int, set[str]] = {}
        until: dict[int, int] = {}
        for each in wanted:
            names.setdefault(each.job_id, set()).add(each.name)
            until[each.job_id] = max(each.until, until.get(each.job_id, 0))
        return {
            (job_id, name): shelf
            for job_id, of_job in names.items()
            for name, shelf in (await self._chunks.shelves(job_id, sorted(of_job), until[job_id])).items()
        }

    async def _tails(self, wanted: Sequence[Wanted]) -> list[Curve]:
        """What lies beyond the last full run."""
        ends: dict[tuple[int, int], int] = {}
        for each in wanted:
            key = each.job_id, self._tail_of(each)
            ends[key] = max(each.until, ends.get(key, 0))
        spans = [Span(job_id, first, last) for (job_id, first), last in ends.items()]
        values = await read_values(
            self._chunks.database.reader, spans, sorted({each.name for each in wanted}), self._chunks.at_once
        )

        def cut(each: Wanted) -> Curve:
            tail = values.get((each.job_id, each.name), NOTHING)
            return tail.taken((tail.seq >= self._tail_of(each)) & (tail.seq <= each.until)).by_step()

        return await asyncio.to_thread(lambda: [cut(each) for each in wanted])

    def _tail_of(self, wanted: Wanted) -> int:
        """The first seq beyond the last full run."""
        run = self._chunks.grain.run
        return wanted.until // run * run + 1


async def _drawn(wanted: Wanted, shelf: Shelf, tail: Curve) -> Curve:
    """The curve, of what chunks have, and the points beyond them."""
    parts = await _parts(wanted, shelf, tail)
    total = sum(map(_count, parts))
    if total <= wanted.points:
        whole = await shelf.curves("points", _numbers(parts))
        return Curve.joined([_points(part, whole) for part in parts])
    if wanted.points < EVENLY_BELOW:
        return await _spread(wanted.points, shelf, parts)
    finite = sum(part.finite if isinstance(part, Head) else int(np.isfinite(part.value).sum()) for part in parts)
    column, block = shelf.grain.outline_for(finite, wanted.points)
    # Where nothing is finite all outlines are alike, and far smaller than the chunk.
    flat = [part for part in parts if isinstance(part, Head) and not part.finite]
    outlines = await shelf.curves("coarse", _numbers(flat))
    outlines |= await shelf.curves(column, [number for number in _numbers(parts) if number not in outlines])

    def choose() -> Curve:
        curve = Curve.joined(
            [
                outlines[part.number] if isinstance(part, Head) else part.taken(outline(part.value, block))
                for part in parts
            ]
        )
        return curve.taken(chosen(curve.step, curve.value, wanted.points))

    return await asyncio.to_thread(choose)


async def _spread(points: int, shelf: Shelf, parts: Sequence[Part]) -> Curve:
    """So few points that they are spread evenly: of no more chunks than that."""
    ends = list(accumulate(map(_count, parts)))
    places = evenly(ends[-1], points).tolist()
    held = [bisect_right(ends, place) for place in places]
    whole = await shelf.curves("points", _numbers(parts[index] for index in set(held)))
    found = []
    for place, index in zip(places, held, strict=True):
        curve = _points(parts[index], whole)
        found.append(curve.taken(np.array([place - ends[index] + len(curve.step)])))
    return Curve.joined(found)


async def _parts(wanted: Wanted, shelf: Shelf, tail: Curve) -> list[Part]:
    """The parts of a curve, so that none reaches into another.

    Where chunks overlap, as they do where a run was resumed from a checkpoint, and where only some steps of a chunk are
    requested, its points are taken out of it.
    """
    begin, end = wanted.first or 0, MAX_ID if wanted.last is None else wanted.last
    full = wanted.until // shelf.grain.run
    pieces: list[tuple[int, int, Part]] = [
        (head.first_step, head.last_step, head) for head in shelf.heads if head.number < full and head.size
    ]
    if len(tail.step):
        pieces.append((int(tail.step[0]), int(tail.step[-1]), tail))
    groups = list(_overlapping(piece for piece in pieces if piece[0] <= end and piece[1] >= begin))
    whole = [len(group) == 1 and begin <= group[0][0] and group[0][1] <= end for group in groups]
    broken = (part for group, is_whole in zip(groups, whole, strict=True) if not is_whole for _, _, part in group)
    points = await shelf.curves("points", _numbers(broken))

    def mended(group: Sequence[tuple[int, int, Part]]) -> Part:
        curve = Curve.joined([_points(part, points) for _, _, part in group])
        return curve.by_step().within(begin, end)

    def mend() -> list[Part]:
        return [group[0][2] if is_whole else mended(group) for group, is_whole in zip(groups, whole, strict=True)]

    return await asyncio.to_thread(mend)


def _overlapping(pieces: Iterable[tuple[int, int, Part]]) -> Iterator[list[tuple[int, int, Part]]]:
    """The pieces in the order of their steps, those together that have steps in common."""
    group: list[tuple[int, int, Part]] = []
    reach = 0
    for piece in sorted(pieces, key=itemgetter(0, 1)):
        first, last, _ = piece
        if group and first > reach:
            yield group
            group = []
        reach = max(last, reach) if group else last
        group.append(piece)
    if group:
        yield group


def _count(part: Part) -> int:
    return part.size if isinstance(part, Head) else len(part.step)


def _numbers(parts: Iterable[Part]) -> list[int]:
    return [part.number for part in parts if isinstance(part, Head)]


def _points(part: Part, whole: Mapping[int, Curve]) -> Curve:
    return whole[part.number] if isinstance(part, Head) else part
