// Emptying a project, in an order in which nothing is in the way of what comes after it.
import { t } from "./i18n.js";
import { api, serves } from "./api.js";
import { later } from "./lib.js";

const PATIENCE = 60; // looks, a second apart, at things that take time to go

/** Delete what a project has; resolves with what is left: [{name, error}]. within: the project's id. tell(text): what is under way. */
export async function emptied(within, tell) {
  const left = [];
  const ask = (service, method, path, body, query) => api({ service, method, path, body, query, within });
  const rows = async (service, path, key, query) => (serves(service) ? (await ask(service, "GET", path, undefined, query))[key] : []);
  const drop = async (service, row, path, method = "DELETE", body = undefined) => {
    try { await ask(service, method, path, body); } catch (error) { if (error.status !== 404) left.push({ name: row.name || row.id, error }); }
  };
  const own = { project_id: within };
  const each = async (text, service, path, key, query, way = (row) => `${path}/${row.id}`) => {
    const found = await rows(service, path, key, query);
    if (found.length) tell(text);
    for (const row of found) await drop(service, row, way(row));
    return found;
  };
  const wait = async (service, path, key) => {
    for (let looks = 0; looks < PATIENCE && (await rows(service, path, key)).length; looks++) await later(1000);
  };
  try {
    await each(t("Instances"), "compute", "/servers", "servers");
    await wait("compute", "/servers", "servers");
    await each(t("Server groups"), "compute", "/os-server-groups", "server_groups");
    await each(t("Floating IPs"), "network", "/v2.0/floatingips", "floatingips", own);
    tell(t("Networks"));
    for (const router of await rows("network", "/v2.0/routers", "routers", own)) {
      for (const port of await rows("network", "/v2.0/ports", "ports", { device_id: router.id, device_owner: "network:router_interface" }))
        await drop("network", router, `/v2.0/routers/${router.id}/remove_router_interface`, "PUT", { port_id: port.id });
      await drop("network", router, `/v2.0/routers/${router.id}`);
    }
    for (const port of await rows("network", "/v2.0/ports", "ports", own)) if (!port.device_owner) await drop("network", port, `/v2.0/ports/${port.id}`);
    await each(t("Networks"), "network", "/v2.0/networks", "networks", own);
    for (const group of await rows("network", "/v2.0/security-groups", "security_groups", own)) if (group.name !== "default") await drop("network", group, `/v2.0/security-groups/${group.id}`);
    await each(t("Backups"), "block-storage", "/backups", "backups");
    await each(t("Volume snapshots"), "block-storage", "/snapshots", "snapshots");
    await wait("block-storage", "/snapshots", "snapshots");
    await each(t("Volumes"), "block-storage", "/volumes", "volumes");
    await wait("block-storage", "/volumes", "volumes");
    await each(t("Images"), "image", "/v2/images", "images", { owner: within });
  } catch (error) { left.push({ name: within, error }); }
  return left;
}
