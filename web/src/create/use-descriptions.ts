import { useEffect, useState } from "react";
import { useClient } from "urql";
import { useConnectionCount } from "../api/connection";
import { SettingsDocument } from "../api/generated";

/** Name -> its description in the schema, in the schema's order. */
export type Descriptions = Readonly<Record<string, string>>;

const NONE = { settings: {}, scenarios: {}, schedules: {} };

/** What the settings mean, and what can be chosen; empty until the server has answered. */
export function useDescriptions(): { settings: Descriptions; scenarios: Descriptions; schedules: Descriptions } {
  const client = useClient();
  const connections = useConnectionCount();
  const [descriptions, setDescriptions] = useState(NONE);

  // biome-ignore lint/correctness/useExhaustiveDependencies: requested again once the server is back
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
