import { useEffect } from "react";
import type { WholeJobFragment } from "../api/generated";
import type { Points } from "../curves/points";
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

/** Watches one job and tells of it; it shows nothing. One for each job, for their number changes. */
export function Watch({ id, onNews }: { id: string; onNews: (watched: Watched) => void }) {
  const { job, error, missing } = useJob(id);
  const live = usePoints(id);
  const { points, version } = live;
  const wrong = missing ?? error ?? live.error;
  useEffect(() => onNews({ id, job, points, version, error: wrong }), [id, job, points, version, wrong, onNews]);
  return null;
}
