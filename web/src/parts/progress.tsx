import type { JobStatus } from "../api/generated";

export function ProgressBar({ progress, status, label }: { progress: number; status: JobStatus; label: string }) {
  const percent = percentOf(progress);
  return (
    <div className="progress" data-status={status}>
      <div
        className="progress-track"
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
      >
        <div className="progress-bar" style={{ transform: `scaleX(${progress})` }} />
      </div>
      <span className="progress-percent" aria-hidden="true">
        {percent} %
      </span>
    </div>
  );
}

/** Whole percents, rounded down: a run is at 100 % when all of it is done. */
export function percentOf(progress: number): number {
  // 0.29 × 100 is a little less than 29.
  return Math.floor(progress * 100 + 1e-9);
}
