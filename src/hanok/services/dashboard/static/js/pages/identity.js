// Domains, projects, users, groups, roles, and who may do what where.
import { define, choices, Name, all } from "../resource.js";
import { page } from "../shell.js";
import { T, t } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { api, session } from "../api.js";
import { isAllowed } from "../form.js";
import { State, Fault, Loading, Ways, sayWhy } from "../ui.js";
import { html, useAsked, useState, without } from "../lib.js";

const yes = (value) => (value ? t("yes") : t("no"));
const more = { service: "identity", paged: false };
const domainField = { name: "domain_id", label: T("Domain"), type: "select", required: true, options: async () => domainsOrOwn(), default: () => session.value?.project?.domain?.id || session.value?.domain?.id || "default" };
const domainsOrOwn = async () => {
  try { return (await all("domains")).map((one) => ({ value: one.id, label: one.name })); } catch {
    const own = session.value.domain || session.value.project?.domain || session.value.user.domain;
    return [{ value: own.id, label: own.name }];
  }
};
const drop = (path, words, rule, text, at) => ({ name: "delete", label: T("Delete"), rule, danger: true, bulk: true, gone: true, confirm: text, when: at, call: (row) => ({ method: "DELETE", path: `${path}/${row.id}` }), command: (row) => command(...words, "delete", row.id) });
const change = (path, member, words, rule, fields, flags) => ({
  name: "edit", label: T("Edit"), rule, given: (row) => row, fields, call: (row, v) => ({ method: "PATCH", path: `${path}/${row.id}`, body: { [member]: v } }), command: (row, v) => command(...words, "set", ["--name", v.name], ["--description", v.description], flags?.(v), row.id),
});
const toggle = (path, member, words, rule) => [true, false].map((on) => ({
  name: on ? "enable" : "disable", label: on ? T("Enable") : T("Disable"), rule, bulk: true, when: (row) => row.enabled !== on, confirm: on ? false : T("Its tokens end at once."), call: (row) => ({ method: "PATCH", path: `${path}/${row.id}`, body: { [member]: { enabled: on } } }), command: (row) => command(...words, "set", on ? "--enable" : "--disable", row.id),
}));
const basics = [{ name: "name", label: T("Name"), required: true, maxlength: 64 }, { name: "description", label: T("Description") }];
const enabled = { name: "enabled", label: T("Enabled"), type: "checkbox", default: true };
const filter = [{ name: "name", label: T("Name"), here: true }];
const named = { title: T("Name"), cell: (row) => row.name, sort: "name" };
const described = { title: T("Description"), cell: (row) => row.description, small: true };
const isOn = { title: T("Enabled"), cell: (row) => html`<${State} value=${row.enabled ? "enabled" : "disabled"} />`, sort: "enabled" };
const ofDomain = { title: T("Domain"), cell: (row) => html`<${Name} of="domains" id=${row.domain_id} />`, small: true };

export const domains = define({
  ...more, name: "domains", title: T("Domains"), one: T("domain"), path: "/domains", key: "domains", member: "domain", nouns: ["domain"], rule: "identity:list_domains", filters: filter, columns: [named, described, isOn],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Enabled", yes(row.enabled)]],
  create: { label: T("Create domain"), rule: "identity:create_domain", fields: [...basics, enabled], call: (v) => ({ method: "POST", path: "/domains", body: { domain: v } }), command: (v) => command("domain", "create", ["--description", v.description], v.enabled ? "--enable" : "--disable", v.name), terraform: (v) => terraform("openstack_identity_project_v3", v.name, { name: v.name, is_domain: true }) },
  actions: [change("/domains", "domain", ["domain"], "identity:update_domain", basics), ...toggle("/domains", "domain", ["domain"], "identity:update_domain"), drop("/domains", ["domain"], "identity:delete_domain", T("Its projects, users and groups go with it. It has to be disabled first."), (row) => !row.enabled)],
  command: (row) => command("domain", "show", row.id),
});

export const projects = define({
  ...more, name: "projects", title: T("Projects"), one: T("project"), path: "/projects", key: "projects", member: "project", nouns: ["project"], rule: "identity:list_projects", filters: filter, columns: [named, described, ofDomain, isOn],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Domain", html`<${Name} of="domains" id=${row.domain_id} />`], ["Enabled", yes(row.enabled)], ["Tags", (row.tags || []).join(", ")]],
  parts: [{ name: "members", title: T("Members"), show: (row) => html`<${Grants} project=${row} />` }, { name: "quotas", title: T("Quotas"), when: () => isAllowed("compute|os_compute_api:os-quota-sets:show"), show: (row) => html`<${Quotas} project=${row} />` }],
  rules: ["compute|os_compute_api:os-quota-sets:show", "compute|os_compute_api:os-quota-sets:update", "identity:create_grant", "identity:list_role_assignments"],
  create: { label: T("Create project"), rule: "identity:create_project", fields: [...basics, domainField, enabled], call: (v) => ({ method: "POST", path: "/projects", body: { project: v } }), command: (v) => command("project", "create", ["--domain", v.domain_id], ["--description", v.description], v.enabled ? "--enable" : "--disable", v.name), terraform: (v) => terraform("openstack_identity_project_v3", v.name, { name: v.name, description: v.description, domain_id: v.domain_id }) },
  actions: [change("/projects", "project", ["project"], "identity:update_project", basics), ...toggle("/projects", "project", ["project"], "identity:update_project"), drop("/projects", ["project"], "identity:delete_project", T("What is in it stays behind without an owner: delete that first."))],
  command: (row) => command("project", "show", row.id), terraform: (row) => terraform("openstack_identity_project_v3", row.name, { name: row.name, description: row.description, domain_id: row.domain_id }),
});

const projectOptions = choices("projects");
export const users = define({
  ...more, name: "users", title: T("Users"), one: T("user"), path: "/users", key: "users", member: "user", nouns: ["user"], rule: "identity:list_users", filters: filter, columns: [named, { title: T("Email"), cell: (row) => row.email || "", small: true }, described, ofDomain, isOn],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Email", row.email], ["Description", row.description], ["Domain", html`<${Name} of="domains" id=${row.domain_id} />`], ["Enabled", yes(row.enabled)], ["First project", row.default_project_id && html`<${Name} of="projects" id=${row.default_project_id} />`], ["Password ends", row.password_expires_at]],
  parts: [{ name: "roles", title: T("Roles"), show: (row) => html`<${Roles} who="user" row=${row} />` }],
  create: {
    label: T("Create user"), rule: "identity:create_user",
    fields: [...basics, { name: "email", label: T("Email"), type: "email" }, { name: "password", label: T("Password"), type: "password", required: true }, { name: "again", label: T("Password again"), type: "password", required: true, validate: (value, v) => (value === v.password ? "" : t("The two are not the same.")) }, domainField, { name: "project", label: T("Project"), type: "select", none: T("none"), options: projectOptions }, { name: "role", label: T("Role there"), type: "select", required: true, options: choices("roles"), when: (v) => v.project }, enabled],
    send: async (v) => {
      const made = await api({ service: "identity", method: "POST", path: "/users", body: { user: userBody(v) } });
      if (v.project) await api({ service: "identity", method: "PUT", path: `/projects/${v.project}/users/${made.user.id}/roles/${v.role}` }).catch((error) => sayWhy(error, made.user.name));
      return made;
    },
    call: (v) => [{ method: "POST", path: "/users", body: { user: userBody(v) } }, ...(v.project ? [{ method: "PUT", path: `/projects/${v.project}/users/USER_ID/roles/${v.role}` }] : [])],
    command: (v) => [command("user", "create", ["--domain", v.domain_id], ["--email", v.email], ["--description", v.description], "--password-prompt", v.name), ...(v.project ? [command("role", "add", ["--user", v.name], ["--project", v.project], v.role || "ROLE")] : [])],
    terraform: (v) => terraform("openstack_identity_user_v3", v.name, { name: v.name, domain_id: v.domain_id, default_project_id: v.project }),
  },
  actions: [
    change("/users", "user", ["user"], "identity:update_user", [basics[0], { name: "email", label: T("Email"), type: "email" }, basics[1]]),
    { name: "password", label: T("Set its password"), rule: "identity:update_user", fields: [{ name: "password", label: T("Password"), type: "password", required: true }, { name: "again", label: T("Password again"), type: "password", required: true, validate: (value, v) => (value === v.password ? "" : t("The two are not the same.")) }], call: (row, v) => ({ method: "PATCH", path: `/users/${row.id}`, body: { user: { password: v.password } } }), command: (row) => command("user", "set", "--password-prompt", row.id) },
    ...toggle("/users", "user", ["user"], "identity:update_user"), drop("/users", ["user"], "identity:delete_user", undefined, (row) => row.id !== session.value.user.id)],
  command: (row) => command("user", "show", row.id), terraform: (row) => terraform("openstack_identity_user_v3", row.name, { name: row.name, domain_id: row.domain_id }),
});
const userBody = (v) => without({ name: v.name, email: v.email, description: v.description, password: v.password, domain_id: v.domain_id, enabled: v.enabled, default_project_id: v.project });

export const userGroups = define({
  ...more, name: "groups", title: T("Groups"), one: T("group"), path: "/groups", key: "groups", member: "group", nouns: ["group"], rule: "identity:list_groups", filters: filter, columns: [named, described, ofDomain],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description], ["Domain", html`<${Name} of="domains" id=${row.domain_id} />`]],
  parts: [{ name: "members", title: T("Members"), show: (row) => html`<${GroupMembers} row=${row} />` }, { name: "roles", title: T("Roles"), show: (row) => html`<${Roles} who="group" row=${row} />` }],
  create: { label: T("Create group"), rule: "identity:create_group", fields: [...basics, domainField], call: (v) => ({ method: "POST", path: "/groups", body: { group: v } }), command: (v) => command("group", "create", ["--domain", v.domain_id], ["--description", v.description], v.name), terraform: (v) => terraform("openstack_identity_group_v3", v.name, v) },
  actions: [
    { name: "add", label: T("Add a user"), rule: "identity:add_user_to_group", primary: true, fields: [{ name: "user", label: T("User"), type: "select", required: true, options: choices("users") }], call: (row, v) => ({ method: "PUT", path: `/groups/${row.id}/users/${v.user}` }), command: (row, v) => command("group", "add", "user", row.id, v.user || "USER") },
    change("/groups", "group", ["group"], "identity:update_group", basics), drop("/groups", ["group"], "identity:delete_group")],
  command: (row) => command("group", "show", row.id),
});

export const roles = define({
  ...more, name: "roles", title: T("Roles"), one: T("role"), path: "/roles", key: "roles", member: "role", nouns: ["role"], rule: "identity:list_roles", filters: filter, columns: [named, described],
  facts: (row) => [["ID", html`<code>${row.id}</code>`], ["Description", row.description]],
  create: { label: T("Create role"), rule: "identity:create_role", fields: basics, call: (v) => ({ method: "POST", path: "/roles", body: { role: without(v) } }), command: (v) => command("role", "create", ["--description", v.description], v.name), terraform: (v) => terraform("openstack_identity_role_v3", v.name, { name: v.name }) },
  actions: [change("/roles", "role", ["role"], "identity:update_role", basics), drop("/roles", ["role"], "identity:delete_role", T("Whoever had it has it no more."))],
  command: (row) => command("role", "show", row.id),
});

// ---- who may do what where ----

const subject = (one) => (one.user ? { kind: "user", path: "users", ...one.user } : { kind: "group", path: "groups", ...one.group });
const assignments = (query) => api({ service: "identity", path: "/role_assignments", query: { include_names: "true", ...query } }).then((found) => found.role_assignments);

/** A project's members as a matrix of roles, each box of which is a grant. */
function Grants({ project }) {
  const state = useAsked(async () => {
    const [found, names, people, groups] = await Promise.all([assignments({ "scope.project.id": project.id }), all("roles"), all("users"), all("groups")]);
    return { found, names, people, groups };
  }, [project.id]);
  const [added, setAdded] = useState([]);
  const may = isAllowed("identity|identity:create_grant");
  const [last, setLast] = useState(null);
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  const { found, names, people, groups } = state.value;
  const members = new Map();
  for (const one of found) if (!one.scope["OS-INHERIT:inherited_to"]) members.set(subject(one).id, subject(one));
  for (const one of added) if (!members.has(one.id)) members.set(one.id, one);
  const has = (member, role) => found.some((one) => subject(one).id === member.id && one.role.id === role.id);
  const set = async (member, role, on) => {
    const call = { service: "identity", method: on ? "PUT" : "DELETE", path: `/projects/${project.id}/${member.path}/${member.id}/roles/${role.id}` };
    setLast({ calls: [call], command: command("role", on ? "add" : "remove", [`--${member.kind}`, member.name], ["--project", project.name], role.name), terraform: on ? terraform("openstack_identity_role_assignment_v3", `${member.name}_${role.name}`, { [`${member.kind}_id`]: member.id, project_id: project.id, role_id: role.id }) : "" });
    try { await api(call); } catch (error) { sayWhy(error); }
    state.again();
  };
  const add = (event) => {
    const [path, id] = event.target.value.split("/");
    const one = (path === "users" ? people : groups).find((other) => other.id === id);
    if (one) setAdded([...added, { ...one, path, kind: path === "users" ? "user" : "group" }]);
    event.target.value = "";
  };
  return html`<div class="scroll"><table aria-label=${t("Members")}><thead><tr><th scope="col">${t("Who")}</th>${names.map((role) => html`<th scope="col">${role.name}</th>`)}</tr></thead>
    <tbody>${[...members.values()].map((member) => html`<tr key=${member.id}><th scope="row">${member.name} ${member.kind === "group" && html`<span class="fine">${t("group")}</span>`}</th>
      ${names.map((role) => html`<td><input type="checkbox" disabled=${!may} aria-label=${`${member.name}: ${role.name}`} checked=${has(member, role)} onChange=${(event) => set(member, role, event.target.checked)} /></td>`)}</tr>`)}</tbody></table></div>
    ${may && html`<p><label>${t("Add somebody")} <select onChange=${add}><option value="">—</option><optgroup label=${t("Users")}>${people.filter((one) => !members.has(one.id)).map((one) => html`<option value=${`users/${one.id}`}>${one.name}</option>`)}</optgroup><optgroup label=${t("Groups")}>${groups.filter((one) => !members.has(one.id)).map((one) => html`<option value=${`groups/${one.id}`}>${one.name}</option>`)}</optgroup></select></label></p>`}
    ${last && html`<${Ways} ways=${last} />`}`;
}

function Roles({ who, row }) {
  const { value, error } = useAsked(() => assignments({ [`${who}.id`]: row.id }), [row.id]);
  if (!value) return error ? html`<${Fault} error=${error} />` : html`<${Loading} />`;
  const where = (scope) => (scope.project ? html`<a href=${`/dashboard/projects/${scope.project.id}?part=members`}>${scope.project.name}</a>` : scope.domain ? `${t("domain")} ${scope.domain.name}` : t("system"));
  if (!value.length) return html`<div class="empty">${t("It has no role anywhere. Give it one among the members of a project.")}</div>`;
  return html`<table aria-label=${t("Roles")}><thead><tr><th scope="col">${t("Role")}</th><th scope="col">${t("Where")}</th></tr></thead><tbody>${value.map((one) => html`<tr><td>${one.role.name}</td><td>${where(one.scope)}</td></tr>`)}</tbody></table>`;
}

function GroupMembers({ row }) {
  const state = useAsked(async () => (await api({ service: "identity", path: `/groups/${row.id}/users` })).users, [row]);
  const drop = async (user) => {
    try { await api({ service: "identity", method: "DELETE", path: `/groups/${row.id}/users/${user.id}` }); } catch (error) { sayWhy(error); }
    state.again();
  };
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  if (!state.value.length) return html`<div class="empty">${t("There is none yet.")}</div>`;
  return html`<table aria-label=${t("Members")}><tbody>${state.value.map((one) => html`<tr key=${one.id}><td><${Name} of="users" id=${one.id} /></td><td class="end"><button class="small" onClick=${() => drop(one)}>${t("Remove")}</button></td></tr>`)}</tbody></table>`;
}

page({ name: "assignments", title: T("Role assignments"), rule: "identity|identity:list_role_assignments", show: () => html`<${Assignments} />` });

function Assignments() {
  const { value, error } = useAsked(() => assignments({}), []);
  const [text, set] = useState("");
  if (!value) return error ? html`<${Fault} error=${error} />` : html`<${Loading} />`;
  const where = (scope) => scope.project?.name || (scope.domain && `${t("domain")} ${scope.domain.name}`) || t("system");
  const rows = value.map((one) => ({ who: subject(one), role: one.role.name, where: where(one.scope), project: one.scope.project?.id, inherited: Boolean(one.scope["OS-INHERIT:inherited_to"]) }));
  const fits = rows.filter((one) => `${one.who.name} ${one.role} ${one.where}`.toLowerCase().includes(text.toLowerCase()));
  return html`<section class="page"><header><h1>${t("Role assignments")}</h1></header><div class="filters"><input type="search" aria-label=${t("Look for")} placeholder=${t("Look for")} value=${text} onInput=${(event) => set(event.target.value)} /></div>
    <table aria-label=${t("Role assignments")}><thead><tr><th scope="col">${t("Who")}</th><th scope="col">${t("Role")}</th><th scope="col">${t("Where")}</th></tr></thead>
    <tbody>${fits.map((one) => html`<tr><td><${Name} of=${one.who.path} id=${one.who.id} /> ${one.who.kind === "group" && html`<span class="fine">${t("group")}</span>`}</td><td>${one.role}</td><td>${one.project ? html`<a href=${`/dashboard/projects/${one.project}?part=members`}>${one.where}</a>` : one.where}${one.inherited && html` <span class="fine">${t("and what is below it")}</span>`}</td></tr>`)}</tbody></table>
    <${Ways} ways=${{ command: command("role", "assignment", "list", "--names"), calls: [{ service: "identity", path: "/role_assignments?include_names=true" }] }} /></section>`;
}

// ---- quotas ----

const quotaOf = {
  compute: (id) => ({ service: "compute", path: `/os-quota-sets/${id}`, member: "quota_set" }),
  "block-storage": (id) => ({ service: "block-storage", path: `/os-quota-sets/${id}`, member: "quota_set" }),
  network: (id) => ({ service: "network", path: `/v2.0/quotas/${id}`, member: "quota" }),
};
const titles = { compute: T("Compute"), "block-storage": T("Volumes"), network: T("Network") };

function Quotas({ project }) {
  const state = useAsked(async () => Object.fromEntries(await Promise.all(Object.entries(quotaOf).map(async ([name, of]) => {
    const call = of(project.id);
    try { return [name, (await api(call))[call.member]]; } catch { return [name, null]; }
  }))), [project.id]);
  const edit = async (name) => {
    const { formDialog } = await import("../form.js");
    const call = quotaOf[name](project.id);
    const now = state.value[name];
    const keys = Object.keys(now).filter((key) => typeof now[key] === "number");
    const changed = (v) => Object.fromEntries(keys.filter((key) => v[key] !== now[key] && v[key] !== "").map((key) => [key, v[key]]));
    const request = (v) => ({ service: call.service, method: "PUT", path: call.path, body: { [call.member]: changed(v) } });
    const done = await formDialog({
      title: `${t("Quotas")}: ${project.name}`, given: now, fields: keys.map((key) => ({ name: key, label: key, type: "number", min: -1, required: true })), intro: t("-1: without end."), send: (v) => api(request(v)),
      ways: (v) => ({ calls: [request(v)], command: command("quota", "set", Object.entries(changed(v)).map(([key, value]) => [`--${key.replaceAll("_", "-")}`, value]), project.id) }),
    });
    if (done) state.again();
  };
  if (!state.value) return html`<${Loading} />`;
  return html`<div class="cards">${Object.entries(state.value).filter(([, one]) => one).map(([name, one]) => html`<section class="card"><h2>${t(titles[name])}</h2><table><tbody>${Object.entries(one).filter(([, value]) => typeof value === "number").map(([key, value]) => html`<tr><td class="mono">${key}</td><td class="end">${value < 0 ? "∞" : value}</td></tr>`)}</tbody></table>
    ${isAllowed("compute|os_compute_api:os-quota-sets:update") && html`<div class="buttons"><button class="small" onClick=${() => edit(name)}>${t("Edit")}</button></div>`}</section>`)}</div>`;
}
