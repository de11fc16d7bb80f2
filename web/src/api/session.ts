import { createContext, useContext, useEffect, useState } from "react";
import { addressOf } from "./base";

export interface Session {
  /** Whether this browser is signed in; OPEN where the server takes no token. */
  session: "SIGNED_IN" | "SIGNED_OUT" | "OPEN";
  mayWrite: boolean;
}

/** What is known of the session; nothing at first. */
export const SessionContext = createContext<Session | undefined>(undefined);

/** A socket is closed with this where its caller is not let in, or no longer. */
export const NOT_LET_IN = 4403;

let isSigningOut = false;

/** Go to where a token can be given, and come back afterwards. */
export function goToSignIn(): void {
  if (isSigningOut) return; // which ends the session, and closes its sockets, before the answer is here
  const here = location.pathname + location.search + location.hash;
  location.assign(addressOf(`sign-in?next=${encodeURIComponent(here)}`));
}

/** End the session of this browser. */
export async function signOut(): Promise<void> {
  isSigningOut = true;
  // The type says that it is no form of another site.
  await fetch(addressOf("sign-out"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    redirect: "manual",
  }).catch(() => {}); // the page that is loaded next finds out that the server is gone
  location.assign(addressOf(""));
}

/** Whether jobs may be created, started, stopped and stepped; true until the session is known. */
export function useMayWrite(): boolean {
  return useContext(SessionContext)?.mayWrite ?? true;
}

/** The session; undefined until the server has answered. */
export function useSession(): Session | undefined {
  const [session, setSession] = useState<Session>();
  useEffect(() => {
    const leaving = new AbortController();
    fetch(addressOf("session"), { signal: leaving.signal })
      .then((response) => (response.ok ? response.json() : undefined))
      .then((answer?: Session) => setSession(answer))
      .catch(() => {}); // other requests show that the server is away
    return () => leaving.abort();
  }, []);
  return session;
}
