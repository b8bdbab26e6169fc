// Trunks with their subports, and QoS policies with their rules.
import { define, choices, Name } from "../resource.js";
import { T, t, number } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { State, Ago } from "../ui.js";
import { html, without } from "../lib.js";

const yes = (value) => (value ? t("yes") : t("no"));
const more = { service: "network", serverSort: true };
const drop = (path, words, rule, text) => ({
  name: "delete", label: T("Delete"), rule, danger: true, bulk: true, gone: true, confirm: text,
  call: (row) => ({ method: "DELETE", path: `${path}/${row.id}` }), command: (row) => command(...words, "delete", row.id),
});
const edit = (path, member, words, rule, fields) => ({
  name: "edit", label: T("Edit"), rule, given: (row) => row, fields: [{ name: "name", label: T("Name") }, { name: "description", label: T("Description") }, ...fields],
  call: (row, values) => ({ method: "PUT", path: `${path}/${row.id}`, body: { [member]: values } }), command: (row, values) => command(...words, "set", ["--name", values.name], ["--description", values.description], row.id),
});
const table = (title, titles, rows) => html`<h2>${t(title)}</h2>${rows.length
  ? html`<table aria-label=${t(title)}><thead><tr>${titles.map((one) => html`<th scope="col">${t(one)}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`
  : html`<div class="empty">${t("There is none yet.")}</div>`}`;

// ---- trunks ----

const free = choices("ports", { where: (row) => !row.device_owner, note: (row) => row.fixed_ips.map((one) => one.ip_address).join(", ") });
const subport = (values) => ({ port_id: values.port, segmentation_type: "vlan", segmentation_id: values.vlan });
const subWords = (values) => `port=${values.port || "PORT"},segmentation-type=vlan,segmentation-id=${values.vlan || "VLAN"}`;
const VLAN = { name: "vlan", label: T("VLAN"), type: "number", min: 1, max: 4094, required: true, aliases: ["segmentation_id"] };

export const trunks = define({
  ...more, name: "trunks", title: T("Trunks"), one: T("trunk"), path: "/v2.0/trunks", key: "trunks", member: "trunk", nouns: ["trunk"], detailNouns: ["port"], rule: "get_trunk",
  filters: [{ name: "name", label: T("Name") }, { name: "status", label: T("Status"), options: ["ACTIVE", "DOWN"] }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />` },
    { title: T("Port"), cell: (row) => html`<${Name} of="ports" id=${row.port_id} />` },
    { title: T("Subports"), cell: (row) => row.sub_ports.length, end: true },
  ],
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Port", html`<${Name} of="ports" id=${row.port_id} />`], ["Up", yes(row.admin_state_up)], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => table(T("Subports"), [T("Port"), T("VLAN")], row.sub_ports.map((one) => html`<tr key=${one.port_id}><td><${Name} of="ports" id=${one.port_id} /></td><td class="mono">${one.segmentation_id}</td></tr>`)),
  create: {
    label: T("Create trunk"), rule: "create_trunk",
    fields: [{ name: "name", label: T("Name") }, { name: "port", label: T("Port"), type: "select", required: true, options: free, help: T("The guest's port: frames without a tag are its own."), aliases: ["port_id"] }, { name: "description", label: T("Description") }],
    call: (values) => ({ method: "POST", path: "/v2.0/trunks", body: { trunk: without({ name: values.name, port_id: values.port, description: values.description }) } }),
    command: (values) => command("network", "trunk", "create", ["--parent-port", values.port || "PORT"], ["--description", values.description], values.name || "NAME"),
    terraform: (values) => terraform("openstack_networking_trunk_v2", values.name, { name: values.name, port_id: values.port, description: values.description }),
  },
  actions: [
    { name: "add", label: T("Add a subport"), rule: "add_subports", primary: true, fields: [{ name: "port", label: T("Port"), type: "select", required: true, options: free, aliases: ["port_id"] }, VLAN],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/trunks/${row.id}/add_subports`, body: { sub_ports: [subport(values)] } }), command: (row, values) => command("network", "trunk", "set", ["--subport", subWords(values)], row.id) },
    { name: "remove", label: T("Remove a subport"), rule: "remove_subports", when: (row) => row.sub_ports.length > 0,
      fields: (row) => [{ name: "port", label: T("Port"), type: "select", required: true, options: row.sub_ports.map((one) => ({ value: one.port_id, label: `VLAN ${one.segmentation_id}`, note: one.port_id.slice(0, 8) })) }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/trunks/${row.id}/remove_subports`, body: { sub_ports: [{ port_id: values.port }] } }), command: (row, values) => command("network", "trunk", "unset", ["--subport", values.port || "PORT"], row.id) },
    edit("/v2.0/trunks", "trunk", ["network", "trunk"], "update_trunk", [{ name: "admin_state_up", label: T("Up"), type: "checkbox" }]),
    drop("/v2.0/trunks", ["network", "trunk"], "delete_trunk", T("Its ports stay.")),
  ],
  command: (row) => command("network", "trunk", "show", row.id),
  terraform: (row) => terraform("openstack_networking_trunk_v2", row.name, { name: row.name, port_id: row.port_id, sub_port: row.sub_ports }),
});

// ---- QoS policies ----

const RULES = {
  bandwidth_limit: [T("Bandwidth limit"), (one) => `${number(one.max_kbps)} kbit/s, ${t("burst")} ${number(one.max_burst_kbps)} kbit`],
  minimum_bandwidth: [T("Minimum bandwidth"), (one) => `${number(one.min_kbps)} kbit/s`],
  minimum_packet_rate: [T("Minimum packet rate"), (one) => `${number(one.min_kpps)} kpps`],
  dscp_marking: [T("DSCP mark"), (one) => String(one.dscp_mark)],
};
const kindOf = (one) => t(RULES[one.type]?.[0] || one.type);
const valueOf = (one) => RULES[one.type]?.[1](one) || "";
const AS_WORD = { bandwidth_limit: "bandwidth-limit", minimum_bandwidth: "minimum-bandwidth", minimum_packet_rate: "minimum-packet-rate", dscp_marking: "dscp-marking" };
const Q = "/v2.0/qos/policies";

const limit = (values) => ({ max_kbps: values.kbps, max_burst_kbps: values.burst || 0, direction: values.direction });
const DIRECTION = { name: "direction", label: T("Direction"), type: "select", required: true, default: "egress", options: ["egress", "ingress"], help: T("As the guest sees it.") };
const MARKS = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56];

export const qosPolicies = define({
  ...more, name: "qos_policies", title: T("QoS policies"), one: T("QoS policy"), path: Q, key: "policies", member: "policy", nouns: ["policy"], rule: "get_policy",
  filters: [{ name: "name", label: T("Name") }],
  columns: [
    { title: T("Name"), cell: (row) => row.name, sort: "name" },
    { title: T("Rules"), cell: (row) => html`${row.rules.map((one) => html`<div>${kindOf(one)}: ${valueOf(one)}</div>`)}` },
    { title: T("Shared"), cell: (row) => yes(row.shared), small: true },
    { title: T("Usual for the project"), cell: (row) => yes(row.is_default), small: true },
  ],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Shared", yes(row.shared)], ["Usual for the project", yes(row.is_default)], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => table(T("Rules"), [T("Type"), T("Value"), T("Direction")], row.rules.map((one) => html`<tr key=${one.id}><td>${kindOf(one)}</td><td class="mono">${valueOf(one)}</td><td>${one.direction ? t(one.direction) : ""}</td></tr>`)),
  create: {
    label: T("Create QoS policy"), rule: "create_policy",
    fields: [{ name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") }, { name: "shared", label: T("Shared with all projects"), type: "checkbox" }, { name: "is_default", label: T("Usual for the project"), type: "checkbox", help: T("New networks of the project have it.") }],
    call: (values) => ({ method: "POST", path: Q, body: { policy: without({ name: values.name, description: values.description, shared: values.shared || undefined, is_default: values.is_default || undefined }) } }),
    command: (values) => command("network", "qos", "policy", "create", ["--description", values.description], values.shared && "--share", values.is_default && "--default", values.name || "NAME"),
    terraform: (values) => terraform("openstack_networking_qos_policy_v2", values.name, { name: values.name, description: values.description, shared: values.shared || undefined, is_default: values.is_default || undefined }),
  },
  actions: [
    { name: "limit", label: T("Limit the bandwidth"), rule: "create_policy_bandwidth_limit_rule", primary: true,
      fields: [{ name: "kbps", label: T("Bandwidth (kbit/s)"), type: "number", min: 1, required: true, aliases: ["max_kbps"] }, { name: "burst", label: T("Burst (kbit)"), type: "number", min: 0, help: T("Empty: as much as is usual."), aliases: ["max_burst_kbps"] }, DIRECTION],
      call: (row, values) => ({ method: "POST", path: `${Q}/${row.id}/bandwidth_limit_rules`, body: { bandwidth_limit_rule: limit(values) } }), command: (row, values) => command("network", "qos", "rule", "create", ["--type", "bandwidth-limit"], ["--max-kbps", values.kbps || "KBPS"], ["--max-burst-kbits", values.burst], `--${values.direction}`, row.id),
      terraform: (row, values) => terraform("openstack_networking_qos_bandwidth_limit_rule_v2", row.name, { qos_policy_id: row.id, ...limit(values) }) },
    { name: "mark", label: T("Mark its packets (DSCP)"), rule: "create_policy_dscp_marking_rule", when: (row) => !row.rules.some((one) => one.type === "dscp_marking"),
      fields: [{ name: "mark", label: T("DSCP mark"), type: "select", required: true, options: MARKS.map((one) => ({ value: String(one), label: String(one) })), aliases: ["dscp_mark"] }],
      call: (row, values) => ({ method: "POST", path: `${Q}/${row.id}/dscp_marking_rules`, body: { dscp_marking_rule: { dscp_mark: Number(values.mark) } } }), command: (row, values) => command("network", "qos", "rule", "create", ["--type", "dscp-marking"], ["--dscp-mark", values.mark], row.id) },
    { name: "unrule", label: T("Remove a rule"), rule: "delete_policy_bandwidth_limit_rule", when: (row) => row.rules.length > 0,
      fields: (row) => [{ name: "rule_id", label: T("Rule"), type: "select", required: true, options: row.rules.map((one) => ({ value: `${one.type}/${one.id}`, label: `${kindOf(one)}: ${valueOf(one)}` })) }],
      call: (row, values) => { const [type, id] = (values.rule_id || "/").split("/"); return { method: "DELETE", path: `${Q}/${row.id}/${type}_rules/${id}` }; },
      command: (row, values) => command("network", "qos", "rule", "delete", ["--type", AS_WORD[(values.rule_id || "").split("/")[0]]], row.id, (values.rule_id || "/RULE").split("/")[1]) },
    { name: "use", label: T("Use for a network"), rule: "update_network", fields: [{ name: "network", label: T("Network"), type: "select", required: true, options: choices("networks") }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/networks/${values.network}`, body: { network: { qos_policy_id: row.id } } }), command: (row, values) => command("network", "set", ["--qos-policy", row.id], values.network || "NETWORK") },
    edit(Q, "policy", ["network", "qos", "policy"], "update_policy", [{ name: "is_default", label: T("Usual for the project"), type: "checkbox" }]),
    drop(Q, ["network", "qos", "policy"], "delete_policy"),
  ],
  command: (row) => command("network", "qos", "policy", "show", row.id),
});
