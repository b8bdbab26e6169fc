// Stacks: made of a template's text, with their resources, events, outputs and template.
import { define } from "../resource.js";
import { T, t } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { api } from "../api.js";
import { State, Ago, Fault, Loading } from "../ui.js";
import { html, useAsked, without } from "../lib.js";

const path = (row) => `/stacks/${encodeURIComponent(row.stack_name)}/${encodeURIComponent(row.id)}`;
const does = (status) => status.split("_")[0];
const came = (status) => status.slice(does(status).length + 1);
const words = [
  T("CREATE"), T("UPDATE"), T("DELETE"), T("ROLLBACK"), T("SUSPEND"), T("RESUME"), T("CHECK"), T("ADOPT"), T("SNAPSHOT"), T("RESTORE"), T("INIT"),
  T("COMPLETE"), T("FAILED"), T("IN_PROGRESS"),
];
const Status = ({ value }) => html`<${State} value=${came(value)} note=${words.includes(does(value)) ? t(does(value)) : does(value)} busy=${came(value) === "IN_PROGRESS"} />`;
const busy = (row) => row.stack_status.endsWith("_IN_PROGRESS");
const is = (...states) => (row) => states.includes(row.stack_status);
const settled = (row) => !busy(row);

/** Parameters as they were typed: numbers and lists stay texts, which templates read as well. */
const parameters = (pairs) => {
  const found = Object.fromEntries((pairs || []).filter(([name]) => name));
  return Object.keys(found).length ? found : undefined;
};
const options = (pairs) => Object.entries(parameters(pairs) || {}).map(([name, value]) => ["--parameter", `${name}=${value}`]);
const sent = (values) => without({ stack_name: values.name, template: values.template, parameters: parameters(values.parameters), timeout_mins: values.timeout, disable_rollback: values.rollback === undefined ? undefined : !values.rollback });

const EXAMPLE = `heat_template_version: 2021-04-16
resources:
  net:
    type: OS::Neutron::Net
outputs:
  id:
    value: {get_resource: net}
`;

/** One of its parts, asked anew each time that the stack is. */
function Part({ row, ask, show }) {
  const state = useAsked(() => ask(row), [row]);
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} again=${state.again} />` : html`<${Loading} />`;
  return state.value.length ? show(state.value) : html`<div class="empty">${t("There is none yet.")}</div>`;
}

const asks = (name) => async (row) => (await api({ service: "orchestration", path: `${path(row)}/${name}` }))[name];

const head = (...titles) => html`<thead><tr>${titles.map((title) => html`<th scope="col">${t(title)}</th>`)}</tr></thead>`;

const resourceTable = (rows) => html`<div class="scroll"><table aria-label=${t("Resources")}>${head(T("Name"), T("Type"), T("Status"), "ID", T("Reason"))}
  <tbody>${rows.map((one) => html`<tr key=${one.resource_name}><td>${one.resource_name}</td><td class="mono">${one.resource_type}</td><td><${Status} value=${one.resource_status} /></td><td class="mono">${one.physical_resource_id}</td><td class="fine">${one.resource_status_reason}</td></tr>`)}</tbody></table></div>`;

const eventTable = (rows) => html`<div class="scroll"><table aria-label=${t("Events")}>${head(T("Time"), T("Name"), T("Status"), T("Reason"))}
  <tbody>${[...rows].reverse().map((one) => html`<tr key=${one.id}><td><${Ago} time=${one.event_time} /></td><td>${one.resource_name}</td><td><${Status} value=${one.resource_status} /></td><td class="fine">${one.resource_status_reason}</td></tr>`)}</tbody></table></div>`;

const told = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
const outputTable = (rows) => html`<table aria-label=${t("Outputs")}>${head(T("Name"), T("Value"), T("Description"))}
  <tbody>${rows.map((one) => html`<tr key=${one.output_key}><td>${one.output_key}</td><td class="mono wrap">${told(one.output_value)}</td><td class="fine">${one.output_error || one.description}</td></tr>`)}</tbody></table>`;

const text = async (row) => {
  const found = await api({ service: "orchestration", path: `${path(row)}/template` });
  return [JSON.stringify(found, null, 2)];
};

const act = (name, label, when, confirm) => ({
  name, label, rule: `actions:${name}`, bulk: true, when, confirm,
  call: (row) => ({ method: "POST", path: `${path(row)}/actions`, body: { [name]: null } }),
  command: (row) => command("stack", name, row.id),
});

export const stacks = define({
  name: "stacks", title: T("Stacks"), one: T("stack"), service: "orchestration", path: "/stacks", key: "stacks", nouns: ["stack"], rule: "stacks:index",
  label: (row) => row.stack_name, busy,
  get: async (id) => {
    const found = (await api({ service: "orchestration", path: "/stacks", query: { id, show_nested: "true" } })).stacks[0];
    if (!found) throw Object.assign(new Error(t("It is not there any more.")), { status: 404 });
    return (await api({ service: "orchestration", path: path(found) })).stack;
  },
  filters: [{ name: "stack_name", label: T("Name"), here: true }],
  columns: [
    { title: T("Name"), cell: (row) => row.stack_name, sort: "stack_name" },
    { title: T("Status"), cell: (row) => html`<${Status} value=${row.stack_status} />`, sort: "stack_status" },
    { title: T("Created"), cell: (row) => html`<${Ago} time=${row.creation_time} />`, sort: "creation_time" },
    { title: T("Description"), cell: (row) => row.description, small: true },
  ],
  state: (row) => html`<${Status} value=${row.stack_status} />`,
  notice: (row) => row.stack_status.endsWith("_FAILED") && html`<div class="fault" role="alert">${row.stack_status_reason}</div>`,
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Reason", row.stack_status_reason], ["Owner", row.stack_owner], ["Goes back when it fails", row.disable_rollback ? t("no") : t("yes")],
    ["Parameters", Object.entries(row.parameters || {}).filter(([name]) => !name.startsWith("OS::")).map(([name, value]) => `${name}=${told(value)}`).join(", ")], ["Created", html`<${Ago} time=${row.creation_time} />`], ["Changed", row.updated_time && html`<${Ago} time=${row.updated_time} />`]],
  parts: [
    { name: "resources", title: T("Resources"), show: (row) => html`<${Part} row=${row} ask=${asks("resources")} show=${resourceTable} />` },
    { name: "events", title: T("Events"), show: (row) => html`<${Part} row=${row} ask=${asks("events")} show=${eventTable} />` },
    { name: "outputs", title: T("Outputs"), show: (row) => html`<${Part} row=${row} ask=${async (one) => one.outputs || []} show=${outputTable} />` },
    { name: "template", title: T("Template"), show: (row) => html`<${Part} row=${row} ask=${text} show=${(found) => html`<pre class="block" tabindex="0">${found[0]}</pre>`} />` },
  ],
  create: {
    label: T("Create stack"), rule: "stacks:create",
    fields: [
      { name: "name", label: T("Name"), required: true, aliases: ["stack_name"] },
      { name: "template", label: T("Template"), type: "textarea", mono: true, rows: 14, required: true, placeholder: EXAMPLE },
      { name: "parameters", label: T("Parameters"), type: "pairs" },
      { name: "rollback", label: T("Goes back when it fails"), type: "checkbox", default: true },
      { name: "timeout", label: T("Time limit (minutes)"), type: "number", min: 1, aliases: ["timeout_mins"] },
    ],
    call: (values) => ({ method: "POST", path: "/stacks", body: sent(values) }),
    command: (values) => command("stack", "create", ["--template", "template.yaml"], options(values.parameters), values.rollback && "--enable-rollback", ["--timeout", values.timeout], values.name || "NAME"),
    terraform: (values) => terraform("openstack_orchestration_stack_v1", values.name, { name: values.name, parameters: parameters(values.parameters), disable_rollback: !values.rollback, timeout: values.timeout, template_opts: { Bin: values.template || "" } }),
  },
  actions: [
    { name: "update", label: T("Update"), rule: "stacks:update_patch", primary: true, when: settled, intro: T("What is left empty stays as it is."),
      fields: [{ name: "template", label: T("Template"), type: "textarea", mono: true, rows: 14 }, { name: "parameters", label: T("Parameters"), type: "pairs" }],
      call: (row, values) => ({ method: "PATCH", path: path(row), body: sent(values) }),
      command: (row, values) => command("stack", "update", "--existing", values.template && ["--template", "template.yaml"], options(values.parameters), row.id) },
    act("check", T("Check"), settled),
    act("suspend", T("Suspend"), is("CREATE_COMPLETE", "UPDATE_COMPLETE", "RESUME_COMPLETE", "CHECK_COMPLETE"), T("Its instances are suspended.")),
    act("resume", T("Resume"), is("SUSPEND_COMPLETE", "SUSPEND_FAILED", "RESUME_FAILED")),
    { name: "delete", label: T("Delete"), rule: "stacks:delete", danger: true, bulk: true, gone: true, confirm: T("Its resources are deleted with it."), when: (row) => row.stack_status !== "DELETE_IN_PROGRESS", call: (row) => ({ method: "DELETE", path: path(row) }), command: (row) => command("stack", "delete", row.id) },
  ],
  command: (row) => command("stack", "show", row.id),
});
