// What projects used, and what they may have where nobody said otherwise.
import { Name, all } from "../resource.js";
import { T, t, number } from "../i18n.js";
import { api, serves } from "../api.js";
import { formDialog, isAllowed } from "../form.js";
import { Facts, Fault, Loading, Ways, download, sayWhy } from "../ui.js";
import { command } from "../commands.js";
import { html, useAsked, useState } from "../lib.js";

const day = (date) => date.toISOString().slice(0, 10);
const month = () => { const now = new Date(); return { start: day(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1))), end: day(new Date(now.getTime() + 864e5)) }; };

async function used({ start, end }) {
  const found = [];
  for (let marker = ""; found.length < 5000; ) {
    const { tenant_usages: rows } = await api({ service: "compute", path: "/os-simple-tenant-usage", query: { start: `${start}T00:00:00`, end: `${end}T00:00:00`, detailed: 1, limit: 1000, marker } });
    found.push(...rows);
    marker = rows.at(-1)?.server_usages?.at(-1)?.instance_id;
    if (!marker) break;
  }
  return sums(found);
}
/** A project's pages together. */
function sums(rows) {
  const by = new Map();
  for (const row of rows) {
    const before = by.get(row.tenant_id) || { id: row.tenant_id, instances: 0, vcpus: 0, memory: 0, disk: 0 };
    by.set(row.tenant_id, { ...before, instances: before.instances + (row.server_usages?.length || 0), vcpus: before.vcpus + row.total_vcpus_usage, memory: before.memory + row.total_memory_mb_usage / 1024, disk: before.disk + row.total_local_gb_usage });
  }
  return [...by.values()].sort((a, b) => b.vcpus - a.vcpus);
}

const MONTHS = 12;
const HEAD = "instances,vcpu_hours,memory_gib_hours,disk_gib_hours";
const figures = (row) => [row.instances, row.vcpus, row.memory, row.disk];
/** A cell of a table for spreadsheets, which take no name of a project for a formula. */
const cell = (text) => `"${String(text).replace(/^(?=[=+@\t\r-])/, "'").replaceAll('"', '""')}"`;

/** The months up to the end of a time: {name, start, end} of each, the last one as far as it has come. */
function months(until) {
  const last = new Date(`${until}T00:00:00Z`);
  return Array.from({ length: MONTHS }, (_, back) => {
    const start = new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth() - back, 1)), next = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1));
    return { name: day(start).slice(0, 7), start: day(start), end: day(back ? next : new Date(Math.min(next, last.getTime() + 864e5))) };
  }).reverse();
}

/** What each project used in each of these months, as CSV. */
async function byMonth(until) {
  const projects = await all("projects").catch(() => []); // whoever may not list them has the ids
  const names = new Map(projects.map((one) => [one.id, one.name]));
  const lines = [`month,project_id,project,${HEAD}`];
  for (const month of months(until))
    for (const row of await used(month)) lines.push([month.name, row.id, cell(names.get(row.id) || ""), ...figures(row)].join(","));
  return lines.join("\n");
}

export function Usage() {
  const [asked, set] = useState(month());
  const { value, error, again } = useAsked(() => used(asked), [asked.start, asked.end]);
  const put = (name) => (event) => event.target.value && set({ ...asked, [name]: event.target.value });
  const save = () => download(`usage-${asked.start}-${asked.end}.csv`, [`project_id,${HEAD}`, ...value.map((row) => [row.id, ...figures(row)].join(","))].join("\n"), "text/csv");
  const saveMonths = async () => { try { download(`usage-by-month-${asked.end}.csv`, await byMonth(asked.end), "text/csv"); } catch (refused) { sayWhy(refused); } };
  return html`<section class="page"><header><h1>${t("Usage")}</h1><span class="grow"></span><button onClick=${saveMonths}>${t("Twelve months as CSV")}</button>${value?.length > 0 && html`<button onClick=${save}>${t("Download as CSV")}</button>`}</header>
    <div class="filters"><label>${t("From")} <input type="date" value=${asked.start} onChange=${put("start")} /></label><label>${t("Until")} <input type="date" value=${asked.end} onChange=${put("end")} /></label></div>
    ${error && html`<${Fault} error=${error} again=${again} />`}${!value && !error && html`<${Loading} />`}
    ${value && (value.length ? html`<div class="scroll"><table aria-label=${t("Usage")}><thead><tr><th scope="col">${t("Project")}</th><th scope="col">${t("Instances")}</th><th scope="col">${t("vCPU hours")}</th><th scope="col">${t("Memory, GiB hours")}</th><th scope="col">${t("Disk, GiB hours")}</th></tr></thead>
      <tbody>${value.map((row) => html`<tr key=${row.id}><td><${Name} of="projects" id=${row.id} /></td><td>${number(row.instances)}</td><td>${number(row.vcpus)}</td><td>${number(row.memory)}</td><td>${number(row.disk)}</td></tr>`)}</tbody></table></div>` : html`<div class="empty">${t("Nothing was used in this time.")}</div>`)}
    <${Ways} ways=${{ command: command("usage", "list", ["--start", asked.start], ["--end", asked.end]), calls: [{ service: "compute", path: `/os-simple-tenant-usage?start=${asked.start}T00:00:00&end=${asked.end}T00:00:00&detailed=1` }] }} /></section>`;
}

// ---- defaults of quotas ----

const SETS = { compute: T("Compute"), "block-storage": T("Volumes") };
const path = "/os-quota-class-sets/default";
const limits = (found) => Object.entries(found).filter(([name, value]) => typeof value === "number" && name !== "id");

export function Defaults() {
  return html`<section class="page"><header><h1>${t("Defaults of quotas")}</h1></header><p>${t("The quota of projects that have none of their own. Those of networks are in the cloud's settings.")}</p>
    ${Object.keys(SETS).filter(serves).map((service) => html`<${Limits} key=${service} service=${service} />`)}</section>`;
}

function Limits({ service }) {
  const { value, error, again } = useAsked(async () => (await api({ service, path })).quota_class_set, [service]);
  if (!value) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  const changed = (values) => Object.fromEntries(limits(value).filter(([name, before]) => values[name] !== before).map(([name]) => [name, values[name]]));
  const call = (values) => ({ service, method: "PUT", path, body: { quota_class_set: changed(values) } });
  const change = async () => {
    const made = await formDialog({
      title: `${t("Defaults of quotas")}: ${t(SETS[service])}`, submit: T("Save"), service, intro: t("-1 is without a limit."),
      fields: limits(value).map(([name, now]) => ({ name, label: name, type: "number", min: -1, default: now, required: true })),
      send: (values) => (Object.keys(changed(values)).length ? api(call(values)) : true),
      ways: (values) => ({ command: command("quota", "set", "--class", Object.entries(changed(values)).map(([name, limit]) => [`--${name.replaceAll("_", "-")}`, limit]), "default"), calls: [call(values)] }),
    });
    if (made) again();
  };
  const may = isAllowed(service === "compute" ? "os_compute_api:os-quota-class-sets:update" : "volume_extension:quota_classes:update", service);
  return html`<section class="within"><header><h2>${t(SETS[service])}</h2><span class="grow"></span>${may && html`<button class="small" onClick=${change}>${t("Edit")}</button>`}</header><${Facts} facts=${limits(value).map(([name, limit]) => [name, String(limit)])} /></section>`;
}
