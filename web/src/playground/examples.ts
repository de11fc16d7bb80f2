// In the order of their file names: the order in which one would try them out.
const files = import.meta.glob<string>("./examples/*.graphql", { query: "?raw", import: "default", eager: true });

/** What an example that takes an id begins with: to read the first job does no harm, to change one takes its own id. */
function variablesOf(query: string): string | null {
  if (!query.includes("$id: ID!")) return null;
  return JSON.stringify({ id: query.includes("mutation ") ? "the id of your job" : "1" }, null, 2);
}

/** A tab for every operation of the schema. */
export const examples = Object.keys(files)
  .sort()
  .map((name) => {
    const query = files[name] ?? "";
    return { query, variables: variablesOf(query) };
  });
