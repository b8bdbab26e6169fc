// Flavors: what servers may be made of.
import { define } from "../resource.js";
import { T, t, mib, gib } from "../i18n.js";
import { called, command, terraform } from "../commands.js";
import { Facts } from "../ui.js";
import { html } from "../lib.js";

const A = "os_compute_api:os-flavor-manage";
const E = "os_compute_api:os-flavor-extra-specs";
const pairs = (text) => Object.fromEntries((text || []).filter(([key]) => key));
const flags = (specs) => Object.entries(specs).map(([key, value]) => ["--property", `${key}=${value}`]);

export const flavors = define({
  name: "flavors", title: T("Flavors"), one: T("flavor"),
  service: "compute", path: "/flavors", list: "/flavors/detail", key: "flavors", member: "flavor", nouns: ["flavor"],
  query: { is_public: "none" }, serverSort: false,
  filters: [{ name: "name", label: T("Name"), here: true }],
  columns: [
    { title: T("Name"), cell: (row) => row.name, sort: "name" },
    { title: T("vCPUs"), cell: (row) => row.vcpus, sort: "vcpus", end: true },
    { title: T("Memory"), cell: (row) => mib(row.ram), sort: "ram", end: true },
    { title: T("Disk"), cell: (row) => gib(row.disk), sort: "disk", end: true },
    { title: T("Ephemeral disk"), cell: (row) => gib(row["OS-FLV-EXT-DATA:ephemeral"]), small: true, end: true },
    { title: T("Public"), cell: (row) => (row["os-flavor-access:is_public"] ? t("yes") : t("no")), small: true },
  ],
  facts: (row) => [["Name", row.name], ["ID", html`<code>${row.id}</code>`], ["vCPUs", row.vcpus], ["Memory", mib(row.ram)], ["Disk", gib(row.disk)],
    ["Ephemeral disk", gib(row["OS-FLV-EXT-DATA:ephemeral"])], ["Swap", mib(row.swap || 0)], ["Public", row["os-flavor-access:is_public"] ? t("yes") : t("no")], ["Description", row.description]],
  below: (row) => html`<h2>${t("Extra specs")}</h2>${Object.keys(row.extra_specs || {}).length ? html`<${Facts} facts=${Object.entries(row.extra_specs)} />` : html`<p class="fine">${t("There is none.")}</p>`}`,
  create: {
    label: T("Create flavor"), rule: `${A}:create`,
    fields: [
      { name: "name", label: T("Name"), required: true, maxlength: 255 },
      { name: "vcpus", label: T("vCPUs"), type: "number", min: 1, default: 1, required: true },
      { name: "ram", label: T("Memory (MiB)"), type: "number", min: 1, default: 512, required: true },
      { name: "disk", label: T("Disk (GiB)"), type: "number", min: 0, default: 1, required: true },
      { name: "ephemeral", label: T("Ephemeral disk (GiB)"), type: "number", min: 0, default: 0 },
      { name: "swap", label: T("Swap (MiB)"), type: "number", min: 0, default: 0 },
      { name: "description", label: T("Description") },
      { name: "is_public", label: T("Every project may use it"), type: "checkbox", default: true },
    ],
    call: (values) => ({ method: "POST", path: "/flavors", body: { flavor: {
      name: values.name, vcpus: values.vcpus, ram: values.ram, disk: values.disk, swap: values.swap || 0,
      "OS-FLV-EXT-DATA:ephemeral": values.ephemeral || 0, "os-flavor-access:is_public": values.is_public,
      ...(values.description ? { description: values.description } : {}) } } }),
    command: (values) => command("flavor", "create", ["--vcpus", values.vcpus], ["--ram", values.ram], ["--disk", values.disk], ["--ephemeral", values.ephemeral || ""], ["--swap", values.swap || ""], values.is_public ? "--public" : "--private", ["--description", values.description], values.name),
    terraform: (values) => terraform("openstack_compute_flavor_v2", values.name, { name: values.name, vcpus: values.vcpus, ram: values.ram, disk: values.disk, ephemeral: values.ephemeral || undefined, swap: values.swap || undefined, is_public: values.is_public }),
  },
  actions: [
    { name: "specs", label: T("Add extra specs"), rule: `${E}:create`,
      fields: [{ name: "specs", label: T("Extra specs"), type: "pairs", default: [["", ""]], required: true, help: T("hw:cpu_policy, quota:vif_inbound_average and so on.") }],
      call: (row, values) => ({ method: "POST", path: `/flavors/${row.id}/os-extra_specs`, body: { extra_specs: pairs(values.specs) } }),
      command: (row, values) => command("flavor", "set", flags(pairs(values.specs)), called(row)) },
    { name: "unset", label: T("Remove an extra spec"), rule: `${E}:delete`, when: (row) => Object.keys(row.extra_specs || {}).length > 0,
      fields: (row) => [{ name: "spec", label: T("Extra spec"), type: "select", required: true, options: Object.keys(row.extra_specs) }],
      call: (row, values) => ({ method: "DELETE", path: `/flavors/${row.id}/os-extra_specs/${encodeURIComponent(values.spec)}` }),
      command: (row, values) => command("flavor", "unset", ["--property", values.spec], called(row)) },
    { name: "delete", label: T("Delete"), rule: `${A}:delete`, danger: true, bulk: true, gone: true, confirm: T("Servers that were made of it stay as they are."),
      call: (row) => ({ method: "DELETE", path: `/flavors/${row.id}` }), command: (row) => command("flavor", "delete", called(row)) },
  ],
  command: (row) => command("flavor", "show", called(row)),
});
