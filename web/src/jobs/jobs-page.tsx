import { useCallback, useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { useMayWrite } from "../api/session";
import { CreateJobDialog } from "../create/create-job-dialog";
import { useInView } from "../parts/in-view";
import { STATUSES, wordOf } from "../parts/status";
import { type Filter, useFilter } from "./filter";
import { JobCard } from "./job-card";
import { useJobs } from "./use-jobs";

const TYPING_MS = 250;

/** Training Jobs: a card per job, newest first, live. */
export function JobsPage() {
  const [filter, setFilter] = useFilter();
  const { list, more, loading, error, fetchMore, reload, put } = useJobs(filter);
  const [ticked, setTicked] = useState<readonly string[]>([]);
  const [creating, setCreating] = useState(false);
  const mayWrite = useMayWrite();
  const onTick = useCallback((id: string, on: boolean) => {
    setTicked((now) => (on ? [...now, id] : now.filter((each) => each !== id)));
  }, []);
  useEffect(() => {
    document.title = "Training Jobs";
  }, []);

  const filtered = filter.statuses.length > 0 || filter.search !== "";
  return (
    <main>
      <div className="page-head">
        <div>
          <h1>Training Jobs</h1>
          <p className="subtitle">{mayWrite ? "Start, stop and watch" : "Watch"} your training runs, live.</p>
        </div>
        {mayWrite && (
          <button type="button" className="button primary" onClick={() => setCreating(true)}>
            Create job
          </button>
        )}
      </div>
      <FilterBar filter={filter} onChange={setFilter} />
      {error && (
        <p className="notice" role="alert">
          {error}{" "}
          <button type="button" className="button small" onClick={reload}>
            Try again
          </button>
        </p>
      )}
      {list.length > 0 && (
        <ul className="cards" aria-label="Jobs" aria-busy={loading}>
          {list.map((job) => (
            <JobCard key={job.id} job={job} ticked={ticked.includes(job.id)} onTick={onTick} onJob={put} />
          ))}
        </ul>
      )}
      {list.length > 0 && more && !error && <More loading={loading} count={list.length} onInView={fetchMore} />}
      {list.length === 0 && !loading && !error && !more && (
        <Empty
          filtered={filtered}
          onCreate={mayWrite ? () => setCreating(true) : undefined}
          onClear={() => setFilter({ statuses: [], search: "" })}
        />
      )}
      {list.length === 0 && loading && <p className="loading">Loading jobs…</p>}
      {ticked.length > 0 && <CompareBar ids={ticked} onClear={() => setTicked([])} />}
      {creating && <CreateJobDialog onClose={() => setCreating(false)} onCreated={put} />}
    </main>
  );
}

function FilterBar({ filter, onChange }: { filter: Filter; onChange: (change: Partial<Filter>) => void }) {
  const [text, setText] = useState(filter.search);
  // A search is requested when the typing rests.
  const typing = useRef<ReturnType<typeof setTimeout>>(undefined);
  const search = (to: string) => {
    setText(to);
    clearTimeout(typing.current);
    typing.current = setTimeout(() => onChange({ search: to.trim() }), TYPING_MS);
  };
  useEffect(() => () => clearTimeout(typing.current), []);
  // What is set elsewhere, by a link or a button, counts more than what is still being typed.
  useEffect(() => setText((now) => (now.trim() === filter.search ? now : filter.search)), [filter.search]);
  return (
    <search className="filters">
      <input
        type="search"
        placeholder="Search by name"
        aria-label="Search jobs by name"
        value={text}
        onChange={(event) => search(event.target.value)}
      />
      <fieldset>
        <legend className="visually-hidden">Status</legend>
        {STATUSES.map((status) => (
          <label key={status} className="chip" data-status={status}>
            <input
              type="checkbox"
              checked={filter.statuses.includes(status)}
              onChange={(event) =>
                onChange({
                  statuses: STATUSES.filter((each) =>
                    each === status ? event.target.checked : filter.statuses.includes(each),
                  ),
                })
              }
            />
            {wordOf(status)}
          </label>
        ))}
      </fieldset>
    </search>
  );
}

/** The end of what was fetched: in sight, it fetches more. */
function More({ loading, count, onInView }: { loading: boolean; count: number; onInView: () => void }) {
  const end = useRef<HTMLParagraphElement>(null);
  const inView = useInView(end, "800px");
  // biome-ignore lint/correctness/useExhaustiveDependencies: with each page that came, for it may still be in sight
  useEffect(() => {
    if (inView && !loading) onInView();
  }, [inView, loading, count, onInView]);
  return (
    <p ref={end} className="loading">
      Loading more jobs…
    </p>
  );
}

interface EmptyProps {
  filtered: boolean;
  /** Left out for who may not. */
  onCreate?: () => void;
  onClear: () => void;
}

function Empty({ filtered, onCreate, onClear }: EmptyProps) {
  return (
    <section className="empty">
      <h2>{filtered ? "No job matches" : "No jobs yet"}</h2>
      <p>
        {filtered
          ? "No job has such a name and such a status."
          : onCreate
            ? "Create a job, start it, and watch its curves. A simulator makes them, so no GPU is needed."
            : "They appear here as they are created."}
      </p>
      {filtered ? (
        <button type="button" className="button" onClick={onClear}>
          Show all jobs
        </button>
      ) : (
        onCreate && (
          <button type="button" className="button primary" onClick={onCreate}>
            Create your first job
          </button>
        )
      )}
    </section>
  );
}

function CompareBar({ ids, onClear }: { ids: readonly string[]; onClear: () => void }) {
  return (
    <section className="compare-bar" aria-label="Comparison">
      <span role="status">{ids.length === 1 ? "1 job ticked" : `${ids.length} jobs ticked`}</span>
      <button type="button" className="button" onClick={onClear}>
        Clear
      </button>
      <Link className="button primary" href={`/training/compare?jobs=${ids.join(",")}`}>
        Compare
      </Link>
    </section>
  );
}
