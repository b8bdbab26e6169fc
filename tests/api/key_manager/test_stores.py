"""Secret stores and transport keys, as their users see them."""

from __future__ import annotations

from tests.api.key_manager.test_orders import path
from tests.api.key_manager.test_secrets import BASE, NOWHERE, another
from tests.cloud import Cloud

STORES = f"{BASE}/secret-stores"


async def test_a_project_prefers_a_store(cloud: Cloud) -> None:
    user = await cloud.project_with("web", "member", "reader", "admin")
    (one,) = (await user.get(STORES))["secret_stores"]
    assert one["global_default"] is True and one["status"] == "ACTIVE"
    assert await user.get(f"{STORES}/global-default") == one
    ref = path(one["secret_store_ref"])
    assert await user.get(ref) == one

    refused = await user("GET", f"{STORES}/preferred", status=404)
    assert "No preferred secret store" in refused.text
    for _ in "twice":
        await user("POST", f"{ref}/preferred", status=204)
    assert await user.get(f"{STORES}/preferred") == one
    reader = await another(cloud, user, "looks", "reader")
    assert await reader.get(f"{STORES}/preferred") == one
    for method in ("POST", "DELETE"):
        await reader(method, f"{ref}/preferred", status=403)
        await user(method, f"{STORES}/{NOWHERE}/preferred", status=404)

    stranger = await cloud.project_with("elsewhere", "member", "reader")
    await stranger("GET", f"{STORES}/preferred", status=404)
    await user("DELETE", f"{ref}/preferred", status=204)
    await user("GET", f"{STORES}/preferred", status=404)
    await user("DELETE", f"{ref}/preferred", status=404)


async def test_no_store_takes_transport_keys(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    keys = f"{BASE}/transport_keys"
    assert await admin.get(keys) == {"transport_keys": [], "total": 0}
    body = {"plugin_name": "kra", "transport_key": "-----BEGIN CERTIFICATE-----"}
    refused = await admin("POST", keys, body, status=400)
    assert "'kra' takes transport keys" in refused.text
    user = await cloud.project_with("web", "member", "reader")
    await user("POST", keys, body, status=403)
    for method in ("GET", "DELETE"):
        await admin(method, f"{keys}/{NOWHERE}", status=404)
