// API access: files for clients, endpoints, and application credentials.
import { page } from "../shell.js";
import { define } from "../resource.js";
import { T, t } from "../i18n.js";
import { command, quoted, terraform } from "../commands.js";
import { session } from "../api.js";
import { Ago, Copy, download, reveal } from "../ui.js";
import { html, without, words } from "../lib.js";
import { Within } from "../resource.js";

const rows = (pairs) => pairs.filter(([, value]) => value).map(([name, value]) => `export ${name}=${quoted(String(value))}`).join("\n");
const authUrl = () => session.value.endpoints.find((one) => one.type === "identity")?.url || `${location.origin}/v3`;

export function openrc(credential) {
  const now = session.value;
  if (credential)
    return `${rows([["OS_AUTH_TYPE", "v3applicationcredential"], ["OS_AUTH_URL", authUrl()], ["OS_IDENTITY_API_VERSION", 3], ["OS_REGION_NAME", now.region], ["OS_APPLICATION_CREDENTIAL_ID", credential.id], ["OS_APPLICATION_CREDENTIAL_SECRET", credential.secret]])}\n`;
  return `# The password is asked for; it is not in this file.\n${rows([["OS_AUTH_URL", authUrl()], ["OS_IDENTITY_API_VERSION", 3], ["OS_REGION_NAME", now.region], ["OS_USERNAME", now.user.name], ["OS_USER_DOMAIN_NAME", now.user.domain.name], ["OS_PROJECT_NAME", now.project?.name], ["OS_PROJECT_DOMAIN_NAME", now.project?.domain.name], ["OS_DOMAIN_NAME", now.domain?.name], ["OS_SYSTEM_SCOPE", now.scope === "system" && "all"], ["OS_INTERFACE", "public"]])}\nread -rsp "Password of $OS_USERNAME: " OS_PASSWORD && export OS_PASSWORD && echo\n`;
}

const yaml = (value) => JSON.stringify(String(value)); // a quoted scalar of YAML, too
export function cloudsYaml(credential) {
  const now = session.value;
  const auth = credential
    ? { auth_url: authUrl(), application_credential_id: credential.id, application_credential_secret: credential.secret }
    : without({ auth_url: authUrl(), username: now.user.name, user_domain_name: now.user.domain.name, project_name: now.project?.name, project_domain_name: now.project?.domain.name, domain_name: now.domain?.name, system_scope: now.scope === "system" ? "all" : undefined });
  const lines = Object.entries(auth).map(([key, value]) => `      ${key}: ${yaml(value)}`).join("\n");
  return `clouds:\n  hanok:\n${credential ? "    auth_type: v3applicationcredential\n" : ""}    auth:\n${lines}\n    region_name: ${yaml(now.region)}\n    identity_api_version: 3\n    interface: public\n`;
}

page({ name: "access", title: T("API access"), show: () => html`<${Access} />` });

const File = ({ name, text }) => html`<section><div class="tabs"><h2>${name}</h2><span class="grow"></span><${Copy} value=${text} /><button class="small" onClick=${() => download(name, text)}>${t("Download")}</button></div><pre class="block" tabindex="0">${text}</pre></section>`;

function Access() {
  return html`<section class="page"><header><h1>${t("API access")}</h1></header>
    <p>${t("Whatever this dashboard does, it does by these addresses. A script can do the same.")}</p>
    <table aria-label=${t("Endpoints")}><thead><tr><th scope="col">${t("Service")}</th><th scope="col">${t("Address")}</th></tr></thead><tbody>${session.value.endpoints.map((one) => html`<tr><td>${one.type}</td><td class="mono">${one.url} <${Copy} value=${one.url} /></td></tr>`)}</tbody></table>
    <br /><${File} name="openrc.sh" text=${openrc()} /><br /><${File} name="clouds.yaml" text=${cloudsYaml()} />
    <${Within} name="application_credentials" /></section>`;
}

const path = () => `/users/${session.value?.user?.id}/application_credentials`;
export const credentials = define({
  name: "application_credentials", title: T("Application credentials"), one: T("application credential"), service: "identity", paged: false,
  get path() { return path(); }, key: "application_credentials", member: "application_credential", nouns: ["application_credential"], rule: "identity:list_application_credentials",
  columns: [{ title: T("Name"), cell: (row) => row.name, sort: "name" }, { title: T("Roles"), cell: (row) => row.roles.map((one) => one.name).join(", ") }, { title: T("Ends"), cell: (row) => (row.expires_at ? html`<${Ago} time=${row.expires_at} />` : t("never")) }, { title: T("May make others"), cell: (row) => (row.unrestricted ? t("yes") : t("no")), small: true }, { title: T("Description"), cell: (row) => row.description, small: true }],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Roles", row.roles.map((one) => one.name).join(", ")], ["Ends", row.expires_at || t("never")], ["May make others", row.unrestricted ? t("yes") : t("no")], ["Access rules", (row.access_rules || []).map((one) => `${one.service} ${one.method} ${one.path}`).join("; ")]],
  create: {
    label: T("Create application credential"), rule: "identity:create_application_credential", intro: T("For a script: it works in this project only, with these roles, and without your password."),
    fields: [
      { name: "name", label: T("Name"), required: true }, { name: "description", label: T("Description") },
      { name: "roles", label: T("Roles"), type: "checks", options: async () => session.value.roles, default: () => [...session.value.roles] },
      { name: "days", label: T("Ends after days"), type: "number", min: 1, help: T("Empty: never.") },
      { name: "unrestricted", label: T("It may make other credentials"), type: "checkbox", help: T("Rarely needed, and dangerous where it is lost.") },
      { name: "rules", label: T("Access rules"), type: "textarea", mono: true, placeholder: "compute GET /v2.1/servers\ncompute POST /v2.1/servers/*/action", help: T("Empty: everything that its roles allow. One a line: service, method, path."), validate: (value) => (value.trim().split("\n").every((line) => words(line).length === 3) ? "" : t("One a line: service, method, path.")) },
    ],
    call: (v) => ({ method: "POST", path: path(), body: { application_credential: without({ name: v.name, description: v.description, roles: v.roles?.length ? v.roles.map((name) => ({ name })) : undefined, unrestricted: v.unrestricted || undefined, expires_at: v.days ? new Date(Date.now() + v.days * 864e5).toISOString().slice(0, 19) : undefined, access_rules: v.rules?.trim() ? v.rules.trim().split("\n").map((line) => { const [service, method, where] = words(line); return { service, method, path: where }; }) : undefined }) } }),
    command: (v) => command("application", "credential", "create", ["--description", v.description], (v.roles || []).map((one) => ["--role", one]), v.unrestricted && "--unrestricted", v.rules && "--access-rules", v.rules && "FILE", v.name || "NAME"),
    terraform: (v) => terraform("openstack_identity_application_credential_v3", v.name, { name: v.name, description: v.description, roles: v.roles, unrestricted: v.unrestricted || undefined }),
    done: (made) => reveal({ title: made.application_credential.name, text: t("The secret is shown only now. This is clouds.yaml with it:"), value: cloudsYaml(made.application_credential), file: "clouds.yaml" }),
  },
  actions: [{ name: "delete", label: T("Delete"), rule: "identity:delete_application_credential", danger: true, bulk: true, gone: true, confirm: T("What uses it is signed out at once."), call: (row) => ({ method: "DELETE", path: `${path()}/${row.id}` }), command: (row) => command("application", "credential", "delete", row.id) }],
  command: (row) => command("application", "credential", "show", row.id),
});
