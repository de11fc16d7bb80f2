import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { addressOf } from "../api/base";
import { examples } from "./examples";
import { fetcher } from "./fetcher";
import { SystemTheme } from "./system-theme";

// Made once: GraphiQL takes another list for other plug-ins, and closes the one that is open.
const plugins = [HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })];

/** GraphiQL with the tabs of the last visit; on the first one, with the examples. */
export function Playground() {
  return (
    <GraphiQL fetcher={fetcher} plugins={plugins} defaultTabs={examples} defaultEditorToolsVisibility="variables">
      <GraphiQL.Logo>
        <a href={addressOf("")}>Training Jobs</a>
      </GraphiQL.Logo>
      <SystemTheme />
    </GraphiQL>
  );
}
