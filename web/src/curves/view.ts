import { useCallback, useEffect, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import type { Axis } from "./points";

/** What of the axis is in sight: all of it, a place that a person chose, or the newest so much of it. */
export type Range = { kind: "all" } | { kind: "zoom"; from: number; to: number } | { kind: "follow"; width: number };

/** How curves are looked at, the same for all of a page. */
export interface View {
  axis: Axis;
  log: boolean;
  /** The weight of the past in the moving average, 0 to 0.99; 0 smooths nothing. */
  smoothing: number;
  range: Range;
}

const AXES: readonly Axis[] = ["step", "epoch", "time"];
export const MAX_SMOOTHING = 0.99;
const REST_MS = 200;

/** The view is in the address, so that it can be sent to someone; written there when it rests: browsers bound how often. */
export function useView(): [View, (change: Partial<View>) => void] {
  const [params, setParams] = useSearchParams();
  const [view, setView] = useState(() => viewOf(params));
  const latest = useRef(view);
  const resting = useRef<ReturnType<typeof setTimeout>>(undefined);
  const change = useCallback(
    (to: Partial<View>) => {
      latest.current = { ...latest.current, ...to };
      setView(latest.current);
      clearTimeout(resting.current);
      resting.current = setTimeout(() => setParams((now) => written(latest.current, now), { replace: true }), REST_MS);
    },
    [setParams],
  );
  useEffect(() => () => clearTimeout(resting.current), []);
  return [view, change];
}

function viewOf(params: URLSearchParams): View {
  const numberOf = (name: string) => (params.get(name) ? Number(params.get(name)) : Number.NaN);
  const [from, to, width, smoothing] = [numberOf("from"), numberOf("to"), numberOf("follow"), numberOf("smooth")];
  let range: Range = { kind: "all" };
  if (width > 0 && Number.isFinite(width)) range = { kind: "follow", width };
  else if (from < to && Number.isFinite(from) && Number.isFinite(to)) range = { kind: "zoom", from, to };
  return {
    axis: AXES.find((axis) => axis === params.get("x")) ?? "step",
    log: params.get("y") === "log",
    smoothing: smoothing > 0 ? Math.min(smoothing, MAX_SMOOTHING) : 0,
    range,
  };
}

function written(view: View, params: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const name of ["x", "y", "smooth", "from", "to", "follow"]) next.delete(name);
  if (view.axis !== "step") next.set("x", view.axis);
  if (view.log) next.set("y", "log");
  if (view.smoothing > 0) next.set("smooth", String(view.smoothing));
  if (view.range.kind === "zoom") {
    next.set("from", shortened(view.range.from, view.range));
    next.set("to", shortened(view.range.to, view.range));
  }
  if (view.range.kind === "follow") next.set("follow", Number(view.range.width.toPrecision(6)).toString());
  return next;
}

/** As many digits as distinguish the ends of the range to a thousandth of its width. */
function shortened(value: number, { from, to }: { from: number; to: number }): string {
  return value.toFixed(Math.max(0, Math.min(12, 3 - Math.floor(Math.log10(to - from)))));
}

/** The ends of the axis that are in sight, given the ends of what there is. */
export function endsOf(range: Range, first: number, last: number): [number, number] {
  if (range.kind === "zoom") return [range.from, range.to];
  if (range.kind === "follow") return [last - range.width, last];
  return first < last ? [first, last] : [first - 1, first + 1];
}
