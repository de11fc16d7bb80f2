import type { CodegenConfig } from "@graphql-codegen/cli";

// The types of our operations, from the schema that the server is tested to serve.
const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: "src/**/*.graphql",
  generates: {
    "src/api/generated.ts": {
      plugins: ["typescript-operations", "typed-document-node"],
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        scalars: { DateTime: "string", ID: "string", JSON: "unknown", Long: "number" },
        strictScalars: true,
        skipTypename: false,
        dedupeFragments: true,
      },
    },
  },
};

export default config;
