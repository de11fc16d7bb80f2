import { useEffect, useState } from "react";
import { useClient } from "urql";
import { useConnectionCount } from "../api/connection";
import { type CreateJobInput, PreviewJobDocument, type PreviewJobQuery } from "../api/generated";
import { messageOf } from "../jobs/verbs";

type Answer = PreviewJobQuery["previewJob"];
export type JobPreview = Extract<Answer, { __typename: "JobPreview" }>;
export type Refusal = Extract<Answer, { __typename: "InvalidInput" }>;

const POINTS = 120;
const TYPING_MS = 250;

/** The latest curves there are, and why those of the present settings are not there yet, where they are not. */
export interface Preview {
  run?: JobPreview | undefined;
  unreadable?: boolean;
  /** What the server does not take. */
  refusal?: Refusal;
  /** Why the server gave no answer. */
  problem?: string;
}

/** What a simulated run of the settings would look like, requested when the typing rests. */
export function usePreview(input: CreateJobInput | undefined): Preview {
  const client = useClient();
  const connections = useConnectionCount();
  const [preview, setPreview] = useState<Preview>({});

  // biome-ignore lint/correctness/useExhaustiveDependencies: requested again once the server is back
  useEffect(() => {
    if (input === undefined) {
      setPreview(({ run }) => ({ run, unreadable: true }));
      return;
    }
    let question: { unsubscribe: () => void } | undefined;
    const timer = setTimeout(() => {
      const answers = client.query(PreviewJobDocument, { input, points: POINTS });
      question = answers.subscribe(({ data, error }) =>
        setPreview((last) => next(last, data?.previewJob, messageOf(error))),
      );
    }, TYPING_MS);
    // The answer for earlier settings is not awaited.
    return () => {
      clearTimeout(timer);
      question?.unsubscribe();
    };
  }, [client, connections, input]);

  return preview;
}

function next({ run }: Preview, answer: Answer | undefined, problem: string): Preview {
  switch (answer?.__typename) {
    case "JobPreview":
      return { run: answer };
    case "InvalidInput":
      return { run, refusal: answer };
    default:
      return { run, problem };
  }
}
