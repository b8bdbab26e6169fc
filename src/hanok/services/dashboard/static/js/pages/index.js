// Every page, in the order of the navigation.
import { group, later, page } from "../shell.js";
import { T } from "../i18n.js";
import { classes } from "../api.js";
import "../words.js";
import "./overview.js";
import "./servers.js";
import "./images.js";
import "./keypairs.js";
import "./flavors.js";
import "./networks.js";
import "./routing.js";
import "./volumes.js";
import "./quality.js";
import "./sharing.js";
import "./identity.js";
import "./access.js";
import "./operator.js";

page({ name: "topology", title: T("Topology"), service: "network", rules: ["hanok|hanok:why"], load: () => import("./topology.js").then((found) => found.Topology) });
page({ name: "class", title: T("Class"), shown: () => classes.value.length > 0, load: () => import("./classes.js").then((found) => found.Class) });
page({ name: "usage", title: T("Usage"), service: "compute", rule: "compute|os_compute_api:os-simple-tenant-usage:list", load: () => import("./usage.js").then((found) => found.Usage) });
page({ name: "defaults", title: T("Defaults of quotas"), rules: ["block-storage|volume_extension:quota_classes:update"], rule: "compute|os_compute_api:os-quota-class-sets:update", load: () => import("./usage.js").then((found) => found.Defaults) });

page({ name: "template_versions", title: T("Template versions"), service: "orchestration", rule: "orchestration|stacks:list_template_versions", load: () => import("./types.js").then((found) => found.Versions) });
later(() => import("./types.js"), { name: "resource_types", title: T("Resource types"), service: "orchestration", rule: "stacks:list_resource_types" });
later(() => import("./stacks.js"), { name: "stacks", title: T("Stacks"), service: "orchestration", rule: "stacks:index", create: { label: T("Create stack"), rule: "stacks:create" } });
later(() => import("./balancers.js"), { name: "load_balancers", title: T("Load balancers"), service: "load-balancer", rule: "os_load-balancer_api:loadbalancer:get_all", create: { label: T("Create load balancer"), rule: "os_load-balancer_api:loadbalancer:post" } });
later(() => import("./alarms.js"), { name: "alarms", title: T("Alarms"), service: "alarming", rule: "telemetry:get_alarms", create: { label: T("Create alarm"), rule: "telemetry:create_alarm" } });
later(() => import("./containers.js"), { name: "containers", title: T("Containers"), service: "object-store", rule: "operator_roles", create: { label: T("Create container"), rule: "operator_roles" } });
later(() => import("./definitions.js"), { name: "metadefs", title: T("Metadata definitions"), service: "image", rule: "get_metadef_namespaces" });
later(() => import("./federation.js"), { name: "identity_providers", title: T("Identity providers"), service: "identity", rule: "identity:list_identity_providers" }, { name: "mappings", title: T("Mappings"), service: "identity", rule: "identity:list_mappings" });
later(
  () => import("./volume_groups.js"),
  { name: "volume_groups", title: T("Volume groups"), service: "block-storage", rule: "group:get_all", create: { label: T("Create volume group"), rule: "group:create" } },
  { name: "group_snapshots", title: T("Group snapshots"), service: "block-storage", rule: "group:get_all_group_snapshots" },
  { name: "group_types", title: T("Group types"), service: "block-storage", rule: "group:access_group_types_specs" },
  { name: "qos_specs", title: T("QoS specs of volumes"), service: "block-storage", rule: "volume_extension:qos_specs_manage:get_all" },
);
later(
  () => import("./shares.js"),
  { name: "shares", title: T("Shares"), service: "shared-file-system", rule: "share:get_all", create: { label: T("Create share"), rule: "share:create" } },
  { name: "share_snapshots", title: T("Share snapshots"), service: "shared-file-system", rule: "share_snapshot:get_all_snapshots" },
  { name: "share_networks", title: T("Share networks"), service: "shared-file-system", rule: "share_network:detail" },
  { name: "security_services", title: T("Security services"), service: "shared-file-system", rule: "security_service:detail" },
  { name: "share_types", title: T("Share types"), service: "shared-file-system", rule: "share_type:index" },
);

group(T("Project"), ["overview", "class", "access"]);
group(T("Compute"), ["servers", "images", "keypairs", "flavors", "server_groups"]);
group(T("Volumes"), ["volumes", "snapshots", "backups", "volume_groups", "group_snapshots", "volume_types", "group_types", "qos_specs"]);
group(T("Network"), ["topology", "networks", "subnets", "ports", "routers", "floatingips", "load_balancers", "security_groups", "address_groups", "trunks", "qos_policies", "rbac_policies"]);
group(T("Shares"), ["shares", "share_snapshots", "share_networks", "security_services", "share_types"]);
group(T("Object storage"), ["containers"]);
group(T("Orchestration"), ["stacks", "resource_types", "template_versions"]);
group(T("Telemetry"), ["alarms"]);
group(T("Identity"), ["domains", "projects", "users", "groups", "roles", "assignments", "application_credentials", "identity_providers", "mappings"]);
group(T("Operation"), ["house", "hypervisors", "aggregates", "zones", "services", "volume_services", "agents", "usage", "defaults", "metadefs"]);
