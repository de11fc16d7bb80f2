import { useEffect, useState } from "react";
import { useClient } from "urql";
import { type CurveLineFragment, OverviewDocument } from "../api/generated";
import type { Axis, Line } from "./points";

/** Points above which a run is shown by its overview first: fewer are here as soon as that would be. */
const LONG = 5_000;

export interface Overview {
  /** The seq of the last point that it covers. */
  upTo: number;
  curves: readonly CurveLineFragment[];
}

/** A long run's main curves as they are, downsampled; nothing for a short one. `count` is of when it was opened. */
export function useOverview(id: string, count: number): Overview | undefined {
  const client = useClient();
  const [overview, setOverview] = useState<Overview>();
  const [long] = useState(count > LONG);
  useEffect(() => {
    if (!long) return;
    let wanted = true;
    client.query(OverviewDocument, { id }).then(({ data }) => {
      if (!wanted || !data?.job) return;
      const { metricCount, loss, accuracy, learningRate } = data.job;
      const curves = [loss, accuracy, learningRate].filter(({ step }) => step.length > 0);
      setOverview({ upTo: metricCount, curves });
    });
    return () => {
      wanted = false;
    };
  }, [client, id, long]);
  return overview;
}

/** A curve of the overview over an axis; it knows no times. */
export function overviewLine(curve: CurveLineFragment, axis: Axis, stepsPerEpoch: number): Line | undefined {
  if (axis === "time") return undefined;
  const x = Float64Array.from(curve.step, (step) => (axis === "epoch" ? step / stepsPerEpoch : step));
  const y = Float64Array.from(curve.value, (value) => value ?? Number.NaN);
  return { x, y, length: x.length };
}
