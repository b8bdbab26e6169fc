// Accounts from elsewhere: identity providers, their protocols, and the mappings that say who is who.
import { define, choices, Name } from "../resource.js";
import { T, t } from "../i18n.js";
import { command } from "../commands.js";
import { api } from "../api.js";
import { Facts } from "../ui.js";
import { html, useAsked, without, words } from "../lib.js";

const more = { service: "identity", paged: false, label: (row) => row.id };
const F = "/OS-FEDERATION";
const yes = (value) => (value ? t("yes") : t("no"));
const name = { name: "id", label: T("Name"), required: true, maxlength: 64 };
const drop = (path, words, rule) => ({ name: "delete", label: T("Delete"), rule, danger: true, bulk: true, gone: true, call: (row) => ({ method: "DELETE", path: `${path}/${encodeURIComponent(row.id)}` }), command: (row) => command(...words, "delete", row.id) });

export const providers = define({
  ...more, name: "identity_providers", title: T("Identity providers"), one: T("identity provider"), path: `${F}/identity_providers`, key: "identity_providers", member: "identity_provider", nouns: ["identity_provider"], rule: "identity:list_identity_providers",
  columns: [{ title: T("Name"), cell: (row) => row.id, sort: "id" }, { title: T("Enabled"), cell: (row) => yes(row.enabled) }, { title: T("Domain"), cell: (row) => html`<${Name} of="domains" id=${row.domain_id} />` }, { title: T("Remote IDs"), cell: (row) => row.remote_ids.join(", "), mono: true, small: true }],
  facts: (row) => [["Name", row.id], ["Description", row.description], ["Enabled", yes(row.enabled)], ["Domain", html`<${Name} of="domains" id=${row.domain_id} />`], ["Remote IDs", row.remote_ids.join(", ")]],
  below: (row) => html`<${Protocols} row=${row} />`,
  create: {
    label: T("Create identity provider"), rule: "identity:create_identity_provider",
    fields: [name, { name: "description", label: T("Description") }, { name: "domain_id", label: T("Domain"), type: "select", none: T("one of its own"), options: choices("domains") }, { name: "remote_ids", label: T("Remote IDs"), type: "textarea", mono: true, help: T("How the provider calls itself, one a line.") }, { name: "enabled", label: T("Enabled"), type: "checkbox", default: true }],
    call: (v) => ({ method: "PUT", path: `${F}/identity_providers/${encodeURIComponent(v.id || "NAME")}`, body: { identity_provider: without({ description: v.description, domain_id: v.domain_id, remote_ids: words(v.remote_ids), enabled: v.enabled }) } }),
    command: (v) => command("identity", "provider", "create", words(v.remote_ids).map((one) => ["--remote-id", one]), ["--domain", v.domain_id], ["--description", v.description], v.id || "NAME"),
  },
  actions: [
    { name: "protocol", label: T("Add a protocol"), rule: "identity:create_protocol", fields: [{ name: "protocol", label: T("Protocol"), type: "select", required: true, options: ["openid", "saml2", "mapped"] }, { name: "mapping", label: T("Mapping"), type: "select", required: true, options: choices("mappings", { label: (row) => row.id }) }],
      call: (row, v) => ({ method: "PUT", path: `${F}/identity_providers/${encodeURIComponent(row.id)}/protocols/${v.protocol}`, body: { protocol: { mapping_id: v.mapping } } }), command: (row, v) => command("federation", "protocol", "create", ["--identity-provider", row.id], ["--mapping", v.mapping], v.protocol) },
    { name: "enable", label: T("Enable"), rule: "identity:update_identity_provider", when: (row) => !row.enabled, call: (row) => ({ method: "PATCH", path: `${F}/identity_providers/${encodeURIComponent(row.id)}`, body: { identity_provider: { enabled: true } } }), command: (row) => command("identity", "provider", "set", "--enable", row.id) },
    { name: "disable", label: T("Disable"), rule: "identity:update_identity_provider", when: (row) => row.enabled, confirm: T("Nobody can sign in with it any more; users who are signed in are signed out."), call: (row) => ({ method: "PATCH", path: `${F}/identity_providers/${encodeURIComponent(row.id)}`, body: { identity_provider: { enabled: false } } }), command: (row) => command("identity", "provider", "set", "--disable", row.id) },
    drop(`${F}/identity_providers`, ["identity", "provider"], "identity:delete_identity_provider"),
  ],
  command: (row) => command("identity", "provider", "show", row.id),
});

function Protocols({ row }) {
  const { value } = useAsked(async () => (await api({ service: "identity", path: `${F}/identity_providers/${encodeURIComponent(row.id)}/protocols` })).protocols, [row]);
  return value ? html`<h2>${t("Protocols")}</h2>${value.length ? html`<${Facts} facts=${value.map((one) => [one.id, html`<${Name} of="mappings" id=${one.mapping_id} />`])} />` : html`<p class="fine">${t("None yet: nobody can sign in with it.")}</p>`}` : null;
}

const rules = (text) => { try { const found = JSON.parse(text); return Array.isArray(found) ? found : found.rules; } catch { return undefined; } };
const EXAMPLE = '[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_SUB"}]}]';
const text = { name: "rules", label: T("Rules"), type: "textarea", mono: true, rows: 10, required: true, placeholder: EXAMPLE, validate: (value) => (rules(value) ? "" : t("This is no JSON list of rules.")) };
export const mappings = define({
  ...more, name: "mappings", title: T("Mappings"), one: T("mapping"), path: `${F}/mappings`, key: "mappings", member: "mapping", nouns: ["mapping"], rule: "identity:list_mappings",
  columns: [{ title: T("Name"), cell: (row) => row.id, sort: "id" }, { title: T("Rules"), cell: (row) => row.rules.length, end: true }],
  facts: (row) => [["Name", row.id]],
  below: (row) => html`<h2>${t("Rules")}</h2><pre class="block" tabindex="0">${JSON.stringify(row.rules, null, 2)}</pre>`,
  create: {
    label: T("Create mapping"), rule: "identity:create_mapping", fields: [name, text],
    call: (v) => ({ method: "PUT", path: `${F}/mappings/${encodeURIComponent(v.id || "NAME")}`, body: { mapping: { rules: rules(v.rules || "[]") } } }), command: (v) => command("mapping", "create", "--rules", "FILE", v.id || "NAME"),
  },
  actions: [
    { name: "edit", label: T("Edit"), rule: "identity:update_mapping", given: (row) => ({ rules: JSON.stringify(row.rules, null, 2) }), fields: [text], call: (row, v) => ({ method: "PATCH", path: `${F}/mappings/${encodeURIComponent(row.id)}`, body: { mapping: { rules: rules(v.rules || "[]") } } }), command: (row) => command("mapping", "set", "--rules", "FILE", row.id) },
    drop(`${F}/mappings`, ["mapping"], "identity:delete_mapping"),
  ],
  command: (row) => command("mapping", "show", row.id),
});
