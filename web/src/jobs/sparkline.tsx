import { useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { useConnectionCount } from "../api/connection";
import { SparklineDocument } from "../api/generated";
import { useInView } from "../parts/in-view";

const POINTS = 60;
const WIDTH = 240;
const HEIGHT = 48;
const REST_MS = 3_000;

/** The loss of a job from its beginning, drawn anew when there is more to see: while the card is in sight. */
export function Sparkline({ id, metricCount, ended }: { id: string; metricCount: number; ended: boolean }) {
  const client = useClient();
  const box = useRef<HTMLDivElement>(null);
  const inView = useInView(box);
  const connections = useConnectionCount();
  const [path, setPath] = useState("");
  const drawn = useRef({ metricCount: 0, at: Number.NEGATIVE_INFINITY });

  // biome-ignore lint/correctness/useExhaustiveDependencies: fetched again with each connection, for the last request may have failed
  useEffect(() => {
    const fresh = metricCount - drawn.current.metricCount;
    // Less than a point's worth cannot be seen.
    const visible = fresh * POINTS >= metricCount || ended;
    if (!inView || fresh === 0 || !visible) return;
    const wait = Math.max(0, drawn.current.at + REST_MS - performance.now());
    const timer = setTimeout(async () => {
      const { data } = await client.query(SparklineDocument, { id, points: POINTS });
      if (!data?.job) return;
      drawn.current = { metricCount, at: performance.now() };
      setPath(pathOf(data.job.curve.step, data.job.curve.value));
    }, wait);
    return () => clearTimeout(timer);
  }, [client, id, inView, metricCount, ended, connections]);

  return (
    <div ref={box} className="sparkline">
      {path && (
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label="Loss so far">
          <path d={path} vectorEffect="non-scaling-stroke" />
        </svg>
      )}
    </div>
  );
}

/** An SVG path through the points; what is not finite is a gap. */
export function pathOf(steps: readonly number[], values: readonly (number | null)[]): string {
  const finite = values.filter((value) => value !== null);
  if (finite.length < 2) return "";
  const [left, right] = [steps[0] as number, steps.at(-1) as number];
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const place = (step: number, value: number) => {
    const x = ((step - left) / (right - left || 1)) * WIDTH;
    const y = HEIGHT - 2 - ((value - low) / (high - low || 1)) * (HEIGHT - 4);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  let pen = "M";
  let path = "";
  for (const [index, value] of values.entries()) {
    if (value === null) {
      pen = "M";
    } else {
      path += pen + place(steps[index] as number, value);
      pen = "L";
    }
  }
  return path;
}
