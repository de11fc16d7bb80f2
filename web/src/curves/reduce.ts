import type { Line } from "./points";

/** What is drawn of a curve: where it is null, the line is broken. */
export interface Drawn {
  x: number[];
  y: (number | null)[];
}

/** Where a value was that is not finite. */
export interface Mark {
  x: number;
  value: number;
}

/** The index of the first x that is not below `value`. */
export function lowerBound({ x, length }: Line, value: number): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the point nearest to `value`; -1 where there is none. */
export function nearest(line: Line, value: number): number {
  const right = lowerBound(line, value);
  if (right === 0) return line.length > 0 ? 0 : -1;
  if (right === line.length) return right - 1;
  return value - line.x[right - 1]! < line.x[right]! - value ? right - 1 : right;
}

/**
 * The curve between two x in so few points that a screen `pixels` wide shows all that there is: of each pixel the lowest
 * and the highest, so that no spike is lost. A point beyond each end is kept, so that the line runs out of the picture.
 * `log` leaves out what a logarithmic scale has no place for.
 */
export function reduceLine(line: Line, from: number, to: number, pixels: number, log: boolean): Drawn {
  const first = Math.max(0, lowerBound(line, from) - 1);
  const last = Math.min(line.length - 1, lowerBound(line, to));
  const drawn: Drawn = { x: [], y: [] };
  const shown = (index: number): number | null => {
    const value = line.y[index]!;
    return Number.isFinite(value) && !(log && value <= 0) ? value : null;
  };
  const put = (index: number) => {
    drawn.x.push(line.x[index]!);
    drawn.y.push(shown(index));
  };
  if (last - first < 4 * pixels) {
    for (let index = first; index <= last; index += 1) put(index);
    return drawn;
  }
  const scale = pixels / (to - from);
  for (let index = first; index <= last; ) {
    const pixel = Math.floor((line.x[index]! - from) * scale);
    let [low, high, broken] = [-1, -1, -1];
    for (; index <= last && Math.floor((line.x[index]! - from) * scale) === pixel; index += 1) {
      const value = shown(index);
      if (value === null) broken = index;
      else {
        if (low < 0 || value < line.y[low]!) low = index;
        if (high < 0 || value >= line.y[high]!) high = index;
      }
    }
    for (const kept of [...new Set([low, high, broken])].sort((a, b) => a - b)) if (kept >= 0) put(kept);
  }
  return drawn;
}

/** The values between two x that are not finite; of neighbours that are alike one in each of `places` parts. */
export function marksOf(line: Line, from: number, to: number, places: number): Mark[] {
  const marks: Mark[] = [];
  const apart = (to - from) / places;
  for (let index = lowerBound(line, from); index < line.length && line.x[index]! <= to; index += 1) {
    const value = line.y[index]!;
    if (Number.isFinite(value)) continue;
    const before = marks.at(-1);
    if (before === undefined || line.x[index]! - before.x >= apart || !Object.is(before.value, value)) {
      marks.push({ x: line.x[index]!, value });
    }
  }
  return marks;
}

/**
 * The exponential moving average, debiased: each value is divided by the weight that has been given out so far, so that
 * the curve begins at the first value and not at 0 (Kingma and Ba, Adam, 2015, section 3). `weight` is that of the past,
 * 0 to below 1. What is not finite is passed over.
 */
export function smooth(line: Line, weight: number): Line {
  const y = new Float64Array(line.length);
  let [average, left] = [0, 1];
  for (let index = 0; index < line.length; index += 1) {
    const value = line.y[index]!;
    if (Number.isFinite(value)) {
      average = weight * average + (1 - weight) * value;
      left *= weight;
      y[index] = average / (1 - left);
    } else {
      y[index] = value;
    }
  }
  return { x: line.x, y, length: line.length };
}
