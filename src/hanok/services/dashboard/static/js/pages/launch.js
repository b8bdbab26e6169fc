// Launch: one pane. What does not fit says why before anything is sent; a key and a network are made in place.
import { resources, all, choices, create } from "../resource.js";
import { T, t, mib, gib } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { api, serves } from "../api.js";
import { go, to } from "../router.js";
import { formDialog } from "../form.js";
import { Bar, say } from "../ui.js";
import { html, without, useAsked } from "../lib.js";

const limits = () => api({ service: "compute", path: "/limits" }).then((found) => found.limits.absolute);
const left = (limit, used) => (limit < 0 ? Infinity : limit - used);

let images = new Map();

/** Why a flavor cannot be had; empty: it can. */
function unfit(flavor, values, limit) {
  const count = Number(values.count) || 1;
  const image = values.source === "image" ? images.get(values.image) : null;
  const disk = values.boot_volume ? Infinity : flavor.disk || Infinity;
  if (image?.min_ram > flavor.ram) return t("the image needs {size} of memory", { size: mib(image.min_ram) });
  if (image && Math.max(image.min_disk || 0, Math.ceil((image.virtual_size || 0) / 2 ** 30)) > disk) return t("the image needs a larger disk");
  if (flavor.vcpus * count > left(limit.maxTotalCores, limit.totalCoresUsed)) return t("more vCPUs than the quota has left");
  if (flavor.ram * count > left(limit.maxTotalRAMSize, limit.totalRAMUsed)) return t("more memory than the quota has left");
  return "";
}

const flavors = async (values) => {
  const [found, limit] = await Promise.all([all("flavors", { is_public: undefined }), limits()]);
  return found
    .sort((a, b) => a.ram - b.ram || a.vcpus - b.vcpus)
    .map((one) => {
      const why = unfit(one, values, limit);
      return { value: one.id, label: one.name, disabled: Boolean(why), note: `${one.vcpus} vCPU, ${mib(one.ram)}, ${gib(one.disk)}${why ? ` — ${why}` : ""}` };
    });
};

const bootable = async () => {
  const found = await all("images", { status: "active" });
  images = new Map(found.map((one) => [one.id, one]));
  return found.map((one) => ({ value: one.id, label: one.name || one.id }));
};

const make = (name, key, value = (made) => made[key].id) => ({
  label: T("New…"),
  run: async () => { const made = await create(resources.get(name)); return made && value(made); },
});

const examples = {
  "": "",
  packages: "#cloud-config\npackages: [nginx]\n",
  user: "#cloud-config\nusers:\n  - name: learner\n    sudo: ALL=(ALL) NOPASSWD:ALL\n    shell: /bin/bash\n",
  script: "#!/bin/sh\necho hello > /root/hello\n",
};

const fields = (names) => [
  { name: "name", label: T("Name"), required: true, maxlength: 255 },
  { name: "count", label: T("How many"), type: "number", min: 1, max: 100, default: 1, aliases: ["min_count"] },
  { name: "source", label: T("Boot from"), type: "radio", default: "image", options: [
    { value: "image", label: T("an image") },
    ...(serves("block-storage") ? [{ value: "volume", label: T("a volume") }, { value: "snapshot", label: T("a snapshot of a volume") }] : [])] },
  { name: "image", label: T("Image"), type: "select", required: true, when: (v) => v.source === "image", options: bootable, aliases: ["imageRef"] },
  ...(serves("block-storage") ? [{ name: "boot_volume", label: T("Its disk is a new volume"), type: "checkbox", when: (v) => v.source === "image", help: T("A volume outlives the instance.") }] : []),
  { name: "size", label: T("Size (GiB)"), type: "number", min: 1, default: 1, required: true, when: (v) => (v.source === "image" && v.boot_volume) || v.source === "snapshot" },
  { name: "volume", label: T("Volume"), type: "select", required: true, when: (v) => v.source === "volume", options: choices("volumes", { where: (row) => row.status === "available" && row.bootable === "true", note: (row) => gib(row.size) }) },
  { name: "snapshot", label: T("Volume snapshot"), type: "select", required: true, when: (v) => v.source === "snapshot", options: choices("snapshots", { where: (row) => row.status === "available", note: (row) => gib(row.size) }) },
  { name: "flavor", label: T("Flavor"), type: "radio", required: true, options: flavors, depends: ["image", "count", "boot_volume", "source"], aliases: ["flavorRef"] },
  { name: "networks", label: T("Networks"), type: "checks", required: true, options: choices("networks", { where: (row) => !row["router:external"] && row.subnets.length > 0 }), default: names.network, make: make("networks", "network") },
  { name: "security_groups", label: T("Security groups"), type: "checks", options: choices("security_groups", { query: () => ({ project_id: names.project }) }), default: names.group, make: make("security_groups", "security_group") },
  { name: "key", label: T("Key pair"), type: "select", options: choices("keypairs", { value: (row) => row.name }), make: make("keypairs", "keypair", (made) => made.keypair.name), none: T("none"), aliases: ["key_name"], help: T("Without one there is no way in by SSH, unless the image has a password.") },
  { name: "example", label: T("Example of user data"), type: "select", section: T("More"), none: T("none"), options: [{ value: "packages", label: T("install packages") }, { value: "user", label: T("add a user") }, { value: "script", label: T("run a script") }] },
  { name: "user_data", label: T("User data"), type: "textarea", mono: true, maxlength: 49000, placeholder: "#cloud-config", help: (v) => (v.example && !v.user_data ? t("The example is sent: {text}", { text: examples[v.example].replaceAll("\n", " ⏎ ") }) : "") },
  { name: "zone", label: T("Availability zone"), type: "select", none: T("any"), options: async () => (await api({ service: "compute", path: "/os-availability-zone" })).availabilityZoneInfo.filter((one) => one.zoneState.available).map((one) => one.zoneName), aliases: ["availability_zone"] },
  { name: "group", label: T("Server group"), type: "select", none: T("none"), options: choices("server_groups") },
  { name: "description", label: T("Description") },
];

const utf8 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const data = (values) => values.user_data || examples[values.example || ""];

function devices(values) {
  const one = { boot_index: 0, destination_type: "volume" };
  if (values.source === "volume") return [{ ...one, source_type: "volume", uuid: values.volume }];
  if (values.source === "snapshot") return [{ ...one, source_type: "snapshot", uuid: values.snapshot, volume_size: values.size }];
  return values.boot_volume ? [{ ...one, source_type: "image", uuid: values.image, volume_size: values.size }] : undefined;
}

const request = (values) => ({
  method: "POST", path: "/servers",
  body: {
    server: without({
      name: values.name, flavorRef: values.flavor, imageRef: values.source === "image" && !values.boot_volume ? values.image : undefined,
      networks: (values.networks || []).map((uuid) => ({ uuid })), key_name: values.key,
      security_groups: values.security_groups?.length ? values.security_groups.map((name) => ({ name })) : undefined,
      block_device_mapping_v2: devices(values), user_data: data(values) ? utf8(data(values)) : undefined,
      availability_zone: values.zone, description: values.description, min_count: values.count > 1 ? values.count : undefined, max_count: values.count > 1 ? values.count : undefined,
    }),
    ...(values.group ? { "os:scheduler_hints": { group: values.group } } : {}),
  },
});

const source = (values) => ({ volume: [["--volume", values.volume]], snapshot: [["--snapshot", values.snapshot], ["--boot-from-volume", values.size]] })[values.source] || [["--image", values.image], values.boot_volume && ["--boot-from-volume", values.size]];

const ways = (values) => ({
  calls: [{ service: "compute", ...request(values) }],
  command: command("server", "create", ["--flavor", values.flavor], source(values), (values.networks || []).map((one) => ["--network", one]), (values.security_groups || []).map((one) => ["--security-group", one]),
    ["--key-name", values.key], data(values) && ["--user-data", "FILE"], ["--availability-zone", values.zone], ["--hint", values.group && `group=${values.group}`], values.count > 1 && [["--min", values.count], ["--max", values.count]], values.name || "NAME"),
  terraform: terraform("openstack_compute_instance_v2", values.name, {
    name: values.name, flavor_id: values.flavor, image_id: values.source === "image" && !values.boot_volume ? values.image : undefined, key_pair: values.key, network: (values.networks || []).map((uuid) => ({ uuid })),
    security_groups: values.security_groups, user_data: data(values), availability_zone: values.zone, count: values.count > 1 ? values.count : undefined,
    block_device: devices(values)?.map((one) => ({ ...one, delete_on_termination: false })) }),
});

function Left({ values }) {
  const { value: limit } = useAsked(limits, []);
  const flavor = useAsked(() => all("flavors"), []).value?.find((one) => one.id === values.flavor);
  if (!limit) return null;
  const count = Number(values.count) || 1;
  const bar = (label, used, more, maximum, shown = (value) => value) =>
    html`<${Bar} label=${t(label)} used=${used + more} limit=${maximum} text=${`${shown(used)}${more ? ` + ${shown(more)}` : ""} / ${maximum < 0 ? "∞" : shown(maximum)}`} />`;
  return html`<h3>${t("Quota")}</h3>
    ${bar(T("Instances"), limit.totalInstancesUsed, count, limit.maxTotalInstances)}
    ${bar(T("vCPUs"), limit.totalCoresUsed, (flavor?.vcpus || 0) * count, limit.maxTotalCores)}
    ${bar(T("Memory"), limit.totalRAMUsed, (flavor?.ram || 0) * count, limit.maxTotalRAMSize, mib)}`;
}

export async function launch(given = {}) {
  const { session } = await import("../api.js");
  const project = session.value.project?.id;
  const [networks, groups] = await Promise.all([all("networks"), all("security_groups", { project_id: project })]);
  const usable = networks.filter((one) => !one["router:external"] && one.subnets.length);
  const names = { project, network: usable.length === 1 ? [usable[0].id] : [], group: groups.filter((one) => one.name === "default").map((one) => one.id) };
  const made = await formDialog({
    title: t("Launch instance"), submit: T("Launch"), service: "compute", given, fields: fields(names), ways,
    aside: (values) => html`<${Left} values=${values} />`,
    send: (values) => api({ service: "compute", ...request(values) }),
  });
  if (!made) return undefined;
  say(t("The instance is being made."));
  if (made.server?.id) go(`${to("servers", made.server.id)}?part=steps`);
  return made;
}
