import { useEffect } from "react";
import type { WholeJobFragment } from "../api/generated";
import { Points } from "../curves/points";
import { usePoints } from "../curves/use-points";
import { useJob } from "../jobs/use-job";

/** A job that is compared, as far as it is known. */
export interface Watched {
  id: string;
  job: WholeJobFragment | undefined;
  points: Points;
  version: number;
  error: string | undefined;
}

const NO_POINTS = new Points();

/** Watches one job and tells of it; it shows nothing. One for each job, for their number changes. */
export function Watch({ id, onNews }: { id: string; onNews: (watched: Watched) => void }) {
  const { job, error, missing } = useJob(id);
  const wrong = missing ?? error;
  useEffect(() => {
    if (wrong) onNews({ id, job: undefined, points: NO_POINTS, version: 0, error: wrong });
  }, [id, wrong, onNews]);
  // By its creation: a store that was emptied has other jobs under the same ids.
  return job && !wrong ? <WatchPoints key={job.createdAt} job={job} onNews={onNews} /> : null;
}

function WatchPoints({ job, onNews }: { job: WholeJobFragment; onNews: (watched: Watched) => void }) {
  const { points, version, error } = usePoints(job.id);
  useEffect(() => onNews({ id: job.id, job, points, version, error }), [job, points, version, error, onNews]);
  return null;
}
