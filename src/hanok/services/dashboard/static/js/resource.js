// Declared resources: a list, a page of each, forms and actions, each with the command that does the same.
//
// resource: {
//   name: the page's address ("keypairs"); title, one: what they and one of them are called
//   service, path: where the API has them; key: of the list in the answer; member: of one in the answer ("" = the body)
//   paged: whether the list is cut by marker; query: added to each list; all: the parameter that shows all projects
//   id(row), label(row); nouns: of the events that change them; busy(row): it will change by itself
//   columns, filters: [{name, label, options}], facts(row): [[title, value]], parts: [{title, show(row)}]
//   create: {label, rule, fields, call(values) or send(values, progress), command(values), terraform(values), done}
//   actions: [{name, label, rule, when(row), fields, call(row, values) or send, command(row, values), confirm, danger, bulk, gone}]
//   command(row), terraform(row): of the object itself; rule: of the list
// }
import { html, useAsked, useEffect, useRef, useState, calmly, signal } from "./lib.js";
import { T, t } from "./i18n.js";
import { api, serves } from "./api.js";
import { route, to, go, change, ROOT } from "./router.js";
import { hear } from "./live.js";
import { Table } from "./table.js";
import { formDialog, isAllowed } from "./form.js";
import { say, sayWhy, Why, confirm, dialog, Loading, Fault, Facts, Menu, Ways } from "./ui.js";

export const resources = new Map();
const PAGE = 100;

export function define(resource) {
  const usual = { id: (row) => row.id, label: (row) => row.name || row.id, nouns: [], columns: [], filters: [], actions: [], paged: true, member: "" };
  const whole = Object.defineProperties(usual, Object.getOwnPropertyDescriptors(resource)); // a path may be a getter
  resources.set(whole.name, whole);
  return whole;
}

const others = new Set();
/** A rule that something asks about which is no resource: "service|rule". */
export const asksRule = (rule) => rule && others.add(rule);

/** The rules that declared actions name, for the session room to say which of them hold. */
export function rules() {
  const found = new Map();
  const more = [...others];
  const add = (service, rule) => {
    if (!rule) return;
    const [kind, name] = rule.includes("|") ? rule.split("|") : [service, rule];
    found.set(kind, (found.get(kind) || new Set()).add(name));
  };
  for (const one of resources.values()) {
    for (const rule of [one.rule, one.create?.rule, ...one.actions.map((action) => action.rule), ...(one.rules || [])]) add(one.service, rule);
    for (const form of [one.create, ...one.actions]) for (const field of Array.isArray(form?.fields) ? form.fields : []) add(one.service, field.rule);
  }
  for (const rule of more) add("", rule);
  return Object.fromEntries([...found].map(([kind, names]) => [kind, [...names]]));
}

// ---- asking ----

const rowsOf = (resource, answer) => {
  const found = resource.key ? answer[resource.key] : answer;
  return resource.unwrap ? found.map(resource.unwrap) : found;
};

/** One page of a resource's rows: {rows, next: the marker behind it}. */
export async function page(resource, query = {}) {
  const { marker, sort, dir, ...filters } = query;
  const asked = { ...resource.query, ...filters };
  if (sort) Object.assign(asked, resource.sortQuery ? resource.sortQuery(sort, dir) : { sort_key: sort, sort_dir: dir || "asc" });
  if (resource.paged) Object.assign(asked, { limit: PAGE, marker });
  const answer = await api({ service: resource.service, path: resource.list || resource.path, query: asked });
  let rows = rowsOf(resource, answer);
  if (resource.decorate) rows = await resource.decorate(rows);
  return { rows, next: resource.paged && rows.length >= PAGE ? resource.id(rows.at(-1)) : "" };
}

/** All rows of a resource, page by page, at most `maximum`. */
export async function all(name, query = {}, maximum = 2000) {
  const resource = resources.get(name);
  let { rows, next } = await page(resource, query);
  while (next && rows.length < maximum) {
    const more = await page(resource, { ...query, marker: next });
    rows = [...rows, ...more.rows];
    next = more.next;
  }
  return rows;
}

export async function one(resource, id) {
  if (resource.get) return resource.get(id);
  const answer = await api({ service: resource.service, path: `${resource.path}/${encodeURIComponent(id)}` });
  const row = resource.member ? answer[resource.member] : answer;
  return resource.decorate ? (await resource.decorate([row]))[0] : row;
}

/** Options of a form: the rows of a resource. */
export const choices = (name, { query, label, note, where, value } = {}) => async (values) =>
  (await all(name, typeof query === "function" ? query(values) : query))
    .filter((row) => !where || where(row, values))
    .map((row) => ({ value: value ? value(row) : row.id, label: label ? label(row) : row.name || row.id, note: note?.(row) }));

// ---- doing ----

const callOf = (resource, call) => ({ service: resource.service, ...call });
const callsOf = (resource, calls) => [].concat(calls || []).map((call) => callOf(resource, call));

const waysOf = (resource, form, ...given) => ({
  command: form.command?.(...given),
  terraform: form.terraform?.(...given),
  calls: callsOf(resource, form.call?.(...given)),
});

async function send(resource, form, progress, ...given) {
  if (form.send) return form.send(...given, progress);
  let answer;
  for (const call of callsOf(resource, form.call(...given))) answer = await api(call);
  return answer;
}

const fieldsOf = (form, row) => (typeof form.fields === "function" ? form.fields(row) : form.fields);

/** The form that makes one; resolves with the API's answer. */
export async function create(resource, given = {}) {
  const form = resource.create;
  if (form.open) return form.open(given);
  const made = await formDialog({
    title: t(form.label), fields: fieldsOf(form), given, submit: form.submit || T("Create"), service: resource.service, intro: t(form.intro),
    send: (values, progress) => send(resource, form, progress, values),
    ways: form.call || form.command ? (values) => waysOf(resource, form, values) : null,
  });
  if (made) form.done ? await form.done(made) : say(t("{name}: created", { name: made[resource.member]?.name || made.name || t(resource.one) }));
  return made;
}

/** Do an action to some rows: with a form where it has fields, after a question where it asks one. */
async function act(resource, action, rows, after) {
  const label = t(action.label);
  const names = rows.map(resource.label);
  if (action.open) {
    await action.open(rows[0]);
    return after?.();
  }
  if (action.fields) {
    const row = rows[0];
    const done = await formDialog({
      title: `${label}: ${names[0]}`, fields: fieldsOf(action, row), given: action.given?.(row) || {}, submit: action.submit || action.label, service: resource.service, intro: t(action.intro),
      send: (values, progress) => send(resource, action, progress, row, values),
      ways: (values) => waysOf(resource, action, row, values),
    });
    if (!done) return;
    if (action.done) await action.done(done, row);
    else say(`${names[0]}: ${label}`);
    return after?.();
  }
  if (action.confirm || action.danger) {
    const text = typeof action.confirm === "string" ? t(action.confirm) : "";
    const sure = await confirm({ title: label, text, names, action: action.label, danger: action.danger });
    if (!sure) return;
  }
  const failed = [];
  for (const row of rows) {
    try {
      const made = await send(resource, action, null, row, {});
      if (action.done) await action.done(made, row);
    } catch (error) { failed.push([resource.label(row), error]); }
  }
  if (failed.length && rows.length > 1) await results(label, rows.length, failed);
  else if (failed.length) sayWhy(failed[0][1], failed[0][0]);
  if (!action.done && failed.length < rows.length) say(rows.length === 1 ? `${names[0]}: ${label}` : `${label}: ${rows.length - failed.length}/${rows.length}`);
  after?.();
}

const results = (label, count, failed) =>
  dialog((close, id) => html`<h2 id=${id}>${label}</h2><p>${t("{failed} of {count} were refused:", { failed: failed.length, count })}</p>
    <table><tbody>${failed.map(([name, error]) => html`<tr><td>${name}</td><td><${Why} error=${error} /></td></tr>`)}</tbody></table>
    <div class="buttons"><button class="primary" onClick=${() => close()}>${t("Close")}</button></div>`);

const offered = (resource, row) => resource.actions.filter((action) => isAllowed(action.rule, resource.service) && (!action.when || action.when(row)));

const actionsOf = (resource, row, after) =>
  offered(resource, row).map((action) => ({
    label: t(action.label), danger: action.danger, primary: action.primary,
    run: () => act(resource, action, [row], () => after(action)),
  }));

const bulkOf = (resource, rows, after) => {
  if (!rows.length) return [];
  return resource.actions
    .filter((action) => action.bulk && isAllowed(action.rule, resource.service))
    .map((action) => ({ action, fit: rows.filter((row) => !action.when || action.when(row)) }))
    .filter(({ fit }) => fit.length)
    .map(({ action, fit }) => ({ label: fit.length === rows.length ? t(action.label) : `${t(action.label)} (${fit.length})`, danger: action.danger, run: () => act(resource, action, fit, after) }));
};

// ---- live rows ----

/** Whether it itself is gone, and not only something of it: then it is not asked for. */
const isGone = (news) => {
  const words = news.kind.split(/[.:]/);
  if (words.at(-1) === "end") words.pop();
  const what = words.at(-2);
  return ["delete", "deleted"].includes(words.at(-1)) && (what === news.noun || news.noun.endsWith(`_${what}`));
};

/** Whether a row says that it is being deleted: it may be gone before it is asked for, so that only lists and news tell of it. */
const STATES = ["status", "state", "provisioning_status", "stack_status", "OS-EXT-STS:task_state"];
const isLeaving = (row) => STATES.some((name) => /delet/i.test(row?.[name] || ""));

/** Keep rows as the cloud has them: what is known is asked for one by one, what is new with the list. */
function useLive(resource, state, query) {
  const rows = useRef([]);
  rows.current = state.value?.rows || [];
  const waiting = useRef(new Set());
  useEffect(() => {
    const drop = (id) => {
      waiting.current.delete(id);
      if (state.value) state.set({ ...state.value, rows: rows.current.filter((row) => resource.id(row) !== id) });
    };
    const look = calmly(150, async () => {
      const ids = [...waiting.current];
      waiting.current.clear();
      const here = new Set(rows.current.map(resource.id));
      if (ids.includes("*") || ids.length > 5 || ids.some((id) => !here.has(id)) || resource.get === null) return state.again();
      const found = await Promise.all(ids.map((id) => one(resource, id).catch((error) => (error.status === 404 ? null : undefined))));
      const by = new Map(ids.map((id, at) => [id, found[at]]));
      state.set({ ...state.value, rows: rows.current.map((row) => { const now = by.get(resource.id(row)); return now === undefined ? row : now; }).filter(Boolean) });
    });
    return hear(resource.nouns, (news) => {
      if (news && isGone(news) && !resource.newsId) return drop(news.id);
      const all = !news || news.kind.includes(".delete") || rows.current.some((row) => isLeaving(row) && resource.id(row) === news.id);
      waiting.current.add(all ? "*" : resource.newsId ? resource.newsId(news) : news.id);
      look();
    });
  });
  useEffect(() => {
    if (!rows.current.some((row) => resource.busy?.(row))) return;
    const timer = setTimeout(() => state.again(), 2000);
    return () => clearTimeout(timer);
  }, [state.value]);
}

const CLEAN = new Set(["marker", "sort", "dir"]);
const compare = (dir) => (a, b) => (dir === "desc" ? -1 : 1) * (typeof a === "number" && typeof b === "number" ? a - b : String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true }));

function useRows(resource, query) {
  const asked = { ...query };
  if (!resource.serverSort) { delete asked.sort; delete asked.dir; }
  for (const filter of resource.filters) if (filter.here) delete asked[filter.name];
  const state = useAsked(() => page(resource, asked), [resource, JSON.stringify(asked)]);
  useLive(resource, state, asked);
  let rows = state.value?.rows || [];
  for (const filter of resource.filters) {
    const value = (query[filter.name] || "").toLowerCase();
    if (filter.here && value) rows = rows.filter((row) => String(filter.here === true ? row[filter.name] ?? "" : filter.here(row)).toLowerCase().includes(value));
  }
  if (query.sort && !resource.serverSort) {
    const column = resource.columns.find((one) => one.sort === query.sort);
    const value = column?.value || ((row) => row[query.sort]);
    rows = [...rows].sort((a, b) => compare(query.dir)(value(a), value(b)));
  }
  return { ...state, rows };
}

// ---- pages ----

function Filters({ resource, query }) {
  const put = useRef(calmly(300, () => {}));
  const typed = useRef({});
  useEffect(() => { put.current = calmly(300, () => { change({ ...typed.current, marker: "" }, { replace: true }); typed.current = {}; }); }, []);
  const set = (name) => (event) => { typed.current[name] = event.target.value; put.current(); };
  return html`<div class="filters" role="search">
    ${resource.filters.map((filter) => filter.options
      ? html`<label><span class="sr">${t(filter.label)}</span><select value=${query[filter.name] || ""} onChange=${(event) => change({ [filter.name]: event.target.value, marker: "" })}>
          <option value="">${t(filter.label)}: ${t("all")}</option>${filter.options.map((one) => html`<option value=${one} selected=${query[filter.name] === one}>${t(one)}</option>`)}</select></label>`
      : html`<label><span class="sr">${t(filter.label)}</span><input type="search" placeholder=${t(filter.label)} defaultValue=${query[filter.name] || ""} onInput=${set(filter.name)} /></label>`)}
    ${resource.all && isAllowed(resource.all.rule, resource.service) && html`<label class="choice"><input type="checkbox" checked=${Boolean(query[resource.all.name])} onChange=${(event) => change({ [resource.all.name]: event.target.checked ? resource.all.value || "1" : "", marker: "" })} /> ${t("All projects")}</label>`}
  </div>`;
}

export function ListPage({ resource, query = route.value.query, embedded = false }) {
  const { rows, value, loading, error, again } = useRows(resource, query);
  const after = () => again();
  const make = resource.create && isAllowed(resource.create.rule, resource.service) ? () => create(resource).then((made) => made && again()) : null;
  const mayNot = resource.create && !make;
  if (!serves(resource.service)) return html`<p class="empty">${t("This service is switched off.")}</p>`;
  const sort = query.sort ? { key: query.sort, dir: query.dir } : resource.sort;
  return html`<section class="page" aria-busy=${loading}>
    ${!embedded && html`<header><h1>${t(resource.title)}</h1><span class="grow"></span>
      ${resource.extra?.({ rows, again })}
      ${make && html`<button class="primary" onClick=${make}>${t(resource.create.label)}</button>`}
      ${mayNot && html`<span class="fine">${t("Your roles in this project do not let you create one here.")}</span>`}</header>
      ${resource.intro && html`<p class="fine">${t(resource.intro)}</p>`}`}
    ${!embedded && (resource.filters.length > 0 || resource.all) && html`<${Filters} resource=${resource} query=${query} />`}
    ${error && html`<${Fault} error=${error} again=${again} />`}
    ${!value && !error && html`<${Loading} />`}
    ${value && (rows.length
      ? html`<${Table} rows=${rows} columns=${resource.columns.filter((column) => !column.shown || column.shown(query))} id=${resource.id} label=${t(resource.title)} create=${make}
          open=${resource.page === false ? null : (row) => to(resource.name, resource.id(row))}
          actions=${resource.actions.length ? (row) => actionsOf(resource, row, after) : null}
          bulk=${resource.actions.some((action) => action.bulk) ? (chosen) => bulkOf(resource, chosen, after) : null}
          sort=${sort} setSort=${(found) => change({ sort: found.key, dir: found.dir === "desc" ? "desc" : "", marker: "" })} />`
      : html`<div class="empty">${!embedded && Object.keys(query).some((name) => !CLEAN.has(name)) ? t("Nothing fits these filters.") : t(resource.empty || "There is none yet.")}</div>`)}
    ${(value?.next || query.marker) && html`<nav class="pager" aria-label=${t("Pages")}>
      ${query.marker && html`<button onClick=${() => change({ marker: "" })}>${t("First page")}</button>`}
      ${value?.next && html`<button onClick=${() => change({ marker: value.next })}>${t("Next page")}</button>`}</nav>`}
  </section>`;
}

export function DetailPage({ resource, id }) {
  const state = useAsked(() => one(resource, id), [resource, id]);
  const { value: row, error, again } = state;
  const part = route.value.query.part || "";
  const [gone, setGone] = useState(false);
  useEffect(() => {
    let ended = false;
    const later = calmly(3000, () => ended || again()); // what is being deleted may be gone before it is asked for
    const stop = hear([...resource.nouns, ...(resource.detailNouns || [])], (news) => {
      if (news?.id === id && isGone(news)) { ended = true; setGone(true); } else if (news?.id === id && news.kind.includes(".delete")) later();
      else if (!news || news.id === id || resource.detailNouns?.includes(news.noun)) again();
    });
    return () => { ended = true; stop(); };
  }, [resource, id]);
  useEffect(() => {
    if (!row || !resource.busy?.(row)) return;
    const timer = setTimeout(again, isLeaving(row) ? 5000 : 1000);
    return () => clearTimeout(timer);
  }, [row]);
  const back = html`<a href=${to(resource.name)}>${t(resource.title)}</a>`;
  if (gone || error?.status === 404) return html`<section class="page"><nav class="crumbs">${back}</nav><div class="empty">${t("It is not there any more.")}</div></section>`;
  if (!row) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  const after = (action) => (action.gone ? go(to(resource.name)) : again());
  const actions = actionsOf(resource, row, after);
  const first = actions.filter((action) => action.primary);
  const rest = actions.filter((action) => !action.primary);
  const parts = (resource.parts || []).filter((one) => !one.when || one.when(row));
  const shown = parts.find((one) => one.name === part);
  return html`<section class="page detail">
    <nav class="crumbs" aria-label=${t("Where you are")}>${back} / </nav>
    <header><h1>${resource.label(row)}</h1>${resource.state?.(row)}<span class="grow"></span>
      ${first.map((action) => html`<button onClick=${action.run}>${action.label}</button>`)}
      ${rest.length > 0 && html`<${Menu} label=${t("Actions")} title=${t("Actions")}>${rest.map((action) => html`<button class=${action.danger ? "danger-text" : ""} onClick=${action.run}>${action.label}</button>`)}<//>`}</header>
    ${resource.notice?.(row)}
    ${parts.length > 0 && html`<nav class="tabs" aria-label=${t("Parts")}>
      <a class=${shown ? "" : "on"} aria-current=${shown ? null : "page"} href=${to(resource.name, id)}>${t("Overview")}</a>
      ${parts.map((one) => html`<a class=${one === shown ? "on" : ""} aria-current=${one === shown ? "page" : null} href=${`${to(resource.name, id)}?part=${one.name}`}>${t(one.title)}</a>`)}</nav>`}
    ${shown ? html`<div key=${shown.name}>${shown.show(row, again)}</div>` : html`
      ${resource.facts && html`<${Facts} facts=${resource.facts(row)} />`}
      ${resource.below?.(row, again)}
      ${(resource.command || resource.terraform) && html`<${Ways} ways=${{ command: resource.command?.(row), terraform: resource.terraform?.(row), calls: [{ service: resource.service, method: "GET", path: `${resource.path}/${id}` }] }} />`}`}
  </section>`;
}

/** A part of a page whose code comes when it is shown: load() gives the component, which gets everything else. */
export function Soon({ load, ...given }) {
  const { value: Shown, error, again } = useAsked(async () => ({ Part: await load() }), []);
  if (!Shown) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  return html`<${Shown.Part} ...${given} />`;
}

/** A table of another resource within a page, with what can be done to its rows. */
export const Within = ({ name, query, given, title }) => {
  const resource = resources.get(name);
  const [turn, set] = useState(0);
  const make = resource.create && isAllowed(resource.create.rule, resource.service);
  return html`<section class="within"><header><h2>${t(title || resource.title)}</h2><span class="grow"></span>
    ${make && html`<button class="small" onClick=${() => create(resource, given).then((made) => made && set(turn + 1))}>${t(resource.create.label)}</button>`}</header>
    <${ListPage} key=${turn} resource=${resource} query=${query} embedded /></section>`;
};

const names = new Map();
const namesChanged = signal(0);
const unknown = new Set(); // ids that a list was asked anew for

const learn = (of) => all(of).then((rows) => {
  for (const row of rows) names.get(of).set(resources.get(of).id(row), resources.get(of).label(row));
  namesChanged.value++;
}, () => {});
const learners = new Map();
/** Ask a list anew for what is younger than it; each id once. */
function meet(of, id) {
  if (unknown.has(`${of}/${id}`)) return;
  unknown.add(`${of}/${id}`);
  if (!learners.has(of)) learners.set(of, calmly(200, () => learn(of)));
  learners.get(of)();
}

/** The name of something that a row only has the id of; asked once, with its list. */
export function Name({ of, id, none = "" }) {
  namesChanged.value;
  if (!id) return none;
  if (!names.has(of)) {
    names.set(of, new Map());
    learn(of);
  } else if (names.get(of).size && !names.get(of).has(id)) meet(of, id);
  return html`<a href=${to(of, id)}>${names.get(of).get(id) || String(id).slice(0, 8)}</a>`;
}
export const forgetNames = () => { names.clear(); unknown.clear(); };
export { ROOT };
