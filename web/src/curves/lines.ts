import type { WholeJobFragment } from "../api/generated";
import { type Overview, overviewLine } from "./overview";
import type { Axis, Line, Points } from "./points";

/** A job with what is here of its curves. */
export interface Run {
  job: WholeJobFragment;
  points: Points;
  /** What stands for the points of a long run until all of them are here. */
  overview: Overview | undefined;
}

export function namesIn({ points, overview }: Run): string[] {
  return [...points.names, ...(overview?.whole.map(({ name }) => name) ?? [])];
}

/** The curve of a name, as far as it is known. */
export function lineOf({ job, points, overview }: Run, name: string, axis: Axis): Line {
  const downsampled = overview && overviewLine(overview, name, axis, job.stepsPerEpoch);
  return downsampled ?? points.line(name, axis, job.stepsPerEpoch, startOf(job, points));
}

/** The moment that a job's time axis begins at, in milliseconds. */
function startOf(job: WholeJobFragment, points: Points): number {
  if (job.startedAt !== null) return Date.parse(job.startedAt);
  return points.lastSeq > 0 ? points.times.at(0) : 0;
}
