/** The socket of a console's address: its page has the path, and the one-time token, in its query. */
export function socketOf(url) {
  const address = new URL(url);
  const inner = address.searchParams.get("path");
  const path = inner || `console/socket?token=${encodeURIComponent(address.searchParams.get("token") || "")}`;
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/${decodeURIComponent(path).replace(/^\//, "").replace(/^console\/console/, "console")}`;
}
