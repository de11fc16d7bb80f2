import type { Points } from "./points";

/** The points as CSV (RFC 4180): a row a point in order of arrival, a column a name; empty where it was not logged. */
export function csvOf(points: Points): string {
  const names = points.names;
  const rows = [["seq", "step", "epoch", "recordedAt", ...names].map(cellOf).join(",")];
  points.forEach((point, values) => {
    const recordedAt = new Date(point.time).toISOString();
    const cells = names.map((name) => values.get(name) ?? "");
    const epoch = Number.isNaN(point.epoch) ? "" : point.epoch;
    rows.push([point.seq, point.step, epoch, recordedAt, ...cells].join(","));
  });
  return `${rows.join("\r\n")}\r\n`;
}

/** What a spreadsheet would take for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** A text as a cell. One that could be a formula gets an apostrophe before it, which makes it a text there. */
function cellOf(name: string): string {
  const text = FORMULA.test(name) ? `'${name}` : name;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
