import type { PointsSubscription } from "../api/generated";

type Point = PointsSubscription["metricsAdded"][number];
type Value = Point["values"][number];

/** What a curve can be drawn over. */
export type Axis = "step" | "epoch" | "time";

/** The points of a curve in the order of the axis; `length` of each array's numbers count. */
export interface Line {
  x: Float64Array;
  y: Float64Array;
  length: number;
}

const NON_FINITE = { NAN: Number.NaN, INFINITY: Number.POSITIVE_INFINITY, NEGATIVE_INFINITY: Number.NEGATIVE_INFINITY };

/** Points that the recent rate is taken from. */
const RECENT = 200;

/** A list of numbers that grows: 8 bytes each, however many. */
class Numbers {
  data = new Float64Array(256);
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) {
      const grown = new Float64Array(2 * this.length);
      grown.set(this.data);
      this.data = grown;
    }
    this.data[this.length] = value;
    this.length += 1;
  }

  at(index: number): number {
    return this.data[index] as number;
  }
}

/** The values of one name: which point each is of, and what it is. */
class Column {
  readonly point = new Numbers();
  readonly value = new Numbers();
  /** Whether each step is beyond the one before: then nothing has to be sorted. */
  ascending = true;
  furthest = Number.NEGATIVE_INFINITY;
  /** The lowest and the highest finite value. */
  low = Number.POSITIVE_INFINITY;
  high = Number.NEGATIVE_INFINITY;
}

/** All points of one job that have arrived, by the column: their seqs have no gap, so a point's place is its seq - 1. */
export class Points {
  readonly steps = new Numbers();
  readonly epochs = new Numbers();
  /** When each was recorded, in milliseconds. */
  readonly times = new Numbers();
  /** The furthest step of any point. */
  furthest = 0;
  private numberedBySteps = true;
  private readonly columns = new Map<string, Column>();

  get lastSeq(): number {
    return this.steps.length;
  }

  get names(): string[] {
    return [...this.columns.keys()];
  }

  /** Whether all points may be the simulator's: each at its own number, with a value that no other loop is likely to log. */
  get simulated(): boolean {
    return this.lastSeq === 0 || (this.numberedBySteps && this.columns.has("tokens_per_second"));
  }

  /** Take in a batch; what is here already is left out. */
  add(batch: readonly Point[]): void {
    for (const point of batch) {
      if (point.seq === this.lastSeq + 1) this.append(point);
    }
  }

  /** The curve of a name over an axis: by step, where of two values of one step the later counts; by time, as they came. */
  line(name: string, axis: Axis, stepsPerEpoch: number, startedAt: number): Line {
    const column = this.columns.get(name);
    if (column === undefined) return { x: new Float64Array(), y: new Float64Array(), length: 0 };
    const x = new Float64Array(column.point.length);
    if (axis === "time") {
      let last = Number.NEGATIVE_INFINITY;
      for (let index = 0; index < x.length; index += 1) {
        // The points of a batch have one moment: kept in their order.
        last = Math.max(last + 1e-6, (this.times.at(column.point.at(index)) - startedAt) / 1000);
        x[index] = last;
      }
      return { x, y: column.value.data, length: x.length };
    }
    for (let index = 0; index < x.length; index += 1) x[index] = this.steps.at(column.point.at(index));
    const line = column.ascending ? { x, y: column.value.data, length: x.length } : sorted(x, column.value.data);
    if (axis === "epoch") for (let index = 0; index < line.length; index += 1) line.x[index]! /= stepsPerEpoch;
    return line;
  }

  /** Every point in order of arrival, with its values by name; the map is the same one each time. */
  forEach(
    visit: (point: { seq: number; step: number; epoch: number; time: number }, values: Map<string, number>) => void,
  ): void {
    const columns = [...this.columns].map(([name, column]) => ({ name, column, next: 0 }));
    const values = new Map<string, number>();
    for (let place = 0; place < this.lastSeq; place += 1) {
      values.clear();
      for (const each of columns) {
        if (each.next < each.column.point.length && each.column.point.at(each.next) === place) {
          values.set(each.name, each.column.value.at(each.next));
          each.next += 1;
        }
      }
      const point = {
        seq: place + 1,
        step: this.steps.at(place),
        epoch: this.epochs.at(place),
        time: this.times.at(place),
      };
      visit(point, values);
    }
  }

  /** The latest value of a name, and the one that was the latest `steps` steps before; undefined where there is none. */
  latest(name: string, steps: number): { value: number | undefined; before: number | undefined } {
    const column = this.columns.get(name);
    if (column === undefined) return { value: undefined, before: undefined };
    const last = column.value.length - 1;
    const beginning = this.steps.at(column.point.at(last)) - steps;
    let index = last;
    while (index >= 0 && this.steps.at(column.point.at(index)) > beginning) index -= 1;
    return { value: column.value.at(last), before: index < 0 ? undefined : column.value.at(index) };
  }

  /** The lowest and the highest finite value of a name; undefined where there is none. */
  extremes(name: string): { low: number; high: number } | undefined {
    const column = this.columns.get(name);
    return column && column.low <= column.high ? { low: column.low, high: column.high } : undefined;
  }

  /** Steps a second over the most recent points; undefined where there are too few. */
  get rate(): number | undefined {
    const last = this.lastSeq - 1;
    const first = Math.max(0, last - RECENT);
    const seconds = (this.times.at(last) - this.times.at(first)) / 1000;
    const steps = this.steps.at(last) - this.steps.at(first);
    return last > first && seconds > 0 && steps > 0 ? steps / seconds : undefined;
  }

  private append(point: Point): void {
    const place = this.lastSeq;
    this.steps.push(point.step);
    this.epochs.push(point.epoch);
    this.times.push(Date.parse(point.recordedAt));
    this.furthest = Math.max(this.furthest, point.step);
    this.numberedBySteps &&= point.step === point.seq;
    for (const value of point.values) {
      let column = this.columns.get(value.name);
      if (column === undefined) {
        column = new Column();
        this.columns.set(value.name, column);
      }
      column.ascending &&= point.step > column.furthest;
      column.furthest = Math.max(column.furthest, point.step);
      column.point.push(place);
      const number = numberOf(value);
      column.value.push(number);
      if (Number.isFinite(number)) {
        column.low = Math.min(column.low, number);
        column.high = Math.max(column.high, number);
      }
    }
  }
}

function numberOf({ value, nonFinite }: Value): number {
  return value ?? (nonFinite === null ? Number.NaN : NON_FINITE[nonFinite]);
}

/** By x; of equal ones the last. */
function sorted(x: Float64Array, y: Float64Array): Line {
  const order = Uint32Array.from(x.keys()).sort((a, b) => x[a]! - x[b]! || a - b);
  const line = { x: new Float64Array(x.length), y: new Float64Array(x.length), length: 0 };
  for (const place of order) {
    if (line.length > 0 && line.x[line.length - 1] === x[place]) line.length -= 1;
    line.x[line.length] = x[place]!;
    line.y[line.length] = y[place]!;
    line.length += 1;
  }
  return line;
}
