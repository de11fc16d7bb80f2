import type { FormattedExecutionResult } from "graphql";
import { createClient, type Sink, type SubscribePayload } from "graphql-ws";
import { useSyncExternalStore } from "react";
import { socketAddressOf } from "./base";
import { goToSignIn, NOT_LET_IN } from "./session";

/** The state of the connection to the server. */
export type Connection = "connecting" | "live" | "lost";

const PING_MS = 10_000;
const PATIENCE_MS = 5_000;
const LONGEST_WAIT_MS = 3_000;

let state: Connection = "connecting";
let made = 0;
const listeners = new Set<() => void>();

function become(next: Connection): void {
  if (next === "live") made += 1;
  if (next === state && next !== "live") return;
  state = next;
  notify();
}

function notify(): void {
  for (const listener of listeners) listener();
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The state of the connection to the server. */
export function useConnection(): Connection {
  return useSyncExternalStore(listen, () => state);
}

/** How often a connection, or an operation on it, was begun anew: what was read before may be out of date. */
export function useConnectionCount(): number {
  return useSyncExternalStore(listen, () => made);
}

const RETRY_MS = 1_000;

/** Whether errors say that the server, or what it stands on, is away at the moment. */
export function isUnavailable(errors: unknown): boolean {
  return Array.isArray(errors) && errors.some((error) => error?.extensions?.code === "SERVICE_UNAVAILABLE");
}

type Result<Data> = FormattedExecutionResult<Data, Record<string, unknown>>;

/** Begin an operation on the socket, and anew where the server was unable to serve it. Gives what ends it. */
export function subscribe<Data>(payload: SubscribePayload, sink: Sink<Result<Data>>): () => void {
  let end = () => {};
  let retry: ReturnType<typeof setTimeout> | undefined;
  const begin = () => {
    let isBroken = false;
    const beginAnew = () => {
      retry = setTimeout(
        () => {
          begin();
          made += 1; // as with a new connection: events may have been missed
          notify();
        },
        RETRY_MS * (0.5 + Math.random() / 2),
      );
    };
    end = sockets.subscribe<Data, Record<string, unknown>>(payload, {
      next: (result) => {
        isBroken = isUnavailable(result.errors);
        if (!isBroken) sink.next(result);
      },
      error: (error) => (isUnavailable(error) ? beginAnew() : sink.error(error)),
      complete: () => (isBroken ? beginAnew() : sink.complete()),
    });
  };
  begin();
  return () => {
    clearTimeout(retry);
    end();
  };
}

let unanswered: ReturnType<typeof setTimeout> | undefined;

/** The one WebSocket of the page. It is open all the time; when it breaks it is made anew, and its operations are sent again. */
export const sockets = createClient({
  url: socketAddressOf("graphql"),
  lazy: false,
  keepAlive: PING_MS,
  retryAttempts: Number.POSITIVE_INFINITY,
  shouldRetry: () => true,
  retryWait: async (retries) => {
    // With jitter: a server that comes back is not met by all pages at once.
    const wait = Math.min(LONGEST_WAIT_MS, 200 * 2 ** retries) * (0.5 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, wait));
  },
  onNonLazyError: () => become("lost"),
  on: {
    connected: () => become("live"),
    closed: (event) => {
      clearTimeout(unanswered);
      if (event instanceof CloseEvent && event.code === NOT_LET_IN) goToSignIn();
      become("lost");
    },
    // A peer that vanished without closing answers no ping.
    ping: (received) => {
      if (!received) unanswered = setTimeout(() => sockets.terminate(), PATIENCE_MS);
    },
    pong: (received) => {
      if (received) clearTimeout(unanswered);
    },
  },
});
