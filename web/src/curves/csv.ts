import type { Points } from "./points";

/** The points as CSV (RFC 4180): a row a point in order of arrival, a column a name; empty where it was not logged. */
export function csvOf(points: Points): string {
  const names = points.names;
  const rows = [["seq", "step", "epoch", "recordedAt", ...names].map(quoted).join(",")];
  points.forEach((point, values) => {
    const recordedAt = new Date(point.time).toISOString();
    const cells = names.map((name) => values.get(name) ?? "");
    rows.push([point.seq, point.step, point.epoch, recordedAt, ...cells].join(","));
  });
  return `${rows.join("\r\n")}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
