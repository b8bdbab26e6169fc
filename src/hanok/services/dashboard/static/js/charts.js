// Charts of what was measured: own small SVG, a table of the same values below it.
import { html, useAsked, useEffect, useState } from "./lib.js";
import { T, t, bytes, mib, gib, number, language } from "./i18n.js";
import { api } from "./api.js";
import { command } from "./commands.js";
import { Fault, Loading, Ways } from "./ui.js";

const HOUR = 3_600_000;
export const SPANS = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR };
const TITLES = { hour: T("An hour"), day: T("A day"), week: T("A week"), month: T("30 days") };
const MAXIMUM_SERVERS = 100; // of a host, in one chart
const LOOK_MS = 30_000;
const WIDE = 640, HIGH = 150, LEFT = 70, BELOW = 20, TOP = 8;

// ---- points ----

/** [time in ms, value] of Gnocchi's [text, granularity, value]; of several granularities the finest. */
export function pointsOf(lines) {
  const finest = Math.min(...lines.map((one) => one[1]));
  return lines.filter((one) => one[1] === finest).map(([text, , value]) => [Date.parse(text), value]);
}

/** By the second, of a counter that only grows; where it began anew there is no value. */
const rates = (points) => points.slice(1).map(([at, value], index) => [at, (value - points[index][1]) / ((at - points[index][0]) / 1000)]).filter(([, value]) => value >= 0);

/** Several lines as one: the sum at each moment. */
function together(lines) {
  const sums = new Map();
  for (const [at, value] of lines.flat()) sums.set(at, (sums.get(at) || 0) + value);
  return [...sums].sort((a, b) => a[0] - b[0]);
}

/** What metrics had since a moment, added up. grows: they are counters, and by how much a second is the answer. */
async function measured(ids, start, grows) {
  if (!ids.length) return [];
  const { measures } = await api({ service: "metric", method: "POST", path: "/v1/aggregates", query: { start }, body: { operations: ["metric", ...ids.map((id) => [id, "mean"])] } });
  const lines = ids.map((id) => pointsOf(measures[id]?.mean || []));
  return together(grows ? lines.map(rates) : lines);
}

// ---- what is shown of what ----

const resource = (type, id) => api({ service: "metric", path: `/v1/resource/${type}/${encodeURIComponent(id)}` }).catch((error) => { if (error.status === 404) return { metrics: {} }; throw error; });
const found = (type, name, value) => api({ service: "metric", method: "POST", path: `/v1/search/resource/${type}`, body: { "=": { [name]: value } } });
const idsOf = (rows, name) => rows.map((one) => one.metrics[name]).filter(Boolean);
const share = (points, cpus) => points.map(([at, value]) => [at, (value / 1e9 / cpus) * 100]);
const percent = (value) => `${number(value)} %`;
const speed = (value) => `${bytes(value)}/s`;

async function ofServer(row, start) {
  const [own, disks, cards] = await Promise.all([resource("instance", row.id), found("instance_disk", "instance_id", row.id), found("instance_network_interface", "instance_id", row.id)]);
  const several = [
    [T("Read from disks"), disks, "disk.device.read.bytes"], [T("Written to disks"), disks, "disk.device.write.bytes"], [T("Received"), cards, "network.incoming.bytes"], [T("Sent"), cards, "network.outgoing.bytes"],
  ];
  return Promise.all([
    measured(idsOf([own], "cpu"), start, true).then((points) => ({ title: T("CPU"), show: percent, maximum: 100, points: share(points, row.flavor?.vcpus || 1) })),
    measured(idsOf([own], "memory.usage"), start).then((points) => ({ title: T("Memory"), show: mib, points })),
    ...several.map(([title, rows, name]) => measured(idsOf(rows, name), start, true).then((points) => ({ title, show: speed, points }))),
  ]);
}

async function ofVolume(row, start) {
  const own = await resource("volume", row.id);
  return [{ title: T("Size"), show: gib, points: await measured(idsOf([own], "volume.size"), start) }];
}

/** What all instances of a host take of it together. */
async function ofHost(row, start) {
  const rows = (await found("instance", "host", row.service?.host || row.hypervisor_hostname)).slice(0, MAXIMUM_SERVERS);
  const [cpu, memory] = await Promise.all([measured(idsOf(rows, "cpu"), start, true), measured(idsOf(rows, "memory.usage"), start)]);
  return [{ title: T("CPUs that its instances use"), show: (value) => number(value, 2), points: cpu.map(([at, value]) => [at, value / 1e9]) }, { title: T("Memory that its instances use"), show: mib, points: memory }];
}

const KINDS = {
  server: { ask: ofServer, command: (row) => command("metric", "measures", "show", ["--resource-id", row.id], "cpu") },
  volume: { ask: ofVolume, command: (row) => command("metric", "measures", "show", ["--resource-id", row.id], "volume.size") },
  host: { ask: ofHost, command: (row) => command("metric", "resource", "search", ["--type", "instance"], `host='${row.service?.host || row.hypervisor_hostname}'`) },
};

// ---- the picture ----

const moment = (at, span) => new Intl.DateTimeFormat(language.value, span > HOUR ? { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" } : { hour: "2-digit", minute: "2-digit" }).format(at);

/** A maximum that is easily read: 1, 2 or 5 and zeros. */
function round(value) {
  const ten = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 5, 10].map((one) => one * ten).find((one) => one >= value);
}

/** Where no value is for long, the line ends and begins anew. */
function paths(points, x, y) {
  const steps = points.slice(1).map(([at], index) => at - points[index][0]).sort((a, b) => a - b);
  const gap = 2.5 * (steps[Math.floor(steps.length / 2)] || Infinity);
  return points.map(([at, value], index) => `${index && at - points[index - 1][0] <= gap ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

/** points: [ms, value]; show(value): in words; line: a value that is drawn across; maximum: of the scale at least. */
export function Chart({ title, points, span, show, line, maximum = 0 }) {
  const [over, set] = useState(null);
  const name = t(title);
  const last = points.at(-1);
  if (!last) return html`<section class="card"><h3>${name}</h3><p class="fine">${t("Nothing was measured in this time.")}</p></section>`;
  const end = Date.now(), start = end - span;
  const top = round(Math.max(maximum, line || 0, ...points.map((one) => one[1])));
  const x = (at) => LEFT + ((at - start) / span) * (WIDE - LEFT), y = (value) => TOP + HIGH - (Math.max(0, value) / top) * HIGH;
  const near = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = start + (((event.clientX - box.left) / box.width) * WIDE - LEFT) / (WIDE - LEFT) * span;
    set(points.reduce((best, one) => (Math.abs(one[0] - at) < Math.abs(best[0] - at) ? one : best)));
  };
  const shown = over || last;
  return html`<section class="card"><h3>${name} <span class="fine">${show(shown[1])} · ${moment(shown[0], span)}</span></h3>
    <svg class="chart" viewBox=${`0 0 ${WIDE} ${TOP + HIGH + BELOW}`} role="img" aria-label=${`${name}: ${show(last[1])}`} onMouseMove=${near} onMouseLeave=${() => set(null)}>
      ${[0, 0.5, 1].map((part) => html`<path class="grid" d=${`M${LEFT} ${y(top * part)}H${WIDE}`} /><text x=${LEFT - 6} y=${y(top * part) + 4} text-anchor="end">${show(top * part)}</text>`)}
      <text x=${LEFT} y=${TOP + HIGH + 16}>${moment(start, span)}</text><text x=${WIDE} y=${TOP + HIGH + 16} text-anchor="end">${moment(end, span)}</text>
      ${line != null && html`<path class="line-at" d=${`M${LEFT} ${y(line)}H${WIDE}`} />`}
      <path class="curve" d=${paths(points, x, y)} />${points.length < 60 && points.map(([at, value]) => html`<circle class="dot" cx=${x(at)} cy=${y(value)} r="2.5" />`)}
    </svg>
    <details><summary class="fine">${t("The values")}</summary><div class="scroll values"><table aria-label=${name}><tbody>${points.slice(-200).reverse().map(([at, value]) => html`<tr key=${at}><td>${moment(at, span)}</td><td class="end">${show(value)}</td></tr>`)}</tbody></table></div></details></section>`;
}

/** The charts of a thing. of: "server", "volume", "host". */
export function Charts({ of, row }) {
  const [span, set] = useState("day");
  const kind = KINDS[of];
  const state = useAsked(() => kind.ask(row, new Date(Date.now() - SPANS[span]).toISOString()), [row.id, span]);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && state.again(), LOOK_MS);
    return () => clearInterval(timer);
  }, [row.id, span]);
  return html`<section><div class="buttons" role="group" aria-label=${t("Time")}>${Object.keys(SPANS).map((name) => html`<button class="small" aria-pressed=${name === span} onClick=${() => set(name)}>${t(TITLES[name])}</button>`)}</div>
    ${state.error && html`<${Fault} error=${state.error} again=${state.again} />`}${!state.value && !state.error && html`<${Loading} />`}
    ${state.value && html`<div class="charts">${state.value.map((one) => html`<${Chart} key=${one.title} ...${one} span=${SPANS[span]} />`)}</div>`}
    <p class="fine">${t("Values come with every measurement of the cloud, by default every five minutes.")}</p>
    <${Ways} ways=${{ command: kind.command(row) }} /></section>`;
}
