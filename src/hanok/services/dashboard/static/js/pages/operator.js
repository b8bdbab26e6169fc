// For who runs the cloud: hosts, services, agents, aggregates, and what the house says of itself.
import { page } from "../shell.js";
import { define, Name, Soon } from "../resource.js";
import { T, t, mib, gib } from "../i18n.js";
import { command } from "../commands.js";
import { api, serves } from "../api.js";
import { State, Ago, Bar, Facts, Fault, Loading, confirm, say, sayWhy } from "../ui.js";
import { html, useAsked, useState } from "../lib.js";

// ---- hosts ----

/** What hypervisors have and use, as placement counts it. */
async function withUse(rows) {
  const one = async (row) => {
    try {
      const [{ inventories }, { usages }] = await Promise.all(["inventories", "usages"].map((what) => api({ service: "placement", path: `/resource_providers/${row.id}/${what}` })));
      return { ...row, inventories, usages };
    } catch { return row; }
  };
  return rows.length > 50 ? rows : Promise.all(rows.map(one));
}
const room = (row, name) => {
  const found = row.inventories?.[name];
  return found ? Math.floor((found.total - found.reserved) * found.allocation_ratio) : 0;
};
const use = (row, name, label, shown = (value) => value) => row.inventories?.[name] && html`<${Bar} label=${t(label)} used=${row.usages[name] || 0} limit=${room(row, name)} text=${`${shown(row.usages[name] || 0)} / ${shown(room(row, name))}`} />`;

export const hypervisors = define({
  name: "hypervisors", title: T("Hypervisors"), one: T("hypervisor"), service: "compute", path: "/os-hypervisors", list: "/os-hypervisors/detail", key: "hypervisors", member: "hypervisor", nouns: [], rule: "os_compute_api:os-hypervisors:list-detail",
  label: (row) => row.hypervisor_hostname, decorate: withUse, filters: [{ name: "hypervisor_hostname", label: T("Name"), here: true }],
  columns: [
    { title: T("Name"), cell: (row) => row.hypervisor_hostname, sort: "hypervisor_hostname" }, { title: T("State"), cell: (row) => html`<${State} value=${row.state} />`, sort: "state" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />` }, { title: T("Type"), cell: (row) => row.hypervisor_type, small: true },
    { title: T("vCPUs"), cell: (row) => use(row, "VCPU", T("vCPUs")) }, { title: T("Memory"), cell: (row) => use(row, "MEMORY_MB", T("Memory"), mib) }, { title: T("Disk"), cell: (row) => use(row, "DISK_GB", T("Disk"), gib) },
  ],
  state: (row) => html`<${State} value=${row.state} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Status", t(row.status)], ["Type", `${row.hypervisor_type} ${row.hypervisor_version}`], ["Address", row.host_ip], ["Uptime", row.uptime], ["Why it is disabled", row.service?.disabled_reason]],
  below: (row) => html`<div class="cards"><section class="card"><h2>${t("Capacity")}</h2>${use(row, "VCPU", T("vCPUs"))}${use(row, "MEMORY_MB", T("Memory"), mib)}${use(row, "DISK_GB", T("Disk"), gib)}</section></div><${OnHost} row=${row} />`,
  parts: [{ name: "charts", title: T("Charts"), when: () => serves("metric"), show: (row) => html`<${Soon} load=${() => import("../charts.js").then((found) => found.Charts)} of="host" row=${row} />` }],
  actions: [
    { name: "drain", label: T("Drain"), rule: "os_compute_api:os-migrate-server:migrate_live", open: async (row) => { if (await confirm({ title: t("Drain"), names: [row.hypervisor_hostname], action: T("Drain"), text: t("It takes no new instances, and its instances are moved to other hosts. Keep this page open meanwhile.") })) await (await import("../moving.js")).drain(row); } },
    { name: "undrain", label: T("Accept new instances again"), rule: "os_compute_api:os-services:update", when: (row) => row.status === "disabled", call: (row) => ({ method: "PUT", path: `/os-services/${row.service.id}`, body: { status: "enabled" } }), command: (row) => command("compute", "service", "set", "--enable", row.service.host, "nova-compute") },
  ],
  command: (row) => command("hypervisor", "show", row.id),
});

function OnHost({ row }) {
  const { value } = useAsked(async () => (await api({ service: "compute", path: "/servers/detail", query: { all_tenants: 1, host: row.service?.host || row.hypervisor_hostname } })).servers, [row.id]);
  return value?.length ? html`<h2>${t("Instances on it")}</h2><table aria-label=${t("Instances on it")}><tbody>${value.map((one) => html`<tr><td><a href=${`/dashboard/servers/${one.id}`}>${one.name}</a></td><td><${State} value=${one.status} /></td><td><${Name} of="projects" id=${one.tenant_id} /></td></tr>`)}</tbody></table>` : null;
}

// ---- services and agents ----

const disableFields = [{ name: "disabled_reason", label: T("Reason") }];
export const services = define({
  name: "services", title: T("Compute services"), one: T("service"), service: "compute", path: "/os-services", key: "services", member: "service", nouns: ["service"], rule: "os_compute_api:os-services:list", paged: false, page: false, label: (row) => `${row.binary} ${row.host}`,
  columns: [{ title: T("Binary"), cell: (row) => row.binary, sort: "binary" }, { title: T("Host"), cell: (row) => row.host, sort: "host" }, { title: T("Zone"), cell: (row) => row.zone, small: true }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} note=${row.disabled_reason || ""} />` }, { title: T("State"), cell: (row) => html`<${State} value=${row.state} />` }, { title: T("Heard of"), cell: (row) => html`<${Ago} time=${row.updated_at} />`, small: true }],
  actions: [
    { name: "disable", label: T("Disable"), rule: "os_compute_api:os-services:update", when: (row) => row.status === "enabled" && row.binary === "nova-compute", fields: disableFields, call: (row, v) => ({ method: "PUT", path: `/os-services/${row.id}`, body: { status: "disabled", ...(v.disabled_reason ? { disabled_reason: v.disabled_reason } : {}) } }), command: (row, v) => command("compute", "service", "set", "--disable", ["--disable-reason", v.disabled_reason], row.host, row.binary) },
    { name: "enable", label: T("Enable"), rule: "os_compute_api:os-services:update", bulk: true, when: (row) => row.status === "disabled", call: (row) => ({ method: "PUT", path: `/os-services/${row.id}`, body: { status: "enabled" } }), command: (row) => command("compute", "service", "set", "--enable", row.host, row.binary) },
  ],
});

export const volumeServices = define({
  name: "volume_services", title: T("Volume services"), one: T("service"), service: "block-storage", path: "/os-services", key: "services", nouns: [], rule: "volume_extension:services:index", paged: false, page: false, id: (row) => `${row.binary}@${row.host}`, label: (row) => `${row.binary} ${row.host}`,
  columns: [{ title: T("Binary"), cell: (row) => row.binary, sort: "binary" }, { title: T("Host"), cell: (row) => row.host, sort: "host" }, { title: T("Zone"), cell: (row) => row.zone, small: true }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />` }, { title: T("State"), cell: (row) => html`<${State} value=${row.state} />` }, { title: T("Heard of"), cell: (row) => html`<${Ago} time=${row.updated_at} />`, small: true }],
});

export const agents = define({
  name: "agents", title: T("Network agents"), one: T("agent"), service: "network", path: "/v2.0/agents", key: "agents", member: "agent", nouns: ["agent"], rule: "get_agent", label: (row) => `${row.binary} ${row.host}`,
  columns: [{ title: T("Type"), cell: (row) => row.agent_type, sort: "agent_type" }, { title: T("Host"), cell: (row) => row.host, sort: "host" }, { title: T("Alive"), cell: (row) => html`<${State} value=${row.alive ? "up" : "down"} />` }, { title: T("Up"), cell: (row) => (row.admin_state_up ? t("yes") : t("no")) }, { title: T("Heard of"), cell: (row) => html`<${Ago} time=${row.heartbeat_timestamp} />`, small: true }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Binary", row.binary], ["Host", row.host], ["Started", html`<${Ago} time=${row.started_at} />`]], command: (row) => command("network", "agent", "show", row.id),
});

// ---- aggregates, zones, groups of servers ----

const hosts = async () => (await api({ service: "compute", path: "/os-services", query: { binary: "nova-compute" } })).services.map((one) => one.host);
const aggregateAct = (name, label, rule, fields, body, words, at) => ({ name, label, rule: `os_compute_api:os-aggregates:${rule}`, fields, when: at, call: (row, v) => ({ method: "POST", path: `/os-aggregates/${row.id}/action`, body: body(v) }), command: (row, v) => command("aggregate", ...words(row, v)) });
export const aggregates = define({
  name: "aggregates", title: T("Host aggregates"), one: T("host aggregate"), service: "compute", path: "/os-aggregates", key: "aggregates", member: "aggregate", nouns: ["aggregate"], rule: "os_compute_api:os-aggregates:index", paged: false,
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Availability zone"), cell: (row) => row.availability_zone || "" }, { title: T("Hosts"), cell: (row) => row.hosts.join(", ") }, { title: T("Metadata"), cell: (row) => Object.entries(row.metadata).map(([key, value]) => `${key}=${value}`).join(", "), small: true, mono: true }],
  facts: (row) => [["ID", row.id], ["Availability zone", row.availability_zone], ["Hosts", row.hosts.join(", ")], ...Object.entries(row.metadata)],
  create: { label: T("Create host aggregate"), rule: "os_compute_api:os-aggregates:create", fields: [{ name: "name", label: T("Name"), required: true }, { name: "availability_zone", label: T("Availability zone") }], call: (v) => ({ method: "POST", path: "/os-aggregates", body: { aggregate: { name: v.name, ...(v.availability_zone ? { availability_zone: v.availability_zone } : {}) } } }), command: (v) => command("aggregate", "create", ["--zone", v.availability_zone], v.name) },
  actions: [
    aggregateAct("add", T("Add a host"), "add_host", [{ name: "host", label: T("Host"), type: "select", required: true, options: hosts }], (v) => ({ add_host: { host: v.host } }), (row, v) => ["add", "host", row.id, v.host || "HOST"]),
    aggregateAct("remove", T("Remove a host"), "remove_host", (row) => [{ name: "host", label: T("Host"), type: "select", required: true, options: row.hosts }], (v) => ({ remove_host: { host: v.host } }), (row, v) => ["remove", "host", row.id, v.host || "HOST"], (row) => row.hosts.length > 0),
    aggregateAct("metadata", T("Edit metadata"), "set_metadata", (row) => [{ name: "metadata", label: T("Metadata"), type: "pairs", default: Object.entries(row.metadata) }], (v) => ({ set_metadata: { metadata: Object.fromEntries((v.metadata || []).filter(([key]) => key)) } }), (row, v) => ["set", (v.metadata || []).map(([key, value]) => ["--property", `${key}=${value}`]), row.id]),
    { name: "delete", label: T("Delete"), rule: "os_compute_api:os-aggregates:delete", danger: true, gone: true, bulk: true, call: (row) => ({ method: "DELETE", path: `/os-aggregates/${row.id}` }), command: (row) => command("aggregate", "delete", row.id) },
  ],
  command: (row) => command("aggregate", "show", row.id),
});

export const zones = define({
  name: "zones", title: T("Availability zones"), one: T("availability zone"), service: "compute", path: "/os-availability-zone", list: "/os-availability-zone/detail", key: "availabilityZoneInfo", nouns: ["aggregate"], rule: "os_compute_api:os-availability-zone:detail", paged: false, page: false, id: (row) => row.zoneName, label: (row) => row.zoneName,
  columns: [{ title: T("Name"), cell: (row) => row.zoneName, sort: "zoneName" }, { title: T("Available"), cell: (row) => (row.zoneState.available ? t("yes") : t("no")) }, { title: T("Hosts"), cell: (row) => Object.keys(row.hosts || {}).join(", ") }],
});

export const serverGroups = define({
  name: "server_groups", title: T("Server groups"), one: T("server group"), service: "compute", path: "/os-server-groups", key: "server_groups", member: "server_group", nouns: ["server_group", "server"], rule: "os_compute_api:os-server-groups:index", paged: false, newsId: () => "*",
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Policy"), cell: (row) => t(row.policy) }, { title: T("Members"), cell: (row) => row.members.length, end: true }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Policy", t(row.policy)], ["At most on a host", row.rules?.max_server_per_host], ["Members", html`${row.members.map((id) => html`<${Name} of="servers" id=${id} /> `)}`]],
  create: {
    label: T("Create server group"), rule: "os_compute_api:os-server-groups:create", fields: [{ name: "name", label: T("Name"), required: true }, { name: "policy", label: T("Policy"), type: "select", required: true, default: "anti-affinity", options: ["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"], help: T("Affinity: on one host. Anti-affinity: on different ones. Soft: if it can be.") }, { name: "maximum", label: T("At most on a host"), type: "number", min: 1, when: (v) => v.policy === "anti-affinity" }],
    call: (v) => ({ method: "POST", path: "/os-server-groups", body: { server_group: { name: v.name, policy: v.policy, ...(v.maximum ? { rules: { max_server_per_host: v.maximum } } : {}) } } }), command: (v) => command("server", "group", "create", ["--policy", v.policy], v.maximum && ["--rule", `max_server_per_host=${v.maximum}`], v.name || "NAME"),
  },
  actions: [{ name: "delete", label: T("Delete"), rule: "os_compute_api:os-server-groups:delete", danger: true, bulk: true, gone: true, confirm: T("Its members stay as they are."), call: (row) => ({ method: "DELETE", path: `/os-server-groups/${row.id}` }), command: (row) => command("server", "group", "delete", row.id) }],
  command: (row) => command("server", "group", "show", row.id),
});

// ---- the house ----

page({ name: "house", title: T("Health"), rule: "hanok|hanok:inventory", show: () => html`<${House} />` });

const house = (method, path) => api({ service: "hanok", method, path });

function House() {
  const differences = useAsked(() => house("GET", "/v1/inventory"), []);
  const operations = useAsked(() => house("GET", "/v1/operations"), []);
  const services = useAsked(() => house("GET", "/v1/services"), []);
  const [busy, set] = useState(false);
  const mend = async () => {
    set(true);
    try {
      const found = await house("POST", "/v1/inventory/mend");
      say(t("{count} differences were looked at.", { count: found.differences.length }));
    } catch (error) { sayWhy(error); }
    set(false);
    differences.again();
  };
  const retry = async (one, what) => {
    try { await house("POST", `/v1/operations/${one.id}/${what}`); } catch (error) { sayWhy(error); }
    operations.again();
  };
  const found = differences.value?.differences;
  return html`<section class="page"><header><h1>${t("Health")}</h1></header>
    <h2>${t("Where the database and the world differ")}</h2>
    ${differences.error && html`<${Fault} error=${differences.error} />`}
    ${!found ? html`<${Loading} />` : found.length ? html`<table aria-label=${t("Differences")}><tbody>${found.map((one) => html`<tr><td>${one.what}</td><td>${one.detail}</td><td>${one.mendable ? t("can be mended") : ""}</td></tr>`)}</tbody></table><div class="buttons"><button class="primary" disabled=${busy} onClick=${mend}>${t("Mend what is safe")}</button></div>` : html`<p>${t("Nowhere.")}</p>`}
    <h2>${t("Operations under way")}</h2>
    ${operations.value?.operations.length ? html`<table aria-label=${t("Operations under way")}><thead><tr><th scope="col">${t("Kind")}</th><th scope="col">${t("Of")}</th><th scope="col">${t("State")}</th><th scope="col">${t("Step")}</th><th></th></tr></thead><tbody>${operations.value.operations.map((one) => html`<tr><td>${one.kind}</td><td class="mono">${one.resource}</td><td>${t(one.state)} ${one.stuck_why || one.waits_for || ""}</td><td>${one.step}</td><td class="end"><button class="small" onClick=${() => retry(one, "retry")}>${t("Try now")}</button>${one.stuck_since && html`<button class="small" onClick=${() => retry(one, "abandon")}>${t("Give up")}</button>`}</td></tr>`)}</tbody></table>` : html`<p>${t("There is none.")}</p>`}
    <h2>${t("Services of the house")}</h2>
    ${services.value && html`<${Facts} facts=${services.value.services.map((one) => [one.name, html`<${State} value=${one.enabled ? "enabled" : "disabled"} />`])} />`}
  </section>`;
}
