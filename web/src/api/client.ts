import { Client, fetchExchange, subscriptionExchange } from "urql";
import { sockets } from "./connection";

/** Queries and mutations over HTTP, subscriptions over the socket. Without a cache: every read is fresh. */
export const client = new Client({
  url: "/graphql",
  preferGetMethod: false,
  exchanges: [
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({
          unsubscribe: sockets.subscribe({ ...request, query: request.query ?? "" }, sink),
        }),
      }),
    }),
  ],
});
