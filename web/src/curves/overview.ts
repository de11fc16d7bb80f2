import type { CurveLineFragment, OverviewQuery } from "../api/generated";
import type { Axis, Line } from "./points";
import { endsOf, type Range } from "./view";

/** Steps, both ends among them. */
export interface Span {
  from: number;
  to: number;
}

/** A run's main curves, downsampled: what is shown of a long one until its points are here. */
export interface Overview {
  /** The seq of the last point that it covers. */
  upTo: number;
  whole: readonly CurveLineFragment[];
  /** The steps that are in sight, or were last, by themselves: they have points for what the whole has none for. */
  detail?: { span: Span; curves: readonly CurveLineFragment[] };
}

/** GraphQL's largest whole number. */
const MAX_INT = 2 ** 31 - 1;

export function curvesOf({ loss, accuracy, learningRate }: NonNullable<OverviewQuery["job"]>): CurveLineFragment[] {
  return [loss, accuracy, learningRate].filter(({ step }) => step.length > 0);
}

/** The steps in sight that are to be requested; undefined where the whole shows them as well as can be. */
export function spanInSight(
  overview: Overview,
  range: Range,
  axis: Axis,
  stepsPerEpoch: number | null,
): Span | undefined {
  const scale = scaleOf(axis, stepsPerEpoch);
  if (range.kind === "all" || scale === null) return undefined;
  const first = Math.min(...overview.whole.map(({ step }) => step[0]!));
  const last = Math.max(...overview.whole.map(({ step }) => step.at(-1)!));
  const [left, right] = endsOf(range, first / scale, last / scale);
  const [from, to] = [Math.max(Math.floor(left * scale), 0), Math.min(Math.ceil(right * scale), MAX_INT)];
  return from <= to && (from > first || to < last) ? { from, to } : undefined;
}

/** The steps in a unit of the axis; null where it has no place for them: the overview knows no times. */
function scaleOf(axis: Axis, stepsPerEpoch: number | null): number | null {
  if (axis === "time") return null;
  return axis === "epoch" ? stepsPerEpoch : 1;
}

/** A curve over an axis, as far as the overview has one. */
export function overviewLine(
  overview: Overview,
  name: string,
  axis: Axis,
  stepsPerEpoch: number | null,
): Line | undefined {
  const scale = scaleOf(axis, stepsPerEpoch);
  const whole = overview.whole.find((each) => each.name === name);
  if (whole === undefined || scale === null) return undefined;
  const { step, value } = withDetail(whole, overview.detail);
  const x = Float64Array.from(step, (each) => each / scale);
  const y = Float64Array.from(value, (each) => each ?? Number.NaN);
  return { x, y, length: x.length };
}

/** The whole, with the detail in place of its own steps. */
function withDetail(whole: CurveLineFragment, detail: Overview["detail"]): Pick<CurveLineFragment, "step" | "value"> {
  const curve = detail?.curves.find(({ name }) => name === whole.name);
  if (detail === undefined || curve === undefined) return whole;
  const { from, to } = detail.span;
  const before = whole.step.filter((step) => step < from).length;
  const after = whole.step.length - whole.step.filter((step) => step > to).length;
  return {
    step: [...whole.step.slice(0, before), ...curve.step, ...whole.step.slice(after)],
    value: [...whole.value.slice(0, before), ...curve.value, ...whole.value.slice(after)],
  };
}
