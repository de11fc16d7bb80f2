import { createClient } from "graphql-ws";
import { useSyncExternalStore } from "react";
import { socketAddressOf } from "./base";
import { goToSignIn, NOT_LET_IN } from "./session";

/** What is known of the line to the server. */
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
  for (const listener of listeners) listener();
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How the line to the server is. */
export function useConnection(): Connection {
  return useSyncExternalStore(listen, () => state);
}

/** How often a connection was made: what was read before the latest may have missed news. */
export function useConnectionCount(): number {
  return useSyncExternalStore(listen, () => made);
}

let unanswered: ReturnType<typeof setTimeout> | undefined;

/** The one WebSocket of the page. It is open all the time, and made anew for ever: what was asked on it is asked again. */
export const sockets = createClient({
  url: socketAddressOf("graphql"),
  lazy: false,
  keepAlive: PING_MS,
  retryAttempts: Number.POSITIVE_INFINITY,
  shouldRetry: () => true,
  retryWait: async (retries) => {
    // Apart from each other: a server that comes back is not met by everyone at once.
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
    // A peer that vanished without a word is noticed by its silence.
    ping: (received) => {
      if (!received) unanswered = setTimeout(() => sockets.terminate(), PATIENCE_MS);
    },
    pong: (received) => {
      if (received) clearTimeout(unanswered);
    },
  },
});
