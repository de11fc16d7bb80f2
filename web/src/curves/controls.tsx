import type { ReactNode } from "react";
import type { Axis } from "./points";
import { MAX_SMOOTHING, type View } from "./view";

/** How all curves of the page are looked at. */
export function ViewControls(props: { view: View; onView: (change: Partial<View>) => void; children?: ReactNode }) {
  const { view, onView } = props;
  const { range } = view;
  const follow = () => {
    if (range.kind === "zoom") onView({ range: { kind: "follow", width: range.to - range.from } });
  };
  return (
    <div className="controls" role="toolbar" aria-label="View of the curves">
      <label>
        X axis{" "}
        <select
          value={view.axis}
          onChange={(event) => onView({ axis: event.target.value as Axis, range: { kind: "all" } })}
        >
          <option value="step">Step</option>
          <option value="epoch">Epoch</option>
          <option value="time">Time</option>
        </select>
      </label>
      <label>
        Y axis{" "}
        <select value={view.log ? "log" : "linear"} onChange={(event) => onView({ log: event.target.value === "log" })}>
          <option value="linear">Linear</option>
          <option value="log">Logarithmic</option>
        </select>
      </label>
      <label>
        Smoothing{" "}
        <input
          type="range"
          min={0}
          max={MAX_SMOOTHING}
          step={0.01}
          value={view.smoothing}
          onChange={(event) => onView({ smoothing: Number(event.target.value) })}
        />
        <output>{view.smoothing.toFixed(2)}</output>
      </label>
      <button
        type="button"
        className="button small"
        aria-pressed={range.kind !== "zoom"}
        title="Keep the newest points in sight"
        onClick={follow}
      >
        Follow
      </button>
      <button
        type="button"
        className="button small"
        disabled={range.kind === "all"}
        onClick={() => onView({ range: { kind: "all" } })}
      >
        Show all
      </button>
      {props.children}
    </div>
  );
}
