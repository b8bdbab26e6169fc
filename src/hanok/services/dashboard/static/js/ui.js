// Small parts that every page uses: messages, dialogs, states, times, copying.
import { html, signal, useEffect, useRef, useState } from "./lib.js";
import { t, T, ago, inWords, when } from "./i18n.js";
import { request } from "./commands.js";

// ---- messages ----

const messages = signal([]);
let count = 0;

/** Say something for a while; an error stays until it is closed. */
export function say(text, { error = false, detail = "", link = null } = {}) {
  const one = { id: ++count, text, error, detail, link };
  messages.value = [...messages.value, one].slice(-5);
  if (!error) setTimeout(() => drop(one.id), 6000);
  return one.id;
}
const drop = (id) => { messages.value = messages.value.filter((one) => one.id !== id); };

export const sayWhy = (error, what = "") => {
  const own = inWords(error);
  const text = own || t(error.message);
  return say(what ? `${what}: ${text}` : text, { error: true, detail: [own && error.message, error.requestId].filter(Boolean).join(" · ") });
};

/** Why something was refused: in the language of the page, with what the API said beside it. */
export const Why = ({ error }) => {
  const own = inWords(error);
  return html`<strong>${own || t(error.message)}</strong>${own && html`<div class="fine" lang="en">${error.message}</div>`}`;
};
/** The same in a line. */
export const why = (error) => [inWords(error), t(error.message)].filter(Boolean).join(" — ");

export const Messages = () => html`<div class="messages" role="status" aria-live="polite">
  ${messages.value.map((one) => html`<div key=${one.id} class=${one.error ? "message error" : "message"} role=${one.error ? "alert" : null}>
    <div>${one.text}${one.link && html` <a href=${one.link.to}>${one.link.label}</a>`}${one.detail && html`<div class="fine mono">${one.detail}</div>`}</div>
    <button class="plain" aria-label=${t("Close")} onClick=${() => drop(one.id)}>×</button>
  </div>`)}
</div>`;

// ---- dialogs ----

const open = signal([]);

/** Show something over the page; show(close) gives its content. Resolves with what close was given. */
export function dialog(show, { wide = false } = {}) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const one = { id: ++count, show, wide };
    one.close = (result) => {
      open.value = open.value.filter((other) => other !== one);
      before?.focus?.();
      resolve(result);
    };
    open.value = [...open.value, one];
  });
}

function Dialog({ one }) {
  const ref = useRef();
  useEffect(() => {
    const shown = ref.current;
    shown.showModal();
    const cancel = (event) => { event.preventDefault(); one.close(); };
    shown.addEventListener("cancel", cancel);
    return () => shown.removeEventListener("cancel", cancel);
  }, []);
  return html`<dialog ref=${ref} class=${one.wide ? "wide" : ""} aria-labelledby=${`dialog-${one.id}`}>
    ${one.show(one.close, `dialog-${one.id}`)}
  </dialog>`;
}

export const Dialogs = () => html`<div>${open.value.map((one) => html`<${Dialog} key=${one.id} one=${one} />`)}</div>`;
export const nothingOpen = () => !open.value.length;

/** Ask before something that cannot be taken back. */
export const confirm = ({ title, text, names = [], action = T("Delete"), danger = true }) =>
  dialog((close, id) => html`<form method="dialog" onSubmit=${(event) => { event.preventDefault(); close(true); }}>
    <h2 id=${id}>${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${names.length > 0 && html`<ul class="names">${names.slice(0, 20).map((name) => html`<li>${name}</li>`)}${names.length > 20 && html`<li>…</li>`}</ul>`}
    <div class="buttons"><button type="button" onClick=${() => close(false)}>${t("Cancel")}</button>
    <button class=${danger ? "danger" : "primary"} autofocus>${t(action)}</button></div>
  </form>`);

/** Show a text that is shown once: a secret, a private key. */
export const reveal = ({ title, text, value, file }) =>
  dialog((close, id) => html`<h2 id=${id}>${title}</h2><p>${text}</p><pre class="block">${value}</pre>
    <div class="buttons"><${Copy} value=${value} />
    ${file && html`<button onClick=${() => download(file, value)}>${t("Download")}</button>`}
    <button class="primary" onClick=${() => close()}>${t("Close")}</button></div>`);

// ---- small things ----

export function Copy({ value }) {
  const [done, set] = useState(false);
  const copy = async () => {
    try { await navigator.clipboard.writeText(value); } catch {
      // Over plain HTTP a page has no clipboard but this.
      const area = document.createElement("textarea");
      area.value = value;
      (document.querySelector("dialog[open]") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    set(true);
    setTimeout(() => set(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${copy}>${done ? t("Copied") : t("Copy")}</button>`;
}

export function download(name, content, type = "text/plain") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const Ago = ({ time }) => (time ? html`<time datetime=${time} title=${when(time)}>${ago(time)}</time>` : "");

const good = new Set(["ACTIVE", "active", "available", "in-use", "enabled", "up", "UP", "ALLOW", "COMPLETE", "SUCCESS", "Success", "success", "True", "ONLINE", "ok"]);
const bad = new Set(["ERROR", "error", "down", "DOWN", "FAILED", "killed", "Error", "disabled", "error_deleting", "error_restoring", "error_extending", "alarm"]);
const calm = new Set(["SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED", "queued", "deactivated", "N/A", "DELETED", "SOFT_DELETED", "BUILD_ENDED", "OFFLINE", "NO_MONITOR", "insufficient data"]);

/** A state in words, with a colour beside it. `busy`: it is going to change by itself. */
export const State = ({ value, note = "", busy = false }) => {
  const tone = bad.has(value) || /_error$/.test(value) ? "bad" : good.has(value) ? "good" : calm.has(value) ? "calm" : "busy";
  return html`<span class=${`state ${busy ? "busy" : tone}`}>${t(String(value ?? ""))}${note && html` <span class="fine">${note}</span>`}</span>`;
};

export const Bar = ({ used, limit, text, label }) => {
  const free = limit < 0;
  const part = free || !limit ? 0 : Math.min(100, (100 * used) / limit);
  return html`<div class="bar"><div class="bar-text"><span>${label}</span><span>${text}</span></div>
    <progress max="100" value=${part} aria-label=${label} class=${part >= 90 ? "bad" : part >= 75 ? "busy" : ""}></progress></div>`;
};

export const Loading = () => html`<p class="loading" role="status">${t("Loading…")}</p>`;

export const Fault = ({ error, again }) => html`<div class="fault" role="alert">
  <${Why} error=${error} />
  ${error.requestId && html`<div class="fine mono">${error.requestId}</div>`}
  ${again && html`<button class="small" onClick=${again}>${t("Try again")}</button>`}
</div>`;

export const Facts = ({ facts }) => html`<dl class="facts">
  ${facts.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false).map(([name, value]) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`)}
</dl>`;

export function Menu({ label, title, children }) {
  const ref = useRef();
  useEffect(() => {
    const away = (event) => { if (ref.current?.open && !ref.current.contains(event.target)) ref.current.open = false; };
    const key = (event) => {
      if (event.key === "Escape" && ref.current?.open) {
        ref.current.open = false;
        ref.current.querySelector("summary").focus();
      }
    };
    document.addEventListener("click", away);
    document.addEventListener("keydown", key);
    return () => { document.removeEventListener("click", away); document.removeEventListener("keydown", key); };
  }, []);
  return html`<details class="menu" ref=${ref}><summary aria-label=${title}>${label}</summary>
    <div class="menu-items" onClick=${(event) => { if (event.target.closest("button,a")) ref.current.open = false; }}>${children}</div></details>`;
}

/** The same by other means. ways: {command, terraform, calls}. */
export function Ways({ ways }) {
  const [which, set] = useState("command");
  const texts = {
    command: [].concat(ways.command || []).join("\n"),
    terraform: ways.terraform || "",
    request: (ways.calls || []).map(request).join("\n\n"),
  };
  const labels = { command: "openstack", terraform: "Terraform", request: "API" };
  const shown = Object.keys(texts).filter((name) => texts[name]);
  const now = texts[which] ? which : shown[0];
  if (!shown.length) return null;
  return html`<section class="ways" aria-label=${t("The same by command")}>
    <div class="tabs">${shown.map((name) => html`<button type="button" class=${name === now ? "on" : ""} aria-pressed=${name === now} onClick=${() => set(name)}>${labels[name]}</button>`)}
    <span class="grow"></span><${Copy} value=${texts[now]} /></div>
    <pre class="block" tabindex="0">${texts[now]}</pre>
  </section>`;
}
