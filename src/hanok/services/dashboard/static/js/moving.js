// Instances that move while they run: how far one is, what it moved before, and the emptying of a whole host.
import { html, signal, useAsked, useEffect, later } from "./lib.js";
import { T, t, bytes } from "./i18n.js";
import { api } from "./api.js";
import { isAllowed } from "./form.js";
import { command } from "./commands.js";
import { State, Ago, Fault, Loading, Why, Ways, dialog, sayWhy } from "./ui.js";

const R = "os_compute_api:servers:migrations:";
const compute = (method, path, body, query) => api({ service: "compute", method, path, body, query });
const words = [T("queued"), T("preparing"), T("running"), T("completed"), T("cancelled"), T("failed"), T("finished"), T("confirmed"), T("reverted"), T("live-migration"), T("migration"), T("resize"), T("evacuation")];
const word = (text) => (words.includes(text) ? t(text) : text);

/** How much of the memory or the disks is there: {done, all} in bytes; nothing where it is not known. */
const part = (move, what) => (move[`${what}_total_bytes`] ? { done: move[`${what}_total_bytes`] - (move[`${what}_remaining_bytes`] || 0), all: move[`${what}_total_bytes`] } : null);
const Progress = ({ label, of }) => of && html`<div class="bar"><div class="bar-text"><span>${t(label)}</span><span>${bytes(of.done)} / ${bytes(of.all)}</span></div><progress max="1" value=${of.done / of.all} aria-label=${t(label)}></progress></div>`;

/** The move that a server is on, looked at each second; and what can be done about it. */
export function Moving({ row }) {
  const state = useAsked(async () => (await compute("GET", `/servers/${row.id}/migrations`)).migrations, [row.id, row.status]);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && state.again(), 1000);
    return () => clearInterval(timer);
  }, [row.id, row.status]);
  const tell = async (method, path, body) => { try { await compute(method, path, body); } catch (error) { sayWhy(error); } state.again(); };
  return html`${(state.value || []).map((move) => html`<section class="notice" key=${move.id} aria-label=${t("It moves while it runs")}>
    <p>${t("It moves while it runs")}${move.source_compute && `: ${move.source_compute} → ${move.dest_compute || "…"}`} <${State} value=${word(move.status)} busy /></p>
    <${Progress} label=${T("Disks")} of=${part(move, "disk")} /><${Progress} label=${T("Memory")} of=${part(move, "memory")} />
    <div class="buttons">${isAllowed(`${R}force_complete`, "compute") && move.status === "running" && html`<button class="small" onClick=${() => tell("POST", `/servers/${row.id}/migrations/${move.id}/action`, { force_complete: null })}>${t("Let it stand still until it is there")}</button>`}
    ${isAllowed(`${R}delete`, "compute") && html`<button class="small" onClick=${() => tell("DELETE", `/servers/${row.id}/migrations/${move.id}`)}>${t("Let it stay")}</button>`}</div>
    <${Ways} ways=${{ command: [command("server", "migration", "list", ["--server", row.id]), command("server", "migration", "force", "complete", row.id, String(move.id)), command("server", "migration", "abort", row.id, String(move.id))], calls: [{ service: "compute", path: `/servers/${row.id}/migrations` }] }} />
  </section>`)}`;
}

/** All moves of a server that are recorded. */
export function Moves({ row }) {
  const { value, error, again } = useAsked(async () => (await compute("GET", "/os-migrations", undefined, { instance_uuid: row.id, limit: 50 })).migrations, [row.id, row.status]);
  if (!value) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  if (!value.length) return html`<div class="empty">${t("It has not moved.")}</div>`;
  return html`<table aria-label=${t("Moves")}><thead><tr><th scope="col">${t("Time")}</th><th scope="col">${t("Kind")}</th><th scope="col">${t("From")}</th><th scope="col">${t("To")}</th><th scope="col">${t("Status")}</th></tr></thead>
    <tbody>${value.map((one) => html`<tr key=${one.id}><td><${Ago} time=${one.created_at} /></td><td>${word(one.migration_type)}</td><td>${one.source_compute}</td><td>${one.dest_compute}</td><td>${word(one.status)}</td></tr>`)}</tbody></table>`;
}

// ---- a host is emptied ----

const PATIENCE_S = 3600;
const isMoving = (server) => server["OS-EXT-STS:task_state"] || server.status === "MIGRATING" || server.status === "RESIZE";
const serverOf = async (id) => (await compute("GET", `/servers/${id}`)).server;

/** Resolves with the server when nothing is being done to it any more. */
async function settled(id) {
  for (let seconds = 0; seconds < PATIENCE_S; seconds++) {
    const server = await serverOf(id);
    if (!isMoving(server)) return server;
    await later(1000);
  }
  throw new Error(t("It takes too long."));
}

/** Move a server off a host: while it runs where that can be, else stopped. Throws why it stays. */
async function moved(server, host) {
  const act = (body) => compute("POST", `/servers/${server.id}/action`, body);
  if (server.status === "ACTIVE" || server.status === "PAUSED") await act({ "os-migrateLive": { host: null, block_migration: "auto" } });
  else await act({ migrate: null });
  let now = await settled(server.id);
  if (now.status === "VERIFY_RESIZE") {
    await act({ confirmResize: null });
    now = await settled(server.id);
  }
  if (now["OS-EXT-SRV-ATTR:host"] === host) throw new Error(now.fault?.message || t("It is still there. What was done says why."));
}

/** Take no new servers to a host and move away those on it, one after another; the dialog shows how far that is. */
export async function drain(row) {
  const host = row.service?.host || row.hypervisor_hostname;
  const rows = signal([]), ended = signal(false), fault = signal(null);
  let stopped = false;
  const set = (id, change) => { rows.value = rows.value.map((one) => (one.id === id ? { ...one, ...change } : one)); };
  const run = async () => {
    await compute("PUT", `/os-services/${row.service.id}`, { status: "disabled", disabled_reason: "drained" });
    rows.value = (await compute("GET", "/servers/detail", undefined, { all_tenants: 1, host, limit: 1000 })).servers.map((one) => ({ ...one, now: T("waiting") }));
    for (const one of rows.value) {
      if (stopped) break;
      set(one.id, { now: T("moving") });
      try { await moved(one, host); set(one.id, { now: T("moved") }); } catch (error) { set(one.id, { now: T("stays"), error }); }
    }
  };
  run().catch((error) => { fault.value = error; }).finally(() => { ended.value = true; });
  const Shown = ({ close, id }) => html`<h2 id=${id}>${t("Drain")}: ${host}</h2><p>${t("It takes no new instances. Its instances are moved to other hosts one after another, live where possible.")}</p>
    ${fault.value && html`<${Fault} error=${fault.value} />`}
    <table aria-label=${t("Instances")}><tbody>${rows.value.map((one) => html`<tr key=${one.id}><td>${one.name}</td><td>${t(one.now)}</td><td>${one.error && html`<${Why} error=${one.error} />`}</td></tr>`)}</tbody></table>
    ${ended.value && html`<p role="status">${t("{moved} of {count} have moved.", { moved: rows.value.filter((one) => one.now === "moved").length, count: rows.value.length })}</p>`}
    <div class="buttons"><button class=${ended.value ? "primary" : ""} onClick=${() => close()}>${ended.value ? t("Close") : t("Stop after this one")}</button></div>
    <${Ways} ways=${{ command: [command("compute", "service", "set", "--disable", ["--disable-reason", "drained"], host, "nova-compute"), command("server", "migrate", "--live-migration", "--wait", "SERVER")] }} />`;
  await dialog((close, id) => html`<${Shown} close=${close} id=${id} />`);
  stopped = true;
}
