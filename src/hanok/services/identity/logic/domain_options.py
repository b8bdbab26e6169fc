"""Settings that a domain has for itself: where its accounts come from.

Only options that are listed here can be set. A password goes in and never comes out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from hanok.base.errors import Forbidden, NotFound
from hanok.services.identity.logic import sealed
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.tables import domain_options
from hanok.store import Transaction

Options = dict[str, dict[str, Any]]

# Options with the value that they have where nothing is set.
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "identity": {"driver": "sql", "list_limit": None},
    "ldap": {
        "url": "ldap://localhost",
        "user": None,
        "suffix": "cn=example,cn=com",
        "query_scope": "one",
        "page_size": 0,
        "alias_dereferencing": "default",
        "debug_level": None,
        "chase_referrals": None,
        "user_tree_dn": None,
        "user_filter": None,
        "user_objectclass": "inetOrgPerson",
        "user_id_attribute": "cn",
        "user_name_attribute": "sn",
        "user_mail_attribute": "mail",
        "user_description_attribute": "description",
        "user_pass_attribute": "userPassword",
        "user_enabled_attribute": "enabled",
        "user_enabled_invert": False,
        "user_enabled_mask": 0,
        "user_enabled_default": "True",
        "user_attribute_ignore": ["default_project_id"],
        "user_default_project_id_attribute": None,
        "user_enabled_emulation": False,
        "user_enabled_emulation_dn": None,
        "user_enabled_emulation_use_group_config": False,
        "user_additional_attribute_mapping": [],
        "group_tree_dn": None,
        "group_filter": None,
        "group_objectclass": "groupOfNames",
        "group_id_attribute": "cn",
        "group_name_attribute": "ou",
        "group_members_are_ids": False,
        "group_member_attribute": "member",
        "group_desc_attribute": "description",
        "group_attribute_ignore": [],
        "group_additional_attribute_mapping": [],
        "tls_cacertfile": None,
        "tls_cacertdir": None,
        "use_tls": False,
        "tls_req_cert": "demand",
        "use_pool": True,
        "pool_size": 10,
        "pool_retry_max": 3,
        "pool_retry_delay": 0.1,
        "pool_connection_timeout": -1,
        "pool_connection_lifetime": 600,
        "use_auth_pool": True,
        "auth_pool_size": 100,
        "auth_pool_connection_lifetime": 60,
    },
}
SECRET = frozenset({("ldap", "password")})


def _refuse(why: str) -> Forbidden:
    return Forbidden(f"Invalid domain specific configuration: {why}.")


def check_name(group: str | None, option: str | None) -> None:
    """
    Raises:
        Forbidden: no domain has such a setting.
    """
    if group is not None and group not in KNOWN:
        raise _refuse(f"Group {group[:100]} is not supported for domain specific configurations")
    if group and option and option not in KNOWN[group] and (group, option) not in SECRET:
        raise _refuse(
            f"Option {option[:100]} in group {group} is not supported for domain specific configurations"
        )


def _checked(config: dict[str, Any]) -> Options:
    if not config:
        raise _refuse("No options specified")
    for group, values in config.items():
        if not isinstance(values, dict) or not values:
            raise _refuse(
                f"The value of group {group[:100]} specified in the config should be a dictionary of options"
            )
        for option in values:
            check_name(group, option)
    return config


def missing(domain_id: str, group: str | None, option: str | None) -> NotFound:
    what = f"option {option} in group {group}" if option else f"group {group}"
    return NotFound(
        f"Could not find {what if group else 'any options'} in domain configuration for domain {domain_id}."
    )


async def read_all(tx: Transaction, domain_id: str, secrets: Keys) -> Options:
    """All that is set, secrets too. For what goes on inside the house."""
    found = await read(tx, domain_id)
    sealed_ones = sa.select(domain_options).where(
        domain_options.c.domain_id == domain_id, domain_options.c.sealed != ""
    )
    for row in await tx.all(sealed_ones):
        found[row.group][row.option] = sealed.unseal(secrets, row)
    return found


async def read(
    tx: Transaction, domain_id: str, group: str | None = None, option: str | None = None
) -> Options:
    """What is set; of secrets only that they are."""
    table = domain_options
    requested = sa.select(table).where(table.c.domain_id == domain_id)
    if group is not None:
        requested = requested.where(table.c.group == group)
    if option is not None:
        requested = requested.where(table.c.option == option)
    found: Options = {}
    for row in await tx.all(requested.order_by(table.c.group, table.c.option)):
        found.setdefault(row.group, {})[row.option] = row.value
    return found


def shown(config: Options) -> Options:
    """Without what nobody may see."""
    kept = {
        group: {name: value for name, value in values.items() if (group, name) not in SECRET}
        for group, values in config.items()
    }
    return {group: values for group, values in kept.items() if values}


async def _write(tx: Transaction, secrets: Keys, domain_id: str, config: Options) -> None:
    for group, values in config.items():
        for option, value in values.items():
            await delete_rows(tx, domain_id, group, option)
            row = {"domain_id": domain_id, "group": group, "option": option, "value": value}
            if (group, option) in SECRET:
                row |= {"value": None, **sealed.seal(secrets, str(value))}
            await tx.insert(domain_options, row)


async def replace(tx: Transaction, secrets: Keys, domain_id: str, config: Any) -> bool:
    """Set these options and no others; returns whether some were set before.

    Raises:
        Forbidden: an option that no domain has.
    """
    requested = _checked(config)
    await tx.serialize("domain", domain_id)
    before = await read(tx, domain_id)
    await delete_rows(tx, domain_id)
    await _write(tx, secrets, domain_id, requested)
    return bool(before)


async def update(
    tx: Transaction,
    secrets: Keys,
    domain_id: str,
    config: Any,
    group: str | None,
    option: str | None,
) -> None:
    """Set these options beside the others. With a group or option named: that one, which must be set already.

    Raises:
        Forbidden: an option that no domain has, or others than the named. NotFound: it is not set.
    """
    requested = _checked({group: config} if group and option else config)
    check_name(group, option)
    if group and (set(requested) != {group} or (option and set(requested[group]) != {option})):
        what = f"option {option} in group {group}" if option else f"group {group}"
        raise _refuse(f"Trying to update {what}, so that, and only that, must be in the config")
    await tx.serialize("domain", domain_id)
    if group and not await read(tx, domain_id, group, option):
        raise missing(domain_id, group, option)
    await _write(tx, secrets, domain_id, requested)


async def remove(tx: Transaction, domain_id: str, group: str | None, option: str | None) -> None:
    """
    Raises:
        Forbidden: no domain has such a setting. NotFound: it is not set.
    """
    check_name(group, option)
    if not await delete_rows(tx, domain_id, group, option) and group:
        raise missing(domain_id, group, option)


async def delete_rows(
    tx: Transaction, domain_id: str, group: str | None = None, option: str | None = None
) -> int:
    statement = domain_options.delete().where(domain_options.c.domain_id == domain_id)
    if group is not None:
        statement = statement.where(domain_options.c.group == group)
    if option is not None:
        statement = statement.where(domain_options.c.option == option)
    return await tx.count(statement)
