// The steps of the courses. Each says what to do, where, and how one sees in the cloud that it is done.
// done(found) looks at what `look` found; undefined: it cannot be seen from here. found.mine: the learner looks, and not a teacher.
import { T } from "./i18n.js";
import { api, serves, session } from "./api.js";

const gone = (promise) => promise.catch(() => null);
const list = (service, path, key, within, query) => (serves(service) ? gone(api({ service, path, query, within }).then((answer) => answer[key])) : Promise.resolve(null));

/** What a project has, as far as it is asked about; null where there is no answer. */
export async function look(project, mine) {
  const within = mine ? undefined : project;
  const network = (path, key) => list("network", `/v2.0/${path}`, key, within, { project_id: project });
  const [networks, subnets, routers, ports, groups, addresses, servers, volumes, snapshots, images, keys] = await Promise.all([
    network("networks", "networks"), network("subnets", "subnets"), network("routers", "routers"), network("ports", "ports"), network("security-groups", "security_groups"), network("floatingips", "floatingips"),
    list("compute", "/servers/detail", "servers", within), list("block-storage", "/volumes/detail", "volumes", within), list("block-storage", "/snapshots", "snapshots", within),
    list("image", "/v2/images", "images", within, { owner: project }), mine ? list("compute", "/os-keypairs", "keypairs") : null,
  ]);
  const actions = await Promise.all((servers || []).slice(0, 3).map((one) => list("compute", `/servers/${one.id}/os-instance-actions`, "instanceActions", within)));
  return { mine, networks, subnets, routers, ports, groups, addresses, servers, volumes, snapshots, images, keys, actions: actions.flatMap((one) => one || []) };
}

const running = (found) => (found.servers || []).filter((one) => one.status === "ACTIVE");
const some = (rows, fits = () => true) => (rows === null || rows === undefined ? undefined : rows.some(fits));
const did = (found, name) => found.actions.some((one) => one.action === name && !one.message);
const opens = (port) => (rule) => rule.direction === "ingress" && rule.protocol === "tcp" && rule.port_range_min <= port && port <= rule.port_range_max;

export const learner = [
  { name: "key", title: T("Make a key pair"), text: T("An instance lets you in by a key. Make one, and keep the file that is downloaded: the cloud has no copy of it."), page: "keypairs", command: "openstack keypair create KEY > KEY.pem", done: (found) => (found.mine ? some(found.keys) : some(found.servers, (one) => one.key_name) || undefined) },
  { name: "network", title: T("Make a network with a subnet"), text: T("A network of your own, apart from all others. The subnet says which addresses it gives out."), page: "networks", command: "openstack network create net1 && openstack subnet create --network net1 --subnet-range 192.168.10.0/24 subnet1", done: (found) => some(found.subnets) },
  { name: "router", title: T("Make a router to the outside"), text: T("It connects your network to the external one. Choose the external network as its gateway."), page: "routers", command: "openstack router create --external-gateway public router1", done: (found) => some(found.routers, (one) => one.external_gateway_info) },
  { name: "joined", title: T("Join your subnet to the router"), text: T("Open the router and add an interface in your subnet. Topology shows what hangs on what."), page: "routers", command: "openstack router add subnet router1 subnet1", done: (found) => some(found.ports, (one) => one.device_owner === "network:router_interface") },
  { name: "rules", title: T("Let SSH in"), text: T("A security group lets in nothing until a rule says so. Add a rule for TCP port 22 to the group of your instance."), page: "security_groups", command: "openstack security group rule create --protocol tcp --dst-port 22 default", done: (found) => some(found.groups, (group) => group.security_group_rules.some(opens(22))) },
  { name: "launch", title: T("Launch an instance"), text: T("Image, flavor, network and key: then watch the steps of its making, each with its time."), page: "servers", command: "openstack server create --image cirros --flavor m1.nano --network net1 --key-name KEY vm1", done: (found) => some(found.servers, (one) => one.status !== "BUILD" && one.status !== "ERROR") },
  { name: "address", title: T("Give it a floating IP"), text: T("The address in your network is reached from inside alone. A floating IP is the way in. Then: ssh -i KEY.pem, and look at the log and the console of the instance."), page: "servers", command: "openstack floating ip create public && openstack server add floating ip vm1 ADDRESS", done: (found) => some(found.addresses, (one) => one.port_id) },
  { name: "power", title: T("Shut it off and start it again"), text: T("Its disk, its addresses and its name stay. “What was done” shows who did what, and when."), page: "servers", command: "openstack server stop vm1 && openstack server start vm1", done: (found) => some(found.servers, () => did(found, "stop") && did(found, "start")) },
  { name: "volume", title: T("Make a volume and attach it"), text: T("A disk that outlives instances. The guest sees it at once."), page: "volumes", command: "openstack volume create --size 1 data && openstack server add volume vm1 data", done: (found) => some(found.volumes, (one) => one.attachments.length > 0) },
  { name: "snapshot", title: T("Take a snapshot of the volume"), text: T("As the volume is now, to go back to or to make others of. It works while the volume is in use."), page: "snapshots", command: "openstack volume snapshot create --volume data --force snap1", done: (found) => some(found.snapshots, (one) => one.status === "available") },
  { name: "image", title: T("Make an image of the instance"), text: T("The disk as it is now, for further instances."), page: "servers", command: "openstack server image create --name golden vm1", done: (found) => some(found.images, (one) => one.status === "active" && one.image_type === "snapshot") },
  { name: "second", title: T("Launch a second one of that image"), text: T("Two instances in one network reach each other by their addresses there."), page: "servers", command: "openstack server create --image golden --flavor m1.nano --network net1 vm2", done: (found) => (found.servers ? running(found).length > 1 : undefined) },
  { name: "clean", title: T("Clean up"), text: T("What you leave goes on using the quota. Delete instances, floating IPs, the router's interface, the router, the network, snapshots and volumes."), page: "overview", command: "openstack project cleanup --auth-project", last: true, done: (found) => found.mine && ["servers", "addresses", "routers", "subnets", "volumes", "snapshots"].every((kind) => !found[kind]?.length) },
];

/** What an operator's course asks about. */
async function lookAround() {
  const ask = (path, key, query) => list("identity", path, key, undefined, query);
  const [projects, users, assignments, roles, images, flavors, hidden, servers, aggregates] = await Promise.all([
    ask("/projects", "projects"), ask("/users", "users"), ask("/role_assignments", "role_assignments"), ask("/roles", "roles"), list("image", "/v2/images", "images", undefined, { limit: 100 }),
    list("compute", "/flavors/detail", "flavors"), list("compute", "/flavors/detail", "flavors", undefined, { is_public: "false" }), list("compute", "/servers/detail", "servers"), list("compute", "/os-aggregates", "aggregates"),
  ]);
  return { mine: true, projects, users, assignments, roles, images, flavors, hidden, servers, aggregates, own: session.value.project?.id };
}
const usual = new Set(["admin", "manager", "member", "reader", "service", "reselleradmin", "heat_stack_owner", "heat_stack_user", "creator", "audit", "observer", "key-manager:service-admin"]); // that are there from the first day, and load balancing's

export const operator = [
  { name: "project", title: T("Make a project"), text: T("A project owns what is made in it, and has a quota."), page: "projects", command: "openstack project create practice-project", done: (found) => some(found.projects, (one) => one.id !== found.own && one.name !== "service") },
  { name: "user", title: T("Make a user"), text: T("Somebody who signs in. Without a role in a project a user can do nothing."), page: "users", command: "openstack user create --password-prompt normal-user", done: (found) => found.users && found.users.length > 1 },
  { name: "role", title: T("Give the user a role in the project"), text: T("A project's members are a matrix: reader looks, member makes, admin may do everything."), page: "projects", command: "openstack role add --project practice-project --user normal-user member", done: (found) => some(found.assignments, (one) => one.user && one.scope.project && one.scope.project.id !== found.own) },
  { name: "custom", title: T("Make a role of your own"), text: T("What it may do is said by access rules: policy/compute.yaml in the state directory takes effect within a second."), page: "roles", command: "openstack role create vm-list-viewer", done: (found) => some(found.roles, (one) => !usual.has(one.name.toLowerCase()) && !one.name.startsWith("load-balancer_")) },
  { name: "image", title: T("Upload an image"), text: T("A disk to boot from: by a file, or from an address."), page: "images", command: "openstack image create --disk-format qcow2 --file FILE demo-img", done: (found) => some(found.images, (one) => one.status === "active") },
  { name: "public", title: T("Show an image to everybody, and protect it"), text: T("Public: every project may boot it. Protected: nobody deletes it by mistake."), page: "images", command: "openstack image set --public --protected demo-img", done: (found) => some(found.images, (one) => one.visibility === "public" && one.protected) },
  { name: "flavor", title: T("Make a flavor"), text: T("How much an instance gets: vCPUs, memory and disk."), page: "flavors", command: "openstack flavor create --vcpus 1 --ram 512 --disk 1 mini-flavor", done: (found) => some(found.flavors) },
  { name: "hidden", title: T("Make a flavor that not all may use"), text: T("A private flavor is visible to the projects that are given access."), page: "flavors", command: "openstack flavor create --private --vcpus 1 --ram 512 --disk 5 hidden", done: (found) => some(found.hidden) },
  { name: "fault", title: T("Let a launch fail, and find out why"), text: T("Make a flavor with far more memory than any host has, and launch with it. The instance says what was missing."), page: "servers", command: "openstack server create --flavor huge … && hanok explain huge-vm", done: (found) => some(found.servers, (one) => one.status === "ERROR") },
  { name: "aggregate", title: T("Put hosts into an aggregate"), text: T("Hosts with something in common. An availability zone is an aggregate that users can choose."), page: "aggregates", command: "openstack aggregate create --zone zone1 rack1 && openstack aggregate add host rack1 HOST", done: (found) => some(found.aggregates, (one) => one.hosts.length) },
];

export const courses = {
  learner: { title: T("For who uses a cloud"), steps: learner, look: () => look(session.value.project?.id, true) },
  operator: { title: T("For who runs a cloud"), steps: operator, look: lookAround, rule: "identity|identity:list_projects" },
};

/** What is wrong in a project, in rows that can be shown: {kind, id, name, error}. */
export const wrong = (found) => [
  ...(found.servers || []).filter((one) => one.status === "ERROR").map((one) => ({ kind: "servers", id: one.id, name: one.name, error: one.fault || { message: "ERROR" } })),
  ...(found.volumes || []).filter((one) => one.status.startsWith("error")).map((one) => ({ kind: "volumes", id: one.id, name: one.name || one.id, error: { message: one.status } })),
];
