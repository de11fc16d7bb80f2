import { useState } from "react";
import type { JobCardFragment } from "../api/generated";
import { BusyButton } from "../parts/busy-button";
import { Confirm } from "../parts/confirm";
import { useVerbs } from "./verbs";

interface VerbProps {
  job: Pick<JobCardFragment, "id" | "name">;
  /** Called with the job as the verb left it, before the event reaches every page. */
  onJob?: (job: JobCardFragment) => void;
}

export function StartButton({ job, onJob }: VerbProps) {
  const verbs = useVerbs();
  const start = async () => {
    const started = await verbs.start(job);
    if (started) onJob?.(started);
  };
  return (
    <BusyButton className="primary" label={`Start ${job.name}`} onPress={start}>
      Start
    </BusyButton>
  );
}

/** Asks first: a job that was stopped stays so. */
export function StopButton({ job, onJob }: VerbProps) {
  const verbs = useVerbs();
  const [question, setQuestion] = useState<{ answer: (yes: boolean) => void }>();
  const stop = async () => {
    const yes = await new Promise<boolean>((answer) => setQuestion({ answer }));
    setQuestion(undefined);
    if (!yes) return;
    const stopped = await verbs.stop(job);
    if (stopped) onJob?.(stopped);
  };
  return (
    <>
      <BusyButton className="danger" label={`Stop ${job.name}`} onPress={stop}>
        Stop
      </BusyButton>
      {question && (
        <Confirm
          title={`Stop ${job.name}?`}
          text="The job ends as failed, and cannot be started again. Its points are kept."
          action="Stop job"
          onConfirm={() => question.answer(true)}
          onCancel={() => question.answer(false)}
        />
      )}
    </>
  );
}
