// Volumes that are looked after together: groups, their snapshots and types; and what holds volumes to limits.
import { define, choices, Name, Within } from "../resource.js";
import { T, t } from "../i18n.js";
import { command } from "../commands.js";
import { api } from "../api.js";
import { State, Ago, Facts } from "../ui.js";
import { html, without } from "../lib.js";

const more = { service: "block-storage" };
const yes = (value) => (value ? t("yes") : t("no"));
const pairs = (found) => Object.fromEntries((found || []).filter(([key]) => key));
const id = (row) => html`<code>${row.id}</code>`;
const busy = (row) => /ing$/.test(row.status);

export const volumeGroups = define({
  ...more, name: "volume_groups", title: T("Volume groups"), one: T("volume group"), path: "/groups", list: "/groups/detail", key: "groups", member: "group", nouns: ["group", "volume_group"], rule: "group:get_all", busy,
  get: async (id) => (await api({ service: "block-storage", path: `/groups/${id}`, query: { list_volume: "True" } })).group,
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />` }, { title: T("Group type"), cell: (row) => html`<${Name} of="group_types" id=${row.group_type} />` }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true }],
  state: (row) => html`<${State} value=${row.status} busy=${busy(row)} />`,
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Group type", html`<${Name} of="group_types" id=${row.group_type} />`], ["Availability zone", row.availability_zone], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`<${Within} key=${(row.volumes || []).join()} name="volumes" query=${{ group_id: row.id }} />`,
  create: {
    label: T("Create volume group"), rule: "group:create",
    fields: [{ name: "name", label: T("Name") }, { name: "description", label: T("Description") }, { name: "group_type", label: T("Group type"), type: "select", required: true, options: choices("group_types") }, { name: "volume_types", label: T("Volume types"), type: "checks", required: true, options: choices("volume_types") }],
    call: (v) => ({ method: "POST", path: "/groups", body: { group: without({ name: v.name, description: v.description, group_type: v.group_type, volume_types: v.volume_types }) } }),
    command: (v) => command("volume", "group", "create", ["--volume-group-type", v.group_type], (v.volume_types || []).map((one) => ["--volume-type", one]), ["--name", v.name], ["--description", v.description]),
  },
  actions: [
    { name: "volumes", label: T("Change its volumes"), rule: "group:update", when: (row) => row.status === "available",
      fields: (row) => [{ name: "add", label: T("Add"), type: "checks", options: choices("volumes", { where: (one) => !one.group_id && row.volume_types.includes(one.volume_type_id) }) }, { name: "remove", label: T("Remove"), type: "checks", options: choices("volumes", { query: { group_id: row.id } }) }],
      call: (row, v) => ({ method: "PUT", path: `/groups/${row.id}`, body: { group: without({ add_volumes: v.add?.join(","), remove_volumes: v.remove?.join(",") }) } }),
      command: (row, v) => [...(v.add || []).map((one) => command("volume", "group", "add", "volume", row.id, one)), ...(v.remove || []).map((one) => command("volume", "group", "remove", "volume", row.id, one))] },
    { name: "snapshot", label: T("Create snapshot"), rule: "group:create_group_snapshot", when: (row) => row.status === "available", fields: [{ name: "name", label: T("Name") }],
      call: (row, v) => ({ method: "POST", path: "/group_snapshots", body: { group_snapshot: without({ group_id: row.id, name: v.name }) } }), command: (row, v) => command("volume", "group", "snapshot", "create", ["--name", v.name], row.id) },
    { name: "delete", label: T("Delete"), rule: "group:delete", danger: true, gone: true, fields: [{ name: "volumes", label: T("Its volumes with it"), type: "checkbox", help: T("A group that has volumes goes only with them.") }],
      call: (row, v) => ({ method: "POST", path: `/groups/${row.id}/action`, body: { delete: { "delete-volumes": Boolean(v.volumes) } } }), command: (row, v) => command("volume", "group", "delete", v.volumes && "--force", row.id) },
  ],
  command: (row) => command("volume", "group", "show", row.id),
});

export const groupSnapshots = define({
  ...more, name: "group_snapshots", title: T("Group snapshots"), one: T("group snapshot"), path: "/group_snapshots", list: "/group_snapshots/detail", key: "group_snapshots", member: "group_snapshot", nouns: ["group_snapshot"], rule: "group:get_all_group_snapshots", busy,
  columns: [{ title: T("Name"), cell: (row) => row.name || row.id, sort: "name" }, { title: T("Status"), cell: (row) => html`<${State} value=${row.status} busy=${busy(row)} />` }, { title: T("Volume group"), cell: (row) => html`<${Name} of="volume_groups" id=${row.group_id} />` }, { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true }],
  facts: (row) => [["ID", id(row)], ["Description", row.description], ["Volume group", html`<${Name} of="volume_groups" id=${row.group_id} />`]],
  actions: [
    { name: "group", label: T("Create a group of it"), rule: "group:create", when: (row) => row.status === "available", fields: [{ name: "name", label: T("Name") }],
      call: (row, v) => ({ method: "POST", path: "/groups/action", body: { "create-from-src": without({ group_snapshot_id: row.id, name: v.name }) } }), command: (row, v) => command("volume", "group", "create", ["--group-snapshot", row.id], ["--name", v.name]) },
    { name: "delete", label: T("Delete"), rule: "group:delete_group_snapshot", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/group_snapshots/${row.id}` }), command: (row) => command("volume", "group", "snapshot", "delete", row.id) },
  ],
  command: (row) => command("volume", "group", "snapshot", "show", row.id),
});

export const groupTypes = define({
  ...more, name: "group_types", title: T("Group types"), one: T("group type"), path: "/group_types", key: "group_types", member: "group_type", nouns: ["group_type"], rule: "group:access_group_types_specs", paged: false,
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Public"), cell: (row) => yes(row.is_public) }, { title: T("Description"), cell: (row) => row.description, small: true }],
  facts: (row) => [["ID", id(row)], ["Public", yes(row.is_public)], ["Description", row.description]],
  below: (row) => Object.keys(row.group_specs || {}).length > 0 && html`<h2>${t("Specs")}</h2><${Facts} facts=${Object.entries(row.group_specs)} />`,
  create: {
    label: T("Create group type"), rule: "group:group_types:create",
    fields: [{ name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") }, { name: "public", label: T("Every project may use it"), type: "checkbox", default: true }, { name: "specs", label: T("Specs"), type: "pairs", help: T("consistent_group_snapshot_enabled = <is> True: its snapshots are of one moment.") }],
    call: (v) => ({ method: "POST", path: "/group_types", body: { group_type: { name: v.name, description: v.description || null, is_public: v.public, group_specs: pairs(v.specs) } } }),
    command: (v) => command("volume", "group", "type", "create", ["--description", v.description], v.public ? "--public" : "--private", v.name || "NAME"),
  },
  actions: [{ name: "delete", label: T("Delete"), rule: "group:group_types:delete", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/group_types/${row.id}` }), command: (row) => command("volume", "group", "type", "delete", row.id) }],
  command: (row) => command("volume", "group", "type", "show", row.id),
});

export const qosSpecs = define({
  ...more, name: "qos_specs", title: T("QoS specs of volumes"), one: T("QoS specs"), path: "/qos-specs", key: "qos_specs", member: "qos_specs", nouns: ["qos_specs"], rule: "volume_extension:qos_specs_manage:get_all", paged: false,
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Held by"), cell: (row) => row.consumer }, { title: T("Specs"), cell: (row) => Object.entries(row.specs).map(([key, value]) => `${key}=${value}`).join(", "), mono: true }],
  facts: (row) => [["ID", id(row)], ["Held by", row.consumer]],
  below: (row) => html`<h2>${t("Specs")}</h2><${Facts} facts=${Object.entries(row.specs)} />`,
  create: {
    label: T("Create QoS specs"), rule: "volume_extension:qos_specs_manage:create",
    fields: [{ name: "name", label: T("Name"), required: true }, { name: "consumer", label: T("Held by"), type: "select", required: true, options: ["back-end", "front-end", "both"] }, { name: "specs", label: T("Specs"), type: "pairs", help: T("total_iops_sec, read_bytes_sec and so on.") }],
    call: (v) => ({ method: "POST", path: "/qos-specs", body: { qos_specs: { name: v.name, consumer: v.consumer, ...pairs(v.specs) } } }),
    command: (v) => command("volume", "qos", "create", ["--consumer", v.consumer], (v.specs || []).map(([key, value]) => ["--property", `${key}=${value}`]), v.name || "NAME"),
  },
  actions: [
    { name: "set", label: T("Set specs"), rule: "volume_extension:qos_specs_manage:update", fields: [{ name: "specs", label: T("Specs"), type: "pairs", required: true }],
      call: (row, v) => ({ method: "PUT", path: `/qos-specs/${row.id}`, body: { qos_specs: pairs(v.specs) } }), command: (row, v) => command("volume", "qos", "set", (v.specs || []).map(([key, value]) => ["--property", `${key}=${value}`]), row.id) },
    { name: "associate", label: T("Give it to a volume type"), rule: "volume_extension:qos_specs_manage:update", fields: [{ name: "type", label: T("Volume type"), type: "select", required: true, options: choices("volume_types") }],
      call: (row, v) => ({ method: "GET", path: `/qos-specs/${row.id}/associate?vol_type_id=${v.type}` }), command: (row, v) => command("volume", "qos", "associate", row.id, v.type) },
    { name: "free", label: T("Take it from all types"), rule: "volume_extension:qos_specs_manage:update", confirm: T("Volumes that are attached later are not held to it."), call: (row) => ({ method: "GET", path: `/qos-specs/${row.id}/disassociate_all` }), command: (row) => command("volume", "qos", "disassociate", "--all", row.id) },
    { name: "delete", label: T("Delete"), rule: "volume_extension:qos_specs_manage:delete", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `/qos-specs/${row.id}` }), command: (row) => command("volume", "qos", "delete", row.id) },
  ],
  command: (row) => command("volume", "qos", "show", row.id),
});
