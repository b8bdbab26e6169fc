// What templates of stacks can be made of.
import { define } from "../resource.js";
import { T, t } from "../i18n.js";
import { api } from "../api.js";
import { command } from "../commands.js";
import { Facts, Fault, Loading, Ways } from "../ui.js";
import { html, useAsked } from "../lib.js";

const Schema = ({ title, of }) => Object.keys(of || {}).length > 0 && html`<h2>${title}</h2><div class="scroll"><table aria-label=${title}><tbody>${Object.entries(of).map(([name, found]) => html`<tr key=${name}><td class="mono">${name}${found.required && html`<span class="needed"> *</span>`}</td><td>${found.type}</td><td>${found.description}</td></tr>`)}</tbody></table></div>`;

export const resourceTypes = define({
  name: "resource_types", title: T("Resource types"), one: T("resource type"), service: "orchestration", path: "/resource_types", query: { with_description: "true" }, key: "resource_types", member: "", nouns: [], rule: "stacks:list_resource_types", paged: false,
  id: (row) => row.resource_type, label: (row) => row.resource_type, filters: [{ name: "resource_type", label: T("Name"), here: true }],
  columns: [{ title: T("Name"), cell: (row) => row.resource_type, sort: "resource_type" }, { title: T("Description"), cell: (row) => row.description, small: true }],
  facts: (row) => [["Name", row.resource_type], ["Description", row.description]],
  below: (row) => html`<${Schema} title=${t("Properties")} of=${row.properties} /><${Schema} title=${t("Attributes")} of=${row.attributes} />`,
  command: (row) => command("orchestration", "resource", "type", "show", row.resource_type),
});

export function Versions() {
  const { value, error } = useAsked(async () => {
    const { template_versions: found } = await api({ service: "orchestration", path: "/template_versions" });
    return Promise.all(found.map(async (one) => ({ ...one, functions: (await api({ service: "orchestration", path: `/template_versions/${one.version}/functions` })).template_functions })));
  }, []);
  if (!value) return error ? html`<${Fault} error=${error} />` : html`<${Loading} />`;
  return html`<section class="page"><header><h1>${t("Template versions")}</h1></header>${value.map((one) => html`<section key=${one.version}><h2><code>${one.version}</code> <span class="fine">${one.type} ${(one.aliases || []).join(", ")}</span></h2><${Facts} facts=${one.functions.map((found) => [found.functions, found.description])} /></section>`)}
    <${Ways} ways=${{ command: command("orchestration", "template", "version", "list"), calls: [{ service: "orchestration", path: "/template_versions" }] }} /></section>`;
}
