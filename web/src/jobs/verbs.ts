import { toast } from "sonner";
import { type CombinedError, useClient } from "urql";
import { type JobCardFragment, StartJobDocument, StopJobDocument } from "../api/generated";

type Named = Pick<JobCardFragment, "id" | "name">;

/** What went wrong, in the server's words where it has any. */
export function messageOf(error: CombinedError | undefined): string {
  if (error === undefined) return "The server gave no answer.";
  if (error.networkError) return "The server cannot be reached.";
  return error.graphQLErrors.map((each) => each.message).join(" ");
}

/** The verbs that people have for a job, each with its toast. They give the job as it then is, or nothing. */
export function useVerbs() {
  const client = useClient();

  async function start(job: Named): Promise<JobCardFragment | undefined> {
    const { data, error } = await client.mutation(StartJobDocument, { id: job.id });
    if (data?.startJob.__typename === "StartJobSuccess") {
      toast.success("Training Started", { description: job.name });
      return data.startJob.job;
    }
    toast.error(data?.startJob.message ?? messageOf(error), { description: job.name });
    return undefined;
  }

  async function stop(job: Named): Promise<JobCardFragment | undefined> {
    const { data, error } = await client.mutation(StopJobDocument, { id: job.id, reason: "Stopped on the page." });
    if (data?.failJob.__typename === "FailJobSuccess") {
      toast.success("Training Stopped", { description: job.name });
      return data.failJob.job;
    }
    toast.error(data?.failJob.message ?? messageOf(error), { description: job.name });
    return undefined;
  }

  return { start, stop };
}
