import type { JobStatus } from "../api/generated";

/** Word, colour and shape: a status is never shown by its colour alone. */
const LOOKS: Record<JobStatus, { word: string; shape: string; colour: string }> = {
  QUEUED: { word: "Queued", shape: "M8 3a5 5 0 1 0 0 10A5 5 0 1 0 8 3", colour: "#6b7280" },
  RUNNING: { word: "Running", shape: "M4 3l9 5-9 5z", colour: "#2563eb" },
  COMPLETE: { word: "Complete", shape: "M3 8.5l3.5 3.5L13 4.5", colour: "#15803d" },
  FAILED: { word: "Failed", shape: "M4 4l8 8M12 4l-8 8", colour: "#b91c1c" },
};

export const STATUSES: readonly JobStatus[] = ["QUEUED", "RUNNING", "COMPLETE", "FAILED"];

export function wordOf(status: JobStatus): string {
  return LOOKS[status].word;
}

export function StatusBadge({ status }: { status: JobStatus }) {
  return (
    <span className="badge" data-status={status}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d={LOOKS[status].shape} />
      </svg>
      {LOOKS[status].word}
    </span>
  );
}

/** The tab's icon: the status by colour and shape, and how far the run is as a ring. */
export function iconOf(status: JobStatus, progress: number): string {
  const { colour, shape } = LOOKS[status];
  const round = 2 * Math.PI * 14;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none">` +
    `<circle cx="16" cy="16" r="14" fill="#fff" stroke="#d1d5db" stroke-width="4"/>` +
    `<circle cx="16" cy="16" r="14" stroke="${colour}" stroke-width="4" transform="rotate(-90 16 16)" ` +
    `stroke-dasharray="${(round * progress).toFixed(1)} ${round.toFixed(1)}"/>` +
    `<path d="${shape}" transform="translate(8 8)" stroke="${colour}" stroke-width="2.5"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
