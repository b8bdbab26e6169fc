// A guest's serial line in the page, by xterm.js; loaded when one is opened.
import { Terminal } from "../vendor/xterm/xterm.js";
import { FitAddon } from "../vendor/xterm/fit.js";
import { t } from "./i18n.js";
import { socketOf } from "./sockets.js";

const sheetAddress = new URL("../vendor/xterm/xterm.css", import.meta.url);

/** xterm's own style sheet, once. */
function sheet() {
  if (document.querySelector(`link[href="${sheetAddress.pathname}"]`)) return Promise.resolve();
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: sheetAddress.pathname });
  return new Promise((done) => {
    link.onload = link.onerror = done;
    document.head.append(link);
  });
}

// xterm writes rules into style elements, which the content security policy forbids. What it writes goes into sheets
// of the page instead: those are made by scripts of ours alone, and no markup can make one.
function withSheets(build) {
  const real = document.createElement;
  const made = [];
  document.createElement = function (name, ...more) {
    if (String(name).toLowerCase() !== "style") return real.call(document, name, ...more);
    const holder = real.call(document, "template");
    const rules = new CSSStyleSheet();
    made.push(rules);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, rules];
    Object.defineProperty(holder, "textContent", { set: (text) => rules.replaceSync(text), get: () => "" });
    return holder;
  };
  try { build(); } finally { document.createElement = real; }
  return () => { document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => !made.includes(one)); };
}

/** Show a line. url: of the API. say(text): what is to be known of it. Gives {disconnect, send, focus}. */
export async function open(place, url, say) {
  await sheet();
  place.replaceChildren();
  const terminal = new Terminal({ fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"), fontSize: 14, scrollback: 5000, cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches, screenReaderMode: true });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  const unstyle = withSheets(() => terminal.open(place));
  fit.fit();
  const watch = new ResizeObserver(() => fit.fit());
  watch.observe(place);
  const socket = new WebSocket(socketOf(url), ["binary"]);
  socket.binaryType = "arraybuffer";
  const letters = new TextEncoder();
  const send = (text) => { if (socket.readyState === WebSocket.OPEN) socket.send(letters.encode(text)); };
  socket.onopen = () => { say(t("Connected. Press Enter where nothing is shown.")); terminal.focus(); };
  socket.onmessage = (event) => terminal.write(typeof event.data === "string" ? event.data : new Uint8Array(event.data));
  socket.onclose = () => say(t("The console is closed."));
  terminal.onData(send);
  return {
    send, focus: () => terminal.focus(),
    disconnect: () => { watch.disconnect(); socket.onclose = null; socket.close(); terminal.dispose(); unstyle(); },
  };
}
