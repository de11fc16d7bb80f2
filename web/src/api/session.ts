import { useEffect, useState } from "react";

/** Whether someone is signed in; OPEN where nobody has to. */
export type Session = "SIGNED_IN" | "SIGNED_OUT" | "OPEN";

/** A socket is closed with this where its caller is not let in, or no longer. */
export const NOT_LET_IN = 4403;

/** Go to where a token can be given, and come back afterwards. */
export function goToSignIn(): void {
  const here = location.pathname + location.search + location.hash;
  location.assign(`/sign-in?next=${encodeURIComponent(here)}`);
}

/** Have the browser forget the token. */
export async function signOut(): Promise<void> {
  // The type says that it is no form of another site.
  await fetch("/sign-out", { method: "POST", headers: { "Content-Type": "application/json" }, redirect: "manual" });
  location.assign("/");
}

/** What is known of the session; nothing at first. */
export function useSession(): Session | undefined {
  const [session, setSession] = useState<Session>();
  useEffect(() => {
    const leaving = new AbortController();
    fetch("/session", { signal: leaving.signal })
      .then((response) => (response.ok ? response.json() : undefined))
      .then((said?: { session: Session }) => setSession(said?.session))
      .catch(() => {}); // what else is asked finds out that the server is gone
    return () => leaving.abort();
  }, []);
  return session;
}
