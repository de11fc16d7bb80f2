// In the order of their file names: the order in which one would try them out.
const files = import.meta.glob<string>("./examples/*.graphql", { query: "?raw", import: "default", eager: true });

/** A tab for every operation of the schema. */
export const examples = Object.keys(files)
  .sort()
  .map((name) => ({ query: files[name] ?? null }));
