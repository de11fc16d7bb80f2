import { useState } from "react";
import type { JobCardFragment } from "../api/generated";
import { useMayWrite } from "../api/session";
import { StartButton, StopButton } from "../jobs/verb-buttons";
import { BusyButton } from "../parts/busy-button";
import { useStepper } from "./use-stepper";

const PACES = [1, 5, 20, 100];

/** What can be done with the job; a run that a simulator makes can be stepped by hand, or at a pace. */
export function JobControls({
  job,
  simulated,
}: {
  job: Pick<JobCardFragment, "id" | "name" | "status">;
  simulated: boolean;
}) {
  const mayWrite = useMayWrite();
  const [pace, setPace] = useState(5);
  const stepper = useStepper(job.id, pace, job.status === "RUNNING");
  if (!mayWrite) return null;
  if (job.status === "QUEUED") {
    return (
      <div className="controls" role="group" aria-label="Job">
        <StartButton job={job} />
        <StopButton job={job} />
      </div>
    );
  }
  if (job.status !== "RUNNING") return null;
  return (
    <div className="controls" role="group" aria-label="Job">
      <StopButton job={job} />
      {simulated && (
        <>
          <BusyButton label="Simulate one step" disabled={stepper.running} onPress={stepper.step}>
            Step
          </BusyButton>
          <button type="button" className="button" aria-pressed={stepper.running} onClick={stepper.toggle}>
            {stepper.running ? "Pause" : "Run"}
          </button>
          <label>
            Pace{" "}
            <select value={pace} onChange={(event) => setPace(Number(event.target.value))}>
              {PACES.map((each) => (
                <option key={each} value={each}>
                  {each === 1 ? "1 step a second" : `${each} steps a second`}
                </option>
              ))}
            </select>
          </label>
        </>
      )}
    </div>
  );
}
