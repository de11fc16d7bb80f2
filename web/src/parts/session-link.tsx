import { goToSignIn, signOut, useSession } from "../api/session";

/** The way out for who is signed in, and in for who may only read so far. */
export function SessionLink() {
  const session = useSession();
  if (session === "SIGNED_IN")
    return (
      <button type="button" className="link" onClick={signOut}>
        Sign out
      </button>
    );
  if (session === "SIGNED_OUT")
    return (
      <button type="button" className="link" onClick={goToSignIn}>
        Sign in
      </button>
    );
  return null;
}
