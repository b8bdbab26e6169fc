// Containers of object storage, and the objects in them.
import { define } from "../resource.js";
import { T, t, bytes } from "../i18n.js";
import { called, command, terraform } from "../commands.js";
import { api, upload } from "../api.js";
import { Ago, Fault, Loading, confirm, download, sayWhy } from "../ui.js";
import { html, useAsked, useState } from "../lib.js";

const service = "object-store";
const at = (...names) => `/${names.map((one) => encodeURIComponent(one)).join("/")}`;
const PAGE = 100;

/** The objects of a container, a page at a time. */
function Objects({ row }) {
  const [marker, mark] = useState("");
  const state = useAsked(() => api({ service, path: at(row.name), query: { format: "json", limit: PAGE, marker } }), [row, marker]);
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} again=${state.again} />` : html`<${Loading} />`;
  const rows = state.value.filter((one) => one.name);
  const fetched = async (one) => {
    try { download(one.name.split("/").at(-1), await api({ service, path: at(row.name, one.name), raw: "blob" })); } catch (error) { sayWhy(error, one.name); }
  };
  const remove = async (one) => {
    if (!(await confirm({ title: t("Delete"), names: [one.name] }))) return;
    try { await api({ service, method: "DELETE", path: at(row.name, one.name), raw: true }); } catch (error) { sayWhy(error, one.name); }
    state.again();
  };
  if (!rows.length && !marker) return html`<div class="empty">${t("There is none yet.")}</div>`;
  return html`<div class="scroll"><table aria-label=${t("Objects")}><thead><tr><th scope="col">${t("Name")}</th><th scope="col">${t("Size")}</th><th scope="col">${t("Type")}</th><th scope="col">${t("Changed")}</th><th></th></tr></thead>
    <tbody>${rows.map((one) => html`<tr key=${one.name}><td>${one.name}</td><td>${bytes(one.bytes)}</td><td class="mono">${one.content_type}</td><td><${Ago} time=${one.last_modified} /></td>
      <td class="end"><button class="small" onClick=${() => fetched(one)}>${t("Download")}</button> <button class="small danger-text" onClick=${() => remove(one)}>${t("Delete")}</button></td></tr>`)}</tbody></table></div>
    <nav class="pager" aria-label=${t("Pages")}>${marker && html`<button onClick=${() => mark("")}>${t("First page")}</button>`}${rows.length >= PAGE && html`<button onClick=${() => mark(rows.at(-1).name)}>${t("Next page")}</button>`}</nav>`;
}

const PUBLIC = ".r:*,.rlistings";
const access = (name, label, value, text) => ({
  name, label, rule: "operator_roles", confirm: text,
  send: (row) => api({ service, method: "POST", path: at(row.name), headers: { "X-Container-Read": value }, raw: true }),
  command: (row) => `swift post ${value ? `-r '${value}'` : "-r ''"} -- '${row.name.replaceAll("'", "'\\''")}'`,
});

export const containers = define({
  name: "containers", title: T("Containers"), one: T("container"), service, path: "", key: "", query: { format: "json" }, nouns: ["container", "object"], newsId: () => "*", rule: "operator_roles",
  id: (row) => row.name, label: (row) => row.name,
  get: async (id) => {
    const found = (await api({ service, path: "", query: { format: "json", prefix: id, limit: 1 } })).find((one) => one.name === id);
    if (!found) throw Object.assign(new Error(t("It is not there any more.")), { status: 404 });
    return found;
  },
  filters: [{ name: "prefix", label: T("Begins with") }],
  columns: [
    { title: T("Name"), cell: (row) => row.name, sort: "name" },
    { title: T("Objects"), cell: (row) => row.count, sort: "count", end: true },
    { title: T("Size"), cell: (row) => bytes(row.bytes), sort: "bytes", value: (row) => row.bytes, end: true },
    { title: T("Changed"), cell: (row) => html`<${Ago} time=${row.last_modified} />`, sort: "last_modified", small: true },
  ],
  facts: (row) => [["Name", row.name], ["Objects", String(row.count)], ["Size", bytes(row.bytes)], ["Changed", html`<${Ago} time=${row.last_modified} />`]],
  below: (row) => html`<h2>${t("Objects")}</h2><${Objects} row=${row} />`,
  create: {
    label: T("Create container"), rule: "operator_roles",
    fields: [{ name: "name", label: T("Name"), required: true, maxlength: 256, validate: (value) => (value.includes("/") ? t("A name has no slash.") : "") }],
    send: async (values) => { await api({ service, method: "PUT", path: at(values.name), raw: true }); return { name: values.name }; },
    call: (values) => ({ method: "PUT", path: at(values.name) }), command: (values) => command("container", "create", values.name || "NAME"), terraform: (values) => terraform("openstack_objectstorage_container_v1", values.name, { name: values.name }),
  },
  actions: [
    { name: "upload", label: T("Upload an object"), rule: "operator_roles", primary: true, fields: [{ name: "file", label: T("File"), type: "file", required: true }, { name: "as", label: T("Name"), help: T("Empty: the file's.") }],
      send: (row, values, progress) => upload({ service, path: at(row.name, values.as || values.file.name), file: values.file, type: values.file.type || "application/octet-stream", progress }),
      call: (row, values) => ({ method: "PUT", path: at(row.name, values.as || values.file?.name || "OBJECT"), data: "" }), command: (row, values) => command("object", "create", ["--name", values.as], called({ ...row, id: "NAME" }), values.file ? called({ name: values.file.name, id: "FILE" }) : "FILE") },
    access("publish", T("Everybody may read it"), PUBLIC, T("Anyone who knows the address can read its objects, without an account.")),
    access("hide", T("Only the project may read it"), "", T("Addresses that were given to others stop working then.")),
    { name: "delete", label: T("Delete"), rule: "operator_roles", danger: true, bulk: true, gone: true, confirm: T("It has to be empty."), send: (row) => api({ service, method: "DELETE", path: at(row.name), raw: true }), call: (row) => ({ method: "DELETE", path: at(row.name) }), command: (row) => command("container", "delete", called({ ...row, id: "NAME" })) },
  ],
  command: (row) => command("container", "show", called({ ...row, id: "NAME" })),
});
