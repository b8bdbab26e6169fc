// Words of the APIs that are shown in the language of the page: states, tasks, steps, actions.
import { T } from "./i18n.js";

export const words = [
  // states of instances
  T("ACTIVE"), T("BUILD"), T("SHUTOFF"), T("ERROR"), T("PAUSED"), T("SUSPENDED"), T("SHELVED"), T("SHELVED_OFFLOADED"), T("REBOOT"), T("HARD_REBOOT"), T("RESIZE"),
  T("VERIFY_RESIZE"), T("REVERT_RESIZE"), T("REBUILD"), T("RESCUE"), T("PASSWORD"), T("MIGRATING"), T("DELETED"), T("SOFT_DELETED"), T("UNKNOWN"), T("DOWN"), T("UP"),
  // what is being done to them
  T("scheduling"), T("block_device_mapping"), T("networking"), T("spawning"), T("image_snapshot"), T("image_snapshot_pending"), T("image_pending_upload"), T("image_uploading"), T("image_backup"),
  T("updating_password"), T("resize_prep"), T("resize_migrating"), T("resize_migrated"), T("resize_finish"), T("resize_reverting"), T("resize_confirming"), T("rebooting"), T("reboot_started"), T("reboot_pending"), T("rebooting_hard"),
  T("pausing"), T("unpausing"), T("suspending"), T("resuming"), T("powering-off"), T("powering-on"), T("rescuing"), T("unrescuing"), T("rebuilding"), T("rebuild_spawning"), T("migrating"), T("deleting"), T("soft-deleting"), T("restoring"), T("shelving"), T("shelving_image_pending_upload"), T("shelving_image_uploading"), T("shelving_offloading"), T("unshelving"), T("spawned"),
  // of images, volumes and others
  T("active"), T("queued"), T("saving"), T("importing"), T("uploading"), T("deactivated"), T("killed"), T("pending_delete"), T("available"), T("in-use"), T("creating"), T("downloading"), T("attaching"), T("detaching"), T("reserved"), T("maintenance"), T("retyping"), T("extending"), T("backing-up"), T("restoring-backup"), T("error"), T("error_deleting"), T("error_restoring"), T("error_extending"), T("awaiting-transfer"), T("enabled"), T("disabled"), T("up"), T("down"), T("pending"), T("accepted"), T("rejected"), T("Success"), T("Error"), T("N/A"),
  // of operations
  T("waiting"), T("running"), T("undoing"), T("stuck"),
  // what was done
  T("create"), T("start"), T("stop"), T("reboot"), T("delete"), T("pause"), T("unpause"), T("suspend"), T("resume"), T("shelve"), T("shelveOffload"), T("unshelve"), T("rescue"), T("unrescue"), T("resize"), T("confirmResize"), T("revertResize"), T("rebuild"), T("createImage"), T("createBackup"), T("attach_volume"), T("detach_volume"), T("attach_interface"), T("detach_interface"), T("lock"), T("unlock"), T("changePassword"), T("migrate"), T("restore"),
  // steps of a launch
  T("request_accepted"), T("operation_taken"), T("ask_placement"), T("weigh_hosts"), T("claim_host"), T("fetch_image"), T("bind_ports"), T("start_guest"),
  // steps of other actions
  T("ask_host"), T("await_snapshots"), T("begin_snapshots"), T("bind_port"), T("close_root"), T("close_volume"), T("copy_disk"), T("drop_old"), T("extend_volume"), T("fetch_one"), T("fetch_there"), T("find_hosts"), T("forget_server"), T("guest_told"), T("interrupt"), T("leave_new"), T("make_disk"), T("make_volumes"), T("open_volume"), T("open_volumes"), T("plug_interface"), T("plug_volume"), T("release_host"), T("release_ports"), T("release_volumes"), T("remove_guest"), T("remove_image"), T("set_aside"), T("start_again"), T("start_old"), T("start_own"), T("start_rescue"), T("start_resized"), T("stop_guest"), T("store_image"), T("tell_agent"), T("tidy_up"), T("unplug_interface"), T("unplug_volume"), T("wake_guest"), T("write_root"),
  // parts of the names of events
  T("instance"), T("keypair"), T("server_group"), T("aggregate"), T("service"), T("network"), T("subnet"), T("port"), T("router"), T("floatingip"), T("security_group"), T("security_group_rule"), T("trunk"), T("policy"), T("user"), T("project"), T("group"), T("role"), T("domain"), T("image"), T("volume"), T("snapshot"), T("backup"), T("stack"), T("interface"),
  T("created"), T("updated"), T("deleted"), T("update"), T("upload"), T("activate"), T("end"), T("attach"), T("detach"), T("extended"), T("power_on"), T("power_off"), T("member"),
  // what the session room says
  T("The password has expired. Choose a new one."), T("Only pages of this dashboard may send this request."), T("Too many live pages are open."), T("You are not signed out: identity does not answer. Try again."), T("The session of this account is too large for a cookie."),
  // others
  T("public"), T("private"), T("shared"), T("community"), T("ingress"), T("egress"), T("affinity"), T("anti-affinity"), T("soft-affinity"), T("soft-anti-affinity"),
];
