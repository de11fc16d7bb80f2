"""What workers share of their numbers: each leaves a file in one folder, and whoever is asked adds up what is there.

The client library's own way, by files mapped into memory, would write there for each request, keep a process from
having two apps, and know no numbers that are read when somebody asks.
"""

import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from graph.telemetry.counts import Names
from graph.telemetry.definitions import COUNTERS, HISTOGRAMS

__all__ = ["Samples", "Shared", "Worker", "total"]

log = logging.getLogger(__name__)

GONE_SECONDS = 10.0
"""Who has left no numbers for so long is not there, for it does each second: its sockets are nobody's any more."""
BY_OPERATION = {
    name for name, metric in {**COUNTERS, **HISTOGRAMS}.items() if metric.labels and metric.labels[0] == "operation"
}

Labels = tuple[str, ...]
Samples = dict[str, dict[Labels, list[float]]]
"""Metric -> values of its labels -> its number; of a histogram how many in each part, and the sum."""


@dataclass(frozen=True)
class Worker:
    """One of the processes that share a port."""

    number: int = 1
    folder: Path | None = None
    """Where they leave their numbers for each other; None where there is one only."""


class Shared:
    """The numbers of all workers, as one of them sees and leaves them. A folder that fails costs numbers, no more."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._fails = False

    def left_before(self) -> Samples:
        """What the worker of this number had counted that died before this one: counters never go back."""
        file = self._file
        return _counted(_read(file)) if file else {}

    def leave(self, samples: Samples) -> None:
        """Leave the numbers of this worker for the others."""
        file = self._file
        if not file:
            return
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)  # systems clean up where temporary files are
            if file.parent.stat().st_uid != os.geteuid():
                raise PermissionError(f"{file.parent} is somebody else's")
            new = file.with_suffix(".new")
            new.write_bytes(_encoded(samples))
            new.replace(file)  # at once: whoever reads it finds the old or the new
            self._fails = False
        except OSError as error:
            if not self._fails:  # it would be said each second
                log.warning("numbers were not left for the other workers: %s", error)
            self._fails = True

    def of_all(self, own: Samples) -> Samples:
        """The numbers of all: of the others as they left them."""
        file = self._file
        if not file:
            return own
        found = {int(path.stem): path for path in file.parent.glob("*.json") if path != file}
        parts = {number: _read_if_there(path) for number, path in found.items()} | {self._worker.number: own}
        return total(parts[number] for number in sorted(parts))  # in one order, whoever is asked

    @property
    def _file(self) -> Path | None:
        return self._worker.folder and self._worker.folder / f"{self._worker.number}.json"


def total(parts: Iterable[Samples]) -> Samples:
    """The sums. Of all of them no more operations are told apart than of one: those that come first."""
    sums: Samples = {}
    names = Names()
    for samples in parts:
        for metric, rows in samples.items():
            own = sums.setdefault(metric, {})
            for labels, numbers in rows.items():
                place = (names.told(labels[0]), *labels[1:]) if metric in BY_OPERATION else labels
                mine = own.get(place)
                own[place] = numbers if mine is None else [a + b for a, b in zip(mine, numbers, strict=True)]
    return sums


def _counted(samples: Samples) -> Samples:
    """What was counted, without what was so at the moment."""
    return {name: rows for name, rows in samples.items() if name in COUNTERS or name in HISTOGRAMS}


def _read_if_there(path: Path) -> Samples:
    """What another worker has left; of one that is gone only what it had counted."""
    samples = _read(path)
    try:
        is_gone = time.time() - path.stat().st_mtime > GONE_SECONDS
    except OSError:
        is_gone = True
    return _counted(samples) if is_gone else samples


def _read(path: Path) -> Samples:
    try:
        return _decoded(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        log.warning("the numbers of a worker could not be read: %s", error)
        return {}


def _encoded(samples: Samples) -> bytes:
    return orjson.dumps({name: [*rows.items()] for name, rows in samples.items()})


def _decoded(text: bytes) -> Samples:
    return {name: {(*labels,): numbers for labels, numbers in rows} for name, rows in orjson.loads(text).items()}
