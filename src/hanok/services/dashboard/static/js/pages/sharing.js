// Networks and others that are shared with single projects; and named lists of addresses for rules.
import { define, choices, Name } from "../resource.js";
import { T, t } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { html, words } from "../lib.js";

const more = { service: "network" };
const KINDS = { network: "networks", qos_policy: "qos_policies", security_group: "security_groups", address_group: "address_groups" };
const kinds = [T("network"), T("qos_policy"), T("security_group"), T("address_group"), T("subnetpool"), T("address_scope")];
const Thing = ({ row }) => (KINDS[row.object_type] ? html`<${Name} of=${KINDS[row.object_type]} id=${row.object_id} />` : html`<code>${row.object_id}</code>`);
const target = (row) => (row.target_tenant === "*" ? t("all projects") : html`<${Name} of="projects" id=${row.target_tenant} />`);

export const rbac = define({
  ...more, name: "rbac_policies", title: T("Shared with projects"), one: T("RBAC policy"), path: "/v2.0/rbac-policies", key: "rbac_policies", member: "rbac_policy", nouns: ["rbac_policy"], rule: "get_rbac_policy", label: (row) => `${row.object_type} ${row.id.slice(0, 8)}`,
  columns: [{ title: T("Kind"), cell: (row) => t(row.object_type), sort: "object_type" }, { title: T("What"), cell: (row) => html`<${Thing} row=${row} />` }, { title: T("How"), cell: (row) => row.action }, { title: T("With"), cell: target }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Kind", t(row.object_type)], ["What", html`<${Thing} row=${row} />`], ["How", row.action], ["With", target(row)]],
  create: {
    label: T("Share with a project"), rule: "create_rbac_policy", intro: T("Sharing with all projects at once is a matter of who manages the cloud."),
    fields: [
      { name: "object_type", label: T("Kind"), type: "select", required: true, options: Object.keys(KINDS), default: "network" },
      { name: "object_id", label: T("What"), type: "select", required: true, depends: ["object_type"], options: (values) => choices(KINDS[values.object_type] || "networks")(values) },
      { name: "action", label: T("How"), type: "select", required: true, default: "access_as_shared", options: ["access_as_shared", "access_as_external"], help: T("External works for networks alone.") },
      { name: "target", label: T("ID of the project"), required: true, aliases: ["target_tenant"], help: T("Or * for all projects.") },
    ],
    call: (v) => ({ method: "POST", path: "/v2.0/rbac-policies", body: { rbac_policy: { object_type: v.object_type, object_id: v.object_id, action: v.action, target_tenant: v.target } } }),
    command: (v) => command("network", "rbac", "create", ["--type", v.object_type], ["--action", v.action], v.target === "*" ? "--target-all-projects" : ["--target-project", v.target], v.object_id),
    terraform: (v) => terraform("openstack_networking_rbac_policy_v2", v.object_type, { action: v.action, object_id: v.object_id, object_type: v.object_type, target_tenant: v.target }),
  },
  actions: [{ name: "delete", label: T("Share no longer"), rule: "delete_rbac_policy", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/v2.0/rbac-policies/${row.id}` }), command: (row) => command("network", "rbac", "delete", row.id) }],
  command: (row) => command("network", "rbac", "show", row.id),
});

const list = (name, label) => ({ name, label, type: "textarea", mono: true, required: true, rows: 4, placeholder: "192.168.10.0/24\n10.0.0.7/32" });
export const addressGroups = define({
  ...more, name: "address_groups", title: T("Address groups"), one: T("address group"), path: "/v2.0/address-groups", key: "address_groups", member: "address_group", nouns: ["address_group"], rule: "get_address_group",
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Addresses"), cell: (row) => row.addresses.join(", "), mono: true }, { title: T("Description"), cell: (row) => row.description, small: true }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Addresses", row.addresses.join(", ")]],
  create: {
    label: T("Create address group"), rule: "create_address_group", fields: [{ name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") }, list("addresses", T("Addresses"))],
    call: (v) => ({ method: "POST", path: "/v2.0/address-groups", body: { address_group: { name: v.name, description: v.description || "", addresses: words(v.addresses) } } }),
    command: (v) => command("address", "group", "create", ["--description", v.description], words(v.addresses).map((one) => ["--address", one]), v.name || "NAME"),
    terraform: (v) => terraform("openstack_networking_address_group_v2", v.name, { name: v.name, addresses: words(v.addresses) }),
  },
  actions: [
    { name: "add", label: T("Add addresses"), rule: "update_address_group", fields: [list("addresses", T("Addresses"))], call: (row, v) => ({ method: "PUT", path: `/v2.0/address-groups/${row.id}/add_addresses`, body: { addresses: words(v.addresses) } }), command: (row, v) => command("address", "group", "set", words(v.addresses).map((one) => ["--address", one]), row.id) },
    { name: "remove", label: T("Remove addresses"), rule: "update_address_group", fields: (row) => [{ name: "addresses", label: T("Addresses"), type: "checks", required: true, options: row.addresses }], call: (row, v) => ({ method: "PUT", path: `/v2.0/address-groups/${row.id}/remove_addresses`, body: { addresses: v.addresses } }), command: (row, v) => command("address", "group", "unset", (v.addresses || []).map((one) => ["--address", one]), row.id) },
    { name: "delete", label: T("Delete"), rule: "delete_address_group", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/v2.0/address-groups/${row.id}` }), command: (row) => command("address", "group", "delete", row.id) },
  ],
  command: (row) => command("address", "group", "show", row.id),
});
