// What an API refuses, in the language of the page: by the code of the refusal, by what its sentence says, or by its status.
// The APIs speak English, so an English page shows their own words alone.
import { T, t, language } from "./i18n.js";

// The names that services give their refusals. A name ending in one of the endings below needs no line here.
const codes = {
  "placement.concurrent_update": T("Somebody else changed it at the same time. Try again."),
  "placement.duplicate_name": T("Something of this name is there already."),
  "placement.inventory.inuse": T("It is in use."),
  "placement.query.duplicate_key": T("What was sent is not valid."),
  "placement.query.bad_value": T("What was sent is not valid."),
  "placement.query.missing_value": T("What was sent is not valid."),
  "placement.resource_provider.cannot_delete_parent": T("Others below it are still there; delete those first."),
  "placement.resource_provider.inuse": T("It is in use."),
  "placement.resource_provider.not_found": T("It is not there, or not yours."),
  ActionInProgress: T("Something else is being done to it. Try again when that has ended."),
  AddressesAlreadyExist: T("Some of these addresses are in it already."),
  AddressPairAndPortSecurityRequired: T("Address pairs need port security at the port."),
  AddressScopeUpdateError: T("What was sent is not valid."),
  AutoAllocationFailure: T("It is not possible in the current state."),
  BadRequest: T("What was sent is not valid."),
  DuplicateAddressPairInRequest: T("An address pair is named twice."),
  DuplicateSubPort: T("It is in use."),
  EmptySubnetPoolPrefixList: T("A subnet pool needs at least one prefix."),
  ExternalGatewayForFloatingIPNotFound: T("No router connects this port's subnet to the external network. Connect a router to both."),
  FlavorDisabled: T("It is switched off."),
  FloatingIPPortAlreadyAssociated: T("This address has a floating IP already."),
  GatewayConflictWithAllocationPools: T("The gateway's address is within an allocation pool."),
  InvalidBreakPointHook: T("What was sent is not valid."),
  InvalidDHCPAgent: T("What was sent is not valid."),
  IpAddressAlreadyAllocated: T("This address is in use already."),
  IpAddressGenerationFailure: T("The subnet has no free address any more."),
  NoMoreNetworks: T("No further network can be created."),
  NoNetworkAvailable: T("No further network can be created."),
  NotSupported: T("This cloud cannot do that."),
  OverlappingAllocationPools: T("The ranges of addresses overlap."),
  OverQuota: T("The quota of this project is used up."),
  PolicyNotAuthorized: T("Your roles in this project do not allow this."),
  PolicyRemoveAuthorizationError: T("It is still used by something of another project."),
  PortHasBindingFloatingIP: T("It is in use."),
  PortSecurityPortHasSecurityGroup: T("The port has security groups or address pairs; take them away first."),
  PortUnreachableRouter: T("No router connects this port's subnet to the external network. Connect a router to both."),
  PortSecurityAndIPRequiredForSecurityGroups: T("Security groups need port security and an address at the port."),
  PrefixVersionMismatch: T("IPv4 and IPv6 do not go together here."),
  QuotaMissingTenant: T("A project has to be named."),
  RequestLimitExceeded: T("The request is larger than this service takes."),
  RestrictedAction: T("The stack's environment restricts this action."),
  RevisionNumberConstraintFailed: T("Somebody else changed it at the same time. Try again."),
  RouterInterfaceAttachmentConflict: T("The router has something of this network already."),
  RouterNDPProxyNotEnable: T("It is not possible in the current state."),
  RouterSchedulingFailed: T("It is not possible in the current state."),
  SecurityGroupCannotRemoveDefault: T("The default security group stays."),
  ServiceProfileEmpty: T("What was sent is not valid."),
  ServiceProfileDisabled: T("It is switched off."),
  SlaacAllocationPool: T("What was sent is not valid."),
  StackValidationFailed: T("The template does not work out."),
  SubnetPoolQuotaExceeded: T("The quota of this project is used up."),
  TrunkDisabled: T("It is switched off."),
};

const endings = [
  [/(NotFound|notFound)$/, T("It is not there, or not yours.")],
  [/(InUse|InUseByPort|PortBound)/, T("It is in use.")],
  [/(Exists|AlreadyExist|Duplicate|DuplicatePolicy|DuplicateEntry|AlreadyActive|Overlaps)$/, T("Something like it is there already.")],
  [/^(SecurityGroup|DefaultSecurityGroup)/, T("A rule of a security group does not fit together.")],
  [/^(Invalid|Illegal|OutOfBounds|MinPrefix|MaxPrefix)/, T("What was sent is not valid.")],
  [/(QuotaExceeded|OverLimit|overLimit)$/, T("The quota of this project is used up.")],
  [/NotSupported$/, T("This cloud cannot do that.")],
  [/(NotValid|GreaterThanTrunkPortMtu)$/, T("What was sent is not valid.")],
  [/(Error|Conflict|ReadOnly|Hosted|HostedBy\w+|ReferencedByProject|NoMatchingSubnet)$/, T("It is not possible in the current state.")],
];

// Services without names of their own say what it is in a sentence.
const sentences = [
  [/^No valid host was found\. A rebuild/, T("Its host does not have what the rebuilt instance requires.")],
  [/^No valid host was found\. Others were faster/, T("Other instances took the capacity at the same time. Try again.")],
  [/^No valid host was found\. (.+)$/s, T("No host has what the instance requires: {0}")],
  [/^Quota exceeded|^Maximum number of|exceeds allowed|Quota exceeded/, T("The quota of this project is used up.")],
  [/^Cannot '([\w-]+)' instance \S+ while it is in (?:vm_state |task_state )?(\S+)/, T("The action “{0}” is not possible while the instance is in the state “{1}”.")],
  [/^Instance \S+ is locked/, T("The instance is locked. Unlock it first.")],
  [/^Instance \S+ is not ready/, T("The instance is not ready yet. Try again in a moment.")],
  [/^(?:Load Balancer|Listener|Pool) \S+ is immutable and cannot be updated/, T("Something else is being done to it. Try again when that has ended.")],
  [/^Provider '([\w-]+)' does not support a requested option: (.+)$/s, T("“{0}” cannot carry this: {1}")],
  [/has children/, T("Others below it are still there; delete those first.")],
  [/^Quota has been met/, T("The quota of this project is used up.")],
  [/^Image \S+ is not active/, T("The image is not ready, or was switched off.")],
  [/^Flavor's (?:memory|disk) is too small|^Volume is too small for requested image/, T("It is smaller than the image needs.")],
  [/disks do not shrink|New size for extend must be greater/, T("A disk becomes larger, never smaller.")],
  [/^Quota limit .+ must be greater than or equal to already used/, T("More than that is used already.")],
  [/Host aggregate is not empty/, T("It still has hosts; take those away first.")],
  [/already has host/, T("It is in it already.")],
  [/disable it first/, T("Switch it off first.")],
  [/has projects below it; delete those first/, T("Others below it are still there; delete those first.")],
  [/^The password does not match the requirements: (.+)$/s, T("The password does not meet the requirements: {0}")],
  [/^The new password must not be one of the last (\d+)/, T("The last {0} passwords cannot be used again.")],
  [/^The password must be used for/, T("The password was changed too short a time ago.")],
  [/which is not supported|is not supported by (?:the )?hosts?/, T("This cloud cannot do what was requested.")],
  [/(already exists|is taken by|is already there|Duplicate entry|with the same name)/, T("Something of this name is there already.")],
  [/could not be found|does not exist|Could not find|^Invalid volume_type provided/, T("It is not there, or not yours.")],
  [/disallowed by policy|not authorized to perform|Policy doesn't allow/, T("Your roles in this project do not allow this.")],
  [/driver_handles_share_servers (?:is true|extra spec as True)/, T("This share type needs a share network.")],
  [/driver_handles_share_servers extra spec as False/, T("This share type takes no share network.")],
  [/dependent snapshots/, T("It still has snapshots; delete those first.")],
  [/not the most recent snapshot/, T("It is not the newest snapshot of its share.")],
  [/not have that capability/, T("Its type does not let it do that.")],
  [/^Share (?:snapshot )?access \S+ exists/, T("Something like it is there already.")],
  [/it has (?:one or more|\d+) share|assigned to share network/, T("It is in use.")],
  [/\bis immutable\b/, T("It is protected against changes. Take its option immutable away first.")],
  [/\bis protected\b|protected and cannot be/, T("It is protected. Take the protection away first.")],
  [/kept in a directory/, T("It is kept in a directory (LDAP) and can be changed only there.")],
  [/\bin use\b|still used|hosting instances|associated with it/, T("It is in use.")],
  [/was deleted/, T("It was deleted meanwhile.")],
  [/^(?:Volume|Snapshot|Backup) status must be ([^,]+), but current status is:? (\S+?)\.?$/i, T("Its status has to be {0}; it is {1}.")],
  [/Invalid (?:volume|snapshot|backup)\b|must be available/, T("Its status does not allow this now.")],
  [/^Invalid input for|is not a valid|is too (?:short|long)|Invalid (?:input|request|body)/, T("What was sent is not valid.")],
  [/^Detach volume from instance/, T("Detach it from its instance.")],
];

// What stands in a verdict about hosts, part by part.
const parts = [
  [/^(\d+) hosts?$/, T("hosts: {0}")],
  [/^(\d+) (?:is|are) disabled$/, T("disabled: {0}")],
  [/^(\d+) lacks? (?:trait )?(.+): (.+) requested, (.+) free$/, T("{1}: too little at {0}; {2} requested, {3} free")],
  [/^(\d+) lacks? trait (.+)$/, T("without {1}: {0}")],
  [/^none has all of what is requested together$/, T("no host has all of it together")],
];
const names = { memory: T("memory"), disk: T("disk"), vCPUs: T("vCPUs"), VCPUs: T("vCPUs") };

const filled = (found, text) => t(text, Object.fromEntries(found.slice(1).map((part, place) => [place, names[part] ? t(names[part]) : part])));
const firstOf = (list, text) => {
  for (const [pattern, said] of list) {
    const found = pattern.exec(text);
    if (found) return [found, said];
  }
  return null;
};
const part = (text) => {
  const one = firstOf(parts, text);
  return one ? filled(...one) : text;
};

const statuses = {
  400: T("What was sent is not valid."), 403: T("This is not allowed."), 404: T("It is not there, or not yours."), 409: T("It is not possible in the current state."),
  412: T("Somebody else changed it at the same time. Try again."), 413: T("It is larger than is allowed, or the quota is used up."), 429: T("Too many requests at once. Try again in a moment."),
  500: T("The cloud made a mistake. Its operator finds the reason by the request ID."), 501: T("This cloud cannot do that."), 503: T("What this needs does not answer now. Try again in a moment."),
};

/** The text for a code alone; undefined where it has none. */
export const byCode = (code) => codes[code] || endings.find(([ending]) => ending.test(code))?.[1];

function bySentence(message) {
  const one = firstOf(sentences, message);
  if (!one) return "";
  const [found, said] = one;
  if (said.endsWith("requires: {0}")) found[1] = found[1].replace(/\.$/, "").split("; ").map(part).join("; ");
  return filled(found, said);
}

/** What is shown above the words of an API, in a language that is not theirs; empty where nothing is. refused: {message, code, status}. */
export function inWords({ message = "", code = "", status = 0 }) {
  if (language.value === "en" || t(message) !== message) return "";
  const name = byCode(String(code));
  return (name && t(name)) || bySentence(String(message).slice(0, 2000)) || t(statuses[status] || "");
}
