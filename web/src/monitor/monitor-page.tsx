import { useEffect, useMemo, useRef } from "react";
import { toast } from "sonner";
import { Link } from "wouter";
import { addressOf } from "../api/base";
import type { WholeJobFragment } from "../api/generated";
import { Chart } from "../curves/chart";
import { ViewControls } from "../curves/controls";
import { DataButtons } from "../curves/data-buttons";
import { lineOf, namesIn } from "../curves/lines";
import { namesOf } from "../curves/names";
import { useOverview } from "../curves/use-overview";
import { usePoints } from "../curves/use-points";
import { useView } from "../curves/view";
import { useJob } from "../jobs/use-job";
import { ConnectionMark } from "../parts/connection-notice";
import { NotFound } from "../parts/not-found";
import { ProgressBar, percentOf } from "../parts/progress";
import { iconOf, StatusBadge, wordOf } from "../parts/status";
import { JobControls } from "./job-controls";
import { Stats } from "./stats";

/** One job: how it is, how far it is, and its curves, live. */
export default function MonitorPage({ id }: { id: string }) {
  const { job, error, missing } = useJob(id);
  if (missing) return <NotFound title="Job not found" text={missing} />;
  if (job !== undefined)
    return (
      // By its creation: a store that was emptied has other jobs under the same ids.
      <Monitor key={job.createdAt} job={job} wrong={error} />
    );
  return (
    <main>
      {error ? (
        <p className="notice" role="alert">
          {error}
        </p>
      ) : (
        <p className="loading">Loading job…</p>
      )}
    </main>
  );
}

function Monitor({ job, wrong }: { job: WholeJobFragment; wrong: string | undefined }) {
  const { points, version, error } = usePoints(job.id);
  const [view, setView] = useView();
  const overview = useOverview(job, points, view);
  const drawn = useMemo(() => ({ version, overview }), [version, overview]);
  useEndToasts(job);
  useTab(job);

  const run = { job, points, overview };
  const names = namesOf(namesIn(run));
  return (
    <main>
      <p className="back">
        <Link href="/training/jobs">← All jobs</Link>
      </p>
      <div className="page-head">
        <div>
          <h1>{job.name}</h1>
          {job.modelName !== null && <p className="subtitle">{job.modelName}</p>}
        </div>
        <div className="head-side">
          <ConnectionMark />
          <StatusBadge status={job.status} />
        </div>
      </div>
      {job.failureReason && (
        <p className="notice">
          <b>Failed:</b> {job.failureReason}
        </p>
      )}
      {(error ?? wrong) && (
        <p className="notice" role="alert">
          {error ?? wrong}
        </p>
      )}
      {job.progress !== null && <ProgressBar progress={job.progress} status={job.status} label="Progress" />}
      <Stats job={job} points={points} />
      <JobControls
        job={job}
        simulated={job.totalSteps !== null && points.lastSeq >= job.metricCount && points.simulated}
      />
      {names.length === 0 ? (
        <p className="loading">
          {job.status === "QUEUED"
            ? "Once the job is started, its curves appear here."
            : "No points yet: they appear here as they are recorded."}
        </p>
      ) : (
        <>
          <ViewControls view={view} onView={setView}>
            <DataButtons points={points} name={job.name} whole={points.lastSeq >= job.metricCount} />
          </ViewControls>
          <div className="charts">
            {names.map((name, place) => (
              <Chart
                key={name}
                title={name}
                looks={[{ label: name, colour: `--curve-${(place % 8) + 1}`, dash: [] }]}
                lines={() => [lineOf(run, name, view.axis)]}
                version={drawn}
                view={view}
                onView={setView}
                group={job.id}
              />
            ))}
          </div>
        </>
      )}
    </main>
  );
}

/** Say so when the job ends while it is watched; not where it had ended before. */
function useEndToasts(job: WholeJobFragment): void {
  const before = useRef(job.status);
  useEffect(() => {
    if (before.current === job.status) return;
    before.current = job.status;
    if (job.status === "COMPLETE") toast.success("Training Complete", { description: job.name });
    if (job.status === "FAILED") toast.error("Training Failed", { description: job.failureReason });
  }, [job.status, job.name, job.failureReason]);
}

/** The tab's title and icon say how the job is. */
function useTab(job: WholeJobFragment): void {
  const percent = job.progress === null ? undefined : percentOf(job.progress);
  useEffect(() => {
    const state = job.status === "RUNNING" && percent !== undefined ? `${percent} %` : wordOf(job.status);
    document.title = `${state} · ${job.name}`;
    const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (icon) icon.href = iconOf(job.status, (percent ?? 0) / 100);
  }, [job.status, job.name, percent]);
  useEffect(
    () => () => {
      const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
      if (icon) icon.href = addressOf("favicon.svg");
    },
    [],
  );
}
