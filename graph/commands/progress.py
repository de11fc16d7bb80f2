"""How far a long command has come."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["progress_shown"]


def progress_shown() -> "Progress":
    """Bars, a line each, while they are entered."""
    # Here, for a server shows none and would keep the library in its memory.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    described = TextColumn("{task.description}", markup=False)
    return Progress(described, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
