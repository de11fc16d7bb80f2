"""JSON that is long is read in pieces: it says what it says to who reads it in one go, and is refused where that is."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graph.execution.long_json import LONG, MAX_LEVELS, in_pieces, loaded

TEXTS = st.text() | st.sampled_from(['"', "\\", '\\"', "\\\\", ",", "[", "]}", "{", "é,", "\u2028"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SCALARS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=30)
BLANKS = st.text(" \t\r\n", max_size=9)
TOKENS = st.sampled_from(
    [*"[[[]]]{{{}}},,,,::", '"a"', '"a":', '"\\"', '"', "\\", "1", "-", "null", "tru", "NaN", " ", "\n", "\v", "é"]
)


def read_in_one_go(text: bytes) -> Any:
    """What it says, or, where it is no JSON, that it says nothing."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.JSONDecodeError


def read_in_pieces(text: bytes, piece: int) -> Any:
    try:
        return in_pieces(text, piece).value
    except orjson.JSONDecodeError:
        return orjson.JSONDecodeError


@given(VALUES, BLANKS, BLANKS, st.booleans(), st.integers(1, 40))
def test_whatever_is_json_says_the_same(value: Any, comma: str, colon: str, is_ascii: bool, piece: int) -> None:
    separators = (f"{comma},{colon}", f"{colon}:{comma}")
    text = json.dumps(value, ensure_ascii=is_ascii, separators=separators).encode()
    assert read_in_pieces(text, piece) == orjson.loads(text)


@given(st.lists(TOKENS, max_size=25), st.integers(1, 12))
@example(["[", "1", ",", ",", "1", "]"], 1)
@example(["[", "1", "]", "[", "1", "]"], 1)
@example(["[", *" " * 20, "]"], 1)
def test_and_whatever_is_none_is_refused(tokens: list[str], piece: int) -> None:
    text = "".join(tokens).encode()
    assert read_in_pieces(text, piece) == read_in_one_go(text)


@given(VALUES, st.data(), st.integers(1, 12))
def test_so_is_what_is_json_but_for_a_letter(value: Any, data: st.DataObject, piece: int) -> None:
    text = json.dumps(value).encode()
    at = data.draw(st.integers(0, len(text)))
    gone, come = data.draw(st.integers(0, 1)), data.draw(st.sampled_from(["", *'[]{},:"\\ 1a'])).encode()
    spoilt = text[:at] + come + text[at + gone :]
    assert read_in_pieces(spoilt, piece) == read_in_one_go(spoilt)


@pytest.mark.parametrize("levels", [MAX_LEVELS - 1, MAX_LEVELS, MAX_LEVELS + 1, 500])
def test_it_may_be_as_deep_as_it_likes(levels: int) -> None:
    text = b"[1," * levels + b"[1, 2]" + b"]" * levels
    assert in_pieces(text, 2).value == orjson.loads(text)


@pytest.mark.parametrize("text", ["[", "]", '{"a":', '"', "\\", ",", "[1,", '[1,{"a":'])
def test_and_no_depth_fells_it(text: str) -> None:
    assert read_in_pieces(text.encode() * 10**5, 10) is orjson.JSONDecodeError


def test_of_a_name_that_comes_twice_the_last_one_counts() -> None:
    text = b'{"a": 1, "b": [1, 2, 3], "a": [4, 5, 6]}'
    assert in_pieces(text, 4).value == orjson.loads(text) == {"a": [4, 5, 6], "b": [1, 2, 3]}


def test_no_piece_is_longer_than_it_may_be() -> None:
    points = [{"step": step, "values": [{"name": "loss", "value": step / 3}] * 20} for step in range(100)]
    text = json.dumps({"query": "…", "variables": {"metrics": points}}).encode()
    read = in_pieces(text, 100)
    assert read.value == orjson.loads(text)
    assert len(read.pieces) > len(text) / 100
    assert all(len(orjson.dumps(piece)) <= 100 for piece in read.pieces)


@pytest.mark.parametrize("length", [LONG, LONG + 1])
async def test_a_text_that_is_let_go_leaves_its_value_with_those_who_have_it(length: int) -> None:
    text = json.dumps(["a"] * (length // 5)).encode().ljust(length)
    read = await loaded(text)
    value = read.value
    read.let_go()
    assert (await loaded(b"1" + b" " * LONG)).value == 1  # the thread has come to the next
    assert value == orjson.loads(text)
    assert read.pieces == []
