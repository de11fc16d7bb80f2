import { Chart } from "./chart";
import type { Preview } from "./use-preview";

const CHARTS = [
  { curves: [["learningRate", "Learning rate"]] },
  {
    curves: [
      ["loss", "Training loss"],
      ["val_loss", "Validation loss"],
    ],
  },
  {
    curves: [
      ["accuracy", "Training accuracy"],
      ["val_accuracy", "Validation accuracy"],
    ],
    top: 1,
  },
] as const;

/** The curves of a simulated run; those of before while the settings have none. */
export function PreviewCharts({ seeded, ...preview }: Preview & { seeded: boolean }) {
  const { run, unreadable, refusal, problem } = preview;
  return (
    <section
      className="preview"
      aria-label="Preview of a simulated run"
      data-stale={Boolean(unreadable || refusal || problem)}
    >
      {run &&
        CHARTS.map(({ curves, ...chart }) => (
          <Chart
            key={curves[0][1]}
            totalSteps={run.totalSteps}
            curves={curves.flatMap(([name, label]) =>
              run.curves.filter((curve) => curve.name === name).map((curve) => ({ ...curve, label })),
            )}
            {...chart}
          />
        ))}
      <p className="preview-note">{note(preview, seeded)}</p>
    </section>
  );
}

function note({ run, unreadable, refusal, problem }: Preview, seeded: boolean): string {
  if (problem) return `No preview: ${problem}`;
  if (unreadable || refusal) return "The preview goes on when all settings are valid.";
  if (!run) return "";
  return seeded
    ? "A simulated run records exactly these points."
    : "A simulated run with the seed 0; the job draws a seed of its own.";
}
