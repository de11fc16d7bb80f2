import { useSubscription } from "urql";
import { JobChangedDocument, type WholeJobFragment } from "../api/generated";
import { messageOf } from "./verbs";

/** One job with all its settings, live; `missing` says why there is none. After a reconnect it begins with the job as it then is. */
export function useJob(id: string): {
  job: WholeJobFragment | undefined;
  missing: string | undefined;
  error: string | undefined;
} {
  const [{ data, error }] = useSubscription({ query: JobChangedDocument, variables: { id } });
  const absent = error?.graphQLErrors.find(({ extensions }) => ABSENT.includes(extensions.code));
  return { job: data?.jobChanged, missing: absent?.message, error: error && messageOf(error) };
}

/** What the server calls an id that is not there, and one that cannot be. */
const ABSENT: unknown[] = ["NOT_FOUND", "BAD_USER_INPUT"];
