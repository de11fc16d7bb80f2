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
from models.curves.curve import EVENLY_BELOW, NOTHING, Axis, Curve, Wanted, chosen, evenly, outline
from models.curves.series import Span, read_values
from models.curves.stored import Head
from models.curves.times import read_range, read_times
from models.validation import MAX_ID

REMEMBERED_BYTES = 4 * 2**20
"""What the curves that were requested lately may take in memory: some 300 of 500 points."""

Part = Head | Curve
"""Of a curve, in the order of its axis: points, or a chunk that is requested whole and that no other reaches into."""

Piece = tuple[int, int, Part]
"""The first and the last place on the axis, and what lies between."""


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
                of_seqs = await self._by_seq(each)
                try:
                    curves[each] = await _drawn(of_seqs, shelves[each.job_id, each.name], tail)
                except ChunkGone:  # taken away meanwhile, as may be done at any time: it is made again
                    shelves |= await self._shelves([each])
                    curves[each] = await _drawn(of_seqs, shelves[each.job_id, each.name], tail)
            curves |= await self._timed({each: curves[each] for each in new if each.axis is Axis.TIME})
            for each in new:
                if curves[each].bytes <= REMEMBERED_BYTES:
                    self._remembered[each] = curves[each]
        return [curves[each] for each in wanted]

    async def _by_seq(self, wanted: Wanted) -> Wanted:
        """Where a curve over time is requested, one in the order of its points that has all of it."""
        if wanted.axis is not Axis.TIME:
            return wanted
        first = last = None
        if wanted.first is not None or wanted.last is not None:
            first, last = await read_range(
                self._chunks.database.reader, wanted.job_id, wanted.until, wanted.first, wanted.last
            )
        return wanted._replace(axis=Axis.ORDER, first=first, last=last)

    async def _timed(self, chosen: Mapping[Wanted, Curve]) -> dict[Wanted, Curve]:
        """The curves over time."""
        seqs: dict[int, set[int]] = {}
        for wanted, curve in chosen.items():
            seqs.setdefault(wanted.job_id, set()).update(curve.seq.tolist())
        times = {
            job_id: await read_times(self._chunks.database.reader, job_id, sorted(of_job))
            for job_id, of_job in seqs.items()
        }

        def timed(wanted: Wanted, curve: Curve) -> Curve:
            seq, us = times[wanted.job_id]
            us = us[np.searchsorted(seq, curve.seq)]
            order = np.argsort(us, kind="stable")
            if wanted.first is not None:
                order = order[us[order] >= wanted.first]
            if wanted.last is not None:
                order = order[us[order] <= wanted.last]
            return curve.taken(order)._replace(us=us[order])

        return {wanted: timed(wanted, curve) for wanted, curve in chosen.items()}

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
            tail = tail.taken((tail.seq >= self._tail_of(each)) & (tail.seq <= each.until))
            return tail.without(each.cuts).along(each.axis)

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
        return curve.taken(chosen(curve.places(wanted.axis), curve.value, wanted.points))

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

    A chunk that is superseded is left out unread. Where chunks overlap, as they do where a run was resumed from a
    checkpoint, where only part of a chunk is requested or not superseded, and where steps in it do not ascend, its
    points are taken out of it.
    """
    axis, run = wanted.axis, shelf.grain.run
    begin, end = wanted.first or 0, MAX_ID if wanted.last is None else wanted.last
    pieces, mixed = list[Piece](), list[Head]()
    for head in shelf.heads:
        first, last = head.number * run + 1, (head.number + 1) * run
        low, high = (head.first_step, head.last_step) if axis is Axis.STEP else (first, last)
        if not head.size or last > wanted.until or low > end or high < begin:
            continue
        if any(last < seq and head.first_step > step for seq, step in wanted.cuts):
            continue
        is_cut = any(first < seq and head.last_step > step for seq, step in wanted.cuts)
        if is_cut or (axis is Axis.STEP and not head.is_ordered):
            mixed.append(head)
        else:
            pieces.append((low, high, head))
    taken = await shelf.curves("points", _numbers(mixed))

    def group() -> list[list[Piece]]:
        curves = [tail, *(curve.without(wanted.cuts).along(axis) for curve in taken.values())]
        for curve in curves:
            if len(places := curve.places(axis)) and places[0] <= end and places[-1] >= begin:
                pieces.append((int(places[0]), int(places[-1]), curve))
        return list(_overlapping(pieces))

    groups = await asyncio.to_thread(group)
    whole = [len(group) == 1 and begin <= group[0][0] and group[0][1] <= end for group in groups]
    broken = (part for group, is_whole in zip(groups, whole, strict=True) if not is_whole for _, _, part in group)
    points = await shelf.curves("points", _numbers(broken))

    def mended(group: Sequence[Piece]) -> Part:
        curve = Curve.joined([_points(part, points) for _, _, part in group])
        return curve.along(axis).within(begin, end, axis)

    def mend() -> list[Part]:
        return [group[0][2] if is_whole else mended(group) for group, is_whole in zip(groups, whole, strict=True)]

    return await asyncio.to_thread(mend)


def _overlapping(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The pieces in the order of the axis, those together that have places in common."""
    group: list[Piece] = []
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
