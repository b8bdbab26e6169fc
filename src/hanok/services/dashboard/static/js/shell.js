// What stands around every page: where one is, where one can go, who one is.
import { html, signal, useAsked, useEffect, useState } from "./lib.js";
import { t, T, language, languages, speak, kept, keep } from "./i18n.js";
import { api, session, away, learnRights, projects, signIn, signOut, changeScope, changePassword, serves } from "./api.js";
import { live, recent } from "./live.js";
import { route, to, go } from "./router.js";
import { ListPage, DetailPage, create, resources, forgetNames, asksRule, rules } from "./resource.js";
import { isAllowed } from "./form.js";
import { Fault, Loading, Menu, Messages, Dialogs, sayWhy, dialog } from "./ui.js";

// ---- the navigation ----

// A page that is no declared resource: {name, title, show(), shown(): whether the navigation has it}.
// load() in place of show: its component, which is fetched when the page is opened. See `later` for resources.
export const pages = new Map();
export const page = (one) => {
  pages.set(one.name, one);
  for (const rule of [one.rule, ...(one.rules || [])]) asksRule(rule);
};

/**
 * Resources whose module comes when one of them is opened: {name, title, service, rule, create: {label, rule}} of each.
 * Only such that no other page chooses from or names.
 */
export const later = (load, ...resourcesOf) => {
  for (const one of resourcesOf)
    page({
      ...one, rule: one.rule && `${one.service}|${one.rule}`, rules: one.create ? [`${one.service}|${one.create.rule}`] : [],
      load: async () => {
        await load();
        await learnRights(rules()); // of its actions, too
        const resource = resources.get(one.name);
        return ({ name: id }) => (id ? html`<${DetailPage} resource=${resource} id=${id} />` : html`<${ListPage} resource=${resource} />`);
      },
    });
};

const groups = [];
/** A group of the navigation; the names are of resources or pages. rule: who is shown it. */
export const group = (title, names, { rule } = {}) => groups.push({ title, names, rule });

const entry = (name) => resources.get(name) || pages.get(name);
const isShown = (name) => {
  const one = entry(name);
  return one && (!one.service || serves(one.service)) && isAllowed(one.rule, one.service) && (!one.shown || one.shown());
};

function Navigation() {
  const here = route.value.segments[0] || "overview";
  return html`<nav class="side" aria-label=${t("Pages")}>
    ${groups.filter((one) => isAllowed(one.rule, "")).map((one) => {
      const names = one.names.filter(isShown);
      return names.length > 0 && html`<div><h2>${t(one.title)}</h2><ul>${names.map((name) => html`<li><a href=${name === "overview" ? "/dashboard/" : to(name)} aria-current=${name === here ? "page" : null}>${t(entry(name).title)}</a></li>`)}</ul></div>`;
    })}
  </nav>`;
}

// ---- who and where ----

const scopeOf = (one, kind) => `${kind}:${one.id}`;

/** Where this user may work besides projects. */
async function wider() {
  const [domains, system] = await Promise.all([
    api({ service: "identity", path: "/auth/domains" }),
    api({ service: "identity", path: "/auth/system" }),
  ]);
  return [
    ...domains.domains.map((one) => ({ scope: scopeOf(one, "domain"), name: one.name, kind: T("domain") })),
    ...(system.system?.length ? [{ scope: "system", name: t("system"), kind: T("whole cloud") }] : []),
  ];
}

function Place() {
  const now = session.value;
  const { value } = useAsked(wider, [now.scope]);
  const places = [...projects.value.map((one) => ({ scope: scopeOf(one, "project"), name: one.name })), ...(value || [])];
  const name = now.project?.name || now.domain?.name || (now.scope === "system" ? t("system") : t("no project"));
  const choose = async (scope) => {
    try {
      await changeScope(scope);
      forgetNames();
      await ready();
      go("/dashboard/");
    } catch (error) { sayWhy(error); }
  };
  return html`<${Menu} label=${html`<span class="fine">${t("Project")}</span> ${name}`} title=${t("Change the project")}>
    ${places.map((one) => html`<button aria-current=${one.scope === now.scope ? "true" : null} onClick=${() => choose(one.scope)}>${one.name}${one.kind && html` <span class="fine">${t(one.kind)}</span>`}</button>`)}
  <//>`;
}

export const theme = signal(kept("theme") || "");
export const showTheme = () => {
  document.documentElement.dataset.theme = theme.value;
  keep("theme", theme.value);
};
const themes = { "": T("As the system"), light: T("Light"), dark: T("Dark") };

function Person() {
  return html`<${Menu} label=${session.value.user.name} title=${t("You")}>
    <div class="fine">${session.value.user.domain?.name} · ${session.value.roles.join(", ")}</div>
    <a href=${to("access")}>${t("API access")}</a>
    <button onClick=${() => ownPassword()}>${t("Change password")}</button>
    <div class="menu-row" role="group" aria-label=${t("Language")}>${Object.entries(languages).map(([key, name]) => html`<button class="small" lang=${key} aria-pressed=${language.value === key} onClick=${() => speak(key)}>${name}</button>`)}</div>
    <div class="menu-row" role="group" aria-label=${t("Appearance")}>${Object.entries(themes).map(([key, name]) => html`<button class="small" aria-pressed=${theme.value === key} onClick=${() => { theme.value = key; showTheme(); }}>${t(name)}</button>`)}</div>
    <button onClick=${() => signOut().catch((error) => sayWhy({ ...error, message: t(error.message) }))}>${t("Sign out")}</button>
  <//>`;
}

async function ownPassword() {
  const { formDialog } = await import("./form.js");
  await formDialog({
    title: t("Change password"), submit: "Change password",
    fields: [
      { name: "original_password", label: T("Password now"), type: "password", required: true, autocomplete: "current-password" },
      { name: "password", label: T("New password"), type: "password", required: true },
      { name: "again", label: T("New password again"), type: "password", required: true, validate: (value, values) => (value === values.password ? "" : t("The two are not the same.")) },
    ],
    send: async (values) => {
      await changePassword({ user_id: session.value.user.id, original_password: values.original_password, password: values.password });
      location.reload();
    },
  });
}

// ---- the palette: every page and action by its name ----

function palette() {
  const entries = groups.flatMap((one) => one.names.filter(isShown).map((name) => ({ title: t(entry(name).title), run: () => go(name === "overview" ? "/dashboard/" : to(name)) })));
  for (const one of [...resources.values(), ...pages.values()])
    if (one.create && entry(one.name) === one && isShown(one.name) && isAllowed(one.create.rule, one.service))
      entries.push({ title: `${t(one.title)}: ${t(one.create.label)}`, run: async () => { await one.load?.(); create(resources.get(one.name)); } });
  return dialog((close, id) => html`<${Palette} entries=${entries} close=${close} id=${id} />`);
}

function Palette({ entries, close, id }) {
  const [text, set] = useState("");
  const [at, setAt] = useState(0);
  const fits = entries.filter((one) => text.toLowerCase().split(/\s+/).every((word) => one.title.toLowerCase().includes(word))).slice(0, 12);
  const run = (one) => { close(); one?.run(); };
  const key = (event) => {
    if (event.key === "ArrowDown") setAt(Math.min(fits.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter") run(fits[at]);
    else return;
    event.preventDefault();
  };
  return html`<h2 id=${id} class="sr">${t("Go to")}</h2><input type="search" autofocus class="palette" aria-label=${t("Go to a page or do something")} placeholder=${t("Go to a page or do something")} value=${text} onInput=${(event) => { set(event.target.value); setAt(0); }} onKeyDown=${key} />
    <ul class="palette" role="listbox">${fits.map((one, index) => html`<li role="option" aria-selected=${index === at}><button class="plain" onClick=${() => run(one)}>${one.title}</button></li>`)}</ul>`;
}

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k" && session.value?.signed_in) {
    event.preventDefault();
    palette();
  }
});

// ---- the sign-in ----

export function SignIn({ over }) {
  const [values, set] = useState({ user: kept("user") || "", domain: kept("domain") || "Default", password: "", passcode: "", fresh: "" });
  const [ask, setAsk] = useState({});
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const put = (name) => (event) => set({ ...values, [name]: event.target.value });
  const given = () => ({ user: values.user, domain: values.domain, password: ask.methods && !ask.methods.includes("password") ? "" : values.password, passcode: values.passcode, more: ask.more || "" });
  const go = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      if (ask.user_id) {
        await changePassword({ user_id: ask.user_id, original_password: values.password, password: values.fresh });
        setAsk({});
        await signIn({ user: values.user, domain: values.domain, password: values.fresh });
      } else await signIn(given());
      await ready();
    } catch (refused) {
      if (refused.code === "moreNeeded") setAsk({ more: refused.more.more, methods: ["totp"] });
      else if (refused.code === "passwordExpired") setAsk({ user_id: refused.more.user_id });
      if (refused.code !== "moreNeeded") setError(refused.status === 401 && refused.code === "notSignedIn" ? t("The user name, the domain or the password is wrong.") : t(refused.message));
    }
    setBusy(false);
  };
  return html`<form class="sign-in" onSubmit=${go} aria-labelledby="sign-in">
    <h1 id="sign-in"><span class="brand">Hanok</span> ${t("Sign in")}</h1>
    ${over && html`<p role="alert">${t("Your session has ended. Sign in, and what you were doing goes on.")}</p>`}
    <label>${t("User name")}<input name="user" autocomplete="username" autofocus=${!values.user} required value=${values.user} onInput=${put("user")} /></label>
    <label>${t("Password")}<input name="password" type="password" autocomplete="current-password" autofocus=${Boolean(values.user)} value=${values.password} onInput=${put("password")} /></label>
    ${ask.methods && html`<label>${t("Passcode of your authenticator")}<input name="passcode" inputmode="numeric" autocomplete="one-time-code" autofocus value=${values.passcode} onInput=${put("passcode")} /></label>`}
    ${ask.user_id && html`<label>${t("New password")}<input name="fresh" type="password" autocomplete="new-password" required value=${values.fresh} onInput=${put("fresh")} /></label>`}
    <label>${t("Domain")}<input name="domain" value=${values.domain} onInput=${put("domain")} /></label>
    ${error && html`<div class="fault" role="alert">${error}</div>`}
    <button class="primary" disabled=${busy}>${busy ? t("One moment…") : t("Sign in")}</button>
    ${session.value?.secure === false && html`<p class="fine">${t("This page came over plain HTTP: others on the network can read what you send. Use it on this machine, or put TLS before it.")}</p>`}
    ${!over && html`<p class="fine">${t("The first administrator is admin; the password is in admin-openrc.sh in the state directory, by default /var/lib/hanok/default.")}</p>`}
    <div class="menu-row">${Object.entries(languages).map(([key, name]) => html`<button type="button" class="small" lang=${key} aria-pressed=${language.value === key} onClick=${() => speak(key)}>${name}</button>`)}</div>
  </form>`;
}

let ready = async () => {};
export const onReady = (call) => { ready = call; };

function Over() {
  useEffect(() => {
    const shown = document.querySelector("dialog.over");
    shown.showModal();
    const stay = (event) => event.preventDefault();
    shown.addEventListener("cancel", stay);
  }, []);
  return html`<dialog class="over"><${SignIn} over=${true} /></dialog>`;
}

// ---- the course beside the pages ----

const course = signal(null); // its module, where it was opened
export const openCourse = async (which) => {
  const found = await import("./course.js");
  found.show(which);
  course.value = found;
};

/** A page whose code comes when it is opened. */
function Later({ load, id }) {
  const { value: Shown, error, again } = useAsked(async () => ({ Part: await load() }), [load]);
  if (!Shown) return error ? html`<${Fault} error=${error} again=${again} />` : html`<${Loading} />`;
  return html`<${Shown.Part} name=${id} />`;
}

// ---- the whole ----

function Page() {
  const [name = "overview", id] = route.value.segments;
  const resource = resources.get(name);
  useEffect(() => {
    document.title = `${t(entry(name)?.title || "Hanok")} · Hanok`;
    document.getElementById("content")?.focus({ preventScroll: true });
  }, [name, id, language.value]);
  const own = !resource && pages.get(name);
  if (own) return html`<div key=${name}>${own.load ? html`<${Later} load=${own.load} id=${id} />` : own.show(id)}</div>`;
  if (resource && id) return html`<${DetailPage} key=${`${name}/${id}`} resource=${resource} id=${id} />`;
  if (resource) return html`<${ListPage} key=${name} resource=${resource} />`;
  return html`<div class="empty">${t("There is no such page.")}</div>`;
}

export function App() {
  const [drawer, setDrawer] = useState(false);
  const now = session.value;
  const where = route.value;
  useEffect(() => setDrawer(false), [where]);
  useEffect(() => { if (now?.signed_in && kept("course")) openCourse(kept("course")); }, [now?.signed_in]);
  const beside = course.value?.shown.value && course.value;
  if (!now) return html`<p class="loading">…</p>`;
  if (!now.signed_in) return html`<main><${SignIn} /></main><${Messages} />`;
  return html`<div class=${`app${drawer ? " drawer" : ""}${beside ? " with-course" : ""}`}>
    <a class="skip" href="#content">${t("To the content")}</a>
    <header class="top">
      <button class="plain burger" aria-label=${t("Pages")} aria-expanded=${drawer} onClick=${() => setDrawer(!drawer)}>☰</button>
      <a class="brand" href="/dashboard/">Hanok</a>
      <${Place} /><span class="fine region">${now.region}</span>
      <span class="grow"></span>
      <span class=${live.value ? "live on" : "live"} title=${live.value ? t("Changes appear by themselves") : t("No live news; this page looks every ten seconds")}>${live.value ? t("live") : t("not live")}</span>
      <button class="small" aria-expanded=${Boolean(beside)} onClick=${() => (beside ? beside.show("") : openCourse("learner"))}>${t("Course")}</button>
      <button class="small" onClick=${palette}>${t("Go to")} <kbd>Ctrl K</kbd></button>
      <${Person} />
    </header>
    <${Navigation} />
    <main id="content" tabindex="-1"><${Page} /></main>
    ${beside && html`<${beside.Course} />`}
    ${away.value && html`<${Over} />`}
    <${Dialogs} /><${Messages} />
  </div>`;
}
export { recent };
