// Images: uploaded with progress, or brought by address; who may see them, and their properties.
import { define, Name } from "../resource.js";
import { T, t, bytes, mib, gib } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { api, upload, session } from "../api.js";
import { State, Ago, Facts, Fault, Loading, download, say, sayWhy } from "../ui.js";
import { html, useAsked, without } from "../lib.js";
import { create, resources } from "../resource.js";

const yes = (value) => (value ? t("yes") : t("no"));
const mine = (row) => row.owner === session.value?.project?.id;
const known = new Set(["id", "name", "status", "visibility", "size", "virtual_size", "disk_format", "container_format", "min_ram", "min_disk", "protected", "owner", "checksum", "created_at", "updated_at", "tags", "self", "file", "schema", "os_hash_algo", "os_hash_value", "os_hidden", "stores", "locations", "direct_url"]);
const properties = (row) => Object.entries(row).filter(([key]) => !known.has(key)).map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]);
const pointer = (key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
const patch = (row, operations) => ({ method: "PATCH", path: `/v2/images/${row.id}`, type: "application/openstack-images-v2.1-json-patch", body: operations });
const replaced = (row, key, value) => ({ op: key in row && row[key] !== null ? "replace" : "add", path: pointer(key), value });

const formats = ["qcow2", "raw", "iso", "vmdk", "vdi", "vhd", "vhdx"];
const guess = (file) => formats.find((one) => file?.name?.toLowerCase().endsWith(`.${one}`)) || "qcow2";
const made = (values) => without({
  name: values.name, disk_format: values.disk_format || guess(values.file), container_format: "bare", visibility: values.visibility,
  min_ram: values.min_ram || undefined, min_disk: values.min_disk || undefined, protected: values.protected || undefined,
});

export const images = define({
  name: "images", title: T("Images"), one: T("image"),
  service: "image", path: "/v2/images", key: "images", member: "", nouns: ["image"], serverSort: true, sort: { key: "created_at", dir: "desc" },
  rule: "get_images",
  filters: [{ name: "name", label: T("Name") }, { name: "visibility", label: T("Visibility"), options: ["public", "private", "shared", "community"] }, { name: "status", label: T("Status"), options: ["active", "queued", "saving", "importing", "deactivated"] }],
  columns: [
    { title: T("Name"), cell: (row) => row.name || row.id, sort: "name" },
    { title: T("Status"), cell: (row) => html`<${State} value=${row.status} />`, sort: "status" },
    { title: T("Visibility"), cell: (row) => t(row.visibility), sort: "visibility" },
    { title: T("Format"), cell: (row) => row.disk_format, small: true, sort: "disk_format" },
    { title: T("Size"), cell: (row) => bytes(row.size), end: true, sort: "size" },
    { title: T("Protected"), cell: (row) => yes(row.protected), small: true },
    { title: T("Created"), cell: (row) => html`<${Ago} time=${row.created_at} />`, small: true, sort: "created_at" },
  ],
  busy: (row) => ["saving", "importing", "uploading"].includes(row.status),
  state: (row) => html`<${State} value=${row.status} />`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Visibility", t(row.visibility)], ["Project", html`<${Name} of="projects" id=${row.owner} />`], ["Format", `${row.disk_format || ""} / ${row.container_format || ""}`], ["Size", bytes(row.size)], ["Size of the disk", bytes(row.virtual_size)],
    ["Least memory", row.min_ram ? mib(row.min_ram) : ""], ["Least disk", row.min_disk ? gib(row.min_disk) : ""], ["Protected", yes(row.protected)], ["Hidden", yes(row.os_hidden)], ["Tags", row.tags.join(", ")], ["Hash", row.os_hash_value && html`<code class="wrap">${row.os_hash_algo}:${row.os_hash_value}</code>`], ["Stores", row.stores], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => properties(row).length > 0 && html`<h2>${t("Properties")}</h2><${Facts} facts=${properties(row)} />`,
  parts: [{ name: "members", title: T("Members"), when: (row) => row.visibility === "shared", show: (row) => html`<${Members} row=${row} />` }],
  create: {
    label: T("Create image"), rule: "add_image",
    fields: [
      { name: "name", label: T("Name"), required: true, maxlength: 255 },
      { name: "from", label: T("From"), type: "radio", default: "file", options: [{ value: "file", label: T("a file of this computer") }, { value: "web", label: T("an address on the web") }] },
      { name: "file", label: T("File"), type: "file", required: true, when: (values) => values.from === "file" },
      { name: "uri", label: T("Address"), required: true, when: (values) => values.from === "web", placeholder: "https://…", pattern: /^https?:\/\/.+/, patternHelp: T("It begins with http:// or https://.") },
      { name: "disk_format", label: T("Format"), type: "select", none: T("as the file is called"), options: formats },
      { name: "visibility", label: T("Visibility"), type: "select", required: true, default: "shared", options: ["private", "shared", "community"], help: T("Who manages the cloud makes an image public by its actions.") },
      { name: "min_ram", label: T("Least memory (MiB)"), type: "number", min: 0 },
      { name: "min_disk", label: T("Least disk (GiB)"), type: "number", min: 0 },
      { name: "protected", label: T("Protected from deletion"), type: "checkbox" },
    ],
    send: async (values, progress) => {
      const image = await api({ service: "image", method: "POST", path: "/v2/images", body: made(values) });
      try {
        if (values.from === "web") await api({ service: "image", method: "POST", path: `/v2/images/${image.id}/import`, body: { method: { name: "web-download", uri: values.uri } } });
        else await upload({ service: "image", path: `/v2/images/${image.id}/file`, file: values.file, progress });
      } catch (error) {
        await api({ service: "image", method: "DELETE", path: `/v2/images/${image.id}` }).catch(() => {});
        throw error;
      }
      return image;
    },
    call: (values) => [{ method: "POST", path: "/v2/images", body: made(values) },
      values.from === "web" ? { method: "POST", path: "/v2/images/IMAGE_ID/import", body: { method: { name: "web-download", uri: values.uri } } } : { method: "PUT", path: "/v2/images/IMAGE_ID/file", data: true }],
    command: (values) => values.from === "web"
      ? command("image", "create", ["--import", true], ["--disk-format", values.disk_format || "qcow2"], ["--container-format", "bare"], `--${values.visibility}`, values.name, ["--uri", values.uri])
      : command("image", "create", ["--file", values.file?.name || "FILE"], ["--disk-format", values.disk_format || guess(values.file)], ["--container-format", "bare"], `--${values.visibility}`, values.protected && "--protected", values.name),
    terraform: (values) => terraform("openstack_images_image_v2", values.name, { name: values.name, local_file_path: values.from === "file" ? values.file?.name : undefined, image_source_url: values.from === "web" ? values.uri : undefined, disk_format: values.disk_format || guess(values.file), container_format: "bare", visibility: values.visibility }),
  },
  actions: [
    { name: "launch", label: T("Launch"), rule: "compute|os_compute_api:servers:create", primary: true, when: (row) => row.status === "active",
      open: (row) => create(resources.get("servers"), { source: "image", image: row.id }) },
    { name: "volume", label: T("Create a volume of it"), rule: "block-storage|volume:create_from_image", when: (row) => row.status === "active", open: (row) => create(resources.get("volumes"), { source: "image", image: row.id, name: row.name, size: Math.max(1, row.min_disk || 0, Math.ceil((row.virtual_size || 0) / 2 ** 30)) }) },
    { name: "edit", label: T("Edit"), rule: "modify_image", given: (row) => row,
      fields: [{ name: "name", label: T("Name") }, { name: "visibility", label: T("Visibility"), type: "select", required: true, options: ["private", "shared", "community"], when: (values) => values.visibility !== "public" }, { name: "min_ram", label: T("Least memory (MiB)"), type: "number", min: 0 }, { name: "min_disk", label: T("Least disk (GiB)"), type: "number", min: 0 }, { name: "protected", label: T("Protected from deletion"), type: "checkbox" }, { name: "os_hidden", label: T("Hidden from lists"), type: "checkbox" }],
      call: (row, values) => patch(row, Object.entries(values).filter(([key, value]) => value !== undefined && value !== (row[key] ?? "")).map(([key, value]) => replaced(row, key, value))),
      command: (row, values) => command("image", "set", ["--name", values.name], values.visibility && `--${values.visibility}`, values.protected ? "--protected" : "--unprotected", row.id) },
    { name: "properties", label: T("Edit properties"), rule: "modify_image", given: (row) => ({ properties: properties(row) }),
      fields: [{ name: "properties", label: T("Properties"), type: "pairs", help: T("hw_disk_bus, hw_firmware_type, os_distro and so on.") }],
      call: (row, values) => {
        const pairs = (values.properties || []).filter(([key]) => key);
        const kept = new Set(pairs.map(([key]) => key));
        return patch(row, [...properties(row).filter(([key]) => !kept.has(key)).map(([key]) => ({ op: "remove", path: pointer(key) })), ...pairs.filter(([key, value]) => String(row[key]) !== value).map(([key, value]) => replaced(row, key, value))]);
      },
      command: (row, values) => command("image", "set", (values.properties || []).map(([key, value]) => ["--property", `${key}=${value}`]), row.id) },
    { name: "publish", label: T("Make it public"), rule: "publicize_image", when: (row) => row.visibility !== "public", call: (row) => patch(row, [replaced(row, "visibility", "public")]), command: (row) => command("image", "set", "--public", row.id), confirm: T("Every project sees it and may use it.") },
    { name: "hide", label: T("Make it private"), rule: "modify_image", when: (row) => row.visibility === "public", call: (row) => patch(row, [replaced(row, "visibility", "private")]), command: (row) => command("image", "set", "--private", row.id) },
    { name: "share", label: T("Share with a project"), rule: "add_member", when: (row) => row.visibility === "shared" && mine(row), fields: [{ name: "member", label: T("ID of the project"), required: true }],
      call: (row, values) => ({ method: "POST", path: `/v2/images/${row.id}/members`, body: { member: values.member } }), command: (row, values) => command("image", "add", "project", row.id, values.member || "PROJECT") },
    { name: "deactivate", label: T("Deactivate"), rule: "deactivate", when: (row) => row.status === "active", call: (row) => ({ method: "POST", path: `/v2/images/${row.id}/actions/deactivate` }), command: (row) => command("image", "set", "--deactivate", row.id), confirm: T("Nobody can use it until it is reactivated.") },
    { name: "reactivate", label: T("Reactivate"), rule: "reactivate", when: (row) => row.status === "deactivated", call: (row) => ({ method: "POST", path: `/v2/images/${row.id}/actions/reactivate` }), command: (row) => command("image", "set", "--activate", row.id) },
    { name: "download", label: T("Download"), rule: "download_image", when: (row) => row.status === "active", open: async (row) => {
      say(t("The image is being fetched."));
      try { download(`${row.name || row.id}.${row.disk_format}`, await api({ service: "image", path: `/v2/images/${row.id}/file`, raw: "blob" })); } catch (error) { sayWhy(error); }
    } },
    { name: "delete", label: T("Delete"), rule: "delete_image", danger: true, bulk: true, gone: true, when: (row) => !row.protected, call: (row) => ({ method: "DELETE", path: `/v2/images/${row.id}` }), command: (row) => command("image", "delete", row.id) },
  ],
  command: (row) => command("image", "show", row.id),
  terraform: (row) => terraform("openstack_images_image_v2", row.name, { name: row.name, disk_format: row.disk_format, container_format: row.container_format, visibility: row.visibility, protected: row.protected }),
});

function Members({ row }) {
  const state = useAsked(async () => (await api({ service: "image", path: `/v2/images/${row.id}/members` })).members, [row.id, row.updated_at]);
  const drop = async (one) => {
    try { await api({ service: "image", method: "DELETE", path: `/v2/images/${row.id}/members/${one.member_id}` }); } catch (error) { sayWhy(error); }
    state.again();
  };
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  if (!state.value.length) return html`<div class="empty">${t("It is shared with no project yet.")}</div>`;
  return html`<table aria-label=${t("Members")}><thead><tr><th scope="col">${t("Project")}</th><th scope="col">${t("Status")}</th><th></th></tr></thead>
    <tbody>${state.value.map((one) => html`<tr key=${one.member_id}><td><${Name} of="projects" id=${one.member_id} /></td><td><${State} value=${one.status} /></td><td class="end"><button class="small" onClick=${() => drop(one)}>${t("Remove")}</button></td></tr>`)}</tbody></table>`;
}
