import { useContext } from "react";
import { goToSignIn, SessionContext, signOut } from "../api/session";

/** The way out for who is signed in, and in for who may only read so far. */
export function SessionLink() {
  const session = useContext(SessionContext);
  if (!session || session.session === "OPEN") return null;
  const signedIn = session.session === "SIGNED_IN";
  return (
    <>
      {!session.mayWrite && (
        <span className="may-not" title="To change anything takes a token with the scope write.">
          Read only
        </span>
      )}
      <button type="button" className="link" onClick={signedIn ? signOut : goToSignIn}>
        {signedIn ? "Sign out" : "Sign in"}
      </button>
    </>
  );
}
