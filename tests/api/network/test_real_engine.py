"""The same with a real northbound database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hanok.services.network import facade as networks
from tests.api.network.test_engine import settled
from tests.api.network.test_networks import V2, port
from tests.api.network.test_routers import lab, public
from tests.cloud import running
from tests.drivers.ovn.support import northbound_server

pytestmark = pytest.mark.skipif(
    shutil.which("ovsdb-server") is None, reason="needs OVN's database server"
)


async def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    async with northbound_server() as server, running(tmp_path, northbound=server.remote) as cloud:
        member = await cloud.project_with("p", "member")
        made, sub, router = await lab(member)
        option = {"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}
        one = await port(member, made["id"], dns_name="web", extra_dhcp_opts=[option])
        outside = await public(member)
        name = {"dns_name": "www", "dns_domain": "shop.example."}
        body = {"floatingip": {"floating_network_id": outside["id"], "port_id": one["id"], **name}}
        fip = (await member.post(f"{V2}/floatingips", body))["floatingip"]
        await settled(cloud)
        async with cloud.control.database.write() as tx:
            await networks.heard(tx, cloud.network, ["h1"])
        await settled(cloud)
        dhcp = {"subnet": {"dns_nameservers": ["9.9.9.9"], "dns_publish_fixed_ip": True}}
        await member("PUT", f"{V2}/subnets/{sub['id']}", dhcp, status=200)
        domain = {"network": {"dns_domain": "<project_id>.example."}}
        await member("PUT", f"{V2}/networks/{made['id']}", domain, status=200)
        await settled(cloud)
        pairs = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.128/25"}]}}
        await member("PUT", f"{V2}/ports/{one['id']}", pairs, status=200)
        await settled(cloud)
        await member("DELETE", f"{V2}/floatingips/{fip['id']}", status=204)
        await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
        path = f"{V2}/routers/{router['id']}"
        await member("PUT", f"{path}/remove_router_interface", {"subnet_id": sub["id"]}, status=200)
        await member("DELETE", path, status=204)
        await member("DELETE", f"{V2}/networks/{made['id']}", status=204)
        await settled(cloud)
        left = set(await cloud.network.northbound.scopes())
        assert not any(router["id"] in scope or made["id"] in scope for scope in left)
