import type { WholeJobFragment } from "../api/generated";
import type { Points } from "./points";

/** The moment that a job's time axis begins at, in milliseconds. */
export function startOf(job: Pick<WholeJobFragment, "startedAt">, points: Points): number {
  if (job.startedAt !== null) return Date.parse(job.startedAt);
  return points.lastSeq > 0 ? points.times.at(0) : 0;
}
