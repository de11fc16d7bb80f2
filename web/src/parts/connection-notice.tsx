import { useConnection } from "../api/connection";

/** A notice while the server is away; the page reconnects by itself. */
export function ConnectionNotice() {
  const connection = useConnection();
  return (
    <div className="connection-notice" role="status">
      {connection === "lost" && (
        <>
          The server cannot be reached. Trying again; what was missed comes with it.{" "}
          <button type="button" className="button small" onClick={() => location.reload()}>
            Load anew
          </button>
        </>
      )}
    </div>
  );
}

const WORDS = { connecting: "Connecting", live: "Live", lost: "Reconnecting" } as const;

/** A small mark with the state of the connection. */
export function ConnectionMark() {
  const connection = useConnection();
  return (
    <span className="connection-mark" data-connection={connection}>
      {WORDS[connection]}
    </span>
  );
}
