import type { WholeJobFragment } from "../api/generated";
import { countText, valueText } from "../curves/formats";
import { isBetterHigh } from "../curves/names";
import { wordOf } from "../parts/status";
import type { Watched } from "./watched";

interface Row {
  name: string;
  cells: string[];
}

const SETTINGS: [string, (job: WholeJobFragment) => string | undefined][] = [
  ["Model", (job) => job.modelName ?? undefined],
  ["Epochs", (job) => textOf(job.epochs, countText)],
  ["Steps an epoch", (job) => textOf(job.stepsPerEpoch, countText)],
  ["Learning rate", (job) => textOf(job.learningRate, String)],
  ["Schedule", (job) => job.schedule?.toLowerCase()],
  ["Batch size", (job) => textOf(job.batchSize, countText)],
  ["Scenario", (job) => job.scenario?.toLowerCase()],
  ["Seed", (job) => textOf(job.seed, String)],
];

/** Nothing where nobody said. */
function textOf(value: number | null, text: (value: number) => string): string | undefined {
  return value === null ? undefined : text(value);
}

/** The jobs side by side: their settings, as far as one of them has any, with a mark at what differs, and what they came to. */
export function ComparisonTable({ jobs, names }: { jobs: readonly Watched[]; names: readonly string[] }) {
  const known = jobs.filter((each): each is Watched & { job: WholeJobFragment } => each.job !== undefined);
  const settings = SETTINGS.map(([name, text]) => ({ name, texts: known.map(({ job }) => text(job)) }))
    .filter(({ texts }) => texts.some((text) => text !== undefined))
    .map(({ name, texts }) => ({ name, cells: texts.map((text) => text ?? "–") }));
  const results = [
    { name: "Status", cells: known.map(({ job }) => wordOf(job.status)) },
    { name: "Points", cells: known.map(({ points }) => countText(points.lastSeq)) },
    ...names.flatMap((name) => resultsOf(name, known)),
  ];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: wider than a phone, it is scrolled with keys
    <div className="table" role="region" aria-label="Settings and results" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Job</th>
            {known.map(({ id, job }) => (
              <th key={id} scope="col">
                {job.name}
              </th>
            ))}
          </tr>
        </thead>
        <Rows title="Settings" rows={settings} columns={known.length} compared />
        <Rows title="Results" rows={results} columns={known.length} />
      </table>
    </div>
  );
}

/** The final value of a name, and the best one: the highest where more is better, else the lowest. */
function resultsOf(name: string, jobs: readonly Watched[]): Row[] {
  const final = jobs.map(({ points }) => points.latest(name, 0).value);
  const extreme = isBetterHigh(name) ? "high" : "low";
  const best = jobs.map(({ points }) => points.extremes(name)?.[extreme]);
  const texts = (values: (number | undefined)[]) =>
    values.map((value) => (value === undefined ? "–" : valueText(value)));
  return [
    { name: `${name}, final`, cells: texts(final) },
    { name: `${name}, best (${extreme}est)`, cells: texts(best) },
  ];
}

function Rows(props: { title: string; rows: readonly Row[]; columns: number; compared?: boolean }) {
  return (
    <tbody>
      <tr className="table-part">
        <th scope="rowgroup" colSpan={props.columns + 1}>
          {props.title}
        </th>
      </tr>
      {props.rows.map(({ name, cells }) => {
        const differs = props.compared && new Set(cells).size > 1;
        return (
          <tr key={name} data-differs={differs || undefined}>
            <th scope="row">
              {name} {differs && <span className="differs">differs</span>}
            </th>
            {cells.map((cell, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its column, and has nothing else
              <td key={place}>{cell}</td>
            ))}
          </tr>
        );
      })}
    </tbody>
  );
}
