"""What the page makes of points, of states of a job and of names, whatever order they come in."""

import csv
import io
import unicodedata
from itertools import count
from random import Random
from typing import Any

from tests.tools.nodejs import evaluated

LINES = """
import { Points } from "./curves/points.ts";
const lines = given.map((steps) => {
    const points = new Points();
    const batches = [];
    steps.forEach((step, place) => {
        const values = [{ name: "loss", value: place, nonFinite: null }];
        const point = { seq: place + 1, step, epoch: 1, recordedAt: "2026-01-01T00:00:00Z", values };
        if (place % 5 === 0) batches.push([]);
        batches.at(-1).push(point);
    });
    for (const batch of batches) {
        points.add(batch);
        points.line("loss", "step", 1, 0);  // as a page that draws while they come
    }
    const { x, y, length } = points.line("loss", "step", 1, 0);
    return { x: [...x.slice(0, length)], y: [...y.slice(0, length)], latest: points.latest("loss", 1).value };
});
console.log(JSON.stringify(lines));
"""
RESUMED = """
import { Points } from "./curves/points.ts";
let moved = 0;
for (const name of ["copyWithin", "set"]) {
    const own = Float64Array.prototype[name];
    Float64Array.prototype[name] = function (...args) {
        moved += name === "set" ? args[0].length : this.length - args[0];
        return own.apply(this, args);
    };
}
const points = new Points();
let seq = 0;
const log = (first, last) => {
    for (let begin = first; begin <= last; begin += 1000) {
        const batch = [];
        for (let step = begin; step < begin + 1000; step += 1) {
            seq += 1;
            const values = [{ name: "loss", value: seq, nonFinite: null }];
            batch.push({ seq, step, epoch: 1, recordedAt: "2026-01-01T00:00:00Z", values });
        }
        points.add(batch);
    }
    points.line("loss", "step", 1, 0);
};
log(1, 100_000);
log(50_001, 100_000);
const { x, y, length } = points.line("loss", "step", 1, 0);
console.log(JSON.stringify({ length, moved, last: [x[length - 1], y[length - 1]] }));
"""
CSV = """
import { csvOf } from "./curves/csv.ts";
import { Points } from "./curves/points.ts";
const points = new Points();
const values = given.map((name, place) => ({ name, value: -place, nonFinite: null }));
points.add([{ seq: 1, step: 1, epoch: 1, recordedAt: "2026-01-01T00:00:00Z", values }]);
console.log(JSON.stringify(csvOf(points)));
"""
FOLDED = """
import { folded } from "./jobs/folded.ts";
console.log(JSON.stringify(given.map(folded)));
"""


STATES = [("QUEUED", 0), ("RUNNING", 0), ("RUNNING", 1), ("RUNNING", 2)]


def line_of(steps: list[int]) -> dict[str, Any]:
    """What is right: of each step the value that came last, by step."""
    values = dict(zip(steps, count(), strict=False))
    x = sorted(values)
    return {"x": x, "y": [values[step] for step in x], "latest": values[x[-1]]}


class TestALine:
    def test_is_the_same_whatever_order_its_points_come_in(self) -> None:
        random = Random(0)
        logged = [[random.randrange(31) for _ in range(random.randint(1, 60))] for _ in range(200)]
        assert evaluated(LINES, logged) == [line_of(steps) for steps in logged]

    def test_of_a_run_resumed_from_its_middle_moves_each_value_a_few_times_only(self) -> None:
        drawn = evaluated(RESUMED)
        assert (drawn["length"], drawn["last"]) == (100_000, [100_000, 150_000])
        assert drawn["moved"] < 20 * 150_000


def test_the_csv_has_every_value_and_no_name_that_a_spreadsheet_takes_for_a_formula() -> None:
    formulas = ['=HYPERLINK("http://x.y")', "=cmd|' /C calc'!A0", "@SUM(1+1)", "+1+1", "-1+1", "\t=1", "\r=1", "＝1"]
    others = ["loss", "val/loss", "a,b", 'a "b"', "a=b", "a-b", "'quoted", "ß", "1+1"]
    header, row = csv.reader(io.StringIO(evaluated(CSV, [*formulas, *others]), newline=""))
    assert header == ["seq", "step", "epoch", "recordedAt", *(f"'{name}" for name in formulas), *others]
    assert row[4:] == [str(-place) for place in range(len(formulas) + len(others))]


def test_what_is_searched_is_folded_as_the_server_folds_it() -> None:
    characters = [each for each in map(chr, range(0x20, 0x20000)) if unicodedata.category(each) not in {"Cn", "Cs"}]
    theirs = dict(zip(characters, evaluated(FOLDED, characters), strict=True))
    by_ours: dict[str, set[str]] = {}
    by_theirs: dict[str, set[str]] = {}
    for character, their in theirs.items():
        by_ours.setdefault(character.casefold(), set()).add(their)
        by_theirs.setdefault(their, set()).add(character.casefold())
    assert [(ours, said) for ours, said in by_ours.items() if len(said) > 1] == []
    assert [(said, ours) for said, ours in by_theirs.items() if len(ours) > 1] == []


def test_of_a_jobs_states_the_later_is_known_by_status_and_points_whatever_the_clocks_say() -> None:
    code = """
    import { isOlder } from "./jobs/order.ts";
    const states = given.map(([status, metricCount]) => ({ createdAt: "2026", status, metricCount }));
    console.log(JSON.stringify(states.map((job) => states.map((known) => isOlder(job, known)))));
    """
    for end in ("COMPLETE", "FAILED"):
        life = [*STATES, (end, 2)]
        older = [[place < known for known in range(len(life))] for place in range(len(life))]
        assert evaluated(code, life) == older
