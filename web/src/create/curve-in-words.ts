/** A named curve of a run; a value is null where it is not finite. */
export interface Curve {
  label: string;
  step: readonly number[];
  value: readonly (number | null)[];
}

interface Point {
  step: number;
  value: number;
}

// An end is not called lower than a valley that noise alone may have made.
const NOISE = 0.1;

/** What the eye sees of a curve: "Training loss falls from 2.31 to 0.41." */
export function inWords({ label, step, value }: Curve, totalSteps: number): string {
  const points = step.flatMap((at, index) => pointAt(at, value[index]));
  const [first, last] = [points[0], points.at(-1)];
  if (step.length === 0) return `${label} is not measured.`;
  if (first === undefined || last === undefined) return `${label} is never finite.`;
  const words = [`${label} ${course(first, last)}`, ...turns(points, first, last)];
  const notFinite = step.find((_, index) => value[index] === null);
  if (notFinite !== undefined) words.push(`not finite from step ${count(notFinite)}`);
  else if (last.step < totalSteps) words.push(`the last at step ${count(last.step)} of ${count(totalSteps)}`);
  return `${words.join(", ")}.`;
}

function pointAt(step: number, value: number | null | undefined): Point[] {
  return value === null || value === undefined ? [] : [{ step, value }];
}

function course(first: Point, last: Point): string {
  if (first === last) return `is ${short(first.value)}`;
  if (short(first.value) === short(last.value)) return `stays at ${short(first.value)}`;
  return `${last.value < first.value ? "falls" : "rises"} from ${short(first.value)} to ${short(last.value)}`;
}

/** The highest and the lowest point, where they stand out from both ends. */
function turns(points: readonly Point[], first: Point, last: Point): string[] {
  const highest = points.reduce((best, point) => (point.value > best.value ? point : best));
  const lowest = points.reduce((best, point) => (point.value < best.value ? point : best));
  const noise = NOISE * (highest.value - lowest.value);
  const words = [];
  if (highest.value > Math.max(first.value, last.value) + noise) words.push({ word: "highest", ...highest });
  if (lowest.value < Math.min(first.value, last.value) - noise) words.push({ word: "lowest", ...lowest });
  return words
    .toSorted((one, other) => one.step - other.step)
    .map(({ word, value, step }) => `${word} ${short(value)} at step ${count(step)}`);
}

/** A value in three digits. */
export function short(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** A number of steps. */
export function count(steps: number): string {
  return steps.toLocaleString("en");
}
