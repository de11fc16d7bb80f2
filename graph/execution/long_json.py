"""JSON that is long, read a piece at a time in the thread: orjson reads it in one go, and everybody waits meanwhile."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from graph.execution.worker_thread import aside

__all__ = ["LONG", "Loaded", "in_pieces", "loaded"]

LONG = 128 * 2**10
"""Bytes that are read in about a millisecond."""
PIECE = 32 * 2**10
MAX_LEVELS = 100
"""Of lists and objects within each other that are taken apart: what is within them is read in one go."""
BYTES_A_CHARACTER = 20
"""That are read in the time that a character of a document takes."""

QUOTE = ord('"')
COMMA = 2
KINDS = np.zeros(256, np.int8)
KINDS[[*b"[{"]] = 1
KINDS[[*b"]}"]] = -1
KINDS[ord(",")] = COMMA
BLANKS = b" \t\n\r"
NAME = re.compile(rb'[ \t\n\r]*("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\n\r]*:', re.DOTALL)
"""Of a member of an object."""


class Loaded(NamedTuple):
    """What a text of JSON says."""

    value: Any
    pieces: list[Any]
    """Where the text was long, lists and objects that hold the parts of the value too, each a few."""

    def let_go(self) -> None:
        """Forget the parts a few at a time: where all of a long value is forgotten in one go, everybody waits.

        For when nobody else has the value any more.
        """
        if self.pieces:
            aside.begin(0, _forget, self.pieces)


async def loaded(text: bytes) -> Loaded:
    """What orjson.loads gives, or raises."""
    if len(text) <= LONG:
        return Loaded(orjson.loads(text), [])
    return await aside.do(len(text) // BYTES_A_CHARACTER, in_pieces, text)


def in_pieces(text: bytes, piece: int = PIECE) -> Loaded:
    """What orjson.loads gives, of which no more than so many bytes are read in one go. Raises orjson.JSONDecodeError.

    Each piece is the items of a list or an object, and read as one. So whatever is taken for their ends, the text is
    not read unless it is JSON.
    """
    read = _Text(text, piece)
    return Loaded(read.value(0, len(text), 0), read.pieces)


def _forget(pieces: list[Any]) -> None:
    while pieces:
        pieces.pop()


class _Text:
    """A text, and where in it are the commas between the items of its lists and objects."""

    def __init__(self, text: bytes, piece: int) -> None:
        self.pieces: list[Any] = []
        self._text = text
        self._piece = piece
        # The same with nothing within a string that looks like its end.
        plain = text.replace(rb"\\", b"  ").replace(rb"\"", b"  ") if b"\\" in text else text
        letters = np.frombuffer(plain, np.uint8)
        kinds = KINDS[letters]
        kinds[np.logical_xor.accumulate(letters == QUOTE)] = 0  # within a string
        places = np.flatnonzero(kinds)
        kinds = kinds[places]
        levels = np.cumsum(np.where(kinds == COMMA, 0, kinds), dtype=np.int32)
        kept = (kinds == COMMA) & (levels > 0) & (levels <= MAX_LEVELS)
        places, levels = places[kept], levels[kept].astype(np.int8)
        order = np.argsort(levels, kind="stable")
        ends = np.searchsorted(levels[order], np.arange(MAX_LEVELS + 1), "right")
        self._commas: list[NDArray[np.intp]] = np.split(places[order], ends)
        """Those at each level, in their order."""

    def value(self, start: int, end: int, level: int) -> Any:
        """The value that stands there, within as many lists and objects."""
        if end - start <= self._piece or level == MAX_LEVELS:
            return orjson.loads(self._text[start:end])
        text = self._text[start:end].lstrip(BLANKS)
        start = end - len(text)
        text = text.rstrip(BLANKS)
        end = start + len(text)
        brackets = text[:1] + text[-1:]
        if brackets == b"[]":
            return self._list(start + 1, end - 1, level + 1)
        if brackets == b"{}":
            return self._object(start + 1, end - 1, level + 1)
        return orjson.loads(text)

    def _list(self, start: int, end: int, level: int) -> list[Any]:
        items: list[Any] = []
        for first, last in self._cuts(start, end, level):
            if last - first > self._piece:
                items.append(self.value(first, last, level))
            else:
                items += self._items(b"[%b]", first, last)
        return items

    def _object(self, start: int, end: int, level: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for first, last in self._cuts(start, end, level):
            name = NAME.match(self._text, first, last) if last - first > self._piece else None
            if name:
                members[orjson.loads(name[1])] = self.value(name.end(), last, level)
            else:
                members |= self._items(b"{%b}", first, last)
        return members

    def _items(self, brackets: bytes, first: int, last: int) -> Any:
        items = orjson.loads(brackets % self._text[first:last])
        if not items:
            raise orjson.JSONDecodeError("an item is missing", "", first)
        self.pieces.append(items)
        return items

    def _cuts(self, start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
        """From where to where there are items that are read together, or one that is long."""
        if not self._text[start:end].strip(BLANKS):
            return
        commas = self._commas[level]
        between = commas[np.searchsorted(commas, start) : np.searchsorted(commas, end)]
        bounds = np.concatenate(([start - 1], between, [end]))
        first = 0
        while first < len(bounds) - 1:
            last = max(int(np.searchsorted(bounds, bounds[first] + self._piece, "right")) - 1, first + 1)
            yield int(bounds[first]) + 1, int(bounds[last])
            first = last
