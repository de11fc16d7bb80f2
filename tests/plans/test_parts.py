"""The parts that subscribers share are kept in bounded memory, those that were used last."""

import tracemalloc

import pytest

from graph.plans.parts import KEPT_BYTES, Parts


def json_of(parts: Parts, key: str) -> str | None:
    part = parts.get((key,))
    return None if part is None else part.json


def test_the_newest_are_kept_and_the_oldest_go_first() -> None:
    parts, size = Parts(), KEPT_BYTES // 16
    for number in range(100):
        parts.keep(("{ seq }", number), "x" * size)
    kept = [number for number in range(100) if parts.get(("{ seq }", number)) is not None]
    assert 8 < len(kept) <= 16
    assert kept == [*range(100 - len(kept), 100)]


def test_one_that_is_used_outlasts_newer_ones() -> None:
    parts = Parts()
    parts.keep(("used",), "y")
    for number in range(100):
        parts.keep(("{ seq }", number), "x" * (KEPT_BYTES // 4))
        assert json_of(parts, "used") == "y"


def test_one_that_is_longer_than_all_may_be_is_not_kept() -> None:
    parts = Parts()
    parts.keep(("other",), "y")
    parts.keep(("long",), "x" * KEPT_BYTES)
    assert parts.get(("long",)) is None
    assert json_of(parts, "other") == "y"


def test_one_that_is_made_again_counts_once() -> None:
    parts = Parts()
    parts.keep(("other",), "y")
    for _ in range(100):
        parts.keep(("same",), "x" * (KEPT_BYTES // 4))
    assert json_of(parts, "other") == "y"


def test_what_selects_them_counts_as_they_do() -> None:
    parts, size = Parts(), KEPT_BYTES // 16
    keys = [(str(number) + "x" * size, number) for number in range(100)]
    for key in keys:
        parts.keep(key, "y")
    kept = [key for key in keys if parts.get(key) is not None]
    assert 8 < len(kept) <= 16


@pytest.mark.parametrize("part", ['{"seq":%d}', '{"name":"%d🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂"}' * 20])
def test_small_parts_and_parts_in_wide_letters_stay_within_the_bound_too(part: str) -> None:
    """In bytes of memory, not in letters: each part costs its key and its place beside its text."""
    parts = Parts()
    tracemalloc.start()
    try:
        for number in range(100_000 if len(part) < 100 else 20_000):
            parts.keep(("{ seq }", (1, number)), part.replace("%d", str(number)))
        assert tracemalloc.get_traced_memory()[0] < 1.5 * KEPT_BYTES
    finally:
        tracemalloc.stop()
