import { useCallback } from "react";
import { useSearchParams } from "wouter";
import type { JobCardFragment, JobStatus } from "../api/generated";
import { STATUSES } from "../parts/status";
import { folded } from "./folded";

/** Which jobs a list shows; none of a kind means all. */
export interface Filter {
  statuses: readonly JobStatus[];
  search: string;
}

/** The filter is in the address, so that a link keeps it. */
export function useFilter(): [Filter, (change: Partial<Filter>) => void] {
  const [params, setParams] = useSearchParams();
  const change = useCallback(
    (to: Partial<Filter>) => setParams((now) => written({ ...filterOf(now), ...to }), { replace: true }),
    [setParams],
  );
  return [filterOf(params), change];
}

function filterOf(params: URLSearchParams): Filter {
  const named = params.getAll("status").map((status) => status.toUpperCase());
  return { statuses: STATUSES.filter((status) => named.includes(status)), search: params.get("search") ?? "" };
}

function written({ statuses, search }: Filter): URLSearchParams {
  const params = new URLSearchParams(statuses.map((status) => ["status", status.toLowerCase()]));
  if (search) params.set("search", search);
  return params;
}

/** Whether a list with the filter shows the job, as the server decides it. */
export function matches(filter: Filter, job: JobCardFragment): boolean {
  const wanted = folded(filter.search);
  return (
    job.archivedAt === null &&
    (filter.statuses.length === 0 || filter.statuses.includes(job.status)) &&
    (wanted === "" || folded(`${job.name}\n${job.modelName ?? ""}`).includes(wanted))
  );
}
