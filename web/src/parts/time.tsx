import { format } from "date-fns/format";
import { formatDistance } from "date-fns/formatDistance";
import { useSyncExternalStore } from "react";

const TICK_MS = 10_000;

const listeners = new Set<() => void>();
let now = Date.now();
let ticking: ReturnType<typeof setInterval> | undefined;

/** One clock for all that is written as "ago", however many there are. */
function listen(listener: () => void): () => void {
  listeners.add(listener);
  if (ticking === undefined) now = Date.now();
  ticking ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
  };
}

/** "3 minutes ago", and the exact time on hover. */
export function Ago({ at }: { at: string }) {
  const moment = new Date(at);
  const from = useSyncExternalStore(listen, () => now);
  // What is newer than the last tick, or than our clock, was just now.
  const past = new Date(Math.min(moment.getTime(), from - 1));
  return (
    <time dateTime={at} title={exactly(moment)}>
      {formatDistance(past, from, { addSuffix: true })}
    </time>
  );
}

export function exactly(moment: Date): string {
  return format(moment, "yyyy-MM-dd HH:mm:ss xxx");
}

/** 1:05, 2:03:04; seconds, rounded down. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [first, ...rest] = parts[0] === 0 ? parts.slice(1) : parts;
  return [first, ...rest.map((part) => String(part).padStart(2, "0"))].join(":");
}
