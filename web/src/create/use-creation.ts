import { useRef, useState } from "react";
import { toast } from "sonner";
import { useClient } from "urql";
import { CreateJobDocument, type CreateJobInput, type JobCardFragment } from "../api/generated";
import { messageOf, useVerbs } from "../jobs/verbs";
import type { Refusal } from "./use-preview";

/** Whether the new job waits, or is started at once. */
export type Creation = "create" | "start";

interface Outcome {
  job?: JobCardFragment;
  refusal?: Refusal;
  /** Why the server gave no answer. */
  problem?: string;
}

/** Creates a job, one at a time; `busy` says which way. */
export function useCreation() {
  const client = useClient();
  const verbs = useVerbs();
  const [busy, setBusy] = useState<Creation>();
  // Two presses may come before React has drawn the first.
  const working = useRef(false);

  async function send(creation: Creation, input: CreateJobInput): Promise<Outcome> {
    const { data, error } = await client.mutation(CreateJobDocument, { input });
    if (data?.createJob.__typename === "InvalidInput") return { refusal: data.createJob };
    if (data?.createJob.__typename !== "CreateJobSuccess") return { problem: messageOf(error) };
    const { job } = data.createJob;
    toast.success("Job Created", { description: job.name });
    // A job that did not start is there all the same.
    return { job: (creation === "start" && (await verbs.start(job))) || job };
  }

  async function create(creation: Creation, input: CreateJobInput): Promise<Outcome> {
    if (working.current) return {};
    working.current = true;
    setBusy(creation);
    try {
      return await send(creation, input);
    } finally {
      working.current = false;
      setBusy(undefined);
    }
  }

  return { busy, create };
}
