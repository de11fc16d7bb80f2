import "graphiql/setup-workers/vite";
// One by one: graphiql/style.css holds the editor's styles a second time, and fonts of 360 kB.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "graphiql/graphiql.css";
import "./playground.css";
import { createRoot } from "react-dom/client";
import { Playground } from "./playground";

const root = document.getElementById("root");
if (!root) throw new Error("playground.html has no element with the id root.");
createRoot(root).render(<Playground />);
