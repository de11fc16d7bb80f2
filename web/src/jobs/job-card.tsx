import { memo } from "react";
import { Link } from "wouter";
import type { JobCardFragment } from "../api/generated";
import { useMayWrite } from "../api/session";
import { countText } from "../curves/formats";
import { ProgressBar } from "../parts/progress";
import { StatusBadge } from "../parts/status";
import { Ago } from "../parts/time";
import { Sparkline } from "./sparkline";
import { StartButton, StopButton } from "./verb-buttons";

interface CardProps {
  job: JobCardFragment;
  ticked: boolean;
  onTick: (id: string, ticked: boolean) => void;
  onJob: (job: JobCardFragment) => void;
}

/** One job of the list. All of it leads to the job's monitor, but for the buttons. */
export const JobCard = memo(function JobCard({ job, ticked, onTick, onJob }: CardProps) {
  const address = `/training/jobs/${job.id}`;
  return (
    <li className="card" data-job={job.id}>
      <div className="card-head">
        <h2>
          <Link className="card-link" href={address}>
            {job.name}
          </Link>
        </h2>
        <StatusBadge status={job.status} />
      </div>
      {job.modelName !== null && <p className="model">{job.modelName}</p>}
      <Sparkline id={job.id} metricCount={job.metricCount} ended={job.finishedAt !== null} />
      {job.progress === null ? (
        <p className="model">{job.metricCount === 1 ? "1 point" : `${countText(job.metricCount)} points`}</p>
      ) : (
        <ProgressBar progress={job.progress} status={job.status} label={`Progress of ${job.name}`} />
      )}
      <dl className="facts">
        {job.epochs !== null && (
          <div>
            <dt>Epochs</dt>
            <dd>{job.epochs}</dd>
          </div>
        )}
        {job.learningRate !== null && (
          <div>
            <dt>Learning rate</dt>
            <dd>{job.learningRate}</dd>
          </div>
        )}
        <div>
          <dt>Created</dt>
          <dd>
            <Ago at={job.createdAt} />
          </dd>
        </div>
      </dl>
      <div className="card-actions">
        <label className="tick">
          <input
            type="checkbox"
            checked={ticked}
            aria-label={`Compare ${job.name}`}
            onChange={(event) => onTick(job.id, event.target.checked)}
          />
          Compare
        </label>
        <CardVerb job={job} onJob={onJob} />
      </div>
    </li>
  );
});

/** Start, Stop or View: what there is to do with a job. */
function CardVerb({ job, onJob }: Pick<CardProps, "job" | "onJob">) {
  const mayWrite = useMayWrite();
  if (mayWrite && job.status === "QUEUED") return <StartButton job={job} onJob={onJob} />;
  if (mayWrite && job.status === "RUNNING") return <StopButton job={job} onJob={onJob} />;
  return (
    <Link className="button" href={`/training/jobs/${job.id}`} aria-label={`View ${job.name}`}>
      View
    </Link>
  );
}
