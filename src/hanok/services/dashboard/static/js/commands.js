// The same thing by other means: an openstack command, a Terraform block, a request.
import { session, VERSIONS } from "./api.js";

const plain = /^[\w@%+=:,./-]+$/;
export const quoted = (word) => (plain.test(word) ? word : `'${String(word).replaceAll("'", "'\\''")}'`);

/** How a command names something: by its id where its name would be read as an option. */
export const called = (row) => (row.name && !row.name.startsWith("-") ? row.name : row.id);

// A value that begins with a hyphen, as others may call their things, is no option of its own.
const option = (name, text) => (text.startsWith("-") ? [quoted(`${name}=${text}`)] : [name, quoted(text)]);

/** Words of a command: texts, ["--option", value] where the value may be missing, lists of these. */
export function command(...parts) {
  const found = ["openstack"];
  const add = (part) => {
    if (part == null || part === false || part === "") return;
    if (!Array.isArray(part)) found.push(quoted(String(part)));
    else if (typeof part[0] === "string" && part[0].startsWith("--") && part.length === 2) {
      if (part[1] === true) found.push(part[0]);
      else if (part[1] !== undefined && part[1] !== "" && part[1] !== null && part[1] !== false) found.push(...option(part[0], String(part[1])));
    } else part.forEach(add);
  };
  parts.forEach(add);
  return found.join(" ");
}

const REFERENCE = Symbol("reference");
/** What another block gives, by its address there. */
export const reference = (type, name, attribute = "id") => ({ [REFERENCE]: `${type}.${label(name)}.${attribute}` });
const value = (found, indent) => {
  if (found?.[REFERENCE]) return found[REFERENCE];
  if (Array.isArray(found)) return `[${found.map((one) => value(one, indent)).join(", ")}]`;
  if (found && typeof found === "object") {
    const inner = Object.entries(found).map(([key, one]) => `${indent}  ${quotedHCL(key)} = ${value(one, `${indent}  `)}`);
    return `{\n${inner.join("\n")}\n${indent}}`;
  }
  return typeof found === "string" ? quotedHCL(found) : String(found);
};
const quotedHCL = (text) => JSON.stringify(text).replaceAll("${", "$${").replaceAll("%{", "%%{");
const label = (text) => (text || "this").toLowerCase().replace(/[^a-z0-9_]+/g, "_").replace(/^(\d)/, "_$1");

/** A Terraform block; what is undefined or empty is left out; a list of objects under a name becomes blocks. */
export function terraform(type, name, attributes) {
  const lines = [];
  for (const [key, found] of Object.entries(attributes)) {
    if (found === undefined || found === null || found === "") continue;
    if (Array.isArray(found) && found.length && typeof found[0] === "object")
      for (const one of found) lines.push(`  ${key} {\n${Object.entries(one).map(([inner, v]) => `    ${inner} = ${value(v, "    ")}`).join("\n")}\n  }`);
    else if (!(Array.isArray(found) && !found.length)) lines.push(`  ${key} = ${value(found, "  ")}`);
  }
  return `resource "${type}" "${label(name)}" {\n${lines.join("\n")}\n}`;
}

/** A request as curl sends it; the token stands for itself. */
export function request(call) {
  const endpoint = session.value?.endpoints?.find((one) => one.type === call.service)?.url || "";
  const lines = [`curl -X ${call.method || "GET"} ${quoted(endpoint + call.path)} -H "X-Auth-Token: $TOKEN"`];
  if (VERSIONS[call.service]) lines[0] += ` \\\n  -H 'OpenStack-API-Version: ${VERSIONS[call.service]}'`;
  if (call.body !== undefined)
    lines.push(`  -H 'Content-Type: ${call.type || "application/json"}' -d ${quotedJSON(call.body)}`);
  if (call.data !== undefined) lines.push(`  -H 'Content-Type: application/octet-stream' --data-binary @FILE`);
  return lines.join(" \\\n");
}
const secret = new Set(["password", "adminPass", "original_password", "secret"]);
const quotedJSON = (body) =>
  `'${JSON.stringify(body, (key, one) => (secret.has(key) && one ? "…" : one)).replaceAll("'", "'\\''")}'`;
