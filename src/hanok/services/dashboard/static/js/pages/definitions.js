// Metadata definitions: what properties of images, flavors and others are called, and what they may say.
import { define } from "../resource.js";
import { T, t } from "../i18n.js";
import { command } from "../commands.js";
import { Ago } from "../ui.js";
import { html } from "../lib.js";

const one = (row) => `/v2/metadefs/namespaces/${encodeURIComponent(row.namespace)}`;
const yes = (value) => (value ? t("yes") : t("no"));
const set = (row, values) => ({ method: "PUT", path: one(row), body: { namespace: row.namespace, display_name: row.display_name, description: row.description, visibility: row.visibility, protected: row.protected, ...values } });
const parsed = (text) => { try { return JSON.parse(text); } catch { return {}; } };

const Properties = ({ title, properties }) => Object.keys(properties || {}).length > 0 && html`<h2>${title}</h2><div class="scroll"><table aria-label=${title}><thead><tr><th scope="col">${t("Property")}</th><th scope="col">${t("Title")}</th><th scope="col">${t("Type")}</th><th scope="col">${t("Values")}</th></tr></thead>
  <tbody>${Object.entries(properties).map(([name, found]) => html`<tr key=${name}><td class="mono">${name}</td><td>${found.title}<div class="fine">${found.description}</div></td><td>${found.type}</td><td>${(found.enum || []).join(", ")}${found.minimum !== undefined ? `${found.minimum} … ${found.maximum ?? ""}` : ""}</td></tr>`)}</tbody></table></div>`;

export const namespaces = define({
  name: "metadefs", title: T("Metadata definitions"), one: T("namespace"), service: "image", path: "/v2/metadefs/namespaces", key: "namespaces", member: "", nouns: ["metadef_namespace"], rule: "get_metadef_namespaces", paged: true,
  id: (row) => row.namespace, label: (row) => row.display_name || row.namespace, filters: [{ name: "visibility", label: T("Visibility"), options: ["public", "private"] }],
  columns: [{ title: T("Name"), cell: (row) => row.display_name || row.namespace, sort: "display_name" }, { title: T("Namespace"), cell: (row) => row.namespace, mono: true, small: true }, { title: T("Visibility"), cell: (row) => t(row.visibility) }, { title: T("Protected"), cell: (row) => yes(row.protected), small: true }, { title: T("For"), cell: (row) => (row.resource_type_associations || []).map((found) => found.name).join(", "), small: true }],
  facts: (row) => [["Namespace", html`<code>${row.namespace}</code>`], ["Description", row.description], ["Visibility", t(row.visibility)], ["Protected", yes(row.protected)], ["For", (row.resource_type_associations || []).map((found) => `${found.name} ${found.prefix || ""}`).join(", ")], ["Tags", (row.tags || []).map((found) => found.name).join(", ")], ["Created", html`<${Ago} time=${row.created_at} />`]],
  below: (row) => html`<${Properties} title=${t("Properties")} properties=${row.properties} />${(row.objects || []).map((found) => html`<${Properties} key=${found.name} title=${found.name} properties=${found.properties} />`)}`,
  create: {
    label: T("Import a namespace"), rule: "add_metadef_namespace", intro: T("A JSON text with namespace, properties, objects, tags and resource_type_associations."),
    fields: [{ name: "text", label: T("JSON"), type: "textarea", mono: true, rows: 14, required: true, validate: (text) => (parsed(text).namespace ? "" : t("This is no JSON with a namespace.")) }],
    call: (v) => ({ method: "POST", path: "/v2/metadefs/namespaces", body: parsed(v.text || "{}") }),
    command: (v) => command("image", "metadef", "namespace", "create", parsed(v.text || "{}").namespace || "NAMESPACE"),
  },
  actions: [
    { name: "public", label: T("Make public"), rule: "modify_metadef_namespace", when: (row) => row.visibility !== "public", call: (row) => set(row, { visibility: "public" }), command: (row) => command("image", "metadef", "namespace", "set", "--public", row.namespace) },
    { name: "private", label: T("Make private"), rule: "modify_metadef_namespace", when: (row) => row.visibility === "public", call: (row) => set(row, { visibility: "private" }), command: (row) => command("image", "metadef", "namespace", "set", "--private", row.namespace) },
    { name: "protect", label: T("Protect"), rule: "modify_metadef_namespace", when: (row) => !row.protected, call: (row) => set(row, { protected: true }), command: (row) => command("image", "metadef", "namespace", "set", "--protected", row.namespace) },
    { name: "unprotect", label: T("Protect no longer"), rule: "modify_metadef_namespace", when: (row) => row.protected, call: (row) => set(row, { protected: false }), command: (row) => command("image", "metadef", "namespace", "set", "--unprotected", row.namespace) },
    { name: "delete", label: T("Delete"), rule: "delete_metadef_namespace", danger: true, bulk: true, gone: true, when: (row) => !row.protected, call: (row) => ({ method: "DELETE", path: one(row) }), command: (row) => command("image", "metadef", "namespace", "delete", row.namespace) },
  ],
  command: (row) => command("image", "metadef", "namespace", "show", row.namespace),
});
