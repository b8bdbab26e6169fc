// Volumes, their snapshots, backups and types.
import { define, choices, Name, Soon, create, resources } from "../resource.js";
import { T, t, gib } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { api, serves } from "../api.js";
import { State, Ago, Facts } from "../ui.js";
import { html, without } from "../lib.js";

const yes = (value) => (value === true || value === "true" || value === "True" ? t("yes") : t("no"));
const is = (...states) => (row) => states.includes(row.status);
const more = { service: "block-storage", serverSort: true, sortQuery: (sort, dir) => ({ sort: `${sort}:${dir || "asc"}` }) };
const act = (path, name, label, rule, fields, body, at, words) => ({
  name, label, rule, fields, when: at, call: (row, values) => ({ method: "POST", path: `${path}/${row.id}/action`, body: body(values, row) }), command: (row, values) => command(...words(row, values)),
});
const drop = (path, words, rule, at, text) => ({ name: "delete", label: T("Delete"), rule, danger: true, bulk: true, gone: true, confirm: text, when: at, call: (row) => ({ method: "DELETE", path: `${path}/${row.id}` }), command: (row) => command(...words, "delete", row.id) });
const edit = (path, member, words, rule) => ({
  name: "edit", label: T("Edit"), rule, given: (row) => ({ name: row.name || "", description: row.description || "" }), fields: [{ name: "name", label: T("Name") }, { name: "description", label: T("Description") }],
  call: (row, values) => ({ method: "PUT", path: `${path}/${row.id}`, body: { [member]: values } }), command: (row, values) => command(...words, "set", ["--name", values.name], ["--description", values.description], row.id),
});
const types = choices("volume_types");
const busy = (row) => /ing$/.test(row.status) && row.status !== "maintenance";
const V = "/volumes";

export const volumes = define({
  ...more, name: "volumes", title: T("Volumes"), one: T("volume"), path: V, list: "/volumes/detail", key: "volumes", member: "volume", nouns: ["volume"], rule: "volume:get_all", sort: { key: "created_at", dir: "desc" },
  all: { name: "all_tenants", rule: "volume_extension:volume_tenant_attribute" },
  filters: [{ name: "name", label: T("Name") }, { name: "status", label: T("Status"), options: ["available", "in-use", "error", "creating"] }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`, sort: "status" }, { title: T("Size"), cell: (row) => gib(row.size), end: true, sort: "size" },
    { title: T("Attached to"), cell: (row) => html`${row.attachments.map((one) => html`<div><${Name} of="servers" id=${one.server_id} /> <span class="mono fine">${one.device}</span></div>`)}` },
    { title: T("Type"), cell: (row) => row.volume_type, small: true }, { title: T("Bootable"), cell: (row) => yes(row.bootable), small: true }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" },
  ],
  busy, state: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Size", gib(row.size)], ["Type", row.volume_type], ["Attached to", row.attachments.length ? html`${row.attachments.map((one) => html`<${Name} of="servers" id=${one.server_id} /> ${one.device} `)}` : t("nothing")], ["Bootable", yes(row.bootable)], ["Encrypted", yes(row.encrypted)], ["Several instances may use it", yes(row.multiattach)], ["Of the snapshot", row.snapshot_id && html`<${Name} of="snapshots" id=${row.snapshot_id} />`], ["Of the volume", row.source_volid && html`<${Name} of="volumes" id=${row.source_volid} />`], ["Image", row.volume_image_metadata?.image_name], ["Availability zone", row.availability_zone], ["Host", row["os-vol-host-attr:host"]], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => Object.keys(row.metadata || {}).length > 0 && html`<h2>${t("Metadata")}</h2><${Facts} facts=${Object.entries(row.metadata)} />`,
  parts: [{ name: "charts", title: T("Charts"), when: () => serves("metric"), show: (row) => html`<${Soon} load=${() => import("../charts.js").then((found) => found.Charts)} of="volume" row=${row} />` }],
  create: {
    label: T("Create volume"), rule: "volume:create",
    fields: [
      { name: "name", label: T("Name") }, { name: "source", label: T("Of"), type: "radio", default: "none", options: [{ value: "none", label: T("nothing: it is empty") }, { value: "image", label: T("an image") }, { value: "snapshot", label: T("a snapshot") }, { value: "volume", label: T("another volume") }, { value: "backup", label: T("a backup") }] },
      { name: "image", label: T("Image"), type: "select", required: true, when: (v) => v.source === "image", options: choices("images", { where: (row) => row.status === "active" }), aliases: ["imageRef"] },
      { name: "snapshot", label: T("Volume snapshot"), type: "select", required: true, when: (v) => v.source === "snapshot", options: choices("snapshots", { note: (row) => gib(row.size) }), aliases: ["snapshot_id"] },
      { name: "volume", label: T("Volume"), type: "select", required: true, when: (v) => v.source === "volume", options: choices("volumes", { note: (row) => gib(row.size) }), aliases: ["source_volid"] },
      { name: "backup", label: T("Backup"), type: "select", required: true, when: (v) => v.source === "backup", options: choices("backups", { note: (row) => gib(row.size) }), aliases: ["backup_id"] },
      { name: "size", label: T("Size (GiB)"), type: "number", min: 1, default: 1, required: true }, { name: "type", label: T("Type"), type: "select", none: T("the default one"), options: types, aliases: ["volume_type"] }, { name: "description", label: T("Description") },
    ],
    call: (v) => ({ method: "POST", path: V, body: { volume: without({ name: v.name, size: v.size, description: v.description, volume_type: v.type, imageRef: v.source === "image" ? v.image : undefined, snapshot_id: v.source === "snapshot" ? v.snapshot : undefined, source_volid: v.source === "volume" ? v.volume : undefined, backup_id: v.source === "backup" ? v.backup : undefined }) } }),
    command: (v) => command("volume", "create", ["--size", v.size], ["--type", v.type], v.source === "image" && ["--image", v.image], v.source === "snapshot" && ["--snapshot", v.snapshot], v.source === "volume" && ["--source", v.volume], v.source === "backup" && ["--backup", v.backup], v.name || "NAME"),
    terraform: (v) => terraform("openstack_blockstorage_volume_v3", v.name, { name: v.name, size: v.size, volume_type: v.type, image_id: v.source === "image" ? v.image : undefined, snapshot_id: v.source === "snapshot" ? v.snapshot : undefined, source_vol_id: v.source === "volume" ? v.volume : undefined }),
  },
  actions: [
    { name: "attach", label: T("Attach"), rule: "compute|os_compute_api:os-volumes-attachments:create", primary: true, when: (row) => row.status === "available" || (row.multiattach && row.status === "in-use"), fields: [{ name: "server", label: T("Instance"), type: "select", required: true, options: choices("servers", { note: (row) => t(row.status) }) }],
      call: (row, v) => ({ service: "compute", method: "POST", path: `/servers/${v.server}/os-volume_attachments`, body: { volumeAttachment: { volumeId: row.id } } }), command: (row, v) => command("server", "add", "volume", v.server || "SERVER", row.id), terraform: (row, v) => terraform("openstack_compute_volume_attach_v2", row.name, { instance_id: v.server, volume_id: row.id }) },
    { name: "detach", label: T("Detach"), rule: "compute|os_compute_api:os-volumes-attachments:delete", primary: true, bulk: true, when: (row) => row.status === "in-use" && row.attachments.length === 1, confirm: T("Unmount it in the guest first."), call: (row) => ({ service: "compute", method: "DELETE", path: `/servers/${row.attachments[0].server_id}/os-volume_attachments/${row.id}` }), command: (row) => command("server", "remove", "volume", row.attachments[0].server_id, row.id) },
    { name: "launch", label: T("Launch"), rule: "compute|os_compute_api:servers:create", when: (row) => row.status === "available" && row.bootable === "true", open: (row) => create(resources.get("servers"), { source: "volume", volume: row.id }) },
    { name: "snapshot", label: T("Create snapshot"), rule: "volume:create_snapshot", when: is("available", "in-use"), open: (row) => create(resources.get("snapshots"), { volume: row.id, name: `${row.name || "volume"}-snapshot` }) },
    { name: "backup", label: T("Create backup"), rule: "backup:create", when: is("available", "in-use"), open: (row) => create(resources.get("backups"), { volume: row.id, name: `${row.name || "volume"}-backup` }) },
    act(V, "extend", T("Extend"), "volume:extend", (row) => [{ name: "new_size", label: T("Size (GiB)"), type: "number", min: row.size + 1, default: row.size + 1, required: true }], (v) => ({ "os-extend": { new_size: v.new_size } }), is("available", "in-use"), (row, v) => ["volume", "set", ["--size", v.new_size], row.id]),
    act(V, "retype", T("Change type"), "volume:retype", [{ name: "new_type", label: T("Type"), type: "select", required: true, options: choices("volume_types", { value: (row) => row.name }) }, { name: "policy", label: T("It may move"), type: "checkbox" }], (v) => ({ "os-retype": { new_type: v.new_type, migration_policy: v.policy ? "on-demand" : "never" } }), is("available", "in-use"), (row, v) => ["volume", "set", ["--type", v.new_type], ["--retype-policy", v.policy ? "on-demand" : "never"], row.id]),
    act(V, "image", T("Upload as an image"), "volume_extension:volume_actions:upload_image", [{ name: "image_name", label: T("Name"), required: true }, { name: "disk_format", label: T("Format"), type: "select", required: true, default: "qcow2", options: ["qcow2", "raw", "vmdk", "vdi"] }], (v, row) => ({ "os-volume_upload_image": { ...v, container_format: "bare", force: row.status === "in-use" } }), is("available", "in-use"), (row, v) => ["image", "create", ["--volume", row.id], ["--disk-format", v.disk_format], v.image_name || "NAME"]),
    act(V, "bootable", T("Set bootable"), "volume:update", [{ name: "bootable", label: T("Bootable"), type: "checkbox" }], (v) => ({ "os-set_bootable": { bootable: v.bootable } }), null, (row, v) => ["volume", "set", v.bootable ? "--bootable" : "--non-bootable", row.id]),
    { name: "transfer", label: T("Give to another project"), rule: "volume:create_transfer", when: is("available"), fields: [{ name: "name", label: T("Name of the transfer"), default: "transfer" }], call: (row, v) => ({ method: "POST", path: "/volume-transfers", body: { transfer: { volume_id: row.id, name: v.name } } }), command: (row, v) => command("volume", "transfer", "request", "create", ["--name", v.name], row.id),
      done: async (made) => { const { reveal } = await import("../ui.js"); await reveal({ title: t("Transfer"), text: t("The other project accepts it with these two; they are shown only now."), value: `ID: ${made.transfer.id}\nKey: ${made.transfer.auth_key}` }); } },
    edit(V, "volume", ["volume"], "volume:update"),
    act(V, "reset", T("Set its state"), "volume_extension:volume_admin_actions:reset_status", [{ name: "status", label: T("State"), type: "select", required: true, options: ["available", "in-use", "error"] }], (v) => ({ "os-reset_status": { status: v.status } }), null, (row, v) => ["volume", "set", ["--state", v.status], row.id]),
    drop(V, ["volume"], "volume:delete", is("available", "error", "error_restoring", "error_extending"), T("What is on it is lost.")),
  ],
  command: (row) => command("volume", "show", row.id), terraform: (row) => terraform("openstack_blockstorage_volume_v3", row.name, { name: row.name, size: row.size, volume_type: row.volume_type }),
});

export const snapshots = define({
  ...more, name: "snapshots", title: T("Volume snapshots"), one: T("volume snapshot"), path: "/snapshots", list: "/snapshots/detail", key: "snapshots", member: "snapshot", nouns: ["snapshot"], rule: "volume:get_all_snapshots",
  filters: [{ name: "name", label: T("Name") }, { name: "status", label: T("Status"), options: ["available", "error", "creating"] }],
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />` }, { title: T("Size"), cell: (row) => gib(row.size), end: true }, { title: T("Volume"), cell: (row) => html`<${Name} of="volumes" id=${row.volume_id} />` }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" }],
  busy, state: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Size", gib(row.size)], ["Volume", html`<${Name} of="volumes" id=${row.volume_id} />`], ["Created", html`<${Ago} time=${row.created_at} />`]],
  create: {
    label: T("Create snapshot"), rule: "volume:create_snapshot", fields: [{ name: "volume", label: T("Volume"), type: "select", required: true, options: choices("volumes", { where: (row) => ["available", "in-use"].includes(row.status) }), aliases: ["volume_id"] }, { name: "name", label: T("Name") }, { name: "description", label: T("Description") }],
    call: (v) => ({ method: "POST", path: "/snapshots", body: { snapshot: without({ volume_id: v.volume, name: v.name, description: v.description }) } }), command: (v) => command("volume", "snapshot", "create", ["--volume", v.volume], v.name || "NAME"), terraform: (v) => terraform("openstack_blockstorage_snapshot_v3", v.name, { volume_id: v.volume, name: v.name }),
  },
  actions: [
    { name: "volume", label: T("Create a volume of it"), rule: "volume:create", primary: true, when: is("available"), open: (row) => create(resources.get("volumes"), { source: "snapshot", snapshot: row.id, size: row.size, name: `${row.name || "volume"}-copy` }) },
    { name: "revert", label: T("Set the volume back to it"), rule: "volume:revert_to_snapshot", when: is("available"), danger: true, confirm: T("What was written to the volume since is lost. It has to be its newest snapshot."),
      call: (row) => ({ method: "POST", path: `/volumes/${row.volume_id}/action`, body: { revert: { snapshot_id: row.id } } }), command: (row) => command("volume", "revert", row.id) },
    edit("/snapshots", "snapshot", ["volume", "snapshot"], "volume:update_snapshot"), drop("/snapshots", ["volume", "snapshot"], "volume:delete_snapshot", is("available", "error")),
  ],
  command: (row) => command("volume", "snapshot", "show", row.id),
});
export const backups = define({
  ...more, name: "backups", title: T("Backups"), one: T("backup"), path: "/backups", list: "/backups/detail", key: "backups", member: "backup", nouns: ["backup"], rule: "backup:get_all",
  filters: [{ name: "name", label: T("Name") }, { name: "status", label: T("Status"), options: ["available", "error", "creating", "restoring"] }],
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />` }, { title: T("Size"), cell: (row) => gib(row.size), end: true }, { title: T("Volume"), cell: (row) => html`<${Name} of="volumes" id=${row.volume_id} />` }, { title: T("Incremental"), cell: (row) => yes(row.is_incremental), small: true }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" }],
  busy, state: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Size", gib(row.size)], ["Volume", html`<${Name} of="volumes" id=${row.volume_id} />`], ["Incremental", yes(row.is_incremental)], ["Others build on it", yes(row.has_dependent_backups)], ["Container", row.container], ["Why it failed", row.fail_reason], ["Created", html`<${Ago} time=${row.created_at} />`]],
  create: {
    label: T("Create backup"), rule: "backup:create", fields: [{ name: "volume", label: T("Volume"), type: "select", required: true, options: choices("volumes", { where: (row) => ["available", "in-use"].includes(row.status) }), aliases: ["volume_id"] }, { name: "name", label: T("Name") }, { name: "incremental", label: T("Only what changed since the last one"), type: "checkbox" }, { name: "description", label: T("Description") }],
    call: (v) => ({ method: "POST", path: "/backups", body: { backup: without({ volume_id: v.volume, name: v.name, description: v.description, incremental: v.incremental || undefined, force: true }) } }), command: (v) => command("volume", "backup", "create", ["--name", v.name], v.incremental && "--incremental", "--force", v.volume || "VOLUME"),
  },
  actions: [
    { name: "restore", label: T("Restore"), rule: "backup:restore", primary: true, when: is("available"), fields: [{ name: "volume", label: T("Into"), type: "select", none: T("a new volume"), options: choices("volumes", { where: (row) => row.status === "available" }), aliases: ["volume_id"], help: T("What is on the volume is replaced.") }, { name: "name", label: T("Name of the new volume"), when: (v) => !v.volume }],
      call: (row, v) => ({ method: "POST", path: `/backups/${row.id}/restore`, body: { restore: without({ volume_id: v.volume, name: v.volume ? undefined : v.name }) } }), command: (row, v) => command("volume", "backup", "restore", row.id, v.volume || v.name) },
    drop("/backups", ["volume", "backup"], "backup:delete", is("available", "error")),
  ],
  command: (row) => command("volume", "backup", "show", row.id),
});

// ---- types ----

const encrypted = (row) => api({ service: "block-storage", path: `/types/${row.id}/encryption` });
/** Actions of a volume type: how its volumes are encrypted. */
const encryption = [
  { name: "encrypt", label: T("Encrypt its volumes"), rule: "volume_extension:volume_type_encryption:create",
    fields: [{ name: "provider", label: T("Format"), type: "select", required: true, options: ["luks"] }, { name: "cipher", label: T("Cipher"), default: "aes-xts-plain64" }, { name: "key_size", label: T("Bits of the key"), type: "number", default: 256 }],
    intro: T("For a type without volumes. Keys are sealed with the cloud's own key."),
    call: (row, v) => ({ method: "POST", path: `/types/${row.id}/encryption`, body: { encryption: without({ provider: v.provider, cipher: v.cipher, key_size: v.key_size || undefined, control_location: "front-end" }) } }),
    command: (row, v) => command("volume", "type", "set", ["--encryption-provider", v.provider], ["--encryption-cipher", v.cipher], ["--encryption-key-size", v.key_size], ["--encryption-control-location", "front-end"], row.id) },
  { name: "plain", label: T("Encrypt no longer"), rule: "volume_extension:volume_type_encryption:delete", confirm: T("For a type without volumes."),
    send: async (row) => api({ service: "block-storage", method: "DELETE", path: `/types/${row.id}/encryption/${(await encrypted(row)).encryption_id || "provider"}` }),
    call: (row) => ({ method: "DELETE", path: `/types/${row.id}/encryption/ENCRYPTION_ID` }), command: (row) => command("volume", "type", "unset", "--encryption-type", row.id) },
];

export const volumeTypes = define({
  ...more, name: "volume_types", title: T("Volume types"), one: T("volume type"), path: "/types", key: "volume_types", member: "volume_type", nouns: ["volume_type", "type"], rule: "volume_extension:type_get_all", paged: true, serverSort: false,
  query: { is_public: "None" },
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Public"), cell: (row) => yes(row["os-volume-type-access:is_public"] ?? row.is_public) }, { title: T("Description"), cell: (row) => row.description, small: true }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Public", yes(row["os-volume-type-access:is_public"] ?? row.is_public)], ["Description", row.description], ["QoS specs", row.qos_specs_id]],
  below: (row) => Object.keys(row.extra_specs || {}).length > 0 && html`<h2>${t("Extra specs")}</h2><${Facts} facts=${Object.entries(row.extra_specs)} />`,
  create: {
    label: T("Create volume type"), rule: "volume_extension:type_create", fields: [{ name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") }, { name: "public", label: T("Every project may use it"), type: "checkbox", default: true }, { name: "specs", label: T("Extra specs"), type: "pairs" }],
    call: (v) => ({ method: "POST", path: "/types", body: { volume_type: { name: v.name, description: v.description || null, "os-volume-type-access:is_public": v.public, extra_specs: Object.fromEntries((v.specs || []).filter(([key]) => key)) } } }), command: (v) => command("volume", "type", "create", v.public ? "--public" : "--private", ["--description", v.description], (v.specs || []).map(([key, value]) => ["--property", `${key}=${value}`]), v.name), terraform: (v) => terraform("openstack_blockstorage_volume_type_v3", v.name, { name: v.name, is_public: v.public }),
  },
  actions: [...encryption, drop("/types", ["volume", "type"], "volume_extension:type_delete")],
  command: (row) => command("volume", "type", "show", row.id),
});
