import { useCallback, useEffect, useReducer, useRef } from "react";
import { useClient, useSubscription } from "urql";
import { useConnectionCount } from "../api/connection";
import { type JobCardFragment, JobsChangedDocument, JobsDocument } from "../api/generated";
import { type Filter, matches } from "./filter";
import { messageOf } from "./verbs";

const PAGE = 50;
const LARGEST_PAGE = 500;
const PROGRESS_MS = 1_000;
/** Time enough for a subscription to begin. */
const BEGUN_MS = 1_000;

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
      // The list was fetched anew meanwhile, and ends elsewhere: what is below it is asked for again.
      if (action.after !== null && jobs.list.at(-1)?.id !== action.after) return { ...jobs, loading: false };
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

  /** Fetch the jobs below `after`, at least `count` of them where there are as many. */
  const fetchBelow = useCallback(
    async (after: string | null, count: number) => {
      const { key, filter } = current.current;
      current.current.asking = true;
      dispatch({ type: "ask" });
      const asked = { status: filter.statuses.length ? [...filter.statuses] : null, search: filter.search || null };
      const jobs: JobCardFragment[] = [];
      let more = true;
      while (more && jobs.length < count) {
        const limit = Math.min(LARGEST_PAGE, count - jobs.length);
        const below = jobs.at(-1)?.id ?? after;
        const { data, error } = await client.query(JobsDocument, { ...asked, after: below, limit });
        // Another filter was set meanwhile: this is the answer to a question that nobody asks any more.
        if (current.current.key !== key) return;
        if (!data) {
          current.current.asking = false;
          dispatch({ type: "fail", error: messageOf(error) });
          return;
        }
        jobs.push(...data.jobs);
        more = data.jobs.length === limit;
      }
      current.current.asking = false;
      dispatch({ type: "page", after, jobs, more });
    },
    [client],
  );

  const reload = useCallback(() => fetchBelow(null, Math.max(PAGE, current.current.jobs.list.length)), [fetchBelow]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: anew with each filter
  useEffect(() => {
    reload();
  }, [key, reload]);

  // News was missed while there was no connection. By then the subscription has begun, which the server does not
  // acknowledge, and what changes from now on is told.
  useEffect(() => {
    if (connections === 0) return;
    const begun = setTimeout(reload, BEGUN_MS);
    return () => clearTimeout(begun);
  }, [connections, reload]);

  const put = useCallback((job: JobCardFragment) => {
    dispatch({ type: "changed", job, filter: current.current.filter });
  }, []);

  useSubscription({ query: JobsChangedDocument, variables: { everyMs: PROGRESS_MS } }, (_, data) => {
    put(data.jobChanged);
    return data;
  });

  const fetchMore = useCallback(() => {
    const { jobs, asking } = current.current;
    if (jobs.more && !asking) fetchBelow(jobs.list.at(-1)?.id ?? null, PAGE);
  }, [fetchBelow]);

  return { ...jobs, fetchMore, reload, put };
}
