// What shares are given out in and by: share networks with their subnets, security services, share types.
import { define, choices, Name } from "../resource.js";
import { T, t } from "../i18n.js";
import { called, command, terraform } from "../commands.js";
import { api } from "../api.js";
import { isAllowed } from "../form.js";
import { State, Ago, Facts } from "../ui.js";
import { html, without } from "../lib.js";

export const KIND = "shared-file-system";
export const S = "share"; // what all its commands begin with
export const ADMIN = T("Only who manages the cloud may set this.");
export const more = { service: KIND };
export const asks = (path, query) => api({ service: KIND, path, query });
export const yes = (value) => (value ? t("yes") : t("no"));
export const id = (row) => html`<code>${row.id}</code>`;
export const is = (...states) => (row) => states.includes(row.status);

const table = (title, titles, rows) => html`<h2>${t(title)}</h2>${rows.length
  ? html`<div class="scroll"><table aria-label=${t(title)}><thead><tr>${titles.map((one) => html`<th scope="col">${t(one)}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`
  : html`<div class="empty">${t("There is none yet.")}</div>`}`;
const action = (kind, row, body) => ({ method: "POST", path: `/${kind}/${row.id}/action`, body });
const pairs = (found) => Object.fromEntries((found || []).filter(([key]) => key));
/** What of a form is not as it was. */
export const changed = (row, v) => Object.fromEntries(Object.entries(v).filter(([key, value]) => value !== (row[key] ?? "")));
const options = (found) => Object.entries(found).map(([key, value]) => [`--${key.replaceAll("_", "-")}`, value]);

// ---- share networks ----

const NETWORK = [
  { name: "net", label: T("Network"), type: "select", required: true, options: choices("networks", { where: (row) => !row["router:external"] }), aliases: ["neutron_net_id"] },
  { name: "subnet", label: T("Subnet"), type: "select", required: true, depends: ["net"], options: (v) => (v.net ? choices("subnets", { query: { network_id: v.net }, note: (row) => row.cidr })(v) : []), aliases: ["neutron_subnet_id"] },
];
const where = (v) => ({ neutron_net_id: v.net, neutron_subnet_id: v.subnet });
const nets = (row) => (row.share_network_subnets || []).filter((one) => one.neutron_net_id).map((one) => html`<div><${Name} of="networks" id=${one.neutron_net_id} /></div>`);
async function network(one) {
  const row = (await asks(`/share-networks/${one}`)).share_network;
  const may = isAllowed("security_service:detail", KIND);
  row.services = may ? (await asks("/security-services/detail", { share_network_id: one })).security_services : [];
  return row;
}

export const networks = define({
  ...more, name: "share_networks", title: T("Share networks"), one: T("share network"), path: "/share-networks", list: "/share-networks/detail", key: "share_networks", member: "share_network", nouns: ["share_network", "share_network_subnet"], newsId: () => "*", detailNouns: ["share_network", "share_network_subnet"], rule: "share_network:detail", rules: ["security_service:detail"], get: network,
  all: { name: "all_tenants", rule: "share_network:get_all_share_networks" }, filters: [{ name: "name~", label: T("Name") }],
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />` }, { title: T("Networks"), cell: nets }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" }],
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`${table(T("Subnets"), [T("Network"), T("Subnet"), T("Addresses"), T("Availability zone")], row.share_network_subnets.map((one) => html`<tr key=${one.id}><td><${Name} of="networks" id=${one.neutron_net_id} /></td><td><${Name} of="subnets" id=${one.neutron_subnet_id} /></td><td class="mono">${one.cidr || ""}</td><td>${one.availability_zone || t("every one")}</td></tr>`))}
    ${table(T("Security services"), [T("Name"), T("Type"), T("Domain")], (row.services || []).map((one) => html`<tr key=${one.id}><td><${Name} of="security_services" id=${one.id} /></td><td>${one.type}</td><td>${one.domain || ""}</td></tr>`))}`,
  create: {
    label: T("Create share network"), rule: "share_network:create", intro: T("Shares in it have an address of their own in the network, by a share server."),
    fields: [{ name: "name", label: T("Name"), maxlength: 255 }, ...NETWORK, { name: "description", label: T("Description"), maxlength: 255 }],
    call: (v) => ({ method: "POST", path: "/share-networks", body: { share_network: without({ name: v.name, description: v.description, ...where(v) }) } }),
    command: (v) => command(S, "network", "create", ["--name", v.name], ["--description", v.description], options(where(v))),
    terraform: (v) => terraform("openstack_sharedfilesystem_sharenetwork_v2", v.name, { name: v.name, description: v.description, ...where(v) }),
  },
  actions: [
    { name: "subnet", label: T("Add a subnet"), rule: "share_network_subnet:create", fields: [...NETWORK, { name: "zone", label: T("Availability zone"), help: T("Empty: every one."), aliases: ["availability_zone"] }],
      call: (row, v) => ({ method: "POST", path: `/share-networks/${row.id}/subnets`, body: { "share-network-subnet": without({ ...where(v), availability_zone: v.zone }) } }), command: (row, v) => command(S, "network", "subnet", "create", options(where(v)), ["--availability-zone", v.zone], row.id) },
    { name: "unsubnet", label: T("Remove a subnet"), rule: "share_network_subnet:delete", when: (row) => row.share_network_subnets.length > 0, fields: (row) => [{ name: "subnet", label: T("Subnet"), type: "select", required: true, options: row.share_network_subnets.map((one) => ({ value: one.id, label: one.cidr || one.id, note: one.availability_zone })) }],
      call: (row, v) => ({ method: "DELETE", path: `/share-networks/${row.id}/subnets/${v.subnet}` }), command: (row, v) => command(S, "network", "subnet", "delete", row.id, v.subnet || "SUBNET") },
    { name: "service", label: T("Add a security service"), rule: "share_network:add_security_service", fields: [{ name: "service", label: T("Security service"), type: "select", required: true, options: choices("security_services", { note: (row) => row.type }), aliases: ["security_service_id", "security service"] }],
      call: (row, v) => action("share-networks", row, { add_security_service: { security_service_id: v.service } }), command: (row, v) => command(S, "network", "set", ["--new-security-service", v.service], row.id) },
    { name: "unservice", label: T("Remove a security service"), rule: "share_network:remove_security_service", when: (row) => row.services?.length > 0, fields: (row) => [{ name: "service", label: T("Security service"), type: "select", required: true, options: row.services.map((one) => ({ value: one.id, label: one.name || one.id, note: one.type })), aliases: ["security_service_id", "security service"] }],
      call: (row, v) => action("share-networks", row, { remove_security_service: { security_service_id: v.service } }), command: (row, v) => command(S, "network", "unset", ["--security-service", v.service], row.id) },
    { name: "edit", label: T("Edit"), rule: "share_network:update", given: (row) => ({ name: row.name || "", description: row.description || "" }), fields: [{ name: "name", label: T("Name"), maxlength: 255 }, { name: "description", label: T("Description"), maxlength: 255 }],
      call: (row, v) => ({ method: "PUT", path: `/share-networks/${row.id}`, body: { share_network: changed(row, v) } }), command: (row, v) => command(S, "network", "set", options(changed(row, v)), row.id) },
    { name: "delete", label: T("Delete"), rule: "share_network:delete", danger: true, bulk: true, gone: true, confirm: T("Its share servers go with it. Shares in it are to be deleted first."), call: (row) => ({ method: "DELETE", path: `/share-networks/${row.id}` }), command: (row) => command(S, "network", "delete", row.id) },
  ],
  command: (row) => command(S, "network", "show", row.id),
  terraform: (row) => terraform("openstack_sharedfilesystem_sharenetwork_v2", called(row), { name: row.name, description: row.description, ...(({ neutron_net_id, neutron_subnet_id }) => ({ neutron_net_id, neutron_subnet_id }))(row.share_network_subnets[0] || {}), security_service_ids: (row.services || []).map((one) => one.id) }),
});

// ---- security services ----

const SERVICE = [
  { name: "name", label: T("Name"), maxlength: 255 }, { name: "dns_ip", label: T("Address of its DNS"), maxlength: 64 }, { name: "server", label: T("Its server"), maxlength: 255 }, { name: "domain", label: T("Domain"), maxlength: 255 }, { name: "ou", label: T("Organizational unit"), maxlength: 255 },
  { name: "user", label: T("User"), maxlength: 255 }, { name: "password", label: T("Password"), type: "password", maxlength: 255, help: T("Kept sealed.") }, { name: "description", label: T("Description"), maxlength: 255 },
];
/** As a command has it: a password stays out of what others may see. */
const hidden = (v) => ({ ...v, password: v.password ? "PASSWORD" : undefined });
const told = (row, v) => changed({ ...row, password: "" }, v);

export const securityServices = define({
  ...more, name: "security_services", title: T("Security services"), one: T("security service"), path: "/security-services", list: "/security-services/detail", key: "security_services", member: "security_service", nouns: ["security_service"], rule: "security_service:detail", intro: T("Directories that a share network names. They are kept; back ends do not join them yet."),
  all: { name: "all_tenants", rule: "security_service:get_all_security_services" }, filters: [{ name: "name", label: T("Name") }],
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Type"), cell: (row) => row.type, sort: "type" }, { title: T("Domain"), cell: (row) => row.domain }, { title: T("Its server"), cell: (row) => row.server, small: true }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" }],
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Type", row.type], ["Address of its DNS", row.dns_ip], ["Its server", row.server], ["Domain", row.domain], ["Organizational unit", row.ou], ["User", row.user], ["Created", html`<${Ago} time=${row.created_at} />`]],
  create: {
    label: T("Create security service"), rule: "security_service:create", fields: [{ name: "type", label: T("Type"), type: "select", required: true, options: ["active_directory", "ldap", "kerberos"] }, ...SERVICE],
    call: (v) => ({ method: "POST", path: "/security-services", body: { security_service: without(v) } }),
    command: ({ type, ...v }) => command(S, "security", "service", "create", options(hidden(v)), type),
    terraform: (v) => terraform("openstack_sharedfilesystem_securityservice_v2", v.name, hidden(v)),
  },
  actions: [
    { name: "edit", label: T("Edit"), rule: "security_service:update", given: (row) => ({ ...row, password: "" }), fields: SERVICE, intro: T("The password stays where none is given. Of one that a share server uses, only name and description change."),
      call: (row, v) => ({ method: "PUT", path: `/security-services/${row.id}`, body: { security_service: told(row, v) } }), command: (row, v) => command(S, "security", "service", "set", options(hidden(told(row, v))), row.id) },
    { name: "delete", label: T("Delete"), rule: "security_service:delete", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/security-services/${row.id}` }), command: (row) => command(S, "security", "service", "delete", row.id) },
  ],
  command: (row) => command(S, "security", "service", "show", row.id),
  terraform: (row) => terraform("openstack_sharedfilesystem_securityservice_v2", called(row), { name: row.name, type: row.type, dns_ip: row.dns_ip, server: row.server, domain: row.domain, user: row.user, ou: row.ou }),
});

// ---- share types ----

const SERVED = "driver_handles_share_servers";
/** Whether shares of a type are in share networks. */
export const served = (row) => (row.required_extra_specs?.[SERVED] || "").toLowerCase() === "true";
const ABILITIES = [
  { value: "snapshot_support", label: T("have snapshots") }, { value: "create_share_from_snapshot_support", label: T("are made of snapshots") },
  { value: "revert_to_snapshot_support", label: T("are set back to snapshots") }, { value: "mount_snapshot_support", label: T("have snapshots that are mounted") },
];
const PUBLIC = "share_type_access:is_public";
const specs = (v) => ({ [SERVED]: v.served ? "True" : "False", ...Object.fromEntries((v.abilities || []).map((one) => [one, "True"])), ...pairs(v.specs) });
/** As a command has them: the option takes all that stand behind it, so no argument may follow. */
const given = (v) => {
  const found = Object.entries(pairs(v.specs)).map(([key, value]) => `${key}=${value}`);
  return found.length ? ["--extra-specs", ...found] : null;
};
const PROJECT = { name: "project", label: T("ID of the project"), required: true };
async function type(one) {
  const row = (await asks(`/types/${one}`)).share_type;
  if (row[PUBLIC] === false && isAllowed("share_type:list_project_access", KIND)) row.projects = (await asks(`/types/${one}/share_type_access`)).share_type_access.map((found) => found.project_id);
  return row;
}

export const shareTypes = define({
  ...more, name: "share_types", title: T("Share types"), one: T("share type"), path: "/types", key: "share_types", member: "share_type", nouns: ["share_type"], detailNouns: ["share_type"], rule: "share_type:index", rules: ["share_type:list_project_access"], paged: false, query: { is_public: "all" }, get: type,
  columns: [{ title: T("Name"), cell: (row) => html`${row.name}${row.is_default && html` <span class="fine">${t("the default one")}</span>`}`, sort: "name" }, { title: T("In a share network"), cell: (row) => yes(served(row)) }, { title: T("Public"), cell: (row) => yes(row[PUBLIC]) }, { title: T("Description"), cell: (row) => row.description, small: true }],
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Public", yes(row[PUBLIC])], ["In a share network", yes(served(row))], ["Its shares", ABILITIES.filter((one) => /true/i.test(row.extra_specs[one.value])).map((one) => t(one.label)).join(", ")]],
  below: (row) => html`${Object.keys(row.extra_specs || {}).length > 0 && html`<h2>${t("Extra specs")}</h2><${Facts} facts=${Object.entries(row.extra_specs)} />`}
    ${row.projects && table(T("Projects"), [T("Name")], row.projects.map((one) => html`<tr key=${one}><td><${Name} of="projects" id=${one} /></td></tr>`))}`,
  create: {
    label: T("Create share type"), rule: "share_type:create",
    fields: [
      { name: "name", label: T("Name"), required: true, maxlength: 255 }, { name: "description", label: T("Description"), maxlength: 255 }, { name: "served", label: T("In a share network"), type: "checkbox", help: T("Each share network gets a share server with an address of its own in it."), aliases: [SERVED] },
      { name: "abilities", label: T("Its shares"), type: "checks", options: ABILITIES, default: ABILITIES.map((one) => one.value) }, { name: "public", label: T("Every project may use it"), type: "checkbox", default: true }, { name: "specs", label: T("Extra specs"), type: "pairs", aliases: ["extra_specs"] },
    ],
    call: (v) => ({ method: "POST", path: "/types", body: { share_type: { ...without({ name: v.name, description: v.description }), [PUBLIC]: v.public, extra_specs: specs(v) } } }),
    command: (v) => command(S, "type", "create", ["--description", v.description], (v.abilities || []).map((one) => [`--${one.replaceAll("_", "-")}`, "True"]), given(v), ["--public", v.public ? "True" : "False"], v.name || "NAME", v.served ? "True" : "False"),
  },
  actions: [
    { name: "set", label: T("Set specs"), rule: "share_types_extra_spec:create", fields: [{ name: "specs", label: T("Extra specs"), type: "pairs", required: true, aliases: ["extra_specs"] }], call: (row, v) => ({ method: "POST", path: `/types/${row.id}/extra_specs`, body: { extra_specs: pairs(v.specs) } }), command: (row, v) => command(S, "type", "set", row.id, given(v)) },
    { name: "unset", label: T("Remove a spec"), rule: "share_types_extra_spec:delete", when: (row) => Object.keys(row.extra_specs).some((one) => one !== SERVED), fields: (row) => [{ name: "key", label: T("Key"), type: "select", required: true, options: Object.keys(row.extra_specs).filter((one) => one !== SERVED) }],
      call: (row, v) => ({ method: "DELETE", path: `/types/${row.id}/extra_specs/${encodeURIComponent(v.key)}` }), command: (row, v) => command(S, "type", "unset", row.id, v.key || "KEY") },
    { name: "give", label: T("Let a project use it"), rule: "share_type:add_project_access", when: (row) => row[PUBLIC] === false, fields: [PROJECT], call: (row, v) => action("types", row, { addProjectAccess: { project: v.project } }), command: (row, v) => command(S, "type", "access", "create", row.id, v.project || "PROJECT") },
    { name: "take", label: T("Let a project use it no longer"), rule: "share_type:remove_project_access", when: (row) => row.projects?.length > 0, fields: (row) => [{ ...PROJECT, type: "select", options: row.projects }], call: (row, v) => action("types", row, { removeProjectAccess: { project: v.project } }), command: (row, v) => command(S, "type", "access", "delete", row.id, v.project || "PROJECT") },
    { name: "edit", label: T("Edit"), rule: "share_type:update", given: (row) => ({ name: row.name, description: row.description || "", public: row[PUBLIC] }), fields: [{ name: "name", label: T("Name"), required: true, maxlength: 255 }, { name: "description", label: T("Description"), maxlength: 255 }, { name: "public", label: T("Every project may use it"), type: "checkbox" }],
      call: (row, v) => ({ method: "PUT", path: `/types/${row.id}`, body: { share_type: { ...changed(row, { name: v.name, description: v.description }), [PUBLIC]: v.public } } }), command: (row, v) => command(S, "type", "set", options(changed(row, { name: v.name, description: v.description })), ["--public", v.public ? "True" : "False"], row.id) },
    { name: "delete", label: T("Delete"), rule: "share_type:delete", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/types/${row.id}` }), command: (row) => command(S, "type", "delete", row.id) },
  ],
  command: (row) => command(S, "type", "show", row.id),
});
