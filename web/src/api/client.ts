import { Client, fetchExchange, mapExchange, subscriptionExchange } from "urql";
import { addressOf } from "./base";
import { subscribe } from "./connection";
import { goToSignIn } from "./session";

/** Queries and mutations over HTTP, subscriptions over the socket. Without a cache: every read is fresh. */
export const client = new Client({
  url: addressOf("graphql"),
  preferGetMethod: false,
  exchanges: [
    mapExchange({
      onError: (error) => {
        if (error.response?.status === 401) goToSignIn();
      },
    }),
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({
          unsubscribe: subscribe({ ...request, query: request.query ?? "" }, sink),
        }),
      }),
    }),
  ],
});
