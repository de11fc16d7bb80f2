import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { toast } from "sonner";
import { save } from "../parts/files";
import { useInView } from "../parts/in-view";
import { placeName, valueText } from "./formats";
import { type Look, Plot, type Reading } from "./plot";
import type { Line } from "./points";
import type { View } from "./view";

interface ChartProps {
  title: string;
  looks: readonly Look[];
  /** Makes the lines, one for each look: called only while the chart is in sight. */
  lines: () => readonly Line[];
  /** Changes whenever the lines may have. */
  version: unknown;
  view: View;
  onView: (change: Partial<View>) => void;
  /** Charts of one group are read together. */
  group: string;
}

/** One chart with its name and what is read on it. Arrows read along the curve, + and - zoom, Escape shows all. */
export function Chart({ title, looks, lines, version, view, onView, group }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(null);
  const inView = useInView(box);
  const [readings, setReadings] = useState<readonly Reading[]>();
  const [focused, setFocused] = useState(false);
  const hint = useId();

  const zoom = useRef(onView);
  zoom.current = onView;
  const key = JSON.stringify([looks, view.axis, view.log, view.smoothing > 0, group]);
  const looksOfKey = useMemo(() => JSON.parse(key)[0] as Look[], [key]);
  const latest = useRef(view);
  latest.current = view;
  const [themes, setThemes] = useState(0);

  useEffect(() => {
    if (!inView || box.current === null) return;
    plot.current ??= new Plot(box.current, looksOfKey, latest.current, group, {
      onZoom: (from, to) => zoom.current({ range: { kind: "zoom", from, to } }),
      onUnzoom: () => zoom.current({ range: { kind: "all" } }),
      onRead: setReadings,
    });
  }, [inView, looksOfKey, group]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another key is another plot
  useEffect(
    () => () => {
      plot.current?.destroy();
      plot.current = null;
    },
    [key],
  );

  useEffect(() => onThemeChange(() => setThemes((count) => count + 1)), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew when the lines, the plot or the colours are new
  useEffect(() => {
    if (!inView) return;
    const frame = requestAnimationFrame(() => plot.current?.draw(lines(), view));
    return () => cancelAnimationFrame(frame);
  }, [inView, version, view, key, themes]);

  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    switch (event.key) {
      case "ArrowLeft":
        plot.current?.point(-1);
        break;
      case "ArrowRight":
        plot.current?.point(1);
        break;
      case "+":
      case "=":
        plot.current?.zoom(0.5);
        break;
      case "-":
        plot.current?.zoom(2);
        break;
      case "Escape":
        onView({ range: { kind: "all" } });
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  const download = async () => {
    const blob = await plot.current?.png(title);
    if (blob) save(blob, `${title}.png`);
    else toast.error("The chart is not drawn yet.");
  };

  return (
    <figure className="chart" data-curve={title}>
      <figcaption>
        <h2>{title}</h2>
        <span className="reading">
          {readings && <Readings readings={readings} view={view} named={looks.length > 1} spoken={focused} />}
        </span>
        {/* Dragging needs a mouse. */}
        <button
          type="button"
          className="button small"
          aria-label={`Zoom in on ${title}`}
          onClick={() => plot.current?.zoom(0.5)}
        >
          +
        </button>
        <button
          type="button"
          className="button small"
          aria-label={`Zoom out of ${title}`}
          onClick={() => plot.current?.zoom(2)}
        >
          −
        </button>
        <button type="button" className="button small" aria-label={`Download ${title} as PNG`} onClick={download}>
          PNG
        </button>
      </figcaption>
      <div
        ref={box}
        className="plot"
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is read and zoomed with keys
        tabIndex={0}
        aria-label={`Curve of ${title}`}
        aria-describedby={hint}
        onKeyDown={onKey}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
      />
      <span id={hint} className="visually-hidden">
        Arrow keys read the curve, plus and minus zoom, Escape shows all of it.
      </span>
    </figure>
  );
}

/** Read out by screen readers where the focus is here (`spoken`); the other charts of the group only show it. */
function Readings(props: { readings: readonly Reading[]; view: View; named: boolean; spoken: boolean }) {
  const { readings, view, named, spoken } = props;
  const [first] = readings;
  if (first === undefined) return null;
  return (
    <output aria-live={spoken ? "polite" : "off"}>
      <span className="place">{placeName(view.axis, first.x)}</span>
      {readings.map(({ label, value }) => (
        <span key={label}>
          {named && `${label} `}
          <b>{valueText(value)}</b>
        </span>
      ))}
    </output>
  );
}

/** Call when the colours of the page change, by the system or by its switch. */
function onThemeChange(listener: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", listener);
  window.addEventListener("themechange", listener);
  return () => {
    system.removeEventListener("change", listener);
    window.removeEventListener("themechange", listener);
  };
}
