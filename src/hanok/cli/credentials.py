"""What a client needs to sign in: admin-openrc.sh and clouds.yaml."""

from __future__ import annotations

import json
import shlex
from typing import Any

from hanok.supervisor.settings import Cloud, write_whole


def variables(cloud: Cloud) -> dict[str, str]:
    """OS_* as the administrator needs them."""
    sealed = {"OS_CACERT": str(cloud.authority)} if cloud.tls else {}
    return {
        **sealed,
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_NAME": "admin",
        "OS_TENANT_NAME": "admin",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": cloud.password_file.read_text().strip(),
        "OS_AUTH_URL": cloud.url,
        "OS_INTERFACE": "internal",
        "OS_ENDPOINT_TYPE": "internalURL",
        "OS_MANILA_ENDPOINT_TYPE": "internalURL",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": cloud.settings.region,
        "OS_AUTH_PLUGIN": "password",
    }


def write(cloud: Cloud) -> None:
    """Write both files, readable for their owner only."""
    values = variables(cloud)
    lines = [
        "# The administrator of this cloud. Use: . admin-openrc.sh",
        "for name in $(env | sed -n 's/^\\(OS_[A-Z_]*\\)=.*/\\1/p'); do unset \"$name\"; done",
        *(f"export {name}={shlex.quote(value)}" for name, value in values.items()),
    ]
    write_whole(cloud.openrc, "\n".join(lines) + "\n", mode=0o600)
    # JSON is YAML. Entries that a layout has added stay.
    known: dict[str, Any] = {}
    if cloud.clouds_yaml.exists():
        known = read(cloud).get("clouds", {})
    text = "# OS_CLOUD=hanok with this file in ~/.config/openstack/\n"
    text += json.dumps({"clouds": {**known, **entries(cloud)}}, indent=2) + "\n"
    write_whole(cloud.clouds_yaml, text, mode=0o600)


def read(cloud: Cloud) -> dict[str, Any]:
    """What clouds.yaml holds; nothing where somebody has made something else of it."""
    text = cloud.clouds_yaml.read_text()
    try:
        found = json.loads(text.partition("\n")[2])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def common(cloud: Cloud) -> dict[str, Any]:
    """What all entries of clouds.yaml have."""
    return {
        **({"cacert": str(cloud.authority)} if cloud.tls else {}),
        "region_name": cloud.settings.region,
        "identity_api_version": 3,
        "interface": "public",
    }


def entries(cloud: Cloud) -> dict[str, Any]:
    """The administrator's entry of clouds.yaml."""
    auth = {
        "auth_url": cloud.url,
        "username": "admin",
        "password": cloud.password_file.read_text().strip(),
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"hanok": {"auth": auth, **common(cloud)}}
