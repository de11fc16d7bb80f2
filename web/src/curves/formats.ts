import { clock } from "../parts/time";
import type { Axis } from "./points";

const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** A value as people read it: 0.0123457, 3e-5, NaN, ∞. */
export function valueText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e9)) return String(Number(value.toPrecision(4)));
  return NUMBER.format(value);
}

/** A whole number with its thousands apart. */
export function countText(value: number): string {
  return COUNT.format(value);
}

/** A place on an axis. */
export function placeText(axis: Axis, x: number): string {
  return axis === "time" ? clock(x) : COUNT.format(x);
}

/** The place with the axis's name before it. */
export function placeName(axis: Axis, x: number): string {
  return axis === "time" ? `at ${clock(x)}` : `${axis} ${COUNT.format(x)}`;
}
