"""Numbers of points that JSON does not have, written as loops write them: NaN, Infinity, -Infinity.

GraphQL's Float takes no text, so it is given numbers here that it coerces to what the texts mean.
"""

from typing import Any

from models.metric import NonFinite

__all__ = ["BESIDE", "TEXTS", "coercible"]

BESIDE = ("loss", "accuracy", "learningRate")
"""Fields of a point that are values of it."""
NUMBERS = frozenset({*BESIDE, "value"})
"""Fields of a point, and of a value in it, that may be such a text."""
TEXTS = {each.value: float(each) for each in NonFinite}
"""What each text means, as the very objects that come of it: a document may have a number that is too large, and that
is another infinity."""


class _Text(float):
    """0 to GraphQL, which takes it for a Float, and coerces it to what is meant."""

    meant: float

    def __float__(self) -> float:
        return self.meant


def _text(text: str) -> _Text:
    number = _Text(0.0)
    number.meant = TEXTS[text]
    return number


def coercible(value: Any, depth: int = 4) -> Any:
    """Points, or one, or values of one, as variables have them, with numbers in place of these texts.

    What has none is given back as it is. `depth`: of a batch, its points, their values, and each of these.
    """
    if isinstance(value, list) and depth:
        items = [coercible(each, depth - 1) for each in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    changes: dict[str, Any] = {
        name: _text(text) for name in NUMBERS & value.keys() if isinstance(text := value[name], str) and text in TEXTS
    }
    if depth and "values" in value and (values := coercible(value["values"], depth - 1)) is not value["values"]:
        changes["values"] = values
    return {**value, **changes} if changes else value
