import { useCallback, useEffect, useReducer, useRef } from "react";
import { type CombinedError, type OperationResult, useClient, useSubscription } from "urql";
import { isUnavailable, useConnectionCount } from "../api/connection";
import { type JobCardFragment, JobsChangedDocument, JobsDocument, type JobsQuery } from "../api/generated";
import { type Filter, matches } from "./filter";
import { isOlder } from "./order";
import { messageOf } from "./verbs";

const PAGE = 50;
const LARGEST_PAGE = 500;
const PROGRESS_MS = 1_000;
/** Time enough for a subscription to begin. */
const BEGUN_MS = 1_000;
/** How long a list that could not be fetched is left before it is requested again. */
const RETRY_MS = 2_000;
/** Jobs whose latest state is kept to recognise earlier ones that arrive behind it. */
const REMEMBERED = 2_000;

interface Jobs {
  /** Newest first, as far as they were fetched. */
  list: readonly JobCardFragment[];
  /** Whether there are more below. */
  more: boolean;
  loading: boolean;
  error: { message: string; isTransient: boolean } | undefined;
  /** The number of the latest request. */
  request: number;
  /** The latest state of each job by events, and the number of the latest request when it came. */
  latest: ReadonlyMap<string, { job: JobCardFragment; request: number }>;
}

type Action =
  | { type: "request"; request: number }
  | {
      type: "page";
      request: number;
      after: string | null;
      jobs: readonly JobCardFragment[];
      more: boolean;
      filter: Filter;
    }
  | { type: "fail"; error: Jobs["error"] }
  | { type: "changed"; job: JobCardFragment; filter: Filter };

const EMPTY: Jobs = { list: [], more: true, loading: true, error: undefined, request: 0, latest: new Map() };

function reduce(jobs: Jobs, action: Action): Jobs {
  switch (action.type) {
    case "request":
      return { ...jobs, loading: true, request: action.request };
    case "fail":
      return { ...jobs, loading: false, error: action.error };
    case "page":
      return withPage(jobs, action);
    case "changed": {
      const { job, filter } = action;
      const known = jobs.latest.get(job.id)?.job ?? jobs.list.find(({ id }) => id === job.id);
      if (known && isOlder(job, known)) return jobs;
      const latest = new Map(jobs.latest);
      latest.delete(job.id);
      latest.set(job.id, { job, request: jobs.request });
      if (latest.size > REMEMBERED) latest.delete(latest.keys().next().value as string);
      return { ...jobs, latest, list: withJob(jobs, job, filter) };
    }
  }
}

/** The jobs with an answer, of which events since its request are newer. */
function withPage(jobs: Jobs, { after, jobs: answer, more, filter, request }: Action & { type: "page" }): Jobs {
  const kept = after === null ? [] : jobs.list;
  const shown = new Set(kept.map((job) => job.id));
  const fresh = answer.filter((job) => !shown.has(job.id));
  const page: Jobs = { ...jobs, list: [...kept, ...fresh], more, loading: false, error: undefined };
  const ids = new Set(fresh.map((job) => job.id));
  for (const latest of jobs.latest.values()) {
    if (latest.request === request || ids.has(latest.job.id)) page.list = withJob(page, latest.job, filter);
  }
  return page;
}

/** The list with a job as it now is: in its place, new, or gone from what the filter shows. */
function withJob(jobs: Jobs, job: JobCardFragment, filter: Filter): readonly JobCardFragment[] {
  const place = jobs.list.findIndex((each) => each.id === job.id);
  const shown = matches(filter, job);
  if (place >= 0) {
    if (isOlder(job, jobs.list[place] as JobCardFragment)) return jobs.list;
    return shown ? jobs.list.with(place, job) : jobs.list.toSpliced(place, 1);
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

/** Whether the same request may be answered later. */
function isTransient(error: CombinedError | undefined): boolean {
  return error === undefined || error.networkError !== undefined || isUnavailable(error.graphQLErrors);
}

/** The jobs that a filter shows, live; `fetchMore` gets the page below, `put` shows a job as an answer gave it. */
export function useJobs(filter: Filter) {
  const client = useClient();
  const [jobs, dispatch] = useReducer(reduce, EMPTY);
  const connections = useConnectionCount();
  const key = JSON.stringify(filter);
  const current = useRef({ filter, jobs, request: 0, answered: 0, cancel: () => {} });
  current.current = { ...current.current, filter, jobs };

  /** Fetch the jobs below `after`, at least `count` of them where there are as many. */
  const fetchBelow = useCallback(
    async (after: string | null, count: number) => {
      const { filter } = current.current;
      // Of an earlier request the answer would be out of date; urql would even give it to this one, if it is the same.
      current.current.cancel();
      current.current.request += 1;
      const { request } = current.current;
      dispatch({ type: "request", request });
      const wanted = { status: filter.statuses.length ? [...filter.statuses] : null, search: filter.search || null };
      const jobs: JobCardFragment[] = [];
      let more = true;
      while (more && jobs.length < count) {
        const limit = Math.min(LARGEST_PAGE, count - jobs.length);
        const below = jobs.at(-1)?.id ?? after;
        const { data, error } = await new Promise<OperationResult<JobsQuery>>((resolve) => {
          const page = client.query(JobsDocument, { ...wanted, after: below, limit });
          current.current.cancel = page.subscribe(resolve).unsubscribe;
        });
        if (current.current.request !== request) return;
        if (!data) {
          current.current.answered = request;
          dispatch({ type: "fail", error: { message: messageOf(error), isTransient: isTransient(error) } });
          return;
        }
        jobs.push(...data.jobs);
        more = data.jobs.length === limit;
      }
      current.current.answered = request;
      dispatch({ type: "page", request, after, jobs, more, filter });
    },
    [client],
  );

  const reload = useCallback(() => fetchBelow(null, Math.max(PAGE, current.current.jobs.list.length)), [fetchBelow]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: anew with each filter
  useEffect(() => {
    reload();
  }, [key, reload]);

  // Events were missed while there was no connection. By then the subscription has begun, which the server does not
  // acknowledge, and what changes from now on comes by it.
  useEffect(() => {
    if (connections === 0) return;
    const begun = setTimeout(reload, BEGUN_MS);
    return () => clearTimeout(begun);
  }, [connections, reload]);

  // After an outage the list is fetched again, and once more when the subscription has surely begun as well.
  const { error, loading } = jobs;
  const failed = useRef(false);
  useEffect(() => {
    if (loading || !(error ? error.isTransient : failed.current)) return;
    failed.current = error !== undefined;
    const again = setTimeout(reload, RETRY_MS);
    return () => clearTimeout(again);
  }, [error, loading, reload]);

  const put = useCallback((job: JobCardFragment) => {
    dispatch({ type: "changed", job, filter: current.current.filter });
  }, []);

  useSubscription({ query: JobsChangedDocument, variables: { everyMs: PROGRESS_MS } }, (_, data) => {
    put(data.jobChanged);
    return data;
  });

  const fetchMore = useCallback(() => {
    const { jobs, request, answered } = current.current;
    if (jobs.more && request === answered) fetchBelow(jobs.list.at(-1)?.id ?? null, PAGE);
  }, [fetchBelow]);

  return { ...jobs, error: error?.message, fetchMore, reload, put };
}
