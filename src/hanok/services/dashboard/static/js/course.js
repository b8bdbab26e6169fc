// A course beside the pages: a step at a time, with what to do, where, and whether the cloud shows that it is done.
import { html, signal, useAsked, useEffect, useState, calmly } from "./lib.js";
import { t, keep, kept } from "./i18n.js";
import { session } from "./api.js";
import { hear } from "./live.js";
import { to } from "./router.js";
import { isAllowed } from "./form.js";
import { Copy } from "./ui.js";
import { courses } from "./steps.js";

const NEWS = ["server", "volume", "snapshot", "network", "subnet", "router", "port", "floatingip", "security_group", "keypair", "image", "project", "user", "role", "flavor", "aggregate"];

// What was seen to be done stays so for this browser, also when it is cleaned up later.
const place = (course) => `course/${course}/${session.value.user.id}/${session.value.project?.id || ""}`;
const remembered = (course) => { try { return new Set(JSON.parse(kept(place(course)) || "[]")); } catch { return new Set(); } };

/** Which steps are done by now. The last one counts only after all others. */
export function seen(steps, found, before = new Set()) {
  const after = new Set(before);
  for (const step of steps) if ((!step.last || steps.every((one) => one.last || after.has(one.name))) && step.done(found)) after.add(step.name);
  return after;
}

export const shown = signal(kept("course") || "");
export const show = (course) => { shown.value = course; keep("course", course); };

export function Course() {
  const offered = Object.entries(courses).filter(([, one]) => isAllowed(one.rule, ""));
  const name = courses[shown.value] && offered.some(([key]) => key === shown.value) ? shown.value : "learner";
  return html`<aside class="course" aria-label=${t("Course")}><header><h2>${t("Course")}</h2><span class="grow"></span><button class="plain" aria-label=${t("Close the course")} onClick=${() => show("")}>×</button></header>
    ${offered.length > 1 && html`<div class="menu-row" role="group" aria-label=${t("Course")}>${offered.map(([key, one]) => html`<button class="small" aria-pressed=${key === name} onClick=${() => show(key)}>${t(one.title)}</button>`)}</div>`}
    <${Walk} key=${`${name} ${session.value.scope}`} name=${name} /></aside>`;
}

function Walk({ name }) {
  const { steps, look } = courses[name];
  const [done, setDone] = useState(() => remembered(name));
  const [open, setOpen] = useState("");
  const state = useAsked(look, [name, session.value.scope]);
  useEffect(() => hear(NEWS, calmly(700, state.again)), [name, session.value.scope]);
  useEffect(() => {
    if (!state.value) return;
    const after = seen(steps, state.value, done);
    if (after.size !== done.size) { setDone(after); keep(place(name), JSON.stringify([...after])); setOpen(""); }
  }, [state.value]);
  const now = steps.find((one) => !done.has(one.name));
  const at = open || now?.name;
  if (!session.value.project) return html`<p class="fine">${t("Choose a project above: a course is walked in one.")}</p>`;
  return html`<progress max=${steps.length} value=${done.size} aria-label=${t("Steps done")}></progress>
    <p class="fine" role="status">${t("{done} of {count} steps are done", { done: done.size, count: steps.length })}</p>
    ${!now && html`<p class="notice">${t("All steps are done. Well done!")}</p>`}
    <ol class="walk">${steps.map((step) => html`<li key=${step.name} class=${done.has(step.name) ? "done" : step === now ? "now" : ""}>
      <button class="plain" aria-expanded=${step.name === at} onClick=${() => setOpen(step.name === at ? "-" : step.name)}><span aria-hidden="true">${done.has(step.name) ? "✓" : "○"}</span> ${t(step.title)}${done.has(step.name) && html`<span class="sr">${t("done")}</span>`}</button>
      ${step.name === at && html`<div class="step"><p>${t(step.text)}</p>
        <p><a class="button" href=${step.page === "overview" ? "/dashboard/" : to(step.page)}>${t("Go to the page")}</a></p>
        <pre class="block" tabindex="0">${step.command}</pre><${Copy} value=${step.command} />
        ${!done.has(step.name) && html`<button class="small" onClick=${state.again}>${t("Look whether it is done")}</button>`}</div>`}</li>`)}</ol>
    ${done.size > 0 && html`<button class="small" onClick=${() => { const fresh = state.value ? seen(steps, state.value) : new Set(); setDone(fresh); keep(place(name), JSON.stringify([...fresh])); }}>${t("Begin anew")}</button>`}`;
}
