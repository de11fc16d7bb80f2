"""Python looks for garbage now and then; not while something long is dealt with, and in spite of that at last."""

import gc
from collections.abc import Iterator

import pytest

from graph import garbage

LONG = garbage.LONG_BODY


class Clock:
    """A clock that goes on when it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(garbage, "monotonic", clock)
    return clock


@pytest.fixture
def begun() -> Iterator[None]:
    """As in a server's process; afterwards this one is as it was."""
    thresholds = gc.get_threshold()
    garbage.look_seldom()
    yield
    garbage._Search.is_begun = False
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


@pytest.mark.usefixtures("begun")
class TestInAServer:
    def test_a_short_body_changes_nothing(self) -> None:
        garbage.postpone(LONG - 1)
        assert gc.isenabled()

    def test_a_long_body_postpones_it_for_a_while(self, clock: Clock) -> None:
        garbage.postpone(LONG)
        assert not gc.isenabled()
        clock.now += garbage.POSTPONED_SECONDS
        garbage.tick()
        assert not gc.isenabled()
        clock.now += 0.1
        garbage.tick()
        assert gc.isenabled()

    def test_one_long_body_after_the_other_does_not_postpone_it_for_ever(self, clock: Clock) -> None:
        garbage.postpone(LONG)
        ring: list[object] = []
        ring.append(ring)
        died = False

        class Rung:
            def __del__(self) -> None:
                nonlocal died
                died = True

        ring.append(Rung())
        del ring
        for _ in range(30):
            clock.now += 0.1
            garbage.postpone(LONG)
            garbage.tick()
            assert not gc.isenabled()
        assert died


def test_where_no_server_has_begun_it_nothing_is_postponed() -> None:
    garbage.postpone(LONG)
    assert gc.isenabled()
