"""How far a long command has come."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["progress_shown"]


def progress_shown() -> "Progress":
    """Bars on stderr, a line each, while they are entered; none where that is no terminal."""
    # Here, for a server shows none and would keep the library in its memory.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    described = TextColumn("{task.description}", markup=False)
    console = Console(stderr=True)
    return Progress(
        described,
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,  # what a command says in the end says it all
        disable=not (sys.stderr.isatty() and console.is_interactive),  # rich takes a pipe for a terminal if told so
    )
