import { useEffect, useState } from "react";
import type { WholeJobFragment } from "../api/generated";
import { countText, valueText } from "../curves/formats";
import type { Points } from "../curves/points";
import { clock } from "../parts/time";

/** Where the job is, in numbers. */
export function Stats(props: { job: WholeJobFragment; points: Points; progress: number }) {
  const { job, points } = props;
  const running = job.status === "RUNNING";
  const now = useNow(running);
  // While the points of a long run are still being loaded, its own progress is further.
  const step = Math.max(points.furthest, Math.round(job.status === "COMPLETE" ? 0 : props.progress * job.totalSteps));
  const epoch = points.epoch;
  const began = job.startedAt === null ? undefined : Date.parse(job.startedAt);
  const ended = job.finishedAt === null ? now : Date.parse(job.finishedAt);
  const remaining = running && points.rate !== undefined ? Math.max(0, job.totalSteps - step) / points.rate : undefined;
  return (
    <dl className="stats" aria-label="Statistics">
      <Stat name="Epoch" value={`${countText(epoch)} of ${countText(job.epochs)}`} />
      <Stat name="Step" value={`${countText(step)} of ${countText(job.totalSteps)}`} />
      <Measured name="Loss" {...points.latest("loss", job.stepsPerEpoch)} lower />
      <Measured name="Accuracy" {...points.latest("accuracy", job.stepsPerEpoch)} />
      <Stat name="Elapsed" value={began === undefined ? "–" : clock((ended - began) / 1000)} />
      {running && <Stat name="Remaining" value={remaining === undefined ? "–" : `about ${clock(remaining)}`} />}
      <Stat name="Learning rate" value={valueText(job.learningRate)} note={job.schedule.toLowerCase()} />
      <Stat name="Batch size" value={countText(job.batchSize)} />
    </dl>
  );
}

function Stat({ name, value, note, trend }: { name: string; value: string; note?: string; trend?: "good" | "bad" }) {
  return (
    <div data-stat={name}>
      <dt>{name}</dt>
      <dd>
        {value}
        {note && (
          <span className="note" data-trend={trend}>
            {note}
          </span>
        )}
      </dd>
    </div>
  );
}

/** The latest value, and how it changed over the last epoch: `lower` is better for some. */
function Measured(props: { name: string; value: number | undefined; before: number | undefined; lower?: boolean }) {
  const { name, value, before, lower = false } = props;
  if (value === undefined) return <Stat name={name} value="–" />;
  const change = before === undefined ? Number.NaN : value - before;
  if (!Number.isFinite(change)) return <Stat name={name} value={valueText(value)} />;
  const note = `${change < 0 ? "−" : "+"}${valueText(Number(Math.abs(change).toPrecision(3)))} in an epoch`;
  if (change === 0) return <Stat name={name} value={valueText(value)} note={note} />;
  return <Stat name={name} value={valueText(value)} note={note} trend={change < 0 === lower ? "good" : "bad"} />;
}

/** This moment in milliseconds, each second anew while it matters. */
function useNow(ticking: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!ticking) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}
