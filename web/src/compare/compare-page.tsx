import { useCallback, useEffect, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { Chart } from "../curves/chart";
import { ViewControls } from "../curves/controls";
import { lineOf, namesIn } from "../curves/lines";
import { namesOf } from "../curves/names";
import type { Look } from "../curves/plot";
import type { Line } from "../curves/points";
import { useView } from "../curves/view";
import { ConnectionMark } from "../parts/connection-notice";
import { StatusBadge } from "../parts/status";
import { ComparisonTable } from "./comparison-table";
import { Watch, type Watched } from "./watched";

/** The most jobs that colours and dashes distinguish. */
const MOST = 8;
const DASHES = [[], [8, 4], [2, 3], [8, 3, 2, 3], [14, 4], [4, 8], [12, 3, 2, 3, 2, 3], [1, 5]];
const NOTHING: Line = { x: new Float64Array(), y: new Float64Array(), length: 0 };

/** Some jobs in one picture: which ones, and how they are looked at, is in the address. */
export default function ComparePage() {
  const [params, setParams] = useSearchParams();
  const wanted = [...new Set((params.get("jobs") ?? "").split(",").filter((id) => id !== ""))];
  const ids = wanted.slice(0, MOST);
  const [watched, setWatched] = useState<ReadonlyMap<string, Watched>>(new Map());
  const [view, setView] = useView();
  const onChange = useCallback((job: Watched) => setWatched((now) => new Map(now).set(job.id, job)), []);
  useEffect(() => {
    document.title = `Compare ${ids.length} jobs`;
  }, [ids.length]);

  const remove = (id: string) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        next.set("jobs", ids.filter((each) => each !== id).join(","));
        return next;
      },
      { replace: true },
    );

  if (ids.length === 0) return <NothingToCompare />;
  const jobs = ids.flatMap((id) => watched.get(id) ?? []);
  // A job keeps its colour and dash by its place in the address.
  const looks = ids.map(
    (id, place): Look => ({
      label: watched.get(id)?.job?.name ?? `job ${id}`,
      colour: `--curve-${place + 1}`,
      dash: DASHES[place] ?? [],
    }),
  );
  const runs = jobs.flatMap(({ job, ...rest }) => (job === undefined ? [] : [{ job, ...rest }]));
  const names = namesOf(runs.flatMap(namesIn));
  const linesOf = (name: string) =>
    ids.map((id) => {
      const run = runs.find((each) => each.id === id);
      return run === undefined ? NOTHING : lineOf(run, name, view.axis);
    });
  return (
    <main>
      {ids.map((id) => (
        <Watch key={id} id={id} view={view} onChange={onChange} />
      ))}
      <p className="back">
        <Link href="/training/jobs">← All jobs</Link>
      </p>
      <div className="page-head">
        <div>
          <h1>Compare</h1>
          <p className="subtitle">The address holds this view: send it to someone.</p>
        </div>
        <ConnectionMark />
      </div>
      {wanted.length > MOST && (
        <p className="notice">Only the first {MOST} jobs are shown: there are no more colours.</p>
      )}
      <ul className="legend" aria-label="Jobs compared">
        {ids.map((id, place) => (
          <LegendEntry
            key={id}
            watched={watched.get(id)}
            id={id}
            look={looks[place] as Look}
            onRemove={() => remove(id)}
          />
        ))}
      </ul>
      <ViewControls view={view} onView={setView} />
      <div className="charts wide">
        {names.map((name) => (
          <Chart
            key={name}
            title={name}
            looks={looks}
            lines={() => linesOf(name)}
            version={watched}
            view={view}
            onView={setView}
            group="compare"
          />
        ))}
      </div>
      <ComparisonTable jobs={jobs} names={names} />
    </main>
  );
}

function LegendEntry(props: { watched: Watched | undefined; id: string; look: Look; onRemove: () => void }) {
  const { watched, id, look } = props;
  return (
    <li>
      <svg viewBox="0 0 36 8" width="36" height="8" aria-hidden="true">
        <path d="M0 4H36" stroke={`var(${look.colour})`} strokeWidth="3" strokeDasharray={look.dash.join(" ")} />
      </svg>
      {watched?.error ? (
        <span role="alert">{watched.error}</span>
      ) : (
        <Link href={`/training/jobs/${id}`}>{look.label}</Link>
      )}
      {watched?.job && <StatusBadge status={watched.job.status} />}
      <button type="button" className="button small" aria-label={`Remove ${look.label}`} onClick={props.onRemove}>
        Remove
      </button>
    </li>
  );
}

function NothingToCompare() {
  return (
    <main>
      <section className="empty">
        <h1>Nothing to compare</h1>
        <p>Tick jobs in the list, and choose Compare.</p>
        <Link className="button primary" href="/training/jobs">
          To the jobs
        </Link>
      </section>
    </main>
  );
}
