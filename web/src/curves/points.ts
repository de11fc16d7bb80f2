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

/** What the simulator makes at every step: no other loop logs just these. */
const SIMULATED = ["loss", "accuracy", "learningRate", "grad_norm", "tokens_per_second"];

/** How far back the recent rate goes. */
const RECENT_MS = 10_000;

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
  /** Places of the values by step, of one step's only the last that came: all of them but `late`. */
  private order = new Numbers();
  /** Places of the values that came behind one of a later step, as of a run that was resumed from a checkpoint. */
  private late: number[] = [];
  /** The lowest and the highest finite value. */
  low = Number.POSITIVE_INFINITY;
  high = Number.NEGATIVE_INFINITY;

  push(point: number, value: number, steps: Numbers): void {
    const place = this.value.length;
    const last = this.order.length - 1;
    const furthest = last < 0 ? Number.NEGATIVE_INFINITY : steps.at(this.point.at(this.order.at(last)));
    if (steps.at(point) > furthest) this.order.push(place);
    else this.late.push(place);
    this.point.push(point);
    this.value.push(value);
    if (Number.isFinite(value)) {
      this.low = Math.min(this.low, value);
      this.high = Math.max(this.high, value);
    }
  }

  /** Places of the values by step; of one step's only the last that came. */
  ordered(steps: Numbers): Numbers {
    if (this.late.length > 0) {
      // All that came since the last time at once: a place of its own for each would move the others each time.
      const stepOf = (place: number) => steps.at(this.point.at(place));
      this.late.sort((one, other) => stepOf(one) - stepOf(other) || one - other);
      this.order = merged(this.order, this.late, stepOf);
      this.late = [];
    }
    return this.order;
  }
}

/** Two lists of places, each by step, as one; of one step's places only the last of `late`, else that of `order`. */
function merged(order: Numbers, late: readonly number[], stepOf: (place: number) => number): Numbers {
  const all = new Numbers();
  const put = (place: number) => {
    if (all.length > 0 && stepOf(all.at(all.length - 1)) === stepOf(place)) all.data[all.length - 1] = place;
    else all.push(place);
  };
  let next = 0;
  for (const place of late) {
    while (next < order.length && stepOf(order.at(next)) <= stepOf(place)) {
      put(order.at(next));
      next += 1;
    }
    put(place);
  }
  for (; next < order.length; next += 1) put(order.at(next));
  return all;
}

/** All points of one job that have arrived, by the column: their seqs have no gap, so a point's place is its seq - 1. */
export class Points {
  readonly steps = new Numbers();
  /** NaN where it is not known. */
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

  /** The step of the latest point; 0 where there is none. */
  get step(): number {
    return this.lastSeq === 0 ? 0 : this.steps.at(this.lastSeq - 1);
  }

  /** The epoch of the latest point; undefined where it is not known. */
  get epoch(): number | undefined {
    const epoch = this.lastSeq === 0 ? Number.NaN : this.epochs.at(this.lastSeq - 1);
    return Number.isNaN(epoch) ? undefined : epoch;
  }

  /** Whether all points may be the simulator's: each at its own number, with just the values that it makes. */
  get simulated(): boolean {
    return this.lastSeq === 0 || (this.numberedBySteps && SIMULATED.every((name) => this.columns.has(name)));
  }

  /** Take in a batch; what is here already is left out. */
  add(batch: readonly Point[]): void {
    for (const point of batch) {
      if (point.seq === this.lastSeq + 1) this.append(point);
    }
  }

  /** The curve of a name over an axis: by step, where of two values of one step the later counts; by time, as they came. What has no place on it is left out. */
  line(name: string, axis: Axis, stepsPerEpoch: number | null, startedAt: number): Line {
    const column = this.columns.get(name);
    if (column === undefined) return { x: new Float64Array(), y: new Float64Array(), length: 0 };
    if (axis === "time") return this.lineByTime(column, startedAt);
    const order = column.ordered(this.steps);
    const [x, y] = [new Float64Array(order.length), new Float64Array(order.length)];
    let length = 0;
    let last = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < order.length; index += 1) {
      const place = order.at(index);
      const point = column.point.at(place);
      const step = this.steps.at(point);
      const at = axis === "step" ? step : epochOf(step, this.epochs.at(point), stepsPerEpoch);
      if (Number.isNaN(at)) continue;
      last = Math.max(last, at);
      x[length] = last;
      y[length] = column.value.at(place);
      length += 1;
    }
    return { x, y, length };
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

  /**
   * The value of a name at its furthest step, and the one `steps` steps before; undefined where there is none, or where
   * `steps` is null.
   */
  latest(name: string, steps: number | null): { value: number | undefined; before: number | undefined } {
    const column = this.columns.get(name);
    if (column === undefined) return { value: undefined, before: undefined };
    const order = column.ordered(this.steps);
    const stepAt = (index: number) => this.steps.at(column.point.at(order.at(index)));
    const last = order.length - 1;
    let index = steps === null ? -1 : last;
    while (steps !== null && index >= 0 && stepAt(index) > stepAt(last) - steps) index -= 1;
    const valueAt = (place: number) => column.value.at(order.at(place));
    return { value: valueAt(last), before: index < 0 ? undefined : valueAt(index) };
  }

  /** The lowest and the highest finite value of a name; undefined where there is none. */
  extremes(name: string): { low: number; high: number } | undefined {
    const column = this.columns.get(name);
    return column && column.low <= column.high ? { low: column.low, high: column.high } : undefined;
  }

  /** Steps a second over the last seconds; undefined where there are too few points. */
  get rate(): number | undefined {
    const last = this.lastSeq - 1;
    let first = last;
    let furthest = 0;
    while (first > 0 && this.times.at(first) > this.times.at(last) - RECENT_MS) {
      furthest = Math.max(furthest, this.steps.at(first));
      first -= 1;
    }
    if (first < 0) return undefined;
    const seconds = (this.times.at(last) - this.times.at(first)) / 1000;
    const steps = furthest - this.steps.at(first);
    return seconds > 0 && steps > 0 ? steps / seconds : undefined;
  }

  private lineByTime(column: Column, startedAt: number): Line {
    const x = new Float64Array(column.point.length);
    let last = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < x.length; index += 1) {
      // The points of a batch have one moment: kept in their order.
      last = Math.max(last + 1e-6, (this.times.at(column.point.at(index)) - startedAt) / 1000);
      x[index] = last;
    }
    return { x, y: column.value.data, length: x.length };
  }

  private append(point: Point): void {
    const place = this.lastSeq;
    this.steps.push(point.step);
    this.epochs.push(point.epoch ?? Number.NaN);
    this.times.push(Date.parse(point.recordedAt));
    this.furthest = Math.max(this.furthest, point.step);
    this.numberedBySteps &&= point.step === point.seq;
    for (const value of point.values) {
      let column = this.columns.get(value.name);
      if (column === undefined) {
        column = new Column();
        this.columns.set(value.name, column);
      }
      column.push(place, numberOf(value), this.steps);
    }
  }
}

function numberOf({ value, nonFinite }: Value): number {
  return value ?? (nonFinite === null ? Number.NaN : NON_FINITE[nonFinite]);
}

/** The place on the axis of epochs: within the epoch where steps count them, else the epoch that was logged. */
function epochOf(step: number, epoch: number, stepsPerEpoch: number | null): number {
  if (stepsPerEpoch === null) return epoch;
  return Math.max(1, Math.ceil(step / stepsPerEpoch)) === epoch ? step / stepsPerEpoch : epoch;
}
