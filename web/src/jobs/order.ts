import type { JobCardFragment, JobStatus } from "../api/generated";

type State = Pick<JobCardFragment, "createdAt" | "attempt" | "status" | "metricCount">;

/** How far along its life a job is: within an attempt, statuses only ever follow each other upwards. */
const RANKS: Record<JobStatus, number> = { QUEUED: 0, RUNNING: 1, COMPLETE: 2, FAILED: 2 };

/**
 * Whether a job is an earlier state of the one that is known: by its attempt, its status, then by its points, as the server orders
 * them. Not by time stamps: the clocks of replicas differ. In a store that was emptied an id is another job.
 */
export function isOlder(job: State, known: State): boolean {
  if (job.createdAt !== known.createdAt) return false;
  if (job.attempt !== known.attempt) return job.attempt < known.attempt;
  const [rank, knownRank] = [RANKS[job.status], RANKS[known.status]];
  return rank === knownRank ? job.metricCount < known.metricCount : rank < knownRank;
}
