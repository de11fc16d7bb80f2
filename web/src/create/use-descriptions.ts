import { useEffect, useState } from "react";
import { useClient } from "urql";
import { useConnectionCount } from "../api/connection";
import { SettingsDocument } from "../api/generated";

/** Name -> what the server says it means, in the server's order. */
export type Descriptions = Readonly<Record<string, string>>;

const NONE = { settings: {}, scenarios: {}, schedules: {} };

/** What the settings mean, and what can be chosen; empty until the server has said it. */
export function useDescriptions(): { settings: Descriptions; scenarios: Descriptions; schedules: Descriptions } {
  const client = useClient();
  const connections = useConnectionCount();
  const [descriptions, setDescriptions] = useState(NONE);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a server that is back is asked again
  useEffect(() => {
    const { unsubscribe } = client.query(SettingsDocument, {}).subscribe(({ data }) => {
      if (!data) return;
      setDescriptions({
        settings: byName(data.input?.inputFields),
        scenarios: byName(data.scenarios?.enumValues),
        schedules: byName(data.schedules?.enumValues),
      });
    });
    return unsubscribe;
  }, [client, connections]);

  return descriptions;
}

function byName(described: readonly { name: string; description: string | null }[] | null | undefined): Descriptions {
  return Object.fromEntries((described ?? []).map(({ name, description }) => [name, description ?? ""]));
}
