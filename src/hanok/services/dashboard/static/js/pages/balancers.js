// Load balancers: made in one pane with listener, pool, members and check; and what is below one, as well as it works now.
import { define, all, choices, Name } from "../resource.js";
import { T, t } from "../i18n.js";
import { called, command, reference, terraform } from "../commands.js";
import { api, session } from "../api.js";
import { hear } from "../live.js";
import { floatingChoices } from "./servers.js";
import { State, Ago, Fault, Loading } from "../ui.js";
import { html, useAsked, useEffect, without } from "../lib.js";

const L = "/v2.0/lbaas";
const R = "os_load-balancer_api:";
const lb = (path, query) => api({ service: "load-balancer", path: `${L}${path}`, query });
const busy = (row) => row.provisioning_status.startsWith("PENDING_");
const settled = (row) => row.provisioning_status === "ACTIVE";
const words = [T("ONLINE"), T("OFFLINE"), T("DEGRADED"), T("DRAINING"), T("NO_MONITOR"), T("PENDING_CREATE"), T("PENDING_UPDATE"), T("PENDING_DELETE")];

/** How something works; what is being changed of it, or went wrong, stands beside. */
const Works = ({ row }) => {
  const note = row.provisioning_status === "ACTIVE" ? "" : row.provisioning_status;
  return html`<${State} value=${row.operating_status} note=${note && (words.includes(note) ? t(note) : note)} busy=${busy(row)} />`;
};

// ---- what fits together ----

const LAYER4 = ["TCP", "UDP"];
const isOVN = (values) => values.provider === "ovn";
const protocols = (values) => (isOVN(values) ? LAYER4 : ["HTTP", "HTTPS", ...LAYER4]);
const algorithms = (values) => (isOVN(values) ? ["SOURCE_IP_PORT", "SOURCE_IP"] : ["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]);
const checks = (values) => (values.protocol === "UDP" ? ["UDP-CONNECT"] : isOVN(values) ? ["TCP"] : ["TCP", "HTTP", "HTTPS", "PING"]);
const isWeb = (values) => values.check === "HTTP" || values.check === "HTTPS";
const providers = async () => {
  const found = (await lb("/providers")).providers.map((one) => one.name);
  return found.includes("ovn") ? ["ovn", ...found.filter((name) => name !== "ovn")] : found; // carries traffic on every cloud
};

/** The addresses that this project's instances have: "ADDRESS SUBNET", by the instance's name. */
const addresses = async () => {
  const query = { project_id: session.value.project?.id };
  const [ports, servers] = await Promise.all([all("ports", query), all("servers")]);
  const names = new Map(servers.map((one) => [one.id, one.name]));
  return ports.filter((port) => names.has(port.device_id))
    .flatMap((port) => port.fixed_ips.map((one) => ({ value: `${one.ip_address} ${one.subnet_id}`, label: names.get(port.device_id), note: one.ip_address })));
};
const member = (text, port) => {
  const [address, subnet_id] = text.split(" ");
  return without({ address, protocol_port: port, subnet_id });
};

const PORT = { type: "number", min: 1, max: 65535, required: true, default: 80 };
const listenerFields = [
  { name: "protocol", label: T("Protocol"), type: "select", required: true, depends: ["provider"], options: protocols, section: T("Listener") },
  { ...PORT, name: "port", label: T("Port"), aliases: ["protocol_port"] },
];
const checkFields = [
  { name: "check", label: T("Check its members by"), type: "select", none: T("nothing"), depends: ["provider", "protocol"], options: checks, default: "TCP", section: T("Health monitor"), aliases: ["type"] },
  { name: "delay", label: T("Every (seconds)"), type: "number", min: 1, default: 5, required: true, when: (v) => v.check },
  { name: "timeout", label: T("Waits at most (seconds)"), type: "number", min: 1, default: 3, required: true, when: (v) => v.check, validate: (value, v) => (Number(value) > Number(v.delay) ? t("Not longer than the time between two checks.") : "") },
  { name: "retries", label: T("Down after so many failures"), type: "number", min: 1, max: 10, default: 3, required: true, when: (v) => v.check, aliases: ["max_retries"] },
  { name: "url_path", label: T("Path"), default: "/", when: isWeb },
  { name: "codes", label: T("Statuses that are well"), default: "200", when: isWeb, aliases: ["expected_codes"] },
];
const fields = [
  { name: "name", label: T("Name"), required: true, maxlength: 255 },
  { name: "subnet", label: T("Subnet of its address"), type: "select", required: true, options: choices("subnets", { note: (row) => row.cidr }), aliases: ["vip_subnet_id"] },
  { name: "address", label: T("Address"), help: T("Empty: any that is free."), aliases: ["vip_address"] },
  { name: "provider", label: T("Carried by"), type: "select", required: true, options: providers, help: T("ovn: layer 4, in the flows of every host. Others: what the cloud's page on load balancing says.") },
  ...listenerFields,
  { name: "algorithm", label: T("Who gets a connection"), type: "select", required: true, depends: ["provider"], options: algorithms, section: T("Pool"), aliases: ["lb_algorithm"] },
  { name: "members", label: T("Members"), type: "checks", options: addresses },
  { ...PORT, name: "member_port", label: T("Port of the members"), when: (v) => v.members?.length > 0 },
  ...checkFields,
];

// ---- the same as a body, as commands and as blocks ----

const monitor = (v) => (v.check ? without({ type: v.check, delay: v.delay, timeout: v.timeout, max_retries: v.retries, url_path: v.url_path, expected_codes: v.codes }) : undefined);
const members = (v) => (v.members || []).map((one) => member(one, v.member_port));
const body = (v) => ({
  loadbalancer: without({
    name: v.name, vip_subnet_id: v.subnet, vip_address: v.address, provider: v.provider,
    listeners: [{
      name: `${v.name}-listener`, protocol: v.protocol, protocol_port: v.port,
      default_pool: without({ name: `${v.name}-pool`, protocol: v.protocol, lb_algorithm: v.algorithm, members: members(v), healthmonitor: monitor(v) }),
    }],
  }),
});
const B = "loadbalancer";
const options = (found) => Object.entries(found || {}).map(([name, value]) => [`--${name.replaceAll("_", "-")}`, value]);
const commands = (v) => {
  const name = v.name || "NAME", pool = `${name}-pool`;
  return [
    command(B, "create", ["--name", name], ["--vip-subnet-id", v.subnet], ["--vip-address", v.address], ["--provider", v.provider], "--wait"),
    command(B, "listener", "create", ["--name", `${name}-listener`], ["--protocol", v.protocol], ["--protocol-port", v.port], "--wait", name),
    command(B, "pool", "create", ["--name", pool], ["--listener", `${name}-listener`], ["--protocol", v.protocol], ["--lb-algorithm", v.algorithm], "--wait"),
    ...members(v).map((one) => command(B, "member", "create", options(one), "--wait", pool)),
    ...(v.check ? [command(B, "healthmonitor", "create", options(monitor(v)), "--wait", pool)] : []),
  ];
};
const blocks = (v) => {
  const pool = reference("openstack_lb_pool_v2", v.name);
  return [
    terraform("openstack_lb_loadbalancer_v2", v.name, { name: v.name, vip_subnet_id: v.subnet, vip_address: v.address, loadbalancer_provider: v.provider }),
    terraform("openstack_lb_listener_v2", v.name, { name: `${v.name}-listener`, protocol: v.protocol, protocol_port: v.port, loadbalancer_id: reference("openstack_lb_loadbalancer_v2", v.name) }),
    terraform("openstack_lb_pool_v2", v.name, { name: `${v.name}-pool`, protocol: v.protocol, lb_method: v.algorithm, listener_id: reference("openstack_lb_listener_v2", v.name) }),
    ...members(v).map((one, at) => terraform("openstack_lb_member_v2", `${v.name}_${at + 1}`, { pool_id: pool, ...one })),
    ...(v.check ? [terraform("openstack_lb_monitor_v2", v.name, { pool_id: pool, ...monitor(v) })] : []),
  ].join("\n\n");
};

// ---- what is done to one ----

const below = (kind) => (row) => lb(`/${kind}`, { loadbalancer_id: row.id }).then((found) => found[kind]);
const titled = (one) => ({ value: one.id, label: one.name || one.id, note: one.protocol });
const poolsOf = (row) => async () => (await below("pools")(row)).map(titled);
const membersOf = (row) => async () => (await Promise.all((await below("pools")(row)).map(async (pool) =>
  (await lb(`/pools/${pool.id}/members`)).members.map((one) => ({ value: `${pool.id}/members/${one.id}`, label: `${one.address}:${one.protocol_port}`, note: pool.name }))))).flat();
const KINDS = { listeners: T("Listener"), pools: T("Pool"), healthmonitors: T("Health monitor") };
const partsOf = (row) => async () => {
  const [listeners, pools] = await Promise.all([below("listeners")(row), below("pools")(row)]);
  const monitors = pools.filter((one) => one.healthmonitor_id).map((one) => ({ id: one.healthmonitor_id, name: one.name }));
  return Object.entries({ listeners, pools, healthmonitors: monitors }).flatMap(([kind, rows]) => rows.map((one) => ({ value: `${kind}/${one.id}`, label: `${t(KINDS[kind])}: ${one.name || one.id}` })));
};
const wordOf = (part) => (part || "part").split("/")[0].replace(/s$/, "");

const actions = [
  { name: "member", label: T("Add a member"), rule: `${R}member:post`, primary: true, when: settled,
    fields: (row) => [
      { name: "pool", label: T("Pool"), type: "select", required: true, options: poolsOf(row) }, { name: "server", label: T("Instance"), type: "select", required: true, options: addresses },
      { ...PORT, name: "port", label: T("Port"), aliases: ["protocol_port"] }, { name: "weight", label: T("Weight"), type: "number", min: 0, max: 256, default: 1, required: true }],
    call: (row, v) => ({ method: "POST", path: `${L}/pools/${v.pool}/members`, body: { member: { ...member(v.server || "", v.port), weight: v.weight } } }),
    command: (row, v) => command(B, "member", "create", options({ ...member(v.server || "ADDRESS", v.port), weight: v.weight }), v.pool || "POOL"),
    terraform: (row, v) => terraform("openstack_lb_member_v2", row.name, { pool_id: v.pool, ...member(v.server || "", v.port), weight: v.weight }) },
  { name: "unmember", label: T("Remove a member"), rule: `${R}member:delete`, when: settled, fields: (row) => [{ name: "member", label: T("Member"), type: "select", required: true, options: membersOf(row) }],
    call: (row, v) => ({ method: "DELETE", path: `${L}/pools/${v.member}` }), command: (row, v) => command(B, "member", "delete", ...(v.member || "POOL/members/MEMBER").split("/members/")) },
  { name: "listener", label: T("Add a listener"), rule: `${R}listener:post`, when: settled,
    fields: (row) => [{ name: "name", label: T("Name") }, { ...listenerFields[0], section: "", options: () => protocols(row), depends: undefined }, listenerFields[1], { name: "pool", label: T("Pool"), type: "select", none: T("none"), options: poolsOf(row), aliases: ["default_pool_id"] }],
    call: (row, v) => ({ method: "POST", path: `${L}/listeners`, body: { listener: without({ loadbalancer_id: row.id, name: v.name, protocol: v.protocol, protocol_port: v.port, default_pool_id: v.pool }) } }),
    command: (row, v) => command(B, "listener", "create", ["--name", v.name], ["--protocol", v.protocol], ["--protocol-port", v.port], ["--default-pool", v.pool], row.id),
    terraform: (row, v) => terraform("openstack_lb_listener_v2", v.name, { name: v.name, loadbalancer_id: row.id, protocol: v.protocol, protocol_port: v.port, default_pool_id: v.pool }) },
  { name: "pool", label: T("Add a pool"), rule: `${R}pool:post`, when: settled,
    fields: (row) => [
      { name: "name", label: T("Name") }, { name: "listener", label: T("Listener"), type: "select", none: T("none yet"), options: async () => (await below("listeners")(row)).filter((one) => !one.default_pool_id).map(titled) },
      { ...listenerFields[0], section: "", options: () => protocols(row), depends: undefined }, { name: "algorithm", label: T("Who gets a connection"), type: "select", required: true, options: () => algorithms(row), aliases: ["lb_algorithm"] }],
    call: (row, v) => ({ method: "POST", path: `${L}/pools`, body: { pool: without({ name: v.name, listener_id: v.listener, loadbalancer_id: v.listener ? undefined : row.id, protocol: v.protocol, lb_algorithm: v.algorithm }) } }),
    command: (row, v) => command(B, "pool", "create", ["--name", v.name], v.listener ? ["--listener", v.listener] : ["--loadbalancer", row.id], ["--protocol", v.protocol], ["--lb-algorithm", v.algorithm]) },
  { name: "monitor", label: T("Check members"), rule: `${R}healthmonitor:post`, when: settled,
    fields: (row) => [
      { name: "pool", label: T("Pool"), type: "select", required: true, options: async () => (await below("pools")(row)).filter((one) => !one.healthmonitor_id).map(titled) },
      { ...checkFields[0], section: "", required: true, depends: undefined, options: isOVN(row) ? ["TCP", "UDP-CONNECT"] : ["TCP", "HTTP", "HTTPS", "PING", "UDP-CONNECT"] }, ...checkFields.slice(1)],
    call: (row, v) => ({ method: "POST", path: `${L}/healthmonitors`, body: { healthmonitor: { pool_id: v.pool, ...monitor(v) } } }), command: (row, v) => command(B, "healthmonitor", "create", options(monitor(v)), v.pool || "POOL") },
  { name: "unpart", label: T("Remove a listener, a pool or a check"), rule: `${R}listener:delete`, when: settled, fields: (row) => [{ name: "part", label: T("What"), type: "select", required: true, options: partsOf(row) }],
    call: (row, v) => ({ method: "DELETE", path: `${L}/${v.part}` }), command: (row, v) => command(B, wordOf(v.part), "delete", (v.part || "/ID").split("/")[1]) },
  { name: "floating", label: T("Give it a floating IP"), rule: "network|update_floatingip", when: settled, fields: [{ name: "floating", label: T("Floating IP"), type: "select", required: true, options: floatingChoices }],
    call: (row, v) => (v.floating?.startsWith("new:")
      ? { service: "network", method: "POST", path: "/v2.0/floatingips", body: { floatingip: { floating_network_id: v.floating.slice(4), port_id: row.vip_port_id } } }
      : { service: "network", method: "PUT", path: `/v2.0/floatingips/${v.floating}`, body: { floatingip: { port_id: row.vip_port_id } } }),
    command: (row, v) => (v.floating?.startsWith("new:") ? command("floating", "ip", "create", ["--port", row.vip_port_id], v.floating.slice(4)) : command("floating", "ip", "set", ["--port", row.vip_port_id], v.floating || "IP")) },
  { name: "edit", label: T("Edit"), rule: `${R}loadbalancer:put`, when: settled, given: (row) => row, fields: [{ name: "name", label: T("Name"), maxlength: 255 }, { name: "description", label: T("Description") }, { name: "admin_state_up", label: T("Up"), type: "checkbox" }],
    call: (row, v) => ({ method: "PUT", path: `${L}/loadbalancers/${row.id}`, body: { loadbalancer: v } }), command: (row, v) => command(B, "set", ["--name", v.name], ["--description", v.description], v.admin_state_up ? "--enable" : "--disable", row.id) },
  { name: "delete", label: T("Delete"), rule: `${R}loadbalancer:delete`, danger: true, bulk: true, gone: true, when: (row) => !busy(row), confirm: T("Its listeners, pools, members and checks go with it; the instances stay."),
    call: (row) => ({ method: "DELETE", path: `${L}/loadbalancers/${row.id}?cascade=true` }), command: (row) => command(B, "delete", "--cascade", row.id) },
];

export const balancers = define({
  name: "load_balancers", title: T("Load balancers"), one: T("load balancer"), service: "load-balancer", path: `${L}/loadbalancers`, key: "loadbalancers", member: "loadbalancer",
  nouns: ["loadbalancer", "listener", "pool", "healthmonitor"], newsId: () => "*", detailNouns: ["loadbalancer", "listener", "pool", "healthmonitor"], rule: `${R}loadbalancer:get_all`, busy,
  filters: [{ name: "name", label: T("Name"), here: true }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${Works} row=${row} />`, sort: "operating_status" },
    { title: T("Address"), cell: (row) => row.vip_address, mono: true }, { title: T("Carried by"), cell: (row) => row.provider, small: true }, { title: T("Listeners"), cell: (row) => row.listeners.length, end: true, small: true }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" },
  ],
  state: (row) => html`<${Works} row=${row} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Address", row.vip_address], ["Network", html`<${Name} of="networks" id=${row.vip_network_id} />`], ["Subnet", html`<${Name} of="subnets" id=${row.vip_subnet_id} />`], ["Port", row.vip_port_id && html`<code>${row.vip_port_id}</code>`], ["Carried by", row.provider], ["Up", row.admin_state_up ? t("yes") : t("no")], ["Project", html`<${Name} of="projects" id=${row.project_id} />`], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row, again) => html`<${Tree} row=${row} changed=${again} />`,
  create: {
    label: T("Create load balancer"), rule: `${R}loadbalancer:post`, fields,
    call: (v) => ({ method: "POST", path: `${L}/loadbalancers`, body: body(v) }), command: commands, terraform: blocks,
  },
  actions, command: (row) => command(B, "show", row.id), terraform: (row) => terraform("openstack_lb_loadbalancer_v2", called(row), { name: row.name, vip_subnet_id: row.vip_subnet_id, loadbalancer_provider: row.provider }),
});

// ---- what is below it ----

const LOOK_MS = 3000; // members are checked every few seconds

async function look(row) {
  const [{ statuses }, listeners, pools] = await Promise.all([lb(`/loadbalancers/${row.id}/status`), below("listeners")(row), below("pools")(row)]);
  const shown = statuses.loadbalancer.listeners.flatMap((one) => one.pools.map((pool) => pool.id));
  const known = new Map([...listeners, ...pools].map((one) => [one.id, one]));
  return { whole: statuses.loadbalancer, listeners: statuses.loadbalancer.listeners, known, idle: pools.filter((one) => !shown.includes(one.id)) };
}

const named = (one, ...more) => html`<strong>${one.name || one.id}</strong> <span class="fine">${more.filter(Boolean).join(" · ")}</span> <${Works} row=${one} />`;
const Pool = ({ pool, known }) => html`<li>${t("Pool")} ${named(pool, known.get(pool.id)?.protocol, known.get(pool.id)?.lb_algorithm, pool.health_monitor && `${t("Health monitor")} ${pool.health_monitor.type}`)}
  <ul>${(pool.members || []).map((one) => html`<li key=${one.id}><span class="mono">${one.address}:${one.protocol_port}</span> ${one.name} <${Works} row=${one} /></li>`)}</ul></li>`;

/** Everything below a load balancer with how it works, looked at again while the page is shown. */
function Tree({ row, changed }) {
  const state = useAsked(() => look(row), [row]);
  const whole = state.value?.whole;
  useEffect(() => { if (whole && (whole.operating_status !== row.operating_status || whole.provisioning_status !== row.provisioning_status)) changed(); }, [whole]);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && state.again(), LOOK_MS);
    const away = hear(["member", "pool", "listener"], state.again);
    return () => { clearInterval(timer); away(); };
  }, [row]);
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} again=${state.again} />` : html`<${Loading} />`;
  const { listeners, known, idle } = state.value;
  return html`<section aria-label=${t("Listeners")}><h2>${t("Listeners")} <span class="fine">${t("looked at every few seconds")}</span></h2>
    ${listeners.length ? html`<ul class="tree">${listeners.map((one) => html`<li key=${one.id}>${t("Listener")} ${named(one, known.get(one.id) && `${known.get(one.id).protocol} ${known.get(one.id).protocol_port}`)}
      <ul>${one.pools.map((pool) => html`<${Pool} key=${pool.id} pool=${pool} known=${known} />`)}</ul></li>`)}</ul>` : html`<div class="empty">${t("There is none yet.")}</div>`}
    ${idle.length > 0 && html`<h2>${t("Pools without a listener")}</h2><ul class="tree">${idle.map((one) => html`<li key=${one.id}>${named(one, one.protocol, one.lb_algorithm)}</li>`)}</ul>`}</section>`;
}
