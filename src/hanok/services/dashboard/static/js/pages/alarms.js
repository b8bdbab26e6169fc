// Alarms: made on a measure of something, with what happened to them, and the measure beside their line.
import { define, Name } from "../resource.js";
import { T, t, number, when } from "../i18n.js";
import { command } from "../commands.js";
import { api, serves } from "../api.js";
import { Chart, SPANS, pointsOf } from "../charts.js";
import { State, Ago, Fault, Loading } from "../ui.js";
import { html, useAsked, useEffect, without, words } from "../lib.js";

const A = "/v2/alarms";
const ONE = "gnocchi_resources_threshold";
const ruleOf = (row) => row[`${row.type}_rule`] || {};
const said = [T("ok"), T("alarm"), T("insufficient data"), T("low"), T("moderate"), T("critical"), T("creation"), T("rule change"), T("state transition"), T("deletion"),
  T("gnocchi_resources_threshold"), T("gnocchi_aggregation_by_metrics_threshold"), T("gnocchi_aggregation_by_resources_threshold"), T("event"), T("composite"), T("prometheus")];
const word = (text) => (said.includes(text) ? t(text) : text);
const SIGNS = { gt: ">", ge: "≥", lt: "<", le: "≤", eq: "=", ne: "≠" };

/** What an alarm watches, in a line. */
const condition = (rule) => (rule.threshold === undefined ? rule.event_type || "" : `${rule.metric || (rule.metrics || []).length || rule.query || ""} ${rule.aggregation_method || ""} ${SIGNS[rule.comparison_operator] || ""} ${number(rule.threshold, 3)}`);

// ---- the form ----

const measured = (type) => api({ service: "metric", path: `/v1/resource/${type}` });
const things = async (values) => (await measured(values.type || "instance")).filter((one) => !one.ended_at).map((one) => ({ value: one.id, label: one.display_name || one.name || one.original_resource_id }));
const meters = async (values) => {
  if (!values.resource) return [];
  const found = await api({ service: "metric", path: `/v1/resource/${values.type}/${encodeURIComponent(values.resource)}` });
  const names = Object.keys(found.metrics).sort();
  return names.includes("cpu") ? ["cpu", ...names.filter((name) => name !== "cpu")] : names;
};
/** Those that only grow are watched by how fast. */
const methods = (values) => (/^cpu$|\.(bytes|requests|packets)/.test(values.metric || "") ? ["rate:mean", "mean", "max", "min"] : ["mean", "max", "min", "sum", "count"]);
const types = ["instance", "instance_disk", "instance_network_interface", "volume", "image", "network", "swift_account"];
const urls = [
  { name: "alarm", label: T("Call when it rings"), aliases: ["alarm_actions"] }, { name: "ok", label: T("Call when it is well again"), aliases: ["ok_actions"] },
].map((one) => ({ ...one, type: "textarea", mono: true, rows: 2, placeholder: "https://example.org/hook", help: T("Addresses, one a line.") }));
const threshold = [
  { name: "comparison", label: T("Rings when it is"), type: "select", required: true, default: "gt", options: Object.entries(SIGNS).map(([value, label]) => ({ value, label })), aliases: ["comparison_operator"] },
  { name: "threshold", label: T("Line"), required: true, pattern: /^-?\d+(\.\d+)?$/, patternHelp: T("This is not a number."), help: (v) => (v.metric === "cpu" ? t("CPU time is counted in ns between two measurements: 240000000000 is 80 % of one vCPU in 300 s.") : "") },
];
const fields = [
  { name: "name", label: T("Name"), required: true, maxlength: 255 }, { name: "description", label: T("Description") },
  { name: "type", label: T("Kind"), type: "select", required: true, default: "instance", options: types, section: T("What is watched"), aliases: ["resource_type"] },
  { name: "resource", label: T("What"), type: "select", required: true, depends: ["type"], options: things, aliases: ["resource_id"] },
  { name: "metric", label: T("Measure"), type: "select", required: true, depends: ["type", "resource"], options: meters },
  { name: "method", label: T("Taken together by"), type: "select", required: true, depends: ["metric"], options: methods, aliases: ["aggregation_method"] },
  ...threshold,
  { name: "granularity", label: T("Each value is of (seconds)"), type: "number", min: 1, default: 300, required: true }, { name: "periods", label: T("So many values in turn"), type: "number", min: 1, max: 100, default: 1, required: true, aliases: ["evaluation_periods"] },
  { name: "severity", label: T("Severity"), type: "select", required: true, default: "low", options: ["low", "moderate", "critical"], section: T("What is done") }, ...urls,
];
const rule = (v) => ({ resource_type: v.type, resource_id: v.resource, metric: v.metric, aggregation_method: v.method, comparison_operator: v.comparison, threshold: Number(v.threshold), granularity: v.granularity, evaluation_periods: v.periods });
const body = (v) => without({ name: v.name, description: v.description, type: ONE, severity: v.severity, alarm_actions: words(v.alarm), ok_actions: words(v.ok), [`${ONE}_rule`]: rule(v) });
const options = (v) => [
  ["--resource-type", v.type], ["--resource-id", v.resource], ["--metric", v.metric], ["--aggregation-method", v.method], ["--granularity", v.granularity], ["--evaluation-periods", v.periods],
  ["--comparison-operator", v.comparison], ["--threshold", v.threshold], ["--severity", v.severity], words(v.alarm).map((one) => ["--alarm-action", one]), words(v.ok).map((one) => ["--ok-action", one]),
];

// ---- what is done to one ----

/** An alarm as it is sent again: all of it, with what changes. */
const changed = (row, change) => {
  const { alarm_id, timestamp, state_timestamp, state_reason, evaluate_timestamp, ...rest } = row;
  return { method: "PUT", path: `${A}/${row.alarm_id}`, body: { ...rest, ...change } };
};
const turned = (name, label, on) => ({
  name, label, rule: "telemetry:change_alarm", bulk: true, primary: true, when: (row) => row.enabled !== on,
  call: (row) => changed(row, { enabled: on }), command: (row) => command("alarm", "update", ["--enabled", on ? "True" : "False"], row.alarm_id),
});
const isThreshold = (row) => ruleOf(row).threshold !== undefined;

export const alarms = define({
  name: "alarms", title: T("Alarms"), one: T("alarm"), service: "alarming", path: A, key: "", nouns: ["alarm"], newsId: () => "*", detailNouns: ["alarm"], rule: "telemetry:get_alarms", id: (row) => row.alarm_id, label: (row) => row.name,
  filters: [{ name: "name", label: T("Name"), here: true }, { name: "state", label: T("State"), options: ["ok", "alarm", "insufficient data"], here: true }],
  columns: [
    { title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("State"), cell: (row) => html`<${State} value=${row.state} />`, sort: "state" }, { title: T("Enabled"), cell: (row) => (row.enabled ? t("yes") : t("no")) },
    { title: T("What is watched"), cell: (row) => condition(ruleOf(row)), mono: true }, { title: T("Severity"), cell: (row) => word(row.severity), small: true }, { title: T("Since"), cell: (row) => html`<${Ago} time=${row.state_timestamp} />`, small: true },
  ],
  state: (row) => html`<${State} value=${row.state} note=${row.enabled ? "" : t("switched off")} />`,
  facts: (row) => [["ID", html`<code>${row.alarm_id}</code>`], ["Description", row.description], ["Kind", word(row.type)], ["What is watched", html`<span class="mono">${condition(ruleOf(row))}</span>`], ["What", ruleOf(row).resource_type === "instance" ? html`<${Name} of="servers" id=${ruleOf(row).resource_id} />` : ruleOf(row).resource_id],
    ["Each value is of (seconds)", ruleOf(row).granularity], ["So many values in turn", ruleOf(row).evaluation_periods], ["Why", row.state_reason], ["Enabled", row.enabled ? t("yes") : t("no")], ["Severity", word(row.severity)],
    ["Call when it rings", row.alarm_actions.join(", ")], ["Call when it is well again", row.ok_actions.join(", ")], ["Call when nothing is known", row.insufficient_data_actions.join(", ")], ["Since", html`<${Ago} time=${row.state_timestamp} />`]],
  below: (row) => row.type === ONE && serves("metric") && html`<${Watched} row=${row} />`,
  parts: [{ name: "history", title: T("History"), show: (row) => html`<${History} row=${row} />` }],
  create: {
    label: T("Create alarm"), rule: "telemetry:create_alarm", fields,
    call: (v) => ({ method: "POST", path: A, body: body(v) }), command: (v) => command("alarm", "create", ["--name", v.name || "NAME"], ["--type", ONE], ["--description", v.description], options(v)),
  },
  actions: [
    turned("enable", T("Enable"), true), turned("disable", T("Disable"), false),
    { name: "edit", label: T("Edit"), rule: "telemetry:change_alarm", when: isThreshold,
      given: (row) => ({ name: row.name, description: row.description || "", severity: row.severity, alarm: row.alarm_actions.join("\n"), ok: row.ok_actions.join("\n"), comparison: ruleOf(row).comparison_operator, threshold: String(ruleOf(row).threshold), metric: ruleOf(row).metric }),
      fields: [fields[0], fields[1], ...threshold, fields.find((one) => one.name === "severity"), ...urls],
      call: (row, v) => changed(row, { name: v.name, description: v.description, severity: v.severity, alarm_actions: words(v.alarm), ok_actions: words(v.ok), [`${row.type}_rule`]: { ...ruleOf(row), comparison_operator: v.comparison, threshold: Number(v.threshold) } }),
      command: (row, v) => command("alarm", "update", ["--name", v.name], ["--description", v.description], ["--comparison-operator", v.comparison], ["--threshold", v.threshold], ["--severity", v.severity], words(v.alarm).map((one) => ["--alarm-action", one]), words(v.ok).map((one) => ["--ok-action", one]), row.alarm_id) },
    { name: "state", label: T("Set its state"), rule: "telemetry:change_alarm_state", fields: [{ name: "state", label: T("State"), type: "select", required: true, options: ["ok", "alarm", "insufficient data"] }],
      call: (row, v) => ({ method: "PUT", path: `${A}/${row.alarm_id}/state`, body: v.state || "ok" }), command: (row, v) => command("alarm", "state", "set", ["--state", v.state], row.alarm_id) },
    { name: "delete", label: T("Delete"), rule: "telemetry:delete_alarm", danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `${A}/${row.alarm_id}` }), command: (row) => command("alarm", "delete", row.alarm_id) },
  ],
  command: (row) => command("alarm", "show", row.alarm_id),
});

// ---- the measure, and what happened ----

function Watched({ row }) {
  const found = ruleOf(row);
  const path = `/v1/resource/${found.resource_type}/${encodeURIComponent(found.resource_id)}/metric/${encodeURIComponent(found.metric)}/measures`;
  const { value, error, again } = useAsked(async () => pointsOf(await api({ service: "metric", path, query: { aggregation: found.aggregation_method, granularity: found.granularity, start: new Date(Date.now() - SPANS.day).toISOString() } })), [row]);
  if (!value) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  return html`<div class="charts"><${Chart} title=${found.metric} points=${value} span=${SPANS.day} line=${found.threshold} show=${(one) => number(one, 3)} /></div>`;
}

/** The details of a change are a JSON text of what it is now. */
const detail = (text) => {
  try {
    const found = JSON.parse(text);
    return typeof found === "object" ? Object.entries(found).map(([name, one]) => `${name}: ${typeof one === "object" ? JSON.stringify(one) : word(String(one))}`).join("; ") : String(found);
  } catch { return String(text ?? ""); }
};

function History({ row }) {
  const { value, error, again } = useAsked(() => api({ service: "alarming", path: `${A}/${row.alarm_id}/history`, query: { limit: 200 } }), [row]);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && again(), 10_000);
    return () => clearInterval(timer);
  }, [row]);
  if (!value) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  return html`<div class="scroll"><table aria-label=${t("History")}><thead><tr><th scope="col">${t("Time")}</th><th scope="col">${t("What")}</th><th scope="col">${t("Details")}</th></tr></thead>
    <tbody>${value.map((one) => html`<tr key=${one.event_id}><td><time datetime=${one.timestamp}>${when(one.timestamp)}</time></td><td>${word(one.type)}</td><td class="fine wrap">${detail(one.detail)}</td></tr>`)}</tbody></table></div>`;
}
