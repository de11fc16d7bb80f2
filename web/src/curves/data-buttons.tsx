import { toast } from "sonner";
import { save } from "../parts/files";
import { csvOf } from "./csv";
import type { Points } from "./points";

/** All points of a job to take away: once all of them are here. */
export function DataButtons({ points, name, whole }: { points: Points; name: string; whole: boolean }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(csvOf(points));
      toast.success("Copied", { description: `${points.lastSeq} points as CSV` });
    } catch {
      toast.error("The browser did not let the page copy; download the CSV instead.");
    }
  };
  const download = () => save(new Blob([csvOf(points)], { type: "text/csv" }), `${name}.csv`);
  return (
    <>
      <button type="button" className="button small" disabled={!whole} onClick={copy}>
        Copy data
      </button>
      <button type="button" className="button small" disabled={!whole} onClick={download}>
        Download CSV
      </button>
    </>
  );
}
