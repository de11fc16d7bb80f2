/** The address that the page is served below, which the server writes into its `<base>`; ends with a slash. */
const base = new URL(document.baseURI);

/** The path of `base` without the slash at its end, as the router wants it: "" at the root. */
export const BASE_PATH = base.pathname.replace(/\/$/, "");

/** The absolute address of a path of this server, given without a slash at its beginning. */
export function addressOf(path: string): string {
  return new URL(path, base).href;
}

/** The same for a WebSocket. */
export function socketAddressOf(path: string): string {
  return addressOf(path).replace(/^http/, "ws");
}
