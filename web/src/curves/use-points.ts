import { stringifyDocument } from "@urql/core";
import { useEffect, useReducer, useState } from "react";
import { subscribe } from "../api/connection";
import { PointsDocument, type PointsSubscription } from "../api/generated";
import { Points } from "./points";

/** The least time between two drawings of what came. */
const REST_MS = 100;

const QUERY = stringifyDocument(PointsDocument);

export interface LivePoints {
  points: Points;
  /** How often points came: what is drawn of them is as new as this. */
  version: number;
  error: string | undefined;
}

type Action = { type: "points" } | { type: "error"; message: string };

function reduce(live: LivePoints, action: Action): LivePoints {
  switch (action.type) {
    case "points":
      return { ...live, version: live.version + 1, error: undefined };
    case "error":
      return { ...live, error: action.message };
  }
}

/** All points of a job from the first, then live; whatever happens to the line, each of them once. */
export function usePoints(id: string): LivePoints {
  const [points] = useState(() => new Points());
  const [live, dispatch] = useReducer(reduce, { points, version: 0, error: undefined });
  useEffect(() => {
    let drawnAt = Number.NEGATIVE_INFINITY;
    let due: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      due ??= setTimeout(
        () => {
          due = undefined;
          drawnAt = performance.now();
          dispatch({ type: "points" });
        },
        drawnAt + REST_MS - performance.now(),
      );
    };
    const unsubscribe = subscribe<PointsSubscription>(
      {
        query: QUERY,
        variables: {
          id,
          // Read each time the operation is sent, so also after a reconnect: on from the last point that came.
          get after() {
            return points.lastSeq;
          },
        },
      },
      {
        next: ({ data }) => {
          if (!data) return;
          points.add(data.metricsAdded);
          draw();
        },
        error: (error) => dispatch({ type: "error", message: textOf(error) }),
        // The job has ended, and its last point is here; or we hung up.
        complete: () => {},
      },
    );
    return () => {
      clearTimeout(due);
      unsubscribe();
    };
  }, [id, points]);
  return live;
}

function textOf(error: unknown): string {
  if (Array.isArray(error)) return error.map((each: { message: string }) => each.message).join(" ");
  return "The stream of points broke off.";
}
