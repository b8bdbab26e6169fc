// Addresses: /dashboard/<page>/<id>?filters. Filters, order and place in a list are part of the address.
import { signal } from "./lib.js";

export const ROOT = "/dashboard";

const spoken = (segment) => {
  try { return decodeURIComponent(segment); } catch { return segment; } // an address that somebody made up
};
const read = () => ({
  segments: location.pathname.slice(ROOT.length).split("/").filter(Boolean).map(spoken),
  query: Object.fromEntries(new URLSearchParams(location.search)),
});
export const route = signal(read());
addEventListener("popstate", () => { route.value = read(); });

const spelled = (query) => {
  const text = new URLSearchParams(Object.entries(query || {}).filter(([, value]) => value !== "" && value != null)).toString();
  return text ? `?${text}` : "";
};

export const href = (path, query) =>
  `${ROOT}/${path.split("/").map((one) => encodeURIComponent(one)).join("/")}${spelled(query)}`;
export const to = (...segments) => `${ROOT}/${segments.map((one) => encodeURIComponent(one)).join("/")}`;

export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  route.value = read();
  if (!replace) scrollTo(0, 0);
}

export function change(query, { replace = false } = {}) {
  go(location.pathname + spelled({ ...route.value.query, ...query }), { replace });
}

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const address = new URL(link.href);
  if (link.target || link.download || address.origin !== location.origin || !address.pathname.startsWith(ROOT)) return;
  event.preventDefault();
  go(address.pathname + address.search);
});
