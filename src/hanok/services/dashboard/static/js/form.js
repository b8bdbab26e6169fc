// Forms from declared fields: looked at here before anything is sent, and what an API refuses is shown at its field.
import { html, useEffect, useMemo, useRef, useState } from "./lib.js";
import { t } from "./i18n.js";
import { allowed } from "./api.js";
import { Fault, Ways, Loading, dialog, why } from "./ui.js";

// field: {name, label, type, required, default, help, options, min, max, maxlength, pattern, validate, when, rule, why}
// type: text (default), number, password, textarea, checkbox, select, radio, checks, file, pairs
// options: a list of values, of {value, label, note, disabled}, or a function of the values that gives one, also later

export const isAllowed = (rule, service) => !rule || allowed.value.has(rule.includes("|") ? rule : `${service}|${rule}`);

const initial = (fields, given) =>
  Object.fromEntries(fields.map((field) => {
    const value = given[field.name] ?? (typeof field.default === "function" ? field.default(given) : field.default);
    return [field.name, value ?? (field.type === "checkbox" ? false : field.type === "checks" ? [] : field.type === "pairs" ? [] : "")];
  }));

function wrong(field, value, values) {
  const empty = value === "" || value == null || (Array.isArray(value) && !value.length);
  if (empty) return field.required ? t("This is needed.") : "";
  if (field.type === "number") {
    if (!Number.isFinite(Number(value))) return t("This is not a number.");
    if (field.min != null && Number(value) < field.min) return t("At least {min}.", { min: field.min });
    if (field.max != null && Number(value) > field.max) return t("At most {max}.", { max: field.max });
  }
  if (field.maxlength && String(value).length > field.maxlength) return t("At most {max} letters.", { max: field.maxlength });
  if (field.pattern && !field.pattern.test(String(value))) return t(field.patternHelp || "This does not have the right form.");
  return field.validate?.(value, values) || "";
}

const read = (field, value) => (field.type === "number" && value !== "" && value != null ? Number(value) : value);

/** The values as they are sent: without the fields that are not shown, numbers as numbers. */
export const clean = (fields, values) =>
  Object.fromEntries(fields.filter((field) => !field.when || field.when(values)).map((field) => [field.name, read(field, values[field.name])]));

const normal = (option) => (typeof option === "object" ? option : { value: option, label: String(option) });

function useOptions(field, values) {
  const [options, set] = useState(Array.isArray(field.options) ? field.options.map(normal) : null);
  const depends = field.depends ? JSON.stringify(field.depends.map((name) => values[name])) : "";
  useEffect(() => {
    if (typeof field.options !== "function") {
      set((field.options || []).map(normal));
      return;
    }
    let here = true;
    Promise.resolve(field.options(values)).then(
      (found) => here && set(found.map(normal)),
      (error) => here && set([{ value: "", label: why(error), disabled: true }]),
    );
    return () => { here = false; };
  }, [field, depends]);
  return [options, set];
}

function Input({ field, id, value, set, values, invalid, describedby, disabled }) {
  const [options, setOptions] = useOptions(field, values);
  const common = { id, name: field.name, disabled, "aria-invalid": invalid ? "true" : null, "aria-describedby": describedby, required: field.required };
  useEffect(() => {
    if (field.type !== "select" || !options || field.optional) return;
    const stale = field.depends && value !== "" && !options.some((one) => String(one.value) === String(value)); // it went with what another field was before
    if (value !== "" && !stale) return;
    const first = (field.required || stale) && options.find((one) => !one.disabled);
    if (first || stale) set(first?.value ?? "");
  }, [options]);
  const maker = (take) => html`<button type="button" class="small" aria-label=${`${t(field.label)}: ${t(field.make.label)}`} onClick=${async () => {
    const made = await field.make.run();
    if (!made) return;
    if (typeof field.options === "function") setOptions((await field.options(values)).map(normal));
    take(made);
  }}>${t(field.make.label)}</button>`;
  switch (field.type) {
    case "checkbox":
      return html`<input type="checkbox" ...${common} required=${false} checked=${value} onChange=${(event) => set(event.target.checked)} />`;
    case "textarea":
      return html`<textarea ...${common} rows=${field.rows || 5} spellcheck="false" class=${field.mono ? "mono" : ""} value=${value} placeholder=${field.placeholder} onInput=${(event) => set(event.target.value)}></textarea>`;
    case "file":
      return html`<input type="file" ...${common} accept=${field.accept} onChange=${(event) => set(event.target.files[0] || "")} />`;
    case "select":
      if (!options) return html`<${Loading} />`;
      return html`<span class="with-button"><select ...${common} value=${value} onChange=${(event) => set(event.target.value)}>
        ${(!field.required || field.optional || !options.length) && html`<option value="">${field.none ? t(field.none) : "—"}</option>`}
        ${options.map((one) => html`<option value=${one.value} disabled=${one.disabled} selected=${one.value === value}>${t(one.label)}${one.note ? ` — ${one.note}` : ""}</option>`)}
      </select>${field.make && maker(set)}</span>`;
    case "radio":
    case "checks": {
      if (!options) return html`<${Loading} />`;
      const many = field.type === "checks";
      const on = (one) => (many ? value.includes(one.value) : value === one.value);
      const pick = (one, checked) => set(many ? (checked ? [...value, one.value] : value.filter((other) => other !== one.value)) : one.value);
      return html`<div class="choices" role=${many ? "group" : "radiogroup"} id=${id} aria-describedby=${describedby}>
        ${!options.length && html`<span class="fine">${t("There is none.")}</span>`}
        ${options.map((one) => html`<label class=${one.disabled ? "choice off" : "choice"}><input type=${many ? "checkbox" : "radio"} name=${field.name} disabled=${one.disabled} checked=${on(one)} onChange=${(event) => pick(one, event.target.checked)} />
        <span>${t(one.label)}${one.note && html` <span class="fine">${one.note}</span>`}</span></label>`)}
        ${field.make && html`<div>${maker((made) => set(many ? [...value, made] : made))}</div>`}</div>`;
    }
    case "pairs": {
      const row = (at, key, change) => set(value.map((pair, other) => (other === at ? (key ? [pair[0], change] : [change, pair[1]]) : pair)));
      return html`<div class="pairs" id=${id}>${value.map((pair, at) => html`<div class="pair">
        <input aria-label=${t("Key")} value=${pair[0]} onInput=${(event) => row(at, 0, event.target.value)} />
        <input aria-label=${t("Value")} value=${pair[1]} onInput=${(event) => row(at, 1, event.target.value)} />
        <button type="button" class="plain" aria-label=${t("Remove")} onClick=${() => set(value.filter((_, other) => other !== at))}>×</button></div>`)}
        <button type="button" class="small" onClick=${() => set([...value, ["", ""]])}>${t("Add")}</button></div>`;
    }
    default:
      return html`<input type=${field.type === "number" ? "text" : field.type || "text"} inputmode=${field.type === "number" ? "numeric" : null} autocomplete=${field.autocomplete || (field.type === "password" ? "new-password" : "off")} spellcheck="false" ...${common} value=${value} placeholder=${field.placeholder} onInput=${(event) => set(event.target.value)} />`;
  }
}

/** Which field an API's refusal is about: the one whose name, or an alias, its text mentions. */
const about = (fields, message) =>
  fields.find((field) => [field.name, ...(field.aliases || [])].some((name) => new RegExp(`(^|[^a-z])${name}([^a-z]|$)`, "i").test(message)))?.name;

/**
 * A form. send(values, progress) may throw what an API said. ways(values) gives the same by command.
 * given: values to begin with.
 */
export function Form({ title, id, fields, given = {}, send, ways, submit, close, intro, service, aside }) {
  const [values, setValues] = useState(() => initial(fields, given));
  const [errors, setErrors] = useState({});
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const [part, setPart] = useState(null);
  const form = useRef();
  const set = (name) => (value) => {
    setValues((before) => ({ ...before, [name]: value }));
    setErrors((before) => ({ ...before, [name]: "" }));
  };
  const shown = fields.filter((field) => !field.when || field.when(values));
  const sent = clean(fields, values);
  const same = useMemo(() => {
    try { return ways?.(sent); } catch { return null; }
  }, [JSON.stringify(sent)]);
  const check = () => {
    const found = Object.fromEntries(shown.map((field) => [field.name, wrong(field, values[field.name], values)]).filter(([, text]) => text));
    setErrors(found);
    const first = shown.find((field) => found[field.name]);
    if (first) form.current.querySelector(`#${id}-${first.name}`)?.focus();
    return !first;
  };
  const go = async (event) => {
    event.preventDefault();
    setFault(null);
    if (busy || !check()) return;
    setBusy(true);
    try {
      const made = await send(sent, setPart);
      close?.(made ?? true);
    } catch (error) {
      const name = about(shown, error.message);
      if (name) setErrors({ [name]: why(error) });
      else setFault(error);
    }
    setBusy(false);
    setPart(null);
  };
  return html`<form ref=${form} class="form" novalidate onSubmit=${go}>
    ${title && html`<h2 id=${id}>${title}</h2>`}
    ${intro && html`<p>${intro}</p>`}
    <div class=${same || aside ? "form-body with-ways" : "form-body"}><div class="fields">
      ${shown.map((field) => {
        const input = `${id}-${field.name}`;
        const may = isAllowed(field.rule, service);
        const help = !may ? t(field.why || "Your roles in this project do not allow this.") : typeof field.help === "function" ? field.help(values) : t(field.help);
        const error = errors[field.name];
        const label = html`<label for=${input}>${t(field.label)}${field.required && html`<span class="needed" aria-hidden="true"> *</span>`}</label>`;
        return html`<div key=${field.name} class=${`field ${field.type || "text"}${error ? " wrong" : ""}`}>
          ${field.section && html`<h3>${t(field.section)}</h3>`}
          ${field.type !== "checkbox" && label}
          <div class="input"><${Input} field=${field} id=${input} value=${values[field.name]} values=${values} set=${set(field.name)} invalid=${error} disabled=${!may} describedby=${`${input}-help`} />${field.type === "checkbox" && label}</div>
          <div id=${`${input}-help`} class="help">${error ? html`<span class="error" role="alert">${error}</span>` : help}</div>
        </div>`;
      })}
      ${fault && html`<${Fault} error=${fault} />`}
      ${part != null && html`<progress max="1" value=${part} aria-label=${t("Progress")}></progress>`}
    </div>
    ${(same || aside) && html`<aside>${aside?.(sent)}${same && html`<${Ways} ways=${same} />`}</aside>`}</div>
    <div class="buttons">${close && html`<button type="button" onClick=${() => close()}>${t("Cancel")}</button>`}
    <button class="primary" disabled=${busy}>${busy ? t("One moment…") : t(submit || "Save")}</button></div>
  </form>`;
}

/** A form over the page. Resolves with what was made, or undefined. */
export const formDialog = (form) =>
  dialog((close, id) => html`<${Form} ...${form} id=${id} close=${close} />`, { wide: Boolean(form.ways) });
