// Networks, subnets, ports.
import { define, choices, Name, Within } from "../resource.js";
import { T, t } from "../i18n.js";
import { called, command, reference, terraform } from "../commands.js";
import { State, Ago } from "../ui.js";
import { html, words, without } from "../lib.js";

const yes = (value) => (value ? t("yes") : t("no"));
const sortQuery = (sort, dir) => ({ sort_key: sort, sort_dir: dir || "asc" });
const listed = (list) => (list || []).join(", ");
const more = { service: "network", serverSort: true, sortQuery };
const drop = (path, words, rule, text) => ({
  name: "delete", label: T("Delete"), rule, danger: true, bulk: true, gone: true, confirm: text,
  call: (row) => ({ method: "DELETE", path: `${path}/${row.id}` }), command: (row) => command(...words, "delete", called(row)),
});
const routerBody = (values) => ({ router: { name: `${values.name}-router`, external_gateway_info: { network_id: values.router } } });
const ADMIN = T("Only who manages the cloud may set this.");

export const networks = define({
  ...more, name: "networks", title: T("Networks"), one: T("network"), path: "/v2.0/networks", key: "networks", member: "network", nouns: ["network"], detailNouns: ["subnet", "port"],
  rule: "get_network",
  filters: [{ name: "name", label: T("Name") }, { name: "status", label: T("Status"), options: ["ACTIVE", "DOWN"] }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />`, sort: "status" },
    { title: T("Subnets"), cell: (row) => html`${row.subnets.map((id) => html`<div><${Name} of="subnets" id=${id} /></div>`)}` },
    { title: T("External"), cell: (row) => yes(row["router:external"]), small: true },
    { title: T("Shared"), cell: (row) => yes(row.shared), small: true },
  ],
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Project", html`<${Name} of="projects" id=${row.project_id} />`], ["Up", yes(row.admin_state_up)], ["External", yes(row["router:external"])], ["Shared", yes(row.shared)],
    ["MTU", row.mtu], ["Port security", yes(row.port_security_enabled)], ["DNS domain", row.dns_domain],
    ["Type", row["provider:network_type"]], ["Physical network", row["provider:physical_network"]], ["Segment", row["provider:segmentation_id"]], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`<${Within} name="subnets" query=${{ network_id: row.id }} given=${{ network_id: row.id }} /><${Within} name="ports" query=${{ network_id: row.id }} given=${{ network_id: row.id }} />`,
  create: {
    label: T("Create network"), rule: "create_network",
    fields: [
      { name: "name", label: T("Name"), required: true, maxlength: 255 },
      { name: "subnet", label: T("With a subnet"), type: "checkbox", default: true },
      { name: "cidr", label: T("Addresses (CIDR)"), default: "10.0.0.0/24", required: true, when: (values) => values.subnet, pattern: /^[0-9a-fA-F.:]+\/\d{1,3}$/, patternHelp: T("An address and a length of prefix: 10.0.0.0/24.") },
      { name: "gateway", label: T("Gateway"), when: (values) => values.subnet, help: T("Empty: the first address.") },
      { name: "dns", label: T("Name servers"), when: (values) => values.subnet, help: T("Empty: those of the cloud.") },
      { name: "router", label: T("With a router to"), type: "select", none: T("nowhere"), when: (values) => values.subnet && !values.external, options: choices("networks", { query: { "router:external": "True" } }), rule: "create_router", help: T("Instances in it reach the outside, and can have floating IPs.") },
      { name: "mtu", label: T("MTU"), type: "number", min: 68 },
      { name: "shared", label: T("Shared with all projects"), type: "checkbox", rule: "create_network:shared", why: ADMIN },
      { name: "external", label: T("External"), type: "checkbox", rule: "create_network:router:external", why: ADMIN },
      { name: "physical", label: T("Physical network"), default: "", rule: "create_network:provider:physical_network", when: (values) => values.external, why: ADMIN },
    ],
    send: async (values) => {
      const { api } = await import("../api.js");
      const ask = (method, path, body) => api({ service: "network", method, path: `/v2.0/${path}`, body });
      const made = await ask("POST", "networks", networkBody(values));
      let router;
      try {
        const inside = values.subnet && (await ask("POST", "subnets", subnetBody({ ...values, network_id: made.network.id, name: `${values.name}-subnet` })));
        router = values.router && (await ask("POST", "routers", routerBody(values))).router;
        if (router) await ask("PUT", `routers/${router.id}/add_router_interface`, { subnet_id: inside.subnet.id });
      } catch (error) {
        // A network without what was asked for is not what was asked for.
        if (router) await ask("DELETE", `routers/${router.id}`);
        await ask("DELETE", `networks/${made.network.id}`);
        throw error;
      }
      return made;
    },
    call: (values) => [
      { method: "POST", path: "/v2.0/networks", body: networkBody(values) },
      ...(values.subnet ? [{ method: "POST", path: "/v2.0/subnets", body: subnetBody({ ...values, network_id: "NETWORK_ID", name: `${values.name}-subnet` }) }] : []),
      ...(values.router ? [{ method: "POST", path: "/v2.0/routers", body: routerBody(values) }, { method: "PUT", path: "/v2.0/routers/ROUTER_ID/add_router_interface", body: { subnet_id: "SUBNET_ID" } }] : []),
    ],
    command: (values) => [
      command("network", "create", ["--mtu", values.mtu], values.shared && "--share", values.external && "--external", values.physical && ["--provider-network-type", "flat"], ["--provider-physical-network", values.physical], values.name),
      ...(values.subnet ? [command("subnet", "create", ["--network", values.name], ["--subnet-range", values.cidr], ["--gateway", values.gateway], words(values.dns).map((one) => ["--dns-nameserver", one]), `${values.name}-subnet`)] : []),
      ...(values.router ? [command("router", "create", ["--external-gateway", values.router], `${values.name}-router`), command("router", "add", "subnet", `${values.name}-router`, `${values.name}-subnet`)] : []),
    ],
    terraform: (values) => [
      terraform("openstack_networking_network_v2", values.name, { name: values.name, mtu: values.mtu || undefined, shared: values.shared || undefined, external: values.external || undefined }),
      ...(values.subnet ? [terraform("openstack_networking_subnet_v2", `${values.name}-subnet`, { name: `${values.name}-subnet`, network_id: reference("openstack_networking_network_v2", values.name), cidr: values.cidr, gateway_ip: values.gateway, dns_nameservers: words(values.dns) })] : []),
      ...(values.router ? [
        terraform("openstack_networking_router_v2", `${values.name}-router`, { name: `${values.name}-router`, external_network_id: values.router }),
        terraform("openstack_networking_router_interface_v2", `${values.name}-router`, { router_id: reference("openstack_networking_router_v2", `${values.name}-router`), subnet_id: reference("openstack_networking_subnet_v2", `${values.name}-subnet`) })] : []),
    ].join("\n\n"),
  },
  actions: [
    { name: "edit", label: T("Edit"), rule: "update_network", given: (row) => row,
      fields: [{ name: "name", label: T("Name") }, { name: "description", label: T("Description") }, { name: "admin_state_up", label: T("Up"), type: "checkbox" },
        { name: "shared", label: T("Shared with all projects"), type: "checkbox", rule: "update_network:shared", why: ADMIN }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/networks/${row.id}`, body: { network: { name: values.name, description: values.description, admin_state_up: values.admin_state_up, ...(values.shared !== row.shared ? { shared: values.shared } : {}) } } }),
      command: (row, values) => command("network", "set", ["--name", values.name !== row.name ? values.name : ""], ["--description", values.description], values.admin_state_up ? "--enable" : "--disable", row.id) },
    drop("/v2.0/networks", ["network"], "delete_network", T("Its subnets go with it. It must have no ports of servers or routers.")),
  ],
  command: (row) => command("network", "show", called(row)),
  terraform: (row) => terraform("openstack_networking_network_v2", row.name, { name: row.name, admin_state_up: row.admin_state_up, mtu: row.mtu }),
});

const networkBody = (values) => ({ network: without({
  name: values.name, mtu: values.mtu, shared: values.shared || undefined, "router:external": values.external || undefined,
  "provider:network_type": values.physical ? "flat" : undefined, "provider:physical_network": values.physical }) });

const subnetBody = (values) => ({ subnet: without({
  name: values.name, network_id: values.network_id, cidr: values.cidr, ip_version: values.cidr.includes(":") ? 6 : 4,
  gateway_ip: values.gateway === "none" ? undefined : values.gateway, dns_nameservers: words(values.dns).length ? words(values.dns) : undefined,
  enable_dhcp: values.enable_dhcp === false ? false : undefined }) });

export const subnets = define({
  ...more, name: "subnets", title: T("Subnets"), one: T("subnet"), path: "/v2.0/subnets", key: "subnets", member: "subnet", nouns: ["subnet"], rule: "get_subnet",
  filters: [{ name: "name", label: T("Name") }, { name: "cidr", label: T("Addresses (CIDR)") }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" },
    { title: T("Addresses"), cell: (row) => row.cidr, sort: "cidr", mono: true },
    { title: T("Gateway"), cell: (row) => row.gateway_ip || "—", mono: true, small: true },
    { title: T("Network"), cell: (row) => html`<${Name} of="networks" id=${row.network_id} />` },
    { title: T("DHCP"), cell: (row) => yes(row.enable_dhcp), small: true },
  ],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Network", html`<${Name} of="networks" id=${row.network_id} />`], ["Addresses", row.cidr], ["Gateway", row.gateway_ip || t("none")], ["DHCP", yes(row.enable_dhcp)],
    ["Pools", row.allocation_pools.map((pool) => `${pool.start}–${pool.end}`).join(", ")], ["Name servers", listed(row.dns_nameservers)], ["Routes", row.host_routes.map((one) => `${one.destination} → ${one.nexthop}`).join(", ")], ["Created", html`<${Ago} time=${row.created_at} />`]],
  create: {
    label: T("Create subnet"), rule: "create_subnet",
    fields: [
      { name: "name", label: T("Name") },
      { name: "network_id", label: T("Network"), type: "select", required: true, options: choices("networks") },
      { name: "cidr", label: T("Addresses (CIDR)"), required: true, pattern: /^[0-9a-fA-F.:]+\/\d{1,3}$/, patternHelp: T("An address and a length of prefix: 10.0.0.0/24.") },
      { name: "gateway", label: T("Gateway"), help: T("Empty: the first address."), aliases: ["gateway_ip"] },
      { name: "dns", label: T("Name servers"), aliases: ["dns_nameservers"] },
      { name: "enable_dhcp", label: T("DHCP"), type: "checkbox", default: true },
    ],
    call: (values) => ({ method: "POST", path: "/v2.0/subnets", body: subnetBody(values) }),
    command: (values) => command("subnet", "create", ["--network", values.network_id], ["--subnet-range", values.cidr], ["--gateway", values.gateway], words(values.dns).map((one) => ["--dns-nameserver", one]), !values.enable_dhcp && "--no-dhcp", values.name || "NAME"),
    terraform: (values) => terraform("openstack_networking_subnet_v2", values.name, { name: values.name, network_id: values.network_id, cidr: values.cidr, gateway_ip: values.gateway, dns_nameservers: words(values.dns), enable_dhcp: values.enable_dhcp }),
  },
  actions: [
    { name: "edit", label: T("Edit"), rule: "update_subnet", given: (row) => ({ ...row, dns: listed(row.dns_nameservers) }),
      fields: [{ name: "name", label: T("Name") }, { name: "gateway_ip", label: T("Gateway"), help: T("Empty: none.") }, { name: "dns", label: T("Name servers") }, { name: "enable_dhcp", label: T("DHCP"), type: "checkbox" }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/subnets/${row.id}`, body: { subnet: { name: values.name, dns_nameservers: words(values.dns), enable_dhcp: values.enable_dhcp, ...(values.gateway_ip !== (row.gateway_ip || "") ? { gateway_ip: values.gateway_ip || null } : {}) } } }),
      command: (row, values) => command("subnet", "set", ["--name", values.name], ["--gateway", values.gateway_ip || "none"], "--no-dns-nameservers", words(values.dns).map((one) => ["--dns-nameserver", one]), values.enable_dhcp ? "--dhcp" : "--no-dhcp", row.id) },
    drop("/v2.0/subnets", ["subnet"], "delete_subnet"),
  ],
  command: (row) => command("subnet", "show", called(row)),
  terraform: (row) => terraform("openstack_networking_subnet_v2", row.name, { name: row.name, network_id: row.network_id, cidr: row.cidr, gateway_ip: row.gateway_ip, dns_nameservers: row.dns_nameservers }),
});

const addresses = (row) => row.fixed_ips.map((one) => one.ip_address).join(", ");

export const ports = define({
  ...more, name: "ports", title: T("Ports"), one: T("port"), path: "/v2.0/ports", key: "ports", member: "port", nouns: ["port"], rule: "get_port",
  label: (row) => row.name || row.id.slice(0, 13),
  filters: [{ name: "name", label: T("Name") }, { name: "mac_address", label: T("MAC address") }, { name: "status", label: T("Status"), options: ["ACTIVE", "DOWN", "BUILD"] }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id.slice(0, 13), sort: "name" },
    { title: T("Addresses"), cell: addresses, mono: true },
    { title: T("MAC address"), cell: (row) => row.mac_address, mono: true, small: true, sort: "mac_address" },
    { title: T("Of"), cell: (row) => row.device_owner.startsWith("compute:") ? html`<${Name} of="servers" id=${row.device_id} />` : row.device_owner.startsWith("network:router") ? html`<${Name} of="routers" id=${row.device_id} />` : row.device_owner },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />`, sort: "status" },
  ],
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Network", html`<${Name} of="networks" id=${row.network_id} />`], ["Addresses", addresses(row)], ["MAC address", row.mac_address], ["Owner", row.device_owner], ["Device", row.device_id],
    ["Security groups", html`${row.security_groups.map((id) => html`<${Name} of="security_groups" id=${id} /> `)}`], ["Port security", yes(row.port_security_enabled)], ["Address pairs", row.allowed_address_pairs?.map((one) => one.ip_address).join(", ")], ["Host", row["binding:host_id"]], ["Up", yes(row.admin_state_up)], ["Created", html`<${Ago} time=${row.created_at} />`]],
  create: {
    label: T("Create port"), rule: "create_port",
    fields: [
      { name: "name", label: T("Name") },
      { name: "network_id", label: T("Network"), type: "select", required: true, options: choices("networks") },
      { name: "ip_address", label: T("Address"), help: T("Empty: any that is free."), aliases: ["fixed_ips"] },
      { name: "security_groups", label: T("Security groups"), type: "checks", options: choices("security_groups") },
    ],
    call: (values) => ({ method: "POST", path: "/v2.0/ports", body: { port: without({ name: values.name, network_id: values.network_id, fixed_ips: values.ip_address ? [{ ip_address: values.ip_address }] : undefined, security_groups: values.security_groups?.length ? values.security_groups : undefined }) } }),
    command: (values) => command("port", "create", ["--network", values.network_id], values.ip_address && ["--fixed-ip", `ip-address=${values.ip_address}`], (values.security_groups || []).map((one) => ["--security-group", one]), values.name || "NAME"),
    terraform: (values) => terraform("openstack_networking_port_v2", values.name, { name: values.name, network_id: values.network_id, security_group_ids: values.security_groups }),
  },
  actions: [
    { name: "edit", label: T("Edit"), rule: "update_port", given: (row) => row,
      fields: [{ name: "name", label: T("Name") }, { name: "description", label: T("Description") }, { name: "admin_state_up", label: T("Up"), type: "checkbox" }, { name: "port_security_enabled", label: T("Port security"), type: "checkbox", rule: "update_port:port_security_enabled" },
        { name: "security_groups", label: T("Security groups"), type: "checks", options: choices("security_groups"), when: (values) => values.port_security_enabled }],
      call: (row, values) => ({ method: "PUT", path: `/v2.0/ports/${row.id}`, body: { port: { name: values.name, description: values.description, admin_state_up: values.admin_state_up, security_groups: values.security_groups || [], ...(values.port_security_enabled !== row.port_security_enabled ? { port_security_enabled: values.port_security_enabled } : {}) } } }),
      command: (row, values) => command("port", "set", ["--name", values.name], values.admin_state_up ? "--enable" : "--disable", "--no-security-group", (values.security_groups || []).map((one) => ["--security-group", one]), row.id) },
    drop("/v2.0/ports", ["port"], "delete_port"),
  ],
  command: (row) => command("port", "show", row.id),
  terraform: (row) => terraform("openstack_networking_port_v2", row.name, { name: row.name, network_id: row.network_id }),
});
