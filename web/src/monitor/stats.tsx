import { useEffect, useState } from "react";
import type { WholeJobFragment } from "../api/generated";
import { countText, valueText } from "../curves/formats";
import type { Points } from "../curves/points";
import { clock } from "../parts/time";

/** Where the job is, in numbers. */
export function Stats({ job, points }: { job: WholeJobFragment; points: Points }) {
  const running = job.status === "RUNNING";
  const now = useNow(running);
  const step = stepOf(job, points);
  const total = job.totalSteps;
  const { epoch } = points;
  const began = job.startedAt === null ? undefined : Date.parse(job.startedAt);
  const ended = job.finishedAt === null ? now : Date.parse(job.finishedAt);
  const { rate } = points;
  return (
    <dl className="stats" aria-label="Statistics">
      {(epoch !== undefined || job.epochs !== null) && <Stat name="Epoch" value={placeOf(epoch, job.epochs)} />}
      <Stat name="Step" value={placeOf(step, total)} />
      <Measured name="Loss" {...points.latest("loss", job.stepsPerEpoch)} lower />
      <Measured name="Accuracy" {...points.latest("accuracy", job.stepsPerEpoch)} />
      <Stat name="Elapsed" value={began === undefined ? "–" : clock((ended - began) / 1000)} />
      {running && total !== null && step <= total && (
        <Stat name="Remaining" value={rate === undefined ? "–" : `about ${clock((total - step) / rate)}`} />
      )}
      {job.learningRate !== null && (
        <Stat name="Learning rate" value={valueText(job.learningRate)} note={job.schedule?.toLowerCase()} />
      )}
      {job.batchSize !== null && <Stat name="Batch size" value={countText(job.batchSize)} />}
    </dl>
  );
}

/** The step that the run is at. */
function stepOf({ attempt, status, progress, totalSteps }: WholeJobFragment, points: Points): number {
  // Earlier attempts may have been further than the checkpoint that this one began at.
  if (attempt > 1) return points.step;
  // While the points of a long run are still being loaded, its own progress is further.
  const reported = status === "COMPLETE" ? 0 : Math.round((progress ?? 0) * (totalSteps ?? 0));
  return Math.max(points.furthest, reported);
}

/** "3 of 10"; without the end where it is unknown, or was passed. */
function placeOf(place: number | undefined, end: number | null): string {
  const text = place === undefined ? "–" : countText(place);
  return end === null || (place ?? 0) > end ? text : `${text} of ${countText(end)}`;
}

function Stat({
  name,
  value,
  note,
  trend,
}: {
  name: string;
  value: string;
  note?: string | undefined;
  trend?: "good" | "bad";
}) {
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
