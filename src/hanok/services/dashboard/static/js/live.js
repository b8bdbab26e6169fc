// What changed, from the cloud itself: one stream a page, closed while nobody looks at it.
import { signal, effect } from "./lib.js";
import { session } from "./api.js";

export const live = signal(false);
export const recent = signal([]); // the newest first
const listeners = new Set();
let source = null;
let scope = "";
let fallback = 0;

/** Call `heard({noun, id, kind})` for what changes of these nouns, and `heard(null)` when all is to be looked at again. */
export function hear(nouns, heard) {
  const mine = { nouns: new Set(nouns), heard };
  listeners.add(mine);
  return () => listeners.delete(mine);
}

const tell = (news) => {
  for (const one of listeners) if (!news || one.nouns.has(news.noun) || one.nouns.has("*")) one.heard(news);
};

function close() {
  source?.close();
  source = null;
  live.value = false;
}

function open() {
  close();
  scope = session.value?.scope || "";
  if (!session.value?.signed_in || document.hidden) return;
  source = new EventSource(`/dashboard/events?scope=${encodeURIComponent(scope)}`);
  let first = true;
  source.addEventListener("again", () => {
    live.value = true;
    if (!first || fallback) tell(null);
    first = false;
    clearInterval(fallback);
    fallback = 0;
  });
  source.addEventListener("message", (event) => {
    const news = { ...JSON.parse(event.data), at: new Date().toISOString() };
    recent.value = [news, ...recent.value].slice(0, 100);
    tell(news);
  });
  source.addEventListener("ended", () => { close(); tell(null); });
  source.addEventListener("error", () => {
    live.value = false;
    // Without news a page looks by itself now and then.
    if (!fallback) fallback = setInterval(() => !document.hidden && tell(null), 10_000);
    if (source?.readyState === EventSource.CLOSED) setTimeout(open, 10_000);
  });
}

effect(() => { if ((session.value?.scope || "") !== scope) open(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else { open(); tell(null); }
});
