"""What lists are asked by, and sorted by, as the API reference and the field's definitions of it name them."""

from __future__ import annotations

import pytest

from hanok.services.network.routes import kinds

FILTERS = {
    "address_groups": "id name description project_id",
    "address_scopes": "id name ip_version shared tenant_id",
    "bandwidth_limit_rules": "id direction max_burst_kbps max_kbps",
    "dscp_marking_rules": "id dscp_mark",
    "flavors": "id name description enabled service_type",
    "floatingips": "id fixed_ip_address floating_ip_address floating_network_id port_id router_id status tenant_id",
    "logs": "id name enabled event project_id resource_id resource_type target_id",
    "minimum_bandwidth_rules": "id direction min_kbps",
    "minimum_packet_rate_rules": "id direction min_kpps",
    "ndp_proxies": "name",
    "network_segment_ranges": "id name network_type physical_network project_id",
    "networks": "id name admin_state_up is_default mtu provider:network_type provider:physical_network "
    "provider:segmentation_id qinq router:external shared status tenant_id vlan_transparent",
    "policies": "id name is_default shared tenant_id",
    "port_forwardings": "id description external_port external_port_range internal_port_id protocol",
    "ports": "id name admin_state_up binding:host_id device_id device_owner fixed_ips mac_address network_id "
    "security_groups status tenant_id",
    "routers": "id name admin_state_up enable_ndp_proxy enable_snat tenant_id",
    "security_group_rules": "belongs_to_default_sg normalized_cidr remote_address_group_id",
    "security_groups": "shared stateful",
    "security_groups_default_statefulness": "id project_id stateful",
    "service_profiles": "id description driver enabled",
    "subnetpools": "id name address_scope_id default_prefixlen default_quota ip_version is_default max_prefixlen "
    "min_prefixlen shared tenant_id",
    "subnets": "id name cidr enable_dhcp gateway_ip ip_version ipv6_address_mode ipv6_ra_mode network_id "
    "router:external shared subnetpool_id tenant_id",
    "trunks": "id name admin_state_up port_id status tenant_id",
}
SORTED = {
    "floatingips": "id fixed_ip_address floating_ip_address floating_network_id router_id status tenant_id",
    "networks": "id name admin_state_up mtu status tenant_id",
    "port_forwardings": "id external_port external_port_range internal_port_id protocol",
    "ports": "id name admin_state_up device_id device_owner mac_address network_id status tenant_id",
    "routers": "id name admin_state_up enable_snat flavor_id status tenant_id",
    "subnets": "id name cidr enable_dhcp gateway_ip ip_version ipv6_address_mode ipv6_ra_mode network_id "
    "subnetpool_id tenant_id",
}
KINDS = {kind.plural: kind for kind in (*kinds.KINDS, *kinds.PARTS)}


@pytest.mark.parametrize("plural", FILTERS)
def test_a_list_knows_the_filters_of_the_reference(plural: str) -> None:
    listing = KINDS[plural].listing
    assert not {*FILTERS[plural].split()} - {*listing.filters, *listing.also}


@pytest.mark.parametrize("plural", SORTED)
def test_a_list_is_sorted_by_the_keys_of_the_reference(plural: str) -> None:
    listing = KINDS[plural].listing
    assert not {*SORTED[plural].split()} - {*listing.sort, *listing.also}
