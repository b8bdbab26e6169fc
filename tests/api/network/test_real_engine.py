"""The same with a real northbound database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hanok.drivers.ovn.rows import BFD
from hanok.services.network import facade as networks
from tests.api.network.test_engine import settled
from tests.api.network.test_ndp_proxies import Lab
from tests.api.network.test_networks import V2, network, port, subnet
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


async def test_gateways_proxies_and_logs_are_read_as_they_were_written(tmp_path: Path) -> None:
    async with northbound_server() as server, running(tmp_path, northbound=server.remote) as cloud:
        admin, member = await cloud.sign_in(), await cloud.project_with("q", "member", "manager")
        six = Lab(cloud)
        await six.build()
        await six.outside()
        vlan = {"provider:network_type": "vlan", "provider:physical_network": "public"}
        other = await network(admin, **vlan, **{"router:external": True})
        await subnet(admin, other["id"], "172.24.5.0/24")
        async with cloud.control.database.write() as tx:
            await networks.heard(tx, cloud.network, ["h1", "h2"])
        path = f"{V2}/routers/{six.id}"
        ways = {"enable_default_route_ecmp": True, "enable_default_route_bfd": True}
        proxy = {"router": {**ways, "enable_ndp_proxy": True}}
        await admin("PUT", path, proxy, status=200)
        body = {"ndp_proxy": {"router_id": six.id, "port_id": six.port["id"]}}
        await six.client.post(f"{V2}/ndp_proxies", body)
        more = {"router": {"external_gateways": [{"network_id": other["id"]}]}}
        await six.client("PUT", f"{path}/add_external_gateways", more, status=200)
        wish = {"floating_network_id": other["id"], "port_id": six.port["id"]}
        await six.client.post(f"{V2}/floatingips", {"floatingip": wish})
        await settled(cloud)
        log = {"resource_type": "security_group", "target_id": six.port["id"]}
        await admin.post(f"{V2}/log/logs", {"log": {**log, "project_id": six.client.project_id}})
        group = {"resource_type": "security_group"}
        made = (await member.post(f"{V2}/log/logs", {"log": group}))["log"]["id"]
        await settled(cloud)
        await member("DELETE", f"{V2}/log/logs/{made}", status=204)
        await admin("PUT", path, {"router": dict.fromkeys(ways, False)}, status=200)
        await settled(cloud)
        northbound = cloud.network.northbound
        assert not any(isinstance(one, BFD) for one in await northbound.dump(f"router:{six.id}"))
