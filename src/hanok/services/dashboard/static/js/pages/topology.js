// The project's networks as a picture: outside at the top, routers, networks, what hangs on them; and why A cannot reach B.
import { all } from "../resource.js";
import { T, t } from "../i18n.js";
import { api, allowed } from "../api.js";
import { hear } from "../live.js";
import { to } from "../router.js";
import { Fault, Loading } from "../ui.js";
import { html, useAsked, useEffect, useState, calmly } from "../lib.js";

const WIDE = 190, HIGH = 46, GAP = 26, ROW = 105, MANY = 8;

async function look() {
  const [networks, subnets, routers, ports, floating, servers] = await Promise.all([all("networks"), all("subnets"), all("routers"), all("ports"), all("floatingips"), all("servers").catch(() => [])]);
  return { networks, subnets, routers, ports, floating, servers };
}

/** Where everything stands: rows of boxes and the wires between them. */
export function arranged({ networks, subnets, routers, ports, floating, servers }) {
  const boxes = new Map(), wires = [];
  const outside = networks.filter((one) => one["router:external"]), inside = networks.filter((one) => !one["router:external"]);
  const of = (id) => subnets.filter((one) => one.network_id === id).map((one) => one.cidr).join(", ");
  const put = (row, list) => list.forEach((one, place) => boxes.set(one.key, { ...one, row, place }));
  const used = new Set(routers.map((one) => one.external_gateway_info?.network_id));
  put(0, outside.filter((one) => used.has(one.id) || !routers.length).map((one) => ({ key: one.id, title: one.name, note: of(one.id), link: to("networks", one.id), kind: "outside" })));
  put(1, routers.map((one) => ({ key: one.id, title: one.name || t("router"), note: (one.external_gateway_info?.external_fixed_ips || []).map((ip) => ip.ip_address).join(", "), link: to("routers", one.id), kind: "router" })));
  put(2, inside.map((one) => ({ key: one.id, title: one.name || one.id.slice(0, 8), note: of(one.id), link: to("networks", one.id), kind: "network" })));
  for (const one of routers) if (one.external_gateway_info && boxes.has(one.external_gateway_info.network_id)) wires.push([one.external_gateway_info.network_id, one.id]);
  for (const one of ports) if (one.device_owner === "network:router_interface" && boxes.has(one.device_id) && boxes.has(one.network_id)) wires.push([one.device_id, one.network_id]);
  const leaves = [];
  for (const network of inside) {
    const here = servers.filter((server) => ports.some((port) => port.device_id === server.id && port.network_id === network.id)).filter((server) => !leaves.some((one) => one.key === server.id));
    if (here.length > MANY) {
      leaves.push({ key: `many-${network.id}`, title: t("{count} instances", { count: here.length }), note: "", link: to("servers"), kind: "many" });
      wires.push([network.id, `many-${network.id}`]);
    } else for (const server of here) {
      const mine = ports.filter((port) => port.device_id === server.id);
      const ip = floating.find((one) => mine.some((port) => port.id === one.port_id));
      leaves.push({ key: server.id, title: server.name, note: [mine.flatMap((port) => port.fixed_ips.map((one) => one.ip_address)).join(", "), ip?.floating_ip_address].filter(Boolean).join(" ⇄ "), link: to("servers", server.id), kind: "server", status: server.status });
      for (const port of mine) if (boxes.has(port.network_id)) wires.push([port.network_id, server.id]);
    }
  }
  put(3, leaves);
  // Each row is ordered by the middle of what stands above it, so that wires cross less; a few rounds are enough.
  const rows = [0, 1, 2, 3].map((row) => [...boxes.values()].filter((one) => one.row === row));
  for (let round = 0; round < 4; round++)
    for (const row of rows.slice(1)) {
      for (const box of row) {
        const above = wires.filter(([, to]) => to === box.key).map(([from]) => boxes.get(from).place);
        box.middle = above.length ? above.reduce((sum, one) => sum + one, 0) / above.length : box.place;
      }
      row.sort((a, b) => a.middle - b.middle || a.place - b.place).forEach((box, place) => { box.place = place; });
    }
  const width = Math.max(1, ...rows.map((row) => row.length)) * (WIDE + GAP) + GAP;
  for (const row of rows) row.forEach((box, place) => { box.x = GAP + place * (WIDE + GAP) + (width - GAP - row.length * (WIDE + GAP)) / 2; box.y = GAP + box.row * ROW; });
  return { boxes: [...boxes.values()], wires: wires.map(([from, to]) => [boxes.get(from), boxes.get(to)]), width, height: 3 * ROW + HIGH + 2 * GAP };
}

const cut = (text, size = 24) => (text && text.length > size ? `${text.slice(0, size - 1)}…` : text);

/** What of the picture a way goes through, by key: "on", or "stop" where the packet goes no further. */
export function traced(steps, boxes, { ports, subnets }) {
  const here = new Set(boxes.map((box) => box.key));
  const beside = new Map([...ports.map((one) => [one.id, [one.device_id, one.network_id]]), ...subnets.map((one) => [one.id, [one.network_id]])]);
  const found = new Map();
  let last;
  for (const step of steps) {
    const keys = [step.id, ...(beside.get(step.id) || [])].filter((one) => here.has(one));
    last = keys[0] || last; // a rule of a security group stands in no box: it stops what it belongs to
    for (const key of keys) if (!found.has(key)) found.set(key, "on");
    if (!step.passes && last) found.set(last, "stop");
  }
  return found;
}

export function Topology() {
  const state = useAsked(look, []);
  const [way, setWay] = useState(null);
  useEffect(() => hear(["network", "subnet", "router", "port", "server", "floatingip"], calmly(400, state.again)), []);
  if (!state.value) return state.error ? html`<${Fault} error=${state.error} />` : html`<${Loading} />`;
  const { boxes, wires, width, height } = arranged(state.value);
  const marked = way ? traced(way.steps, boxes, state.value) : new Map();
  const kinds = { outside: T("External"), router: T("Router"), network: T("Network"), server: T("Instance"), many: T("Instances") };
  return html`<section class="page"><header><h1>${t("Topology")}</h1></header>
    <div class="scroll"><svg class="graph" viewBox=${`0 0 ${width} ${height}`} width=${width} role="group" aria-label=${t("Topology")}>
      ${wires.map(([from, to]) => html`<path class=${marked.has(from.key) && marked.has(to.key) ? "wire on" : "wire"} d=${`M${from.x + WIDE / 2} ${from.y + HIGH} C${from.x + WIDE / 2} ${from.y + HIGH + 30} ${to.x + WIDE / 2} ${to.y - 30} ${to.x + WIDE / 2} ${to.y}`} />`)}
      ${boxes.map((box) => html`<a key=${box.key} href=${box.link} aria-label=${[t(kinds[box.kind]), box.title, box.note, marked.get(box.key) === "stop" ? t("The packet stops here.") : ""].join(" ")}><rect class=${`box ${box.kind} ${marked.get(box.key) || ""}`} x=${box.x} y=${box.y} width=${WIDE} height=${HIGH} rx="6" /><text x=${box.x + 10} y=${box.y + 19}>${cut(`${t(kinds[box.kind])} ${box.title}`)}</text><text x=${box.x + 10} y=${box.y + 36} class="fine">${cut(box.note, 27)}</text></a>`)}
    </svg></div>
    ${allowed.value.has("hanok|hanok:why") && html`<${Why} servers=${state.value.servers} found=${way} setFound=${setWay} />`}</section>`;
}

/** The way of a packet, hop by hop, and what stops it. */
function Why({ servers, found, setFound }) {
  const [asked, set] = useState({ from: "", to: "outside", protocol: "tcp", port: "22" });
  const [error, setError] = useState(null);
  const put = (name) => (event) => set({ ...asked, [name]: event.target.value });
  const go = async (event) => {
    event.preventDefault();
    setError(null);
    try { setFound(await api({ service: "hanok", path: "/v1/path", query: { ...asked, port: asked.protocol === "icmp" ? "" : asked.port } })); } catch (refused) { setFound(null); setError(refused); }
  };
  return html`<section class="within"><h2>${t("Why can A not reach B?")}</h2><form class="filters" onSubmit=${go}>
    <label>${t("From")} <input list="ends" required value=${asked.from} onInput=${put("from")} /></label><label>${t("To")} <input list="ends" required value=${asked.to} onInput=${put("to")} /></label>
    <datalist id="ends"><option value="outside"></option>${servers.map((one) => html`<option value=${one.name}></option>`)}</datalist>
    <label>${t("Protocol")} <select value=${asked.protocol} onChange=${put("protocol")}><option>tcp</option><option>udp</option><option>icmp</option></select></label>
    ${asked.protocol !== "icmp" && html`<label>${t("Port")} <input inputmode="numeric" value=${asked.port} onInput=${put("port")} /></label>`}
    <button class="primary">${t("Look")}</button></form>
    ${error && html`<${Fault} error=${error} />`}
    ${found && html`<ol class="path">${found.steps.map((step) => html`<li class=${step.passes ? "" : "fault"}>${step.says} ${step.helps && html`<div><code>${step.helps}</code></div>`}</li>`)}</ol>`}</section>`;
}
