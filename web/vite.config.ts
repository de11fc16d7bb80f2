import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.TRAINING_MONITOR_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  // Relative addresses, so that one build serves at the root and below a prefix.
  base: "./",
  // Its imports of workers are Vite's own, which the bundler of dependencies does not know.
  optimizeDeps: { exclude: ["graphiql/setup-workers/vite", "@graphiql/react/setup-workers/vite"] },
  build: {
    outDir: "../graph/static",
    emptyOutDir: true,
    target: "es2022",
    // GraphiQL's editor is large, and loaded by the playground only.
    chunkSizeWarningLimit: 6000,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "playground.html", "sign-in.html"],
      // "use no memo", which GraphiQL's own build has used up: nothing is lost with it.
      checks: { moduleLevelDirective: false },
    },
  },
  server: {
    proxy: { "/graphql": { target: server, ws: true }, "/session": server, "/sign-in": server, "/sign-out": server },
  },
});
