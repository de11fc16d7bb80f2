import { useEffect, useState } from "react";
import { useClient } from "urql";
import { OverviewDocument, type WholeJobFragment } from "../api/generated";
import { curvesOf, type Overview, spanInSight } from "./overview";
import type { Points } from "./points";
import type { View } from "./view";

/** Points above which a run is shown by its overview first: fewer are here as soon as that would be. */
const LONG = 5_000;
/** How long a view must rest before what is in sight is requested. */
const REST_MS = 150;

/**
 * A long run's main curves, until all of its points are here; nothing for a run that was short when it was opened. What
 * is in sight is requested again when the view has come to rest; until its answer is here the last one stays.
 */
export function useOverview(job: WholeJobFragment, points: Points, view: View): Overview | undefined {
  const client = useClient();
  const [overview, setOverview] = useState<Overview>();
  const [long] = useState(job.metricCount > LONG);
  const { id } = job;
  useEffect(() => {
    if (!long) return;
    let wanted = true;
    client.query(OverviewDocument, { id }).then(({ data }) => {
      if (wanted && data?.job) setOverview({ upTo: data.job.metricCount, whole: curvesOf(data.job) });
    });
    return () => {
      wanted = false;
    };
  }, [client, id, long]);

  const current = overview !== undefined && points.lastSeq < overview.upTo ? overview : undefined;
  const span = current && spanInSight(current, view.range, view.axis, job.stepsPerEpoch);
  const [from, to] = [span?.from, span?.to];
  useEffect(() => {
    if (from === undefined || to === undefined) return;
    let wanted = true;
    const resting = setTimeout(async () => {
      const { data } = await client.query(OverviewDocument, { id, from, to });
      if (!wanted || !data?.job) return;
      const detail = { span: { from, to }, curves: curvesOf(data.job) };
      setOverview((now) => now && { ...now, detail });
    }, REST_MS);
    return () => {
      wanted = false;
      clearTimeout(resting);
    };
  }, [client, id, from, to]);
  return current;
}
