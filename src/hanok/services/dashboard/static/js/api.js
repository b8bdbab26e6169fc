// The way to the cloud: public APIs under /dashboard/api, and the session. No token is ever here.
import { computed, signal } from "./lib.js";
import { t, kept, keep } from "./i18n.js";

/** Who is signed in and where; null while that is not known. */
export const session = signal(null);
/** Set while a sign-in is shown over the page, because the session ended under it. */
export const away = signal(null);
/** The access rules that let this user do things, as "service|rule". */
export const allowed = signal(new Set());

/** The projects that this user may work in. */
export const projects = signal([]);
const CLASS = "hanok-class"; // the tag that `hanok class` gives
const isClass = (one) => (one.tags || []).includes(CLASS);
/** The classes that this user teaches: {id, name, students: projects}. */
export const classes = computed(() =>
  projects.value.filter(isClass).map((one) => ({ id: one.id, name: one.name, students: projects.value.filter((other) => isClass(other) && other.parent_id === one.id).sort((a, b) => a.name.localeCompare(b.name)) })).filter((one) => one.students.length));

const MARK = "X-Hanok-Dashboard";
export const VERSIONS = { compute: "compute 2.104", "block-storage": "volume 3.71", placement: "placement 1.39", "shared-file-system": "shared-file-system 2.99" };

export class Refused extends Error {
  constructor(status, message, { code = "", requestId = "", more = {} } = {}) {
    super(message);
    Object.assign(this, { status, code, requestId, more });
  }
}

const bare = (text) => text.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, 500);

const CODES = new Set(["badRequest", "unauthorized", "forbidden", "itemNotFound", "conflictingRequest", "overLimit", "computeFault"]); // they say no more than a status

/** What measures say of a refusal is a text, or its parts. */
const spelled = (said) => (typeof said === "string" ? bare(said) : Object.values(said).map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join(": "));

/** What an answer says of its refusal; code: the service's own name of it. */
function told(status, text) {
  try {
    const body = JSON.parse(text);
    const said = body.faultstring || body.error_message?.faultstring || body.description; // load balancers, alarms, measures
    if (said) return { message: spelled(said) };
    const [name, first] = Object.entries(body)[0] || [];
    const fault = body.error || body.NeutronError || body.errors?.[0] || first || {};
    if (typeof fault === "string") return { message: body.message || fault };
    const code = fault.type || (typeof fault.code === "string" && fault.code) || (body.error ? (/^[a-z]/.test(fault.title) ? fault.title : "") : CODES.has(name) ? "" : name);
    return { message: fault.message || fault.detail || fault.title || "", code, more: fault };
  } catch {
    return { message: bare(text) };
  }
}

async function refusal(response) {
  const { message, code, more } = told(response.status, await response.text());
  const requestId = response.headers.get("x-openstack-request-id") || "";
  return new Refused(response.status, message || `${response.status} ${response.statusText}`, { code, requestId, more });
}

const marked = () => ({ [MARK]: session.value?.scope || "none" });

async function ask(path, method, body) {
  const headers = marked();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/dashboard/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

const enter = async (shown) => {
  session.value = shown;
  if (shown.project) keep("project", shown.project.id);
  keep("user", shown.user?.name || "");
  keep("domain", shown.user?.domain?.name || "Default");
  return shown;
};

export const known = async () => enter2(await ask("session", "GET"));
const enter2 = (shown) => (shown.signed_in ? enter(shown) : (session.value = shown));

export async function signIn(given) {
  const shown = await ask("session", "POST", { project: session.value?.project?.id || kept("project") || "", ...given });
  await enter(shown);
  away.value?.back();
  away.value = null;
  return shown;
}

export async function signOut() {
  await ask("session", "DELETE");
  location.href = "/dashboard/";
}

export async function changeScope(scope) {
  await enter(await ask("session", "PUT", { scope }));
}

export const changePassword = (given) => ask("password", "POST", given);

export async function learnRights(rules) {
  const found = await ask("rights", "POST", { rules });
  allowed.value = new Set(found.allowed);
}

export async function learnProjects() {
  projects.value = (await api({ service: "identity", path: "/auth/projects" })).projects.filter((one) => one.enabled !== false);
}

/** The session has ended: the sign-in comes over the page, and what was asked goes on after it. */
function signedInAgain() {
  if (!away.value) {
    let back;
    const promise = new Promise((resolve) => { back = resolve; });
    away.value = { promise, back };
  }
  return away.value.promise;
}

export const serves = (service) => Boolean(session.value?.services?.[service]);

export const address = (service, path) => {
  const base = session.value?.services?.[service];
  if (!base) throw new Refused(503, t("The service {name} is switched off.", { name: service }));
  return base + path;
};

/**
 * Ask an API. Gives what it answers: an object, a text (raw: "text"), a Blob (raw: "blob"), or the response itself.
 * call: {service, method, path, body, query, headers, raw, data, type, within}. data: a file's bytes, of media type `type`.
 * within: the id of another project of this user, in which it is done.
 */
export async function api(call) {
  const { service, method = "GET", path, body, query, headers, raw, data, type, within } = call;
  const text = query ? new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== null)).toString() : "";
  const sent = { ...marked(), Accept: "application/json", ...headers };
  if (within) sent["X-Hanok-Project"] = within;
  if (VERSIONS[service]) sent["OpenStack-API-Version"] = VERSIONS[service];
  if (body !== undefined) sent["Content-Type"] = type || "application/json";
  if (data !== undefined) sent["Content-Type"] = type || "application/octet-stream";
  if (raw) sent.Accept = "*/*";
  const where = address(service, path) + (text ? `?${text}` : "");
  const response = await fetch(where, { method, headers: sent, body: data ?? (body === undefined ? undefined : JSON.stringify(body)) });
  if (response.ok) {
    if (raw === "text") return response.text();
    if (raw === "blob") return response.blob();
    if (raw) return response;
    const answer = await response.text();
    return answer ? JSON.parse(answer) : null;
  }
  const refused = await refusal(response);
  if (refused.status === 401) {
    await signedInAgain();
    return api(call);
  }
  if (refused.code === "scopeChanged") {
    refused.message = t("This browser works in another project now. Load the page again.");
    known();
  }
  throw refused;
}

/** Send a file with progress, 0 to 1. */
export function upload({ service, path, file, type = "application/octet-stream", progress, method = "PUT" }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address(service, path));
    for (const [name, value] of Object.entries({ ...marked(), "Content-Type": type })) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && progress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 300) return resolve();
      const { message, code } = told(request.status, request.responseText);
      reject(new Refused(request.status, message || String(request.status), { code }));
    };
    request.onerror = () => reject(new Refused(0, t("The cloud did not answer.")));
    request.send(file);
  });
}
