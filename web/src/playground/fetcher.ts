import type { GraphiQLProps } from "graphiql";
import { type ExecutionResult, GraphQLError, getOperationAST, type OperationDefinitionNode, parse } from "graphql";
import { type Client, createClient, type SubscribePayload } from "graphql-ws";
import { addressOf, socketAddressOf } from "../api/base";
import { goToSignIn, NOT_LET_IN } from "../api/session";

type Fetcher = GraphiQLProps["fetcher"];
type Params = Parameters<Fetcher>[0];
type Observable = Extract<Awaited<ReturnType<Fetcher>>, { subscribe: unknown }>;
type Sink = Parameters<Client["subscribe"]>[1];

// Open for as long as a subscription runs. A server that is being restarted refuses connections for a while, which
// alone would end the subscription.
const socket = createClient({
  url: socketAddressOf("graphql"),
  shouldRetry: () => true,
  on: {
    closed: (event) => {
      if (event instanceof CloseEvent && event.code === NOT_LET_IN) goToSignIn();
    },
  },
});

/** Queries and mutations over HTTP, subscriptions over a WebSocket. */
export const fetcher: Fetcher = (params, options) => {
  const operation = operationToRun(params);
  const request = { ...params, operationName: operation?.name?.value };
  return operation?.operation === "subscription" ? subscribe(request) : post(request, options?.headers);
};

/**
 * The operation that is named, or the only one there is. The name and the document that GraphiQL passes are those of
 * another tab for a moment after the tab has changed; the query is always the one in the editor. Null where there is
 * no such operation, or no way to read the query: the server then says what is wrong.
 */
function operationToRun({ query, operationName }: Params): OperationDefinitionNode | null | undefined {
  try {
    const document = parse(query);
    return getOperationAST(document, operationName) ?? getOperationAST(document);
  } catch {
    return null;
  }
}

async function post(request: object, headers: HeadersInit = {}): Promise<ExecutionResult> {
  const response = await fetch(addressOf("graphql"), {
    method: "POST",
    body: JSON.stringify(request),
    headers: {
      Accept: "application/graphql-response+json, application/json;q=0.9",
      "Content-Type": "application/json",
      ...headers,
    },
  });
  if (response.status === 401) goToSignIn();
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("json")) return response.json();
  const message = `The answer is no JSON: ${response.status} ${response.statusText}`.trim();
  return { errors: [new GraphQLError(message)] };
}

function subscribe(request: SubscribePayload): Observable {
  const start = (sink: Sink) => ({
    unsubscribe: socket.subscribe(request, {
      ...sink,
      error: (error) => sink.error(error instanceof Event ? { message: lost(error) } : error),
    }),
  });
  // GraphiQL passes a sink; its type has other forms that it never uses.
  return { subscribe: start } as Observable;
}

/** What to say of a socket that did not open, or was closed: its event prints as nothing. */
function lost(event: Event): string {
  if (!(event instanceof CloseEvent)) return "The server cannot be reached.";
  return `The WebSocket was closed: ${event.code} ${event.reason}`.trim();
}
