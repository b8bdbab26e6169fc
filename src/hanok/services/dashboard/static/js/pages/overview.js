// What there is, what of the quota is used, what needs attention, and what was done lately.
import { page } from "../shell.js";
import { create, resources } from "../resource.js";
import { T, t, mib, gib, eventWords, language } from "../i18n.js";
import { api, session, serves } from "../api.js";
import { hear, recent } from "../live.js";
import { to } from "../router.js";
import { isAllowed } from "../form.js";
import { Ago, Bar, Loading, State, Fault, Why } from "../ui.js";
import { html, useAsked, useEffect, calmly } from "../lib.js";

page({ name: "overview", title: T("Overview"), show: () => html`<${Overview} />` });

const none = (promise) => promise.catch(() => null);

async function look() {
  const project = session.value.project?.id;
  if (!project) return {};
  const [compute, volumes, network, servers, broken, wrong] = await Promise.all([
    serves("compute") ? none(api({ service: "compute", path: "/limits" })) : null,
    serves("block-storage") ? none(api({ service: "block-storage", path: "/limits" })) : null,
    serves("network") ? none(api({ service: "network", path: `/v2.0/quotas/${project}/details.json` })) : null,
    serves("compute") ? none(api({ service: "compute", path: "/servers/detail", query: { limit: 10, sort_key: "updated_at", sort_dir: "desc" } })) : null,
    serves("block-storage") ? none(api({ service: "block-storage", path: "/volumes/detail", query: { status: "error", limit: 10 } })) : null,
    serves("compute") ? none(api({ service: "compute", path: "/servers/detail", query: { status: "ERROR", limit: 10 } })) : null,
  ]);
  return { compute: compute?.limits.absolute, volumes: volumes?.limits.absolute, network: network?.quota, servers: servers?.servers || [], wrong: wrong?.servers || [], broken: broken?.volumes || [] };
}

const bar = (label, used, limit, shown = (value) => value) =>
  html`<${Bar} label=${t(label)} used=${used} limit=${limit} text=${`${shown(used)} / ${limit < 0 ? "∞" : shown(limit)}`} />`;

function Overview() {
  const state = useAsked(look, [session.value.scope]);
  useEffect(() => hear(["server", "volume", "network", "floatingip", "security_group", "port", "router"], calmly(500, state.again)), [session.value.scope]);
  const found = state.value;
  if (state.error) return html`<${Fault} error=${state.error} again=${state.again} />`;
  if (!found) return html`<${Loading} />`;
  if (!session.value.project) return html`<section class="page"><header><h1>${t("Overview")}</h1></header><div class="empty">${t("This is not a project. Choose a project above to see its resources.")}</div></section>`;
  const { compute, volumes, network } = found;
  const q = (name) => network?.[name] || { used: 0, limit: 0 };
  return html`<section class="page"><header><h1>${session.value.project.name}</h1><span class="grow"></span>
    ${serves("compute") && isAllowed("os_compute_api:servers:create", "compute") && html`<button class="primary" onClick=${() => create(resources.get("servers"))}>${t("Launch instance")}</button>`}</header>
    ${(found.wrong.length > 0 || found.broken.length > 0) && html`<h2>${t("Needs attention")}</h2>
      ${found.wrong.map((row) => html`<div class="fault"><a href=${to("servers", row.id)}>${row.name}</a>: ${row.fault ? html`<${Why} error=${row.fault} />` : t("ERROR")}</div>`)}
      ${found.broken.map((row) => html`<div class="fault"><a href=${to("volumes", row.id)}>${row.name || row.id}</a>: ${t(row.status)}</div>`)}`}
    <div class="cards">
      ${compute && html`<section class="card"><h2>${t("Compute")}</h2>${bar(T("Instances"), compute.totalInstancesUsed, compute.maxTotalInstances)}${bar(T("vCPUs"), compute.totalCoresUsed, compute.maxTotalCores)}${bar(T("Memory"), compute.totalRAMUsed, compute.maxTotalRAMSize, mib)}${bar(T("Server groups"), compute.totalServerGroupsUsed, compute.maxServerGroups)}</section>`}
      ${volumes && html`<section class="card"><h2>${t("Volumes")}</h2>${bar(T("Volumes"), volumes.totalVolumesUsed, volumes.maxTotalVolumes)}${bar(T("Size"), volumes.totalGigabytesUsed, volumes.maxTotalVolumeGigabytes, gib)}${bar(T("Snapshots"), volumes.totalSnapshotsUsed, volumes.maxTotalSnapshots)}${bar(T("Backups"), volumes.totalBackupsUsed, volumes.maxTotalBackups)}</section>`}
      ${network && html`<section class="card"><h2>${t("Network")}</h2>${bar(T("Networks"), q("network").used, q("network").limit)}${bar(T("Ports"), q("port").used, q("port").limit)}${bar(T("Routers"), q("router").used, q("router").limit)}${bar(T("Floating IPs"), q("floatingip").used, q("floatingip").limit)}${bar(T("Security groups"), q("security_group").used, q("security_group").limit)}</section>`}
    </div>
    ${found.servers.length > 0 && html`<h2>${t("Instances changed lately")}</h2><table aria-label=${t("Instances changed lately")}><tbody>${found.servers.map((row) => html`<tr key=${row.id}><td><a href=${to("servers", row.id)}>${row.name}</a></td><td><${State} value=${row.status} note=${row["OS-EXT-STS:task_state"] ? t(row["OS-EXT-STS:task_state"]) : ""} busy=${row["OS-EXT-STS:task_state"]} /></td><td class="fine"><${Ago} time=${row.updated} /></td></tr>`)}</tbody></table>`}
    ${!found.servers.length && html`<div class="empty">${t("There is no instance yet. Make a key pair, a network with a subnet, a router to the outside, then launch one.")}</div>`}
    ${recent.value.length > 0 && html`<h2>${t("News since this page is open")}</h2><ol class="steps">${recent.value.slice(0, 12).map((one) => html`<li><span>${eventWords(one.kind)} ${language.value !== "en" && html`<span class="mono fine">${one.kind}</span>`}</span><span class="fine"><${Ago} time=${one.at} /></span><span class="mono fine">${one.id}</span></li>`)}</ol>`}
  </section>`;
}
