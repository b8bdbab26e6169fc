// Shared file systems: shares with who may mount them and from where, and their snapshots.
import { define, all, choices, create, resources, Name, Within } from "../resource.js";
import { T, t, gib } from "../i18n.js";
import { called, command, quoted, terraform } from "../commands.js";
import { isAllowed } from "../form.js";
import { State, Ago, Copy, Facts, Fault, Loading } from "../ui.js";
import { html, useAsked, without } from "../lib.js";
import { ADMIN, KIND, S, asks, changed, id, is, more, served, yes } from "./share_networks.js";

export const words = [
  // states of shares, of their access rules and of snapshots
  T("creating_from_snapshot"), T("extending_error"), T("shrinking"), T("shrinking_error"), T("shrinking_possible_data_loss_error"), T("reverting"), T("reverting_error"), T("inactive"), T("awaiting_transfer"), T("ensuring"), T("manage_starting"), T("manage_error"), T("unmanage_starting"), T("unmanage_error"), T("migrating_to"), T("replication_change"), T("backup_creating"), T("backup_restoring"), T("backup_restoring_error"), T("server_migrating"), T("server_migrating_to"),
  T("syncing"), T("queued_to_apply"), T("applying"), T("queued_to_deny"), T("denying"), T("queued_to_update"), T("updating"),
  // parts of the names of events
  T("share_network"), T("share_network_subnet"), T("share_type"), T("security_service"), T("share_access"), T("allow"), T("deny"), T("extend"), T("shrink"), T("revert"), T("soft_delete"), T("add_security_service"), T("remove_security_service"), T("extra_specs"), T("access"),
];
const busy = (row) => /ing$/.test(row.status) || ["creating_from_snapshot", "migrating_to", "server_migrating_to", "replication_change"].includes(row.status) || row.access_rules_status === "syncing";
const binned = (row) => row.is_soft_deleted;
const there = (row) => row.status === "available" && !binned(row);
const act = (kind, row, body) => ({ method: "POST", path: `/${kind}/${row.id}/action`, body });
const LEVELS = [{ value: "rw", label: T("read and write") }, { value: "ro", label: T("read only") }];
const levelOf = (row) => t(LEVELS.find((one) => one.value === row.access_level)?.label || row.access_level);
const ADDRESS = { name: "access_to", label: T("Address"), required: true, placeholder: "10.0.0.0/24", help: T("An address or a network: 10.0.0.5, 10.0.0.0/24, fd00::/64.") };
const LEVEL = { name: "access_level", label: T("How"), type: "select", required: true, options: LEVELS, default: "rw" };
/** Who may not make a share public does not send that it is none: what is as it was is not sent. */
const edit = (kind, member, noun, rule, fields = []) => ({
  name: "edit", label: T("Edit"), rule, given: (row) => ({ name: row.name || "", description: row.description || "", is_public: row.is_public }), fields: [{ name: "name", label: T("Name"), maxlength: 255 }, { name: "description", label: T("Description"), maxlength: 255 }, ...fields],
  call: (row, v) => ({ method: "PUT", path: `/${kind}/${row.id}`, body: { [member]: changed(row, v) } }),
  command: (row, v) => command(...noun, "set", ...Object.entries(changed(row, v)).map(([key, value]) => [key === "is_public" ? "--public" : `--${key}`, String(value)]), row.id),
});

// ---- where it is mounted from ----

/** How a guest mounts what is given out at a path. */
const mount = (path) => `sudo mount -t nfs -o vers=4.1 ${quoted(path)} /mnt`;

function Places({ row, path, name }) {
  const { value, error } = useAsked(async () => (await asks(path))[name], [path, row.status]);
  return html`<section><h2>${t("Export locations")}</h2>${!value ? (error ? html`<${Fault} error=${error} />` : html`<${Loading} />`) : !value.length ? html`<div class="empty">${t("There is none yet.")}</div>` : html`
    <div class="scroll"><table aria-label=${t("Export locations")}><thead><tr><th scope="col">${t("Path")}</th><th scope="col">${t("In the guest")}</th></tr></thead>
    <tbody>${value.map((one) => html`<tr key=${one.id}><td class="mono">${one.path}${one.preferred && html` <span class="fine">${t("preferred")}</span>`}</td><td><code>${mount(one.path)}</code> <${Copy} value=${mount(one.path)} /></td></tr>`)}</tbody></table></div>`}</section>`;
}
const isShown = (rule) => isAllowed(rule, KIND);

/** Why something failed, as the service says to who asked for it. */
function Failed({ row }) {
  const { value } = useAsked(async () => (isShown("message:get_all") ? (await asks("/messages", { resource_id: row.id, limit: 1 })).messages[0] : null), [row.id, row.status]);
  return value && html`<div class="fault" role="alert">${value.user_message}</div>`;
}
const notice = (row) => /error/.test(row.status) && html`<${Failed} row=${row} />`;

// ---- access rules ----

export const rules = define({
  ...more, name: "share_access_rules", title: T("Access rules"), one: T("access rule"), path: "/share-access-rules", key: "access_list", member: "access", nouns: ["share", "share_access"], rule: "share_access_rule:index", paged: false, page: false, get: null, label: (row) => row.access_to,
  empty: T("Nobody may mount it yet."), busy: (row) => !["active", "error"].includes(row.state),
  columns: [{ title: T("For"), cell: (row) => html`<span class="mono">${row.access_to}</span>`, sort: "access_to" }, { title: T("Kind"), cell: (row) => row.access_type }, { title: T("How"), cell: levelOf }, { title: T("State"), cell: (row) => html`<${State} value=${row.state} busy=${!["active", "error"].includes(row.state)} />` }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true }],
  actions: [
    { name: "level", label: T("Change how"), rule: "share_access_rule:update", when: (row) => row.state === "active", given: (row) => ({ access_level: row.access_level }), fields: [LEVEL],
      call: (row, v) => ({ method: "PUT", path: `/share-access-rules/${row.id}`, body: { update_access: { access_level: v.access_level } } }), command: (row, v) => command("share", "access", "set", ["--access-level", v.access_level], row.id) },
    { name: "deny", label: T("Deny access"), rule: "share:deny_access", danger: true, bulk: true, when: (row) => !["queued_to_deny", "denying"].includes(row.state), confirm: T("Who has it mounted loses it at once."),
      call: (row) => act("shares", { id: row.share_id }, { deny_access: { access_id: row.id } }), command: (row) => command("share", "access", "delete", row.share_id, row.id) },
  ],
});

// ---- shares ----

const snapshotsOf = choices("share_snapshots", { where: (row) => row.status === "available", note: (row) => gib(row.size) });
const inNetworks = new Set(); // the types whose shares are in a share network
const typesOf = async () => (await all("share_types")).map((row) => {
  if (served(row)) inNetworks.add(row.id);
  return { value: row.id, label: row.name, note: served(row) ? t("in a share network") : "" };
});
const shareBody = (v) => without({ share_proto: v.proto, size: v.size, name: v.name, description: v.description, share_type: v.type, share_network_id: v.network, snapshot_id: v.snapshot, is_public: v.public || undefined });

export const shares = define({
  ...more, name: "shares", title: T("Shares"), one: T("share"), path: "/shares", list: "/shares/detail", key: "shares", member: "share", nouns: ["share"], detailNouns: ["share", "share_access", "share_snapshot"], rule: "share:get_all", serverSort: true, sort: { key: "created_at", dir: "desc" }, rules: ["message:get_all", "share_export_location:index"], busy, notice,
  all: { name: "all_tenants", rule: "share:list_all_projects" },
  filters: [{ name: "name~", label: T("Name") }, { name: "status", label: T("Status"), options: ["available", "error", "creating"] }, { name: "is_soft_deleted", label: T("In the recycle bin"), options: ["True"] }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`, sort: "status" }, { title: T("Size"), cell: (row) => gib(row.size), end: true, sort: "size" }, { title: T("Protocol"), cell: (row) => row.share_proto, sort: "share_proto" },
    { title: T("Type"), cell: (row) => row.share_type_name, small: true }, { title: T("Share network"), cell: (row) => html`<${Name} of="share_networks" id=${row.share_network_id} />`, small: true }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" },
  ],
  state: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`,
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Size", gib(row.size)], ["Protocol", row.share_proto], ["Type", row.share_type_name], ["Share network", row.share_network_id && html`<${Name} of="share_networks" id=${row.share_network_id} />`], ["Access rules", html`<${State} value=${row.access_rules_status} busy=${row.access_rules_status === "syncing"} />`], ["Every project sees it", yes(row.is_public)], ["Of the snapshot", row.snapshot_id && html`<${Name} of="share_snapshots" id=${row.snapshot_id} />`], ["Availability zone", row.availability_zone], ["Host", row.host], ["Deleted for good", binned(row) && html`<${Ago} time=${row.scheduled_to_be_deleted_at} />`], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`${isShown("share_export_location:index") && html`<${Places} row=${row} path=${`/shares/${row.id}/export_locations`} name="export_locations" />`}
    ${isShown("share_access_rule:index") && html`<${Within} name="share_access_rules" query=${{ share_id: row.id }} />`}
    ${row.snapshot_support && html`<${Within} name="share_snapshots" query=${{ share_id: row.id }} given=${{ share: row.id }} />`}
    ${Object.keys(row.metadata || {}).length > 0 && html`<h2>${t("Metadata")}</h2><${Facts} facts=${Object.entries(row.metadata)} />`}`,
  create: {
    label: T("Create share"), rule: "share:create",
    fields: [
      { name: "name", label: T("Name"), maxlength: 255 }, { name: "proto", label: T("Protocol"), type: "select", required: true, options: ["NFS"], aliases: ["share_proto", "protocol"] }, { name: "size", label: T("Size (GiB)"), type: "number", min: 1, default: 1, required: true },
      { name: "type", label: T("Type"), type: "select", none: T("the default one"), options: typesOf, aliases: ["share_type"] },
      { name: "network", label: T("Share network"), type: "select", none: T("none: the hosts give it out"), when: (v) => !v.type || inNetworks.has(v.type), options: choices("share_networks"), aliases: ["share_network_id", "share network"], help: T("Types that are in a share network need one; others take none.") },
      { name: "snapshot", label: T("Of the snapshot"), type: "select", none: T("none: it is empty"), options: snapshotsOf, aliases: ["snapshot_id"] },
      { name: "description", label: T("Description"), maxlength: 255 }, { name: "public", label: T("Every project sees it"), type: "checkbox", rule: "share:create_public_share", why: ADMIN, aliases: ["is_public"] },
    ],
    call: (v) => ({ method: "POST", path: "/shares", body: { share: shareBody(v) } }),
    command: (v) => command(S, "create", ["--name", v.name], ["--description", v.description], ["--share-type", v.type], ["--share-network", v.network], ["--snapshot-id", v.snapshot], v.public && ["--public", "True"], v.proto || "NFS", v.size || 1),
    terraform: (v) => terraform("openstack_sharedfilesystem_share_v2", v.name, { name: v.name, description: v.description, share_proto: v.proto, size: v.size, share_type: v.type, share_network_id: v.network, snapshot_id: v.snapshot, is_public: v.public || undefined }),
  },
  actions: [
    { name: "allow", label: T("Allow access"), rule: "share:allow_access", primary: true, when: there, fields: [ADDRESS, LEVEL],
      call: (row, v) => act("shares", row, { allow_access: { access_type: "ip", access_to: v.access_to, access_level: v.access_level } }), command: (row, v) => command(S, "access", "create", ["--access-level", v.access_level], row.id, "ip", v.access_to || "ADDRESS"),
      terraform: (row, v) => terraform("openstack_sharedfilesystem_share_access_v2", row.name, { share_id: row.id, access_type: "ip", access_to: v.access_to, access_level: v.access_level }) },
    { name: "extend", label: T("Extend"), rule: "share:extend", when: there, fields: (row) => [{ name: "new_size", label: T("Size (GiB)"), type: "number", min: row.size + 1, default: row.size + 1, required: true }],
      call: (row, v) => act("shares", row, { extend: { new_size: v.new_size } }), command: (row, v) => command(S, "resize", row.id, v.new_size || "SIZE") },
    { name: "shrink", label: T("Shrink"), rule: "share:shrink", when: (row) => row.size > 1 && !binned(row) && is("available", "shrinking_possible_data_loss_error")(row), intro: T("A share that holds more than it is to have keeps its size."), fields: (row) => [{ name: "new_size", label: T("Size (GiB)"), type: "number", min: 1, max: row.size - 1, default: row.size - 1, required: true }],
      call: (row, v) => act("shares", row, { shrink: { new_size: v.new_size } }), command: (row, v) => command(S, "resize", row.id, v.new_size || "SIZE") },
    { name: "snapshot", label: T("Create snapshot"), rule: "share:create_snapshot", when: (row) => there(row) && row.snapshot_support, open: (row) => create(resources.get("share_snapshots"), { share: row.id, name: `${row.name || "share"}-snapshot` }) },
    edit("shares", "share", [S], "share:update", [{ name: "is_public", label: T("Every project sees it"), type: "checkbox", rule: "share:set_public_share", why: ADMIN }]),
    { name: "reset", label: T("Set its state"), rule: "share:reset_status", fields: [{ name: "status", label: T("State"), type: "select", required: true, options: ["available", "error", "inactive"] }], call: (row, v) => act("shares", row, { reset_status: v }), command: (row, v) => command(S, "set", ["--status", v.status], row.id) },
    { name: "bin", label: T("Into the recycle bin"), rule: "share:soft_delete", bulk: true, when: (row) => !binned(row) && is("available", "error", "inactive")(row) && !row.share_group_id, confirm: T("Nobody mounts it from there; it can be restored for a while, then it is deleted."), call: (row) => act("shares", row, { soft_delete: null }), command: (row) => command(S, "delete", "--soft", row.id) },
    { name: "restore", label: T("Restore"), rule: "share:restore", primary: true, bulk: true, when: binned, call: (row) => act("shares", row, { restore: null }), command: (row) => command(S, "restore", row.id) },
    { name: "delete", label: T("Delete"), rule: "share:delete", danger: true, bulk: true, gone: true, when: is("available", "error", "inactive"), confirm: T("What is on it is lost."), call: (row) => ({ method: "DELETE", path: `/shares/${row.id}${row.share_group_id ? `?share_group_id=${row.share_group_id}` : ""}` }), command: (row) => command(S, "delete", ["--share-group", row.share_group_id], row.id) },
  ],
  command: (row) => [command(S, "show", row.id), command(S, "export", "location", "list", row.id), command(S, "access", "list", row.id)],
  terraform: (row) => terraform("openstack_sharedfilesystem_share_v2", called(row), { name: row.name, description: row.description, share_proto: row.share_proto, size: row.size, share_type: row.share_type_name, share_network_id: row.share_network_id }),
});

// ---- snapshots ----

const rulesOf = async (row) => (await asks(`/snapshots/${row.id}/access-list`)).snapshot_access_list;
/** A snapshot with what its share lets be done with it; and who may mount it, where anybody may. */
async function whole(one) {
  const row = (await asks(`/snapshots/${one}`)).snapshot;
  row.share = (await asks(`/shares/${row.share_id}`)).share;
  if (row.share.mount_snapshot_support && isShown("share_snapshot:access_list")) row.access = await rulesOf(row);
  return row;
}
const mountable = (row) => row.status === "available" && Boolean(row.access);
const waits = (row) => (row.access || []).some((one) => !["active", "error"].includes(one.state));

export const snapshots = define({
  ...more, name: "share_snapshots", title: T("Share snapshots"), one: T("share snapshot"), path: "/snapshots", list: "/snapshots/detail", key: "snapshots", member: "snapshot", nouns: ["share_snapshot", "snapshot"], detailNouns: ["share_snapshot", "snapshot"], rule: "share_snapshot:get_all_snapshots", serverSort: true, sort: { key: "created_at", dir: "desc" }, rules: ["share_snapshot:access_list", "share_snapshot_export_location:index"], get: whole, busy: (row) => busy(row) || waits(row), notice,
  all: { name: "all_tenants", rule: "share_snapshot:list_all_projects" },
  filters: [{ name: "name~", label: T("Name") }, { name: "status", label: T("Status"), options: ["available", "error", "creating"] }],
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`, sort: "status" }, { title: T("Size"), cell: (row) => gib(row.size), end: true, sort: "size" }, { title: T("Share"), cell: (row) => html`<${Name} of="shares" id=${row.share_id} />` }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" }],
  state: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`,
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Size", gib(row.size)], ["Share", html`<${Name} of="shares" id=${row.share_id} />`], ["Protocol", row.share_proto], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => row.access && html`${isShown("share_snapshot_export_location:index") && html`<${Places} row=${row} path=${`/snapshots/${row.id}/export-locations`} name="share_snapshot_export_locations" />`}
    <h2>${t("Access rules")}</h2>${row.access.length ? html`<div class="scroll"><table aria-label=${t("Access rules")}><tbody>${row.access.map((one) => html`<tr key=${one.id}><td class="mono">${one.access_to}</td><td>${one.access_type}</td><td><${State} value=${one.state} busy=${!["active", "error"].includes(one.state)} /></td></tr>`)}</tbody></table></div>` : html`<div class="empty">${t("Nobody may mount it yet.")}</div>`}`,
  create: {
    label: T("Create snapshot"), rule: "share:create_snapshot",
    fields: [{ name: "share", label: T("Share"), type: "select", required: true, options: choices("shares", { where: (row) => row.status === "available" && row.snapshot_support }), aliases: ["share_id"] }, { name: "name", label: T("Name"), maxlength: 255 }, { name: "description", label: T("Description"), maxlength: 255 }],
    call: (v) => ({ method: "POST", path: "/snapshots", body: { snapshot: without({ share_id: v.share, name: v.name, description: v.description }) } }),
    command: (v) => command(S, "snapshot", "create", ["--name", v.name], ["--description", v.description], v.share || "SHARE"),
  },
  actions: [
    { name: "share", label: T("Create a share of it"), rule: "share:create", primary: true, when: (row) => row.status === "available" && row.share?.create_share_from_snapshot_support !== false, open: (row) => create(resources.get("shares"), { snapshot: row.id, size: row.size, name: `${row.name || "share"}-copy`, network: row.share?.share_network_id || "", type: row.share?.share_type || "" }) },
    { name: "allow", label: T("Allow access"), rule: "share_snapshot:allow_access", when: mountable, intro: T("A snapshot is mounted to be read only."), fields: [ADDRESS], call: (row, v) => act("snapshots", row, { allow_access: { access_type: "ip", access_to: v.access_to } }), command: (row, v) => command(S, "snapshot", "access", "create", row.id, "ip", v.access_to || "ADDRESS") },
    { name: "deny", label: T("Deny access"), rule: "share_snapshot:deny_access", when: (row) => mountable(row) && row.access.length > 0, fields: (row) => [{ name: "access", label: T("For"), type: "select", required: true, options: row.access.map((one) => ({ value: one.id, label: one.access_to })) }],
      call: (row, v) => act("snapshots", row, { deny_access: { access_id: v.access } }), command: (row, v) => command(S, "snapshot", "access", "delete", row.id, v.access || "ACCESS") },
    { name: "revert", label: T("Set the share back to it"), rule: "share:revert_to_snapshot", danger: true, when: (row) => row.status === "available" && row.share?.revert_to_snapshot_support !== false, confirm: T("What was written to the share since is lost. It has to be its newest snapshot."), call: (row) => act("shares", { id: row.share_id }, { revert: { snapshot_id: row.id } }), command: (row) => command(S, "revert", row.id) },
    edit("snapshots", "snapshot", [S, "snapshot"], "share:snapshot_update"),
    { name: "delete", label: T("Delete"), rule: "share:delete_snapshot", danger: true, bulk: true, gone: true, when: is("available", "error"), call: (row) => ({ method: "DELETE", path: `/snapshots/${row.id}` }), command: (row) => command(S, "snapshot", "delete", row.id) },
  ],
  command: (row) => [command(S, "snapshot", "show", row.id), ...(row.access ? [command(S, "snapshot", "access", "list", row.id)] : [])],
});
