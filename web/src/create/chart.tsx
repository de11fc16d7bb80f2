import { type Curve, count, inWords, short } from "./curve-in-words";

const WIDTH = 320;
const HEIGHT = 80;
// Beyond this, what happens at the lower end would be a flat line.
const LARGEST_LINEAR_RATIO = 1_000;

/** Curves over the steps of a run, from 0 to `top` or to the highest value. */
export function Chart({ curves, totalSteps, top }: { curves: readonly Curve[]; totalSteps: number; top?: number }) {
  const scale = scaleOf(curves, top);
  const place = (step: number, value: number) => {
    const x = (step - 1) / (totalSteps - 1 || 1);
    return `${(x * WIDTH).toFixed(1)} ${((1 - scale.place(value)) * HEIGHT).toFixed(1)}`;
  };
  return (
    <figure className="preview-chart">
      <figcaption>
        {curves.map(({ label }) => (
          <span key={label}>{label}</span>
        ))}
      </figcaption>
      <span className="preview-chart-high">{scale.high}</span>
      <span className="preview-chart-low">{scale.low}</span>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={curves.map((curve) => inWords(curve, totalSteps)).join(" ")}
      >
        {curves.map((curve) => (
          <g key={curve.label}>
            {stretchesOf(curve, place).map((places) => (
              <path
                key={places[0]}
                className={places.length === 1 ? "dot" : "line"}
                d={`M${places.join("L")}h0`}
                vectorEffect="non-scaling-stroke"
              />
            ))}
          </g>
        ))}
      </svg>
      <span className="preview-chart-first">step 1</span>
      <span className="preview-chart-last">{count(totalSteps)}</span>
    </figure>
  );
}

/** From values to heights between 0 and 1, and the numbers at both ends. */
function scaleOf(curves: readonly Curve[], top: number | undefined) {
  const finite = curves.flatMap(({ value }) => value.filter((each) => each !== null));
  if (finite.length === 0) return { low: "", high: "", place: () => 0 };
  const low = Math.min(...finite);
  const high = top ?? Math.max(...finite);
  if (low > 0 && high / low > LARGEST_LINEAR_RATIO) {
    const place = (value: number) => Math.log(value / low) / Math.log(high / low);
    return { low: short(low), high: `${short(high)} (log)`, place };
  }
  return { low: "0", high: short(high), place: (value: number) => value / (high || 1) };
}

/** The places to join by a line: what is not finite is a gap between two stretches. */
function stretchesOf({ step, value }: Curve, place: (step: number, value: number) => string): string[][] {
  const stretches: string[][] = [[]];
  for (const [index, at] of step.entries()) {
    const here = value[index] ?? null;
    if (here === null) stretches.push([]);
    else stretches.at(-1)?.push(place(at, here));
  }
  return stretches.filter((places) => places.length > 0);
}
