import { useEffect } from "react";
import type { WholeJobFragment } from "../api/generated";
import type { Overview } from "../curves/overview";
import { Points } from "../curves/points";
import { useOverview } from "../curves/use-overview";
import { usePoints } from "../curves/use-points";
import type { View } from "../curves/view";
import { useJob } from "../jobs/use-job";

/** A job that is compared, as far as it is known. */
export interface Watched {
  id: string;
  job: WholeJobFragment | undefined;
  points: Points;
  overview: Overview | undefined;
  error: string | undefined;
}

const NO_POINTS = new Points();

/** Watches one job and reports its state; it shows nothing. One for each job, for their number changes. */
export function Watch({ id, view, onChange }: { id: string; view: View; onChange: (watched: Watched) => void }) {
  const { job, error, missing } = useJob(id);
  const wrong = missing ?? error;
  useEffect(() => {
    if (wrong) onChange({ id, job: undefined, points: NO_POINTS, overview: undefined, error: wrong });
  }, [id, wrong, onChange]);
  // By its creation: a store that was emptied has other jobs under the same ids.
  return job && !wrong ? <WatchPoints key={job.createdAt} job={job} view={view} onChange={onChange} /> : null;
}

function WatchPoints(props: { job: WholeJobFragment; view: View; onChange: (watched: Watched) => void }) {
  const { job, view, onChange } = props;
  const { points, version, error } = usePoints(job.id);
  const overview = useOverview(job, points, view);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the points are the same ones, with more in them
  useEffect(
    () => onChange({ id: job.id, job, points, overview, error }),
    [job, points, version, overview, error, onChange],
  );
  return null;
}
