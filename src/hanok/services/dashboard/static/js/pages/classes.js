// A class, for its teacher: how far each student is, what is wrong, and starting over. The teacher's own roles decide what can be seen and done.
import { T, t } from "../i18n.js";
import { api, changeScope, classes } from "../api.js";
import { go } from "../router.js";
import { Fault, Loading, Why, confirm, say, sayWhy } from "../ui.js";
import { html, later, useEffect, useRef, useState } from "../lib.js";

const LANES = 3; // students that are looked at together
const EVERY_S = 15;

export function Class({ name }) {
  const [found, set] = useState({});
  const [steps, setSteps] = useState(null);
  const here = useRef(true);
  const chosen = classes.value.find((one) => one.name === name) || classes.value[0];
  const look = async (student) => {
    const { look: ask, learner, wrong } = await import("../steps.js");
    const { seen } = await import("../course.js");
    setSteps(learner.filter((one) => !one.last));
    try {
      const all = await ask(student.id, false);
      if (here.current) set((before) => ({ ...before, [student.id]: { done: seen(learner, all), wrong: wrong(all), all } }));
    } catch (error) { if (here.current) set((before) => ({ ...before, [student.id]: { ...before[student.id], error } })); }
  };
  useEffect(() => {
    here.current = true;
    let open = true;
    const round = async () => {
      while (open) {
        const waiting = [...(chosen?.students || [])];
        const lane = async () => { while (open && waiting.length) await look(waiting.shift()); };
        if (!document.hidden) await Promise.all(Array.from({ length: LANES }, lane));
        await later(1000 * Math.max(EVERY_S, chosen?.students.length || 0));
      }
    };
    round();
    return () => { open = false; here.current = false; };
  }, [chosen?.id]);
  if (!chosen) return html`<div class="empty">${t("There is no class yet. The cloud's operator creates one: hanok class create NAME --students 20")}</div>`;
  return html`<section class="page"><header><h1>${t("Class")} ${chosen.name}</h1><span class="grow"></span>
    ${classes.value.length > 1 && classes.value.map((one) => html`<a class="button" href=${`/dashboard/class/${one.name}`} aria-current=${one === chosen ? "page" : null}>${one.name}</a>`)}</header>
    <p class="fine">${t("What each project shows now; what a student has cleaned up is no longer shown.")}</p>
    ${!steps ? html`<${Loading} />` : html`<div class="scroll"><table aria-label=${t("Students")}><thead><tr><th scope="col">${t("Student")}</th><th scope="col">${t("Steps")}</th><th scope="col">${t("Next step")}</th><th scope="col">${t("What is wrong")}</th><th scope="col"><span class="sr">${t("Actions")}</span></th></tr></thead>
    <tbody>${chosen.students.map((one) => html`<${Student} key=${one.id} student=${one} found=${found[one.id]} steps=${steps} again=${() => look(one)} />`)}</tbody></table></div>`}</section>`;
}

function Student({ student, found, steps, again }) {
  const [busy, setBusy] = useState("");
  const next = found?.done && steps.find((one) => !found.done.has(one.name));
  const done = found?.done ? steps.filter((one) => found.done.has(one.name)).length : 0;
  const visit = async () => {
    try {
      await changeScope(`project:${student.id}`);
      location.href = "/dashboard/"; // everything is asked anew in the other project
    } catch (error) { sayWhy(error); }
  };
  const start = async () => {
    const text = t("Everything in this project is deleted. The student stays, with password and quota; key pairs stay, too.");
    if (!(await confirm({ title: t("Start over"), names: [student.name], text, action: T("Start over") }))) return;
    setBusy(t("One moment…"));
    const { emptied } = await import("../emptying.js");
    const left = await emptied(student.id, setBusy);
    setBusy("");
    if (left.length) sayWhy(left[0].error, t("{name}: not everything could be deleted ({count} left)", { name: student.name, count: left.length }));
    else say(t("{name}: the project is empty", { name: student.name }));
    again();
  };
  return html`<tr><td>${student.name}</td>
    <td><progress max=${steps.length} value=${done} aria-label=${t("Steps of {name}", { name: student.name })}></progress><span class="fine">${done}/${steps.length}</span></td>
    <td>${!found ? t("Loading…") : next ? t(next.title) : t("all done")}</td>
    <td>${found?.error && html`<${Fault} error=${found.error} />`}${(found?.wrong || []).slice(0, 3).map((one) => html`<div><b>${one.name}</b>: <${Why} error=${one.error} /></div>`)}${found?.wrong?.length > 3 && html`<div>…</div>`}</td>
    <td class="narrow">${busy ? html`<span role="status" class="fine">${busy}</span>` : html`<button class="small" onClick=${visit}>${t("Go there")}</button> <button class="small danger-text" onClick=${start}>${t("Start over")}</button>`}</td></tr>`;
}
