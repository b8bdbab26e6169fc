// Instances: the list, one with everything that can be done to it, and its steps as they happen.
import { define, choices, Name, Soon, all, resources } from "../resource.js";
import { T, t, mib, gib, when } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { api, serves } from "../api.js";
import { isAllowed } from "../form.js";
import { hear } from "../live.js";
import { State, Ago, Facts, Fault, Loading, Copy, Why, say, why } from "../ui.js";
import { html, useAsked, useEffect, useRef, useState, without } from "../lib.js";


const A = "os_compute_api:";
const task = (row) => row["OS-EXT-STS:task_state"];
const is = (...states) => (row) => states.includes(row.status) && !task(row);
const addresses = (row) => Object.values(row.addresses || {}).flat();
const fixed = (row) => addresses(row).filter((one) => one["OS-EXT-IPS:type"] !== "floating").map((one) => one.addr);
const floating = (row) => addresses(row).filter((one) => one["OS-EXT-IPS:type"] === "floating").map((one) => one.addr);

/** A server action that takes no more than its name. */
const act = (name, label, rule, body, at, words, more = {}) => ({
  name, label, rule: A + rule, when: at, bulk: true,
  call: (row) => ({ method: "POST", path: `/servers/${row.id}/action`, body: typeof body === "function" ? body(row) : body }),
  command: (row) => command("server", ...words, row.id), ...more,
});
/** One with a form. */
const ask = (name, label, rule, fields, body, at, words, more = {}) => ({
  name, label, rule: A + rule, when: at, fields,
  call: (row, values) => ({ method: "POST", path: `/servers/${row.id}/action`, body: body(values, row) }),
  command: (row, values) => command("server", ...words(values, row)), ...more,
});

const MOVES = `${A}os-migrations:index`;
const charts = () => import("../charts.js").then((found) => found.Charts);
const moving = () => import("../moving.js");

const serverPorts = async (id) => (await api({ service: "network", path: "/v2.0/ports", query: { device_id: id } })).ports;

/** The security groups of a server's ports. */
const groupsOf = async (row) => {
  const ids = new Set((await serverPorts(row.id)).flatMap((one) => one.security_groups));
  return (await all("security_groups", { project_id: row.tenant_id })).filter((one) => ids.has(one.id)).map((one) => ({ value: one.id, label: one.name }));
};

/** The names of hosts that may take an instance, where who asks may know them. */
const hosts = async () => (isAllowed(`${A}os-services:list`, "compute") ? (await api({ service: "compute", path: "/os-services", query: { binary: "nova-compute" } })).services.filter((one) => one.status === "enabled" && one.state === "up").map((one) => one.host) : []);

/** The floating IPs that are free, and the networks of which a new one may be taken. */
export const floatingChoices = async () => {
  const [free, outside] = await Promise.all([
    all("floatingips", {}), all("networks", { "router:external": "True" }),
  ]);
  return [
    ...free.filter((one) => !one.port_id).map((one) => ({ value: one.id, label: one.floating_ip_address })),
    ...outside.map((one) => ({ value: `new:${one.id}`, label: t("A new one of {name}", { name: one.name }) })),
  ];
};

export const servers = define({
  name: "servers", title: T("Instances"), one: T("instance"),
  service: "compute", path: "/servers", list: "/servers/detail", key: "servers", member: "server", nouns: ["server"],
  rule: A + "servers:detail", rules: [MOVES, `${A}servers:migrations:index`, `${A}servers:migrations:force_complete`, `${A}servers:migrations:delete`], serverSort: true, sort: { key: "created_at", dir: "desc" },
  all: { name: "all_tenants", rule: A + "servers:detail:get_all_tenants" },
  filters: [{ name: "name", label: T("Name") }, { name: "status", label: T("Status"), options: ["ACTIVE", "SHUTOFF", "ERROR", "BUILD", "PAUSED", "SUSPENDED", "SHELVED_OFFLOADED", "VERIFY_RESIZE", "RESCUE"] }, { name: "ip", label: T("Address") }],
  columns: [
    { title: T("Name"), cell: (row) => row.name, sort: "display_name" },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} note=${task(row) ? t(task(row)) : ""} busy=${task(row)} />`, sort: "vm_state" },
    { title: T("Addresses"), cell: (row) => html`${fixed(row).join(", ")}${floating(row).length > 0 && html`<div>${floating(row).join(", ")}</div>`}`, mono: true },
    { title: T("Flavor"), cell: (row) => row.flavor.original_name, small: true },
    { title: T("Image"), cell: (row) => (row.image?.id ? html`<${Name} of="images" id=${row.image.id} />` : t("volume")), small: true },
    { title: T("Project"), cell: (row) => html`<${Name} of="projects" id=${row.tenant_id} />`, small: true, shown: (query) => query.all_tenants },
    { title: T("Host"), cell: (row) => row["OS-EXT-SRV-ATTR:host"] || "", small: true, shown: (query) => query.all_tenants },
    { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created} />`, sort: "created_at", small: true },
  ],
  busy: (row) => Boolean(task(row)) || row.status === "BUILD",
  state: (row) => html`<${State} value=${row.status} note=${task(row) ? t(task(row)) : ""} busy=${task(row)} />`,
  notice: (row) => html`${row.fault && html`<div class="fault" role="alert"><${Why} error=${row.fault} />${row.fault.details && row.fault.details !== row.fault.message && html`<div class="fine">${row.fault.details}</div>`}<div class="fine">${when(row.fault.created)}</div></div>`}
    ${row.status === "MIGRATING" && isAllowed(`${A}servers:migrations:index`, "compute") && html`<${Soon} load=${() => moving().then((found) => found.Moving)} row=${row} />`}
    ${row.locked && html`<div class="notice">${t("It is locked.")} ${row.locked_reason || ""}</div>`}`,
  facts: (row) => [
    ["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Fixed addresses", fixed(row).join(", ")], ["Floating IPs", floating(row).join(", ")],
    ["Flavor", `${row.flavor.original_name} (${row.flavor.vcpus} vCPU, ${mib(row.flavor.ram)}, ${gib(row.flavor.disk)})`],
    ["Image", row.image?.id ? html`<${Name} of="images" id=${row.image.id} />` : t("It boots from a volume.")],
    ["Key pair", row.key_name], ["Security groups", (row.security_groups || []).map((one) => one.name).join(", ")],
    ["Availability zone", row["OS-EXT-AZ:availability_zone"]], ["Host", row["OS-EXT-SRV-ATTR:host"]], ["Host name", row["OS-EXT-SRV-ATTR:hostname"]],
    ["Project", html`<${Name} of="projects" id=${row.tenant_id} />`], ["Created", html`<${Ago} time=${row.created} />`], ["Started", row["OS-SRV-USG:launched_at"] && html`<${Ago} time=${row["OS-SRV-USG:launched_at"]} />`],
    ["Tags", (row.tags || []).join(", ")],
  ],
  below: (row) => html`${row.status === "BUILD" && html`<${Steps} row=${row} newest />`}
    ${floating(row)[0] && row.key_name && html`<p>${t("To get in:")} <code>ssh -i ${row.key_name}.pem USER@${floating(row)[0]}</code> <${Copy} value=${`ssh -i ${row.key_name}.pem USER@${floating(row)[0]}`} /></p>`}
    ${Object.keys(row.metadata || {}).length > 0 && html`<h2>${t("Metadata")}</h2><${Facts} facts=${Object.entries(row.metadata)} />`}`,
  parts: [
    { name: "steps", title: T("What was done"), show: (row) => html`<${Steps} row=${row} />` },
    { name: "log", title: T("Log"), show: (row) => html`<${Log} row=${row} />` },
    { name: "console", title: T("Console"), show: (row) => html`<${Screen} row=${row} />` },
    { name: "serial", title: T("Serial console"), show: (row) => html`<${Serial} row=${row} />` },
    { name: "interfaces", title: T("Interfaces"), show: (row) => html`<${Interfaces} row=${row} />` },
    { name: "volumes", title: T("Volumes"), show: (row) => html`<${Volumes} row=${row} />` },
    { name: "charts", title: T("Charts"), when: () => serves("metric"), show: (row) => html`<${Soon} load=${charts} of="server" row=${row} />` },
    { name: "moves", title: T("Moves"), when: () => isAllowed(MOVES, "compute"), show: (row) => html`<${Soon} load=${() => moving().then((found) => found.Moves)} row=${row} />` },
  ],
  create: { label: T("Launch instance"), rule: A + "servers:create", open: (given) => import("./launch.js").then((found) => found.launch(given)) },
  actions: [
    act("start", T("Start"), "servers:start", { "os-start": null }, is("SHUTOFF"), ["start"], { primary: true }),
    act("stop", T("Shut off"), "servers:stop", { "os-stop": null }, is("ACTIVE", "ERROR"), ["stop"], { primary: true }),
    act("reboot", T("Reboot"), "servers:reboot", { reboot: { type: "SOFT" } }, is("ACTIVE"), ["reboot"], { primary: true }),
    act("hard", T("Reboot hard"), "servers:reboot", { reboot: { type: "HARD" } }, is("ACTIVE", "SHUTOFF", "ERROR", "PAUSED", "SUSPENDED"), ["reboot", "--hard"], { confirm: T("As if the power were cut: what the guest has not written is lost.") }),
    act("confirm_resize", T("Confirm resize"), "servers:confirm_resize", { confirmResize: null }, is("VERIFY_RESIZE"), ["resize", "confirm"], { primary: true }),
    act("revert_resize", T("Revert resize"), "servers:revert_resize", { revertResize: null }, is("VERIFY_RESIZE"), ["resize", "revert"], { primary: true }),
    act("unrescue", T("End rescue"), "os-unrescue", { unrescue: null }, is("RESCUE"), ["unrescue"], { primary: true }),
    act("unpause", T("Unpause"), "os-pause-server:unpause", { unpause: null }, is("PAUSED"), ["unpause"], { primary: true }),
    act("resume", T("Resume"), "os-suspend-server:resume", { resume: null }, is("SUSPENDED"), ["resume"], { primary: true }),
    act("unshelve", T("Unshelve"), "os-shelve:unshelve", { unshelve: null }, is("SHELVED", "SHELVED_OFFLOADED"), ["unshelve"], { primary: true }),
    act("restore", T("Restore"), "os-deferred-delete:restore", { restore: null }, is("SOFT_DELETED"), ["restore"], { primary: true }),
    { name: "floating", label: T("Give it a floating IP"), rule: "network|update_floatingip", when: (row) => row.status === "ACTIVE" || row.status === "SHUTOFF",
      fields: (row) => [
        { name: "floating", label: T("Floating IP"), type: "select", required: true, options: floatingChoices },
        { name: "port", label: T("Interface"), type: "select", required: true, options: async () => (await serverPorts(row.id)).map((one) => ({ value: one.id, label: one.fixed_ips.map((ip) => ip.ip_address).join(", ") })) }],
      send: (row, values) => values.floating.startsWith("new:")
        ? api({ service: "network", method: "POST", path: "/v2.0/floatingips", body: { floatingip: { floating_network_id: values.floating.slice(4), port_id: values.port } } })
        : api({ service: "network", method: "PUT", path: `/v2.0/floatingips/${values.floating}`, body: { floatingip: { port_id: values.port } } }),
      command: (row, values) => values.floating?.startsWith("new:") ? command("floating", "ip", "create", ["--port", values.port], values.floating.slice(4)) : command("server", "add", "floating", "ip", row.id, values.floating || "IP") },
    { name: "unfloat", label: T("Take a floating IP away"), rule: "network|update_floatingip", when: (row) => floating(row).length > 0,
      fields: (row) => [{ name: "address", label: T("Floating IP"), type: "select", required: true, options: floating(row) }],
      send: async (row, values) => {
        const found = (await api({ service: "network", path: "/v2.0/floatingips", query: { floating_ip_address: values.address } })).floatingips[0];
        return api({ service: "network", method: "PUT", path: `/v2.0/floatingips/${found.id}`, body: { floatingip: { port_id: null } } });
      },
      command: (row, values) => command("server", "remove", "floating", "ip", row.id, values.address || "IP") },
    { name: "open", label: T("Open a port"), rule: "network|create_security_group_rule", when: (row) => row.security_groups?.length > 0, intro: T("It opens for every instance of the security group."),
      fields: (row) => [
        { name: "port", label: T("Port"), type: "number", required: true, min: 1, max: 65535, aliases: ["port_range_min"] }, { name: "protocol", label: T("Protocol"), type: "select", required: true, options: ["tcp", "udp"] },
        { name: "remote", label: T("From (CIDR)"), default: "0.0.0.0/0", required: true, aliases: ["remote_ip_prefix"] }, { name: "group", label: T("Security group"), type: "select", required: true, options: () => groupsOf(row) }],
      call: (row, values) => ({ service: "network", method: "POST", path: "/v2.0/security-group-rules", body: { security_group_rule: { security_group_id: values.group, direction: "ingress", ethertype: values.remote?.includes(":") ? "IPv6" : "IPv4", protocol: values.protocol, port_range_min: values.port, port_range_max: values.port, remote_ip_prefix: values.remote } } }),
      command: (row, values) => command("security", "group", "rule", "create", ["--protocol", values.protocol], ["--dst-port", values.port], ["--remote-ip", values.remote], values.group || "GROUP") },
    { name: "attach", label: T("Attach a volume"), rule: A + "os-volumes-attachments:create", when: (row) => !["ERROR", "BUILD"].includes(row.status),
      fields: [{ name: "volumeId", label: T("Volume"), type: "select", required: true, options: choices("volumes", { where: (row) => row.status === "available" || (row.multiattach && row.status === "in-use"), note: (row) => gib(row.size) }) }],
      call: (row, values) => ({ method: "POST", path: `/servers/${row.id}/os-volume_attachments`, body: { volumeAttachment: { volumeId: values.volumeId } } }),
      command: (row, values) => command("server", "add", "volume", row.id, values.volumeId || "VOLUME"),
      terraform: (row, values) => terraform("openstack_compute_volume_attach_v2", row.name, { instance_id: row.id, volume_id: values.volumeId }) },
    { name: "interface", label: T("Attach an interface"), rule: A + "os-attach-interfaces:create", when: (row) => !["ERROR", "BUILD"].includes(row.status),
      fields: [{ name: "net_id", label: T("Network"), type: "select", required: true, options: choices("networks", { where: (row) => !row["router:external"] }) }, { name: "fixed_ip", label: T("Address"), help: T("Empty: any that is free.") }],
      call: (row, values) => ({ method: "POST", path: `/servers/${row.id}/os-interface`, body: { interfaceAttachment: without({ net_id: values.net_id, fixed_ips: values.fixed_ip ? [{ ip_address: values.fixed_ip }] : undefined }) } }),
      command: (row, values) => command("server", "add", "network", row.id, values.net_id || "NETWORK") },
    ask("snapshot", T("Create an image of it"), "servers:create_image", [{ name: "name", label: T("Name"), required: true }],
      (values) => ({ createImage: { name: values.name } }), is("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"), (values, row) => ["image", "create", ["--name", values.name], row.id]),
    ask("resize", T("Resize"), "servers:resize", (row) => [{ name: "flavorRef", label: T("Flavor"), type: "select", required: true, options: choices("flavors", { where: (one) => one.name !== row.flavor.original_name, note: (one) => `${one.vcpus} vCPU, ${mib(one.ram)}, ${gib(one.disk)}` }) }],
      (values) => ({ resize: { flavorRef: values.flavorRef } }), is("ACTIVE", "SHUTOFF"), (values, row) => ["resize", ["--flavor", values.flavorRef], row.id]),
    ask("rebuild", T("Rebuild"), "servers:rebuild", (row) => [{ name: "imageRef", label: T("Image"), type: "select", required: true, default: row.image?.id, options: choices("images", { where: (one) => one.status === "active" }), help: T("Everything on its disk is lost; addresses and volumes stay.") }],
      (values) => ({ rebuild: { imageRef: values.imageRef } }), is("ACTIVE", "SHUTOFF", "ERROR"), (values, row) => ["rebuild", ["--image", values.imageRef], row.id]),
    ask("rescue", T("Rescue"), "os-rescue", [{ name: "image", label: T("Image to boot"), type: "select", none: T("its own"), options: choices("images", { where: (one) => one.status === "active" }) }],
      (values) => ({ rescue: without({ rescue_image_ref: values.image }) }), is("ACTIVE", "SHUTOFF", "ERROR"), (values, row) => ["rescue", ["--image", values.image], row.id], { done: async (made) => made?.adminPass && say(t("Password in rescue: {password}", { password: made.adminPass })) }),
    act("pause", T("Pause"), "os-pause-server:pause", { pause: null }, is("ACTIVE"), ["pause"]),
    act("suspend", T("Suspend"), "os-suspend-server:suspend", { suspend: null }, is("ACTIVE"), ["suspend"]),
    act("shelve", T("Shelve"), "os-shelve:shelve", { shelve: null }, is("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"), ["shelve"], { confirm: T("It leaves its host; its disk is kept as an image and its addresses stay.") }),
    act("lock", T("Lock"), "os-lock-server:lock", { lock: null }, (row) => !row.locked, ["lock"]),
    act("unlock", T("Unlock"), "os-lock-server:unlock", { unlock: null }, (row) => row.locked, ["unlock"]),
    { name: "edit", label: T("Edit"), rule: A + "servers:update", given: (row) => row,
      fields: [{ name: "name", label: T("Name"), required: true, maxlength: 255 }, { name: "description", label: T("Description") }],
      call: (row, values) => ({ method: "PUT", path: `/servers/${row.id}`, body: { server: { name: values.name, description: values.description || null } } }),
      command: (row, values) => command("server", "set", ["--name", values.name], ["--description", values.description], row.id) },
    { name: "metadata", label: T("Edit metadata"), rule: A + "server-metadata:update_all", given: (row) => ({ metadata: Object.entries(row.metadata || {}) }),
      fields: [{ name: "metadata", label: T("Metadata"), type: "pairs" }],
      call: (row, values) => ({ method: "PUT", path: `/servers/${row.id}/metadata`, body: { metadata: Object.fromEntries((values.metadata || []).filter(([key]) => key)) } }),
      command: (row, values) => command("server", "set", (values.metadata || []).map(([key, value]) => ["--property", `${key}=${value}`]), row.id) },
    ask("password", T("Set its password"), "os-admin-password", [{ name: "adminPass", label: T("Password"), type: "password", required: true, help: T("The guest needs QEMU's agent.") }],
      (values) => ({ changePassword: { adminPass: values.adminPass } }), is("ACTIVE"), (values, row) => ["set", "--password", "…", row.id]),
    act("migrate", T("Move to another host"), "os-migrate-server:migrate", { migrate: null }, is("ACTIVE", "SHUTOFF"), ["migrate"], { bulk: false, confirm: T("It is stopped, moved, and waits to be confirmed.") }),
    ask("live", T("Move while it runs"), "os-migrate-server:migrate_live", [{ name: "host", label: T("Host"), type: "select", none: T("any"), rule: `${A}os-migrate-server:migrate_live:host`, options: hosts }],
      (values) => ({ "os-migrateLive": { host: values.host || null, block_migration: "auto" } }), is("ACTIVE", "PAUSED"), (values, row) => ["migrate", "--live-migration", ["--host", values.host], "--wait", row.id], { submit: T("Move") }),
    ask("reset", T("Set its state"), "os-admin-actions:reset_state", [{ name: "state", label: T("State"), type: "select", required: true, options: ["active", "error"] }],
      (values) => ({ "os-resetState": { state: values.state } }), null, (values, row) => ["set", ["--state", values.state], row.id]),
    { name: "delete", label: T("Delete"), rule: A + "servers:delete", danger: true, bulk: true, gone: true, confirm: T("Its disk is lost. Volumes stay unless they were made to go with it; floating IPs stay yours."),
      call: (row) => ({ method: "DELETE", path: `/servers/${row.id}` }), command: (row) => command("server", "delete", row.id) },
  ],
  command: (row) => command("server", "show", row.id),
  terraform: (row) => terraform("openstack_compute_instance_v2", row.name, { name: row.name, flavor_name: row.flavor.original_name, image_id: row.image?.id, key_pair: row.key_name, security_groups: [...new Set((row.security_groups || []).map((one) => one.name))], network: Object.keys(row.addresses || {}).map((name) => ({ name })) }),
});

// ---- its steps ----

const seconds = (from, to) => (from && to ? `${((new Date(`${to}Z`) - new Date(`${from}Z`)) / 1000).toFixed(2)} s` : "");

function Steps({ row, newest }) {
  const state = useAsked(async () => {
    const { instanceActions } = await api({ service: "compute", path: `/servers/${row.id}/os-instance-actions` });
    return Promise.all(instanceActions.slice(0, newest ? 1 : 20).map(async (one) => (await api({ service: "compute", path: `/servers/${row.id}/os-instance-actions/${one.request_id}` })).instanceAction));
  }, [row.id, row.status, task(row)]);
  useEffect(() => {
    if (!servers.busy(row)) return;
    const timer = setInterval(state.again, 700);
    return () => clearInterval(timer);
  }, [row.status, task(row)]);
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  return html`${state.value.map((one) => html`<section key=${one.request_id}>
    <h2>${t(one.action)} <span class="fine"><${Ago} time=${one.start_time} /> <code>${one.request_id}</code></span></h2>
    ${one.message && html`<div class="fault"><${Why} error=${one} /></div>`}
    <ol class="steps">${(one.events || []).map((event) => html`<li key=${event.event}><span>${t(event.event)}</span>
      ${event.result ? html`<${State} value=${event.result} />` : html`<${State} value=${T("under way")} busy />`}
      <span class="fine">${seconds(event.start_time, event.finish_time)} ${event.details || ""}</span></li>`)}</ol></section>`)}`;
}

// ---- its log ----

function Log({ row }) {
  const [lines, set] = useState(200);
  const state = useAsked(() => api({ service: "compute", method: "POST", path: `/servers/${row.id}/action`, body: { "os-getConsoleOutput": lines ? { length: lines } : {} } }), [row.id, lines]);
  const ref = useRef();
  useEffect(() => { if (ref.current) ref.current.scrollTop = ref.current.scrollHeight; }, [state.value]);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && state.again(), 5000);
    return () => clearInterval(timer);
  }, [lines]);
  return html`<section><div class="buttons"><button class="small" onClick=${state.again}>${t("Look again")}</button>
    <button class="small" aria-pressed=${!lines} onClick=${() => set(lines ? 0 : 200)}>${t("Whole log")}</button><${Copy} value=${state.value?.output || ""} /></div>
    ${state.error && html`<${Fault} error=${state.error} />`}
    <pre class="block log" ref=${ref} tabindex="0" aria-label=${t("Log")}>${state.value?.output || (state.value ? t("The guest has written nothing.") : "")}</pre></section>`;
}

// ---- its screen ----

function Screen({ row }) {
  const ref = useRef();
  const screen = useRef();
  const [said, set] = useState(t("Connecting…"));
  const [turn, again] = useState(0);
  const [log, setLog] = useState(false);
  const connect = async () => {
    const { remote_console } = await api({ service: "compute", method: "POST", path: `/servers/${row.id}/remote-consoles`, body: { remote_console: { protocol: "vnc", type: "novnc" } } });
    const { open } = await import("../console.js");
    return open(ref.current, remote_console.url, set);
  };
  useEffect(() => {
    let here = true;
    set(t("Connecting…"));
    connect().then((found) => (here ? (screen.current = found) : found.disconnect()), (error) => set(why(error)));
    return () => { here = false; screen.current?.disconnect(); screen.current = null; };
  }, [row.id, turn]);
  const paste = async () => {
    const text = prompt(t("The text is typed into the guest:"));
    if (text) screen.current?.type(text);
  };
  return html`<section><div class="buttons"><span class="fine grow" role="status">${said}</span>
    <button class="small" aria-pressed=${log} onClick=${() => setLog(!log)}>${t("Log")}</button>
    <button class="small" onClick=${() => screen.current?.ctrlAltDel()}>Ctrl+Alt+Del</button>
    <button class="small" onClick=${paste}>${t("Type a text")}</button>
    <button class="small" onClick=${() => ref.current.requestFullscreen()}>${t("Full screen")}</button>
    <button class="small" onClick=${() => again(turn + 1)}>${t("Connect again")}</button></div>
    <div class=${log ? "beside" : ""}><div class="screen" ref=${ref}></div>${log && html`<${Log} row=${row} />`}</div></section>`;
}

// ---- its serial line, with what it wrote before beside ----

function Serial({ row }) {
  const ref = useRef(), whole = useRef(), line = useRef();
  const [said, set] = useState("");
  const [turn, again] = useState(0);
  const [log, setLog] = useState(true);
  const connect = async () => {
    const { remote_console } = await api({ service: "compute", method: "POST", path: `/servers/${row.id}/remote-consoles`, body: { remote_console: { protocol: "serial", type: "serial" } } });
    const { open } = await import("../serial.js");
    return open(ref.current, remote_console.url, set);
  };
  useEffect(() => {
    let here = true;
    set(t("Connecting…"));
    connect().then((found) => (here ? (line.current = found) : found.disconnect()), (error) => here && set(why(error)));
    return () => { here = false; line.current?.disconnect(); line.current = null; };
  }, [row.id, turn]);
  const type = (text) => { line.current?.send(text); line.current?.focus(); };
  return html`<section><div class="buttons"><span class="fine grow" role="status">${said}</span>
    <button class="small" aria-pressed=${log} onClick=${() => setLog(!log)}>${t("Log")}</button>
    <button class="small" onClick=${() => type("\x03")}>Ctrl+C</button>
    <button class="small" onClick=${() => type("\x04")}>Ctrl+D</button>
    <button class="small" onClick=${() => whole.current.requestFullscreen()}>${t("Full screen")}</button>
    <button class="small" onClick=${() => again(turn + 1)}>${t("Connect again")}</button></div>
    <p class="fine">${t("Copy and paste as in a terminal: Ctrl+Shift+V pastes what is copied. Whoever opens the line last has it.")}</p>
    <div class=${log ? "beside" : ""}><div class="line" ref=${whole}><div ref=${ref}></div></div>${log && html`<${Log} row=${row} />`}</div></section>`;
}

// ---- what it has ----

function Interfaces({ row }) {
  const state = useAsked(() => serverPorts(row.id), [row.id]);
  useEffect(() => hear(["port", "server"], state.again), [row.id]);
  const drop = async (port) => {
    const { confirm, sayWhy } = await import("../ui.js");
    if (!(await confirm({ title: t("Detach"), names: [port.mac_address], action: T("Detach") }))) return;
    try { await api({ service: "compute", method: "DELETE", path: `/servers/${row.id}/os-interface/${port.id}` }); } catch (error) { sayWhy(error); }
    state.again();
  };
  if (!state.value) return html`<${Loading} />`;
  return html`<table aria-label=${t("Interfaces")}><thead><tr><th scope="col">${t("Network")}</th><th scope="col">${t("Addresses")}</th><th scope="col">${t("MAC address")}</th><th scope="col">${t("Status")}</th><th></th></tr></thead>
    <tbody>${state.value.map((port) => html`<tr key=${port.id}><td><${Name} of="networks" id=${port.network_id} /></td><td class="mono"><a href=${`/dashboard/ports/${port.id}`}>${port.fixed_ips.map((one) => one.ip_address).join(", ")}</a></td><td class="mono">${port.mac_address}</td><td><${State} value=${port.status} /></td>
    <td class="end"><button class="small" onClick=${() => drop(port)}>${t("Detach")}</button></td></tr>`)}</tbody></table>`;
}

function Volumes({ row }) {
  const state = useAsked(async () => (await api({ service: "compute", path: `/servers/${row.id}/os-volume_attachments` })).volumeAttachments, [row.id]);
  useEffect(() => hear(["volume", "server"], state.again), [row.id]);
  const drop = async (one) => {
    const { confirm, sayWhy } = await import("../ui.js");
    if (!(await confirm({ title: t("Detach"), names: [one.volumeId], text: t("Unmount it in the guest first."), action: T("Detach") }))) return;
    try { await api({ service: "compute", method: "DELETE", path: `/servers/${row.id}/os-volume_attachments/${one.volumeId}` }); } catch (error) { sayWhy(error); }
    state.again();
  };
  const attach = resources.get("servers").actions.find((one) => one.name === "attach");
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  if (!state.value.length) return html`<div class="empty">${t("No volume is attached.")} ${attach && t("Attach one by the actions of this instance.")}</div>`;
  return html`<table aria-label=${t("Volumes")}><thead><tr><th scope="col">${t("Volume")}</th><th scope="col">${t("Device")}</th><th scope="col">${t("Goes with the instance")}</th><th></th></tr></thead>
    <tbody>${state.value.map((one) => html`<tr key=${one.volumeId}><td><${Name} of="volumes" id=${one.volumeId} /></td><td class="mono">${one.device}</td><td>${one.delete_on_termination ? t("yes") : t("no")}</td><td class="end"><button class="small" onClick=${() => drop(one)}>${t("Detach")}</button></td></tr>`)}</tbody></table>`;
}
