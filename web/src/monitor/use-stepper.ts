import { useCallback, useEffect, useState } from "react";
import { toast } from "sonner";
import { useClient } from "urql";
import { SimulateStepDocument } from "../api/generated";
import { messageOf } from "../jobs/verbs";

/** Simulates steps of a job: one, or one after another at a pace (steps a second) until it is paused. */
export function useStepper(id: string, pace: number, possible: boolean) {
  const client = useClient();
  const [running, setRunning] = useState(false);

  /** Whether there may be another. */
  const step = useCallback(async (): Promise<boolean> => {
    const { data, error } = await client.mutation(SimulateStepDocument, { id });
    const result = data?.simulateStep;
    if (result?.__typename === "SimulateStepSuccess") return !result.complete;
    // A job that failed has a toast of its own on every page that shows it.
    if (result?.__typename !== "SimulationFailed") toast.error(result?.message ?? messageOf(error));
    return false;
  }, [client, id]);

  useEffect(() => {
    if (!running) return;
    let on = true;
    const began = performance.now();
    let done = 0;
    const run = async () => {
      while (on) {
        const more = await step();
        done += 1;
        if (!more) {
          setRunning(false);
          return;
        }
        // By the clock from the beginning: an answer that takes long is made up for, up to a second.
        const due = began + (done / pace) * 1000 - performance.now();
        if (due < -1000) done = Math.floor(((performance.now() - began) / 1000) * pace);
        if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      }
    };
    run();
    return () => {
      on = false;
    };
  }, [running, pace, step]);

  useEffect(() => {
    if (!possible) setRunning(false);
  }, [possible]);

  return { running, step, toggle: () => setRunning((now) => !now) };
}
