// Routers, floating IPs, security groups and their rules.
import { define, choices, Name, Within, all } from "../resource.js";
import { T, t } from "../i18n.js";
import { command, reference, terraform } from "../commands.js";
import { api } from "../api.js";
import { hear } from "../live.js";
import { State, Ago, Loading, Fault, sayWhy } from "../ui.js";
import { html, without, useAsked, useEffect } from "../lib.js";

const yes = (value) => (value ? t("yes") : t("no"));
const more = { service: "network", serverSort: true };
const outside = choices("networks", { query: { "router:external": "True" } });
const gateway = (row) => row.external_gateway_info;
const outer = (row) => (gateway(row)?.external_fixed_ips || []).map((one) => one.ip_address).join(", ");
const drop = (path, words, rule, text) => ({
  name: "delete", label: T("Delete"), rule, danger: true, bulk: true, gone: true, confirm: text,
  call: (row) => ({ method: "DELETE", path: `${path}/${row.id}` }), command: (row) => command(...words, "delete", row.id),
});

export const routers = define({
  ...more, name: "routers", title: T("Routers"), one: T("router"), path: "/v2.0/routers", key: "routers", member: "router", nouns: ["router"], detailNouns: ["port", "floatingip"], rule: "get_router",
  filters: [{ name: "name", label: T("Name") }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />`, sort: "status" },
    { title: T("External network"), cell: (row) => (gateway(row) ? html`<${Name} of="networks" id=${gateway(row).network_id} />` : t("none")) },
    { title: T("External addresses"), cell: outer, mono: true, small: true },
  ],
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["External network", gateway(row) ? html`<${Name} of="networks" id=${gateway(row).network_id} />` : t("none")], ["External addresses", outer(row)], ["SNAT", gateway(row) ? yes(gateway(row).enable_snat) : ""], ["Up", yes(row.admin_state_up)], ["Routes", (row.routes || []).map((one) => `${one.destination} → ${one.nexthop}`).join(", ")], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`<${RouterPorts} row=${row} />`,
  create: {
    label: T("Create router"), rule: "create_router",
    fields: [{ name: "name", label: T("Name"), required: true }, { name: "external", label: T("External network"), type: "select", none: T("none"), options: outside, rule: "create_router:external_gateway_info:network_id" },
      { name: "subnets", label: T("Subnets"), type: "checks", options: choices("subnets", { note: (row) => row.cidr }), help: T("It becomes their gateway.") }],
    send: async (values) => {
      const made = await api({ service: "network", method: "POST", path: "/v2.0/routers", body: routerBody(values) });
      for (const subnet_id of values.subnets || []) {
        try { await api({ service: "network", method: "PUT", path: `/v2.0/routers/${made.router.id}/add_router_interface`, body: { subnet_id } }); } catch (error) { sayWhy(error, made.router.name); }
      }
      return made;
    },
    call: (values) => [{ method: "POST", path: "/v2.0/routers", body: routerBody(values) }, ...(values.subnets || []).map((subnet_id) => ({ method: "PUT", path: "/v2.0/routers/ROUTER_ID/add_router_interface", body: { subnet_id } }))],
    command: (values) => [command("router", "create", ["--external-gateway", values.external], values.name), ...(values.subnets || []).map((one) => command("router", "add", "subnet", values.name, one))],
    terraform: (values) => [terraform("openstack_networking_router_v2", values.name, { name: values.name, external_network_id: values.external }), ...(values.subnets || []).map((one, at) => terraform("openstack_networking_router_interface_v2", `${values.name}_${at}`, { router_id: reference("openstack_networking_router_v2", values.name), subnet_id: one }))].join("\n\n"),
  },
  actions: [
    { name: "add", label: T("Connect a subnet"), rule: "add_router_interface", primary: true, fields: [{ name: "subnet_id", label: T("Subnet"), type: "select", required: true, options: choices("subnets", { note: (row) => row.cidr }) }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/routers/${row.id}/add_router_interface`, body: { subnet_id: values.subnet_id } }), command: (row, values) => command("router", "add", "subnet", row.id, values.subnet_id || "SUBNET"),
      terraform: (row, values) => terraform("openstack_networking_router_interface_v2", row.name, { router_id: row.id, subnet_id: values.subnet_id }) },
    { name: "gateway", label: T("Set the external network"), rule: "update_router:external_gateway_info:network_id", given: (row) => ({ external: gateway(row)?.network_id || "" }), fields: [{ name: "external", label: T("External network"), type: "select", none: T("none"), options: outside }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/routers/${row.id}`, body: { router: { external_gateway_info: values.external ? { network_id: values.external } : null } } }), command: (row, values) => (values.external ? command("router", "set", ["--external-gateway", values.external], row.id) : command("router", "unset", "--external-gateway", row.id)) },
    { name: "edit", label: T("Edit"), rule: "update_router", given: (row) => row, fields: [{ name: "name", label: T("Name") }, { name: "description", label: T("Description") }, { name: "admin_state_up", label: T("Up"), type: "checkbox" }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/routers/${row.id}`, body: { router: { name: values.name, description: values.description, admin_state_up: values.admin_state_up } } }), command: (row, values) => command("router", "set", ["--name", values.name], values.admin_state_up ? "--enable" : "--disable", row.id) },
    drop("/v2.0/routers", ["router"], "delete_router", T("Its subnets have to be disconnected first.")),
  ],
  command: (row) => command("router", "show", row.id),
  terraform: (row) => terraform("openstack_networking_router_v2", row.name, { name: row.name, external_network_id: gateway(row)?.network_id }),
});
const routerBody = (values) => ({ router: without({ name: values.name, external_gateway_info: values.external ? { network_id: values.external } : undefined }) });

function RouterPorts({ row }) {
  const state = useAsked(async () => (await api({ service: "network", path: "/v2.0/ports", query: { device_id: row.id } })).ports.filter((one) => one.device_owner === "network:router_interface"), [row]);
  useEffect(() => hear(["port", "router"], state.again), [row.id]);
  const leave = async (port) => {
    try { await api({ service: "network", method: "PUT", path: `/v2.0/routers/${row.id}/remove_router_interface`, body: { port_id: port.id } }); } catch (error) { sayWhy(error); }
    state.again();
  };
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  return html`<h2>${t("Connected subnets")}</h2>${!state.value.length && html`<div class="empty">${t("There is none yet.")}</div>`}
    <table aria-label=${t("Connected subnets")}><tbody>${state.value.map((port) => port.fixed_ips.map((one) => html`<tr><td><${Name} of="subnets" id=${one.subnet_id} /></td><td class="mono">${one.ip_address}</td><td class="end"><button class="small" onClick=${() => leave(port)}>${t("Disconnect")}</button></td></tr>`))}</tbody></table>`;
}

const freePorts = async () =>
  (await all("ports")).filter((one) => !one.device_owner.startsWith("network:") && one.fixed_ips.length).map((one) => ({ value: one.id, label: one.fixed_ips[0].ip_address, note: one.name }));

export const floatingips = define({
  ...more, name: "floatingips", title: T("Floating IPs"), one: T("floating IP"), path: "/v2.0/floatingips", key: "floatingips", member: "floatingip", nouns: ["floatingip"], rule: "get_floatingip",
  label: (row) => row.floating_ip_address,
  filters: [{ name: "floating_ip_address", label: T("Address") }, { name: "status", label: T("Status"), options: ["ACTIVE", "DOWN"] }],
  columns: [
    { title: T("Address"), cell: (row) => row.floating_ip_address, mono: true, sort: "floating_ip_address" },
    { title: T("Leads to"), cell: (row) => row.fixed_ip_address || t("nothing"), mono: true },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />`, sort: "status" },
    { title: T("External network"), cell: (row) => html`<${Name} of="networks" id=${row.floating_network_id} />`, small: true },
    { title: T("Description"), cell: (row) => row.description, small: true },
  ],
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Address", row.floating_ip_address], ["Leads to", row.fixed_ip_address], ["Port", row.port_id && html`<${Name} of="ports" id=${row.port_id} />`], ["Router", row.router_id && html`<${Name} of="routers" id=${row.router_id} />`], ["External network", html`<${Name} of="networks" id=${row.floating_network_id} />`], ["Description", row.description], ["Created", html`<${Ago} time=${row.created_at} />`]],
  create: {
    label: T("Allocate floating IP"), rule: "create_floatingip", submit: T("Allocate"),
    fields: [{ name: "network", label: T("External network"), type: "select", required: true, options: outside, aliases: ["floating_network_id"] }, { name: "port", label: T("Leads to"), type: "select", none: T("nothing"), options: freePorts, aliases: ["port_id"] }, { name: "address", label: T("Address"), rule: "create_floatingip:floating_ip_address", help: T("Empty: any that is free."), aliases: ["floating_ip_address"] }, { name: "description", label: T("Description") }],
    call: (values) => ({ method: "POST", path: "/v2.0/floatingips", body: { floatingip: without({ floating_network_id: values.network, port_id: values.port, floating_ip_address: values.address, description: values.description }) } }),
    command: (values) => command("floating", "ip", "create", ["--port", values.port], ["--floating-ip-address", values.address], values.network), terraform: (values) => terraform("openstack_networking_floatingip_v2", "ip", { pool: values.network, port_id: values.port }),
  },
  actions: [
    { name: "lead", label: T("Lead to a port"), rule: "update_floatingip", primary: true, when: (row) => !row.port_id, fields: [{ name: "port", label: T("Port"), type: "select", required: true, options: freePorts, aliases: ["port_id"] }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/floatingips/${row.id}`, body: { floatingip: { port_id: values.port } } }), command: (row, values) => command("floating", "ip", "set", ["--port", values.port], row.floating_ip_address) },
    { name: "loose", label: T("Lead nowhere"), rule: "update_floatingip", when: (row) => row.port_id, bulk: true, confirm: T("Connections through it end."), call: (row) => ({ method: "PUT", path: `/v2.0/floatingips/${row.id}`, body: { floatingip: { port_id: null } } }), command: (row) => command("floating", "ip", "unset", "--port", row.floating_ip_address) },
    { ...drop("/v2.0/floatingips", ["floating", "ip"], "delete_floatingip", T("The address goes back; you may not get the same again.")), label: T("Release") },
  ],
  command: (row) => command("floating", "ip", "show", row.floating_ip_address),
  terraform: (row) => terraform("openstack_networking_floatingip_v2", "ip", { pool: row.floating_network_id, port_id: row.port_id }),
});

export const groups = define({
  ...more, name: "security_groups", title: T("Security groups"), one: T("security group"), path: "/v2.0/security-groups", key: "security_groups", member: "security_group", nouns: ["security_group"], detailNouns: ["security_group_rule"], rule: "get_security_group",
  filters: [{ name: "name", label: T("Name") }],
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Description"), cell: (row) => row.description, small: true }, { title: T("Rules"), cell: (row) => row.security_group_rules.length, end: true }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Stateful", yes(row.stateful)], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`<${Within} name="security_group_rules" query=${{ security_group_id: row.id }} given=${{ group: row.id }} />`,
  create: {
    label: T("Create security group"), rule: "create_security_group",
    fields: [{ name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") }, { name: "open", label: T("Let in"), type: "checks", options: [{ value: "ssh", label: T("SSH (TCP 22)") }, { value: "http", label: T("HTTP (TCP 80)") }, { value: "https", label: T("HTTPS (TCP 443)") }, { value: "ping", label: T("ping (ICMP)") }] }],
    send: async (values) => {
      const made = await api({ service: "network", method: "POST", path: "/v2.0/security-groups", body: { security_group: { name: values.name, description: values.description || "" } } });
      for (const rule of opened(values, made.security_group.id)) await api({ service: "network", method: "POST", path: "/v2.0/security-group-rules", body: { security_group_rule: rule } });
      return made;
    },
    call: (values) => [{ method: "POST", path: "/v2.0/security-groups", body: { security_group: { name: values.name, description: values.description || "" } } }, ...opened(values, "GROUP_ID").map((security_group_rule) => ({ method: "POST", path: "/v2.0/security-group-rules", body: { security_group_rule } }))],
    command: (values) => [command("security", "group", "create", ["--description", values.description], values.name), ...opened(values, values.name).map((rule) => command("security", "group", "rule", "create", ["--protocol", rule.protocol], rule.port_range_min && ["--dst-port", rule.port_range_min], values.name))],
    terraform: (values) => terraform("openstack_networking_secgroup_v2", values.name, { name: values.name, description: values.description }),
  },
  actions: [
    { name: "edit", label: T("Edit"), rule: "update_security_group", given: (row) => row, when: (row) => row.name !== "default", fields: [{ name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/security-groups/${row.id}`, body: { security_group: values } }), command: (row, values) => command("security", "group", "set", ["--name", values.name], ["--description", values.description], row.id) },
    { ...drop("/v2.0/security-groups", ["security", "group"], "delete_security_group"), when: (row) => row.name !== "default" },
  ],
  command: (row) => command("security", "group", "show", row.id),
  terraform: (row) => terraform("openstack_networking_secgroup_v2", row.name, { name: row.name, description: row.description }),
});
const common = { ssh: ["tcp", 22], http: ["tcp", 80], https: ["tcp", 443], ping: ["icmp"] };
const opened = (values, id) => (values.open || []).map((one) => without({ security_group_id: id, direction: "ingress", ethertype: "IPv4", protocol: common[one][0], port_range_min: common[one][1], port_range_max: common[one][1] }));

const range = (row) => (row.port_range_min == null ? t("any") : row.port_range_min === row.port_range_max ? row.port_range_min : `${row.port_range_min}–${row.port_range_max}`);
const peers = (values) => without({ remote_ip_prefix: values.peer === "prefix" ? values.prefix : undefined, remote_group_id: values.peer === "group" ? values.remote : undefined });

const presets = { ssh: "22", http: "80", https: "443", dns: "53", rdp: "3389" };
const ruleBody = (values) => {
  const kind = values.kind || "tcp";
  const [low, high] = presets[kind] ? [presets[kind], presets[kind]] : String(values.ports || "").split(/[-–:]/).map((one) => one.trim());
  const protocol = presets[kind] ? "tcp" : kind === "any" ? undefined : kind;
  return { security_group_rule: without({ security_group_id: values.group, direction: values.direction, ethertype: values.ethertype, protocol, port_range_min: low ? Number(low) : undefined, port_range_max: low ? Number(high || low) : undefined, description: values.description, ...peers(values) }) };
};

export const groupRules = define({
  ...more, name: "security_group_rules", title: T("Rules"), one: T("rule"), path: "/v2.0/security-group-rules", key: "security_group_rules", member: "security_group_rule", nouns: ["security_group_rule", "security_group"], rule: "get_security_group_rule", page: false,
  label: (row) => `${t(row.direction)} ${row.protocol || t("any")} ${range(row)}`,
  columns: [
    { title: T("Direction"), cell: (row) => t(row.direction), sort: "direction" }, { title: T("Version"), cell: (row) => row.ethertype }, { title: T("Protocol"), cell: (row) => row.protocol || t("any"), sort: "protocol" }, { title: T("Ports"), cell: range, sort: "port_range_min" },
    { title: T("From or to"), cell: (row) => row.remote_ip_prefix || (row.remote_group_id ? html`<${Name} of="security_groups" id=${row.remote_group_id} />` : t("everywhere")) }, { title: T("Description"), cell: (row) => row.description, small: true },
  ],
  create: {
    label: T("Add rule"), rule: "create_security_group_rule", submit: T("Add"),
    fields: [
      { name: "group", label: T("Security group"), type: "select", required: true, options: choices("security_groups"), aliases: ["security_group_id"] },
      { name: "kind", label: T("What"), type: "select", required: true, default: "ssh", options: [{ value: "ssh", label: "SSH (TCP 22)" }, { value: "http", label: "HTTP (TCP 80)" }, { value: "https", label: "HTTPS (TCP 443)" }, { value: "rdp", label: "RDP (TCP 3389)" }, { value: "tcp", label: "TCP" }, { value: "udp", label: "UDP" }, { value: "icmp", label: "ICMP" }, { value: "any", label: T("everything") }] },
      { name: "ports", label: T("Ports"), when: (values) => ["tcp", "udp"].includes(values.kind), placeholder: "8000-8010", help: T("Empty: all."), pattern: /^\d{1,5}(\s*[-–:]\s*\d{1,5})?$/, patternHelp: T("One port or two with a hyphen: 80 or 8000-8010."), aliases: ["port_range_min", "port_range_max"] },
      { name: "direction", label: T("Direction"), type: "select", required: true, default: "ingress", options: ["ingress", "egress"] },
      { name: "peer", label: T("From or to"), type: "radio", default: "any", options: [{ value: "any", label: T("everywhere") }, { value: "prefix", label: T("addresses") }, { value: "group", label: T("members of a security group") }] },
      { name: "prefix", label: T("Addresses (CIDR)"), required: true, when: (values) => values.peer === "prefix", placeholder: "10.0.0.0/24", aliases: ["remote_ip_prefix"] },
      { name: "remote", label: T("Security group"), type: "select", required: true, when: (values) => values.peer === "group", options: choices("security_groups") },
      { name: "ethertype", label: T("Version"), type: "select", required: true, default: "IPv4", options: ["IPv4", "IPv6"] },
      { name: "description", label: T("Description") },
    ],
    call: (values) => ({ method: "POST", path: "/v2.0/security-group-rules", body: ruleBody(values) }),
    command: (values) => {
      const rule = ruleBody(values).security_group_rule;
      return command("security", "group", "rule", "create", `--${rule.direction}`, ["--ethertype", rule.ethertype], ["--protocol", rule.protocol || "any"], rule.port_range_min && ["--dst-port", rule.port_range_min === rule.port_range_max ? rule.port_range_min : `${rule.port_range_min}:${rule.port_range_max}`], ["--remote-ip", rule.remote_ip_prefix], ["--remote-group", rule.remote_group_id], values.group || "GROUP");
    },
    terraform: (values) => terraform("openstack_networking_secgroup_rule_v2", "rule", ruleBody(values).security_group_rule),
  },
  actions: [drop("/v2.0/security-group-rules", ["security", "group", "rule"], "delete_security_group_rule")],
});
