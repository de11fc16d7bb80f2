import { useCallback, useEffect, useReducer, useRef } from "react";
import { useClient, useSubscription } from "urql";
import { useConnectionCount } from "../api/connection";
import { type JobCardFragment, JobsChangedDocument, JobsDocument } from "../api/generated";
import { type Filter, matches } from "./filter";
import { messageOf } from "./verbs";

export const PAGE = 50;
const LARGEST_PAGE = 500;
const PROGRESS_MS = 1_000;

interface Jobs {
  /** Newest first, as far as they were fetched. */
  list: readonly JobCardFragment[];
  /** Whether there are more below. */
  more: boolean;
  loading: boolean;
  error: string | undefined;
  /** News that came while a page was asked for: its answer may be of before. */
  heard: readonly { job: JobCardFragment; filter: Filter }[];
}

type Action =
  | { type: "ask" }
  | { type: "page"; after: string | null; jobs: readonly JobCardFragment[]; more: boolean }
  | { type: "changed"; job: JobCardFragment; filter: Filter }
  | { type: "fail"; error: string };

const EMPTY: Jobs = { list: [], more: true, loading: true, error: undefined, heard: [] };

function reduce(jobs: Jobs, action: Action): Jobs {
  switch (action.type) {
    case "ask":
      return { ...jobs, loading: true };
    case "fail":
      return { ...jobs, loading: false, error: action.error };
    case "page": {
      const kept = action.after === null ? [] : jobs.list;
      const known = new Set(kept.map((job) => job.id));
      const fresh = action.jobs.filter((job) => !known.has(job.id));
      const page = { list: [...kept, ...fresh], more: action.more, loading: false, error: undefined, heard: [] };
      return jobs.heard.reduce(hear, page);
    }
    case "changed":
      return hear({ ...jobs, heard: jobs.loading ? [...jobs.heard, action] : [] }, action);
  }
}

function hear(jobs: Jobs, { job, filter }: { job: JobCardFragment; filter: Filter }): Jobs {
  return { ...jobs, list: withJob(jobs, job, filter) };
}

/** The list with a job as it now is: in its place, new, or gone from what the filter shows. */
function withJob(jobs: Jobs, job: JobCardFragment, filter: Filter): readonly JobCardFragment[] {
  const place = jobs.list.findIndex((each) => each.id === job.id);
  const shown = matches(filter, job);
  if (place >= 0) {
    if (!shown) return jobs.list.toSpliced(place, 1);
    // An answer of before may arrive behind the news.
    return (jobs.list[place] as JobCardFragment).updatedAt > job.updatedAt ? jobs.list : jobs.list.with(place, job);
  }
  if (!shown) return jobs.list;
  const below = jobs.list.findIndex((each) => isNewer(job, each));
  if (below >= 0) return jobs.list.toSpliced(below, 0, job);
  // Older than all that was fetched: it is on a page that comes with scrolling.
  return jobs.more ? jobs.list : [...jobs.list, job];
}

function isNewer(job: JobCardFragment, than: JobCardFragment): boolean {
  if (job.createdAt !== than.createdAt) return job.createdAt > than.createdAt;
  return Number(job.id) > Number(than.id);
}

/** The jobs that a filter shows, live; `fetchMore` gets the page below, `put` shows a job as an answer gave it. */
export function useJobs(filter: Filter) {
  const client = useClient();
  const [jobs, dispatch] = useReducer(reduce, EMPTY);
  const connections = useConnectionCount();
  const key = JSON.stringify(filter);
  const current = useRef({ key, filter, jobs, asking: false });
  current.current = { ...current.current, key, filter, jobs };

  const fetchPage = useCallback(
    async (after: string | null, limit: number) => {
      const asked = current.current;
      asked.asking = true;
      const { statuses, search } = asked.filter;
      dispatch({ type: "ask" });
      const variables = { status: statuses.length ? [...statuses] : null, search: search || null, after, limit };
      const { data, error } = await client.query(JobsDocument, variables);
      // Another filter was set meanwhile: this is the answer to a question that nobody asks any more.
      if (current.current.key !== asked.key) return;
      current.current.asking = false;
      if (data) dispatch({ type: "page", after, jobs: data.jobs, more: data.jobs.length === limit });
      else dispatch({ type: "fail", error: messageOf(error) });
    },
    [client],
  );

  // Anew with each filter, and with each connection: news was missed while there was none.
  // biome-ignore lint/correctness/useExhaustiveDependencies: they are what it is run for
  useEffect(() => {
    const loaded = current.current.jobs.list.length;
    fetchPage(null, Math.min(LARGEST_PAGE, Math.max(PAGE, loaded)));
  }, [key, connections, fetchPage]);

  const put = useCallback((job: JobCardFragment) => {
    dispatch({ type: "changed", job, filter: current.current.filter });
  }, []);

  useSubscription({ query: JobsChangedDocument, variables: { everyMs: PROGRESS_MS } }, (_, data) => {
    put(data.jobChanged);
    return data;
  });

  const fetchMore = useCallback(() => {
    const { jobs, asking } = current.current;
    if (jobs.more && !asking) fetchPage(jobs.list.at(-1)?.id ?? null, PAGE);
  }, [fetchPage]);

  return { ...jobs, fetchMore, put };
}
