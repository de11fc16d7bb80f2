import { useConnection } from "../api/connection";

/** Says when the server went away. It is asked again and again without anyone's doing. */
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

/** A small mark of how the line to the server is. */
export function ConnectionMark() {
  const connection = useConnection();
  return (
    <span className="connection-mark" data-connection={connection}>
      {WORDS[connection]}
    </span>
  );
}
