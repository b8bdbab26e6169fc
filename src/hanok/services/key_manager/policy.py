"""The access rules of the key manager with their upstream names and default checks.

Each is what the roles member, reader and admin may, or what the older roles creator, observer and audit may; upstream
has both, and a switch that takes the older ones away.

Source: Barbican's policy reference, and the rules that it replaces.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule

_LEADS = "Leads to others."


def _of(kind: str) -> dict[str, str]:
    """Checks on a thing of this kind, by who is meant."""
    ours = (
        f"(rule:{kind}_project_member and rule:{kind}_owner) or "
        f"(rule:{kind}_project_member and rule:{kind}_is_not_private)"
    )
    change = f"rule:{kind}_project_admin or {ours} or rule:{kind}_project_creator"
    by_role = f"(rule:{kind}_project_creator_role and rule:{kind}_non_private_read)"
    readable = f"{change} or rule:{kind}_acl_read or rule:{kind}_non_private_read"
    acl_readable = f"(rule:all_but_audit and rule:{kind}_project_match)"
    return {
        "change": f"{change} or {by_role}",
        "delete": change,
        "see": readable,
        "see_acl": f"{change} or {acl_readable}",
    }


_SECRET, _CONTAINER = _of("secret"), _of("container")


def _leading(kind: str) -> tuple[Rule, ...]:
    match, private = f"rule:{kind}_project_match", f"rule:{kind}_private_read"
    mine = f"user_id:%(target.{kind}.creator_id)s"
    open_ = f"%(target.{kind}.read_project_access)s"
    return (
        Rule(f"{kind}_project_match", f"project_id:%(target.{kind}.project_id)s", _LEADS),
        Rule(f"{kind}_project_member", f"role:member and {match}", _LEADS),
        Rule(f"{kind}_project_admin", f"role:admin and {match}", _LEADS),
        Rule(f"{kind}_owner", mine, _LEADS),
        Rule(f"{kind}_creator_user", mine, _LEADS),
        Rule(f"{kind}_is_not_private", f"True:{open_}", _LEADS),
        Rule(f"{kind}_private_read", f"'False':{open_}", _LEADS),
        Rule(f"{kind}_acl_read", f"'read':%(target.{kind}.read)s", _LEADS),
        Rule(f"{kind}_non_private_read", f"rule:all_users and {match} and not {private}", _LEADS),
        Rule(
            f"{kind}_project_creator",
            f"rule:creator and {match} and rule:{kind}_creator_user",
            _LEADS,
        ),
        Rule(f"{kind}_project_creator_role", f"rule:creator and {match}", _LEADS),
    )


RULES: tuple[Rule, ...] = (
    Rule("context_is_admin", "role:admin", "Reach what belongs to other projects."),
    Rule("admin", "role:admin", _LEADS),
    Rule("creator", "role:creator", _LEADS),
    Rule("observer", "role:observer", _LEADS),
    Rule("audit", "role:audit", _LEADS),
    Rule("service_admin", "role:key-manager:service-admin", _LEADS),
    Rule("all_users", "rule:admin or rule:observer or rule:creator or rule:audit or rule:service_admin", _LEADS),
    Rule("all_but_audit", "rule:admin or rule:observer or rule:creator", _LEADS),
    Rule("admin_or_creator", "rule:admin or rule:creator", _LEADS),
    *_leading("secret"),
    *_leading("container"),
    Rule("secret_project_reader", "role:reader and rule:secret_project_match", BY_OPERATORS),
    Rule("secret_decrypt_non_private_read", "rule:all_but_audit and rule:secret_project_match and not rule:secret_private_read", _LEADS),
    Rule("secrets:post", "role:member or rule:admin_or_creator", "Make a secret."),
    Rule("secrets:get", "role:member or rule:all_but_audit", "List secrets."),
    Rule("secret:get", f"role:admin or {_SECRET['see']}", "See what a secret is, without its payload."),
    Rule("secret:decrypt", f"{_SECRET['delete']} or rule:secret_acl_read or rule:secret_decrypt_non_private_read", "Read the payload of a secret."),
    Rule("secret:put", f"{_SECRET['delete']} or (rule:admin_or_creator and rule:secret_project_match)", "Give a secret its payload."),
    Rule("secret:delete", f"role:admin or {_SECRET['delete']} or (rule:secret_project_creator_role and not rule:secret_private_read)", "Delete a secret."),
    Rule("secret_meta:get", _SECRET["see"], "See the metadata that users gave a secret."),
    Rule("secret_meta:post", _SECRET["change"], "Add metadata to a secret."),
    Rule("secret_meta:put", _SECRET["change"], "Change the metadata of a secret."),
    Rule("secret_meta:delete", _SECRET["change"], "Take metadata from a secret."),
    Rule("secret_acls:get", _SECRET["see_acl"], "See who may read a secret."),
    Rule("secret_acls:put_patch", _SECRET["change"], "Say who may read a secret."),
    Rule("secret_acls:delete", _SECRET["change"], "Go back to the usual readers of a secret."),
    Rule("secret_consumers:get", _SECRET["see"], "See what uses a secret."),
    Rule("secret_consumers:post", _SECRET["see"], "Say that something uses a secret."),
    Rule("secret_consumers:delete", _SECRET["see"], "Say that something uses a secret no more."),
    Rule("containers:post", "role:member or rule:admin_or_creator", "Make a container."),
    Rule("containers:get", "role:member or rule:all_but_audit", "List containers."),
    Rule("container:get", _CONTAINER["see"], "See a container."),
    Rule("container:delete", _CONTAINER["delete"], "Delete a container."),
    Rule("container_secret:post", _CONTAINER["change"], "Put a secret into a container."),
    Rule("container_secret:delete", _CONTAINER["change"], "Take a secret out of a container."),
    Rule("container_acls:get", _CONTAINER["see_acl"], "See who may read a container."),
    Rule("container_acls:put_patch", _CONTAINER["change"], "Say who may read a container."),
    Rule("container_acls:delete", _CONTAINER["change"], "Go back to the usual readers of a container."),
    Rule("container_consumers:get", _CONTAINER["see"], "See what uses a container."),
    Rule("container_consumers:post", _CONTAINER["see"], "Say that something uses a container."),
    Rule("container_consumers:delete", _CONTAINER["see"], "Say that something uses a container no more."),
    Rule("order_project_match", "project_id:%(target.order.project_id)s", _LEADS),
    Rule("order_project_member", "role:member and rule:order_project_match", _LEADS),
    Rule("orders:get", "role:member or rule:all_but_audit", "List orders."),
    Rule("orders:post", "role:member or rule:admin_or_creator", "Order keys."),
    Rule("order:get", "rule:order_project_member or (rule:all_users and rule:order_project_match)", "See an order."),
    Rule("order:delete", "rule:order_project_member or (rule:admin and rule:order_project_match)", "Delete an order."),
    Rule("quotas:get", "role:reader or rule:all_users", "See what the caller's project may have."),
    Rule("project_quotas:get", "role:admin", "See what projects may have."),
    Rule("project_quotas:put", "role:admin", "Set what a project may have."),
    Rule("project_quotas:delete", "role:admin", "Go back to what every project may have."),
    Rule("secretstores:get", "role:reader or rule:admin", "List secret stores."),
    Rule("secretstores:get_global_default", "role:reader or rule:admin", "See the store of projects that prefer none."),
    Rule("secretstores:get_preferred", "role:reader or rule:admin", "See the store that the caller's project prefers."),
    Rule("secretstore:get", "role:reader or rule:admin", "See a secret store."),
    Rule("secretstore_preferred:post", "role:admin", "Say which store the caller's project prefers."),
    Rule("secretstore_preferred:delete", "role:admin", "Say that the caller's project prefers no store."),
    Rule("transport_keys:get", "role:reader or rule:all_users", "List transport keys."),
    Rule("transport_keys:post", "role:admin", "Add a transport key."),
    Rule("transport_key:get", "role:reader or rule:all_users", "See a transport key."),
    Rule("transport_key:delete", "role:admin", "Delete a transport key."),
)  # fmt: skip
