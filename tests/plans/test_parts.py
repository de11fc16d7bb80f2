"""The parts that subscribers share are kept in bounded memory, those that were used last."""

import tracemalloc

import pytest

from graph.plans.delivery import KEPT_BYTES, Parts


@pytest.mark.parametrize("long", ["text", "key"])
def test_the_newest_are_kept_and_the_oldest_go_first_whatever_of_them_is_long(long: str) -> None:
    parts, filler = Parts(), "x" * (KEPT_BYTES // 16)
    keys = [(f"{{ seq }}{filler if long == 'key' else ''}", number) for number in range(100)]
    for key in keys:
        parts.keep(key, filler if long == "text" else "y")
    kept = [key for key in keys if parts.get(key) is not None]
    assert 8 < len(kept) <= 16
    assert kept == keys[-len(kept) :]


def test_one_that_is_used_outlasts_newer_ones_and_those_longer_than_all_may_be() -> None:
    parts = Parts()
    parts.keep(("used",), "y")
    for number in range(20):
        parts.keep(("{ seq }", number), "x" * (KEPT_BYTES // 4))
        parts.keep(("long",), "x" * KEPT_BYTES)
        assert parts.get(("long",)) is None
        assert (used := parts.get(("used",))) is not None
        assert used.json == "y"


@pytest.mark.parametrize("part", ['{"seq":%d}', '{"name":"%d🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂🚂"}' * 20])
def test_small_parts_and_parts_in_wide_letters_stay_within_the_bound_too(part: str) -> None:
    """In bytes of memory, not in letters: each part costs its key and its place beside its text."""
    parts = Parts()
    tracemalloc.start()
    try:
        for number in range(20_000):
            parts.keep(("{ seq }", (1, number)), part.replace("%d", str(number)))
        assert tracemalloc.get_traced_memory()[0] < 1.5 * KEPT_BYTES
    finally:
        tracemalloc.stop()
