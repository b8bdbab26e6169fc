// The languages. The English text is the key; a catalogue holds the other language's.
// Texts stand in t("…"), T("…") and in declarations (label, title, help, …), where a test finds them.
import { signal } from "./lib.js";

const files = new URL("../locales/", import.meta.url);
const languages = { en: "English", ko: "한국어" };
const catalogue = signal({});
export const language = signal("en");
export { languages };

const kept = (name) => {
  try { return localStorage.getItem(name); } catch { return null; }
};
export const keep = (name, value) => {
  try { localStorage.setItem(name, value); } catch { /* a private window */ }
};
export { kept };

export async function speak(which) {
  const chosen = languages[which] ? which : "en";
  if (chosen !== "en") refusals ||= await import("./refusals.js"); // the APIs speak English, so English needs no words of ours
  catalogue.value = chosen === "en" ? {} : await (await fetch(new URL(`${chosen}.json`, files))).json();
  language.value = chosen;
  document.documentElement.lang = chosen;
  keep("language", chosen);
}

export const preferred = () =>
  kept("language") || (navigator.languages || []).map((one) => one.slice(0, 2)).find((one) => languages[one]) || "en";

/** A text in the language of the page; {name} in it is filled in. */
export function t(text, values) {
  if (!text) return "";
  const said = catalogue.value[text] || text;
  return values ? said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole)) : said;
}

let refusals = null;
/** What an API refused ({message, code, status}) in the language of the page; empty where its own words do. */
export const inWords = (refused) => (language.value !== "en" && refusals ? refusals.inWords(refused) : "");

/** Marks a text that is translated where it is shown. */
export const T = (text) => text;

export const number = (value, digits = 1) =>
  new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value);

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
export function bytes(value) {
  if (value == null) return "";
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at++; }
  return `${number(value)} ${units[at]}`;
}
export const mib = (value) => (value == null ? "" : bytes(value * 2 ** 20));
export const gib = (value) => (value == null ? "" : bytes(value * 2 ** 30));

/** The times of the APIs, which name no zone, are UTC. */
export const instant = (text) => (text ? new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`) : null);

export function when(text) {
  const found = instant(text);
  return !found || isNaN(found) ? "" : new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "medium" }).format(found);
}

const steps = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
export function ago(text) {
  const found = instant(text);
  if (!found || isNaN(found)) return "";
  let value = (found - Date.now()) / 1000;
  for (const [unit, size] of steps) {
    if (Math.abs(value) < size)
      return new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(Math.round(value), unit);
    value /= size;
  }
}

/** The name of an event, "compute.instance.create.end", in words. */
export const eventWords = (kind) => kind.split(".").slice(1).map((word) => t(word)).join(" ");
