"""Who may what: owners, resellers, those whom access lists name, and everybody else."""

from __future__ import annotations

import pytest
from tests.api.object_storage.objects import Swift, member, nobody
from tests.cloud import Cloud

EVERY = [
    ("GET", ""), ("HEAD", ""), ("POST", ""), ("PUT", ""), ("DELETE", ""),
    ("GET", "/c"), ("HEAD", "/c"), ("POST", "/c"), ("PUT", "/c"), ("DELETE", "/c"),
    ("GET", "/c/o"), ("HEAD", "/c/o"), ("POST", "/c/o"), ("PUT", "/c/o"), ("DELETE", "/c/o"),
    ("COPY", "/c/o"), ("GET", "/none"), ("GET", "/none/o"), ("PUT", "/none/o"), ("POST", "?bulk-delete"),
    ("PUT", "?extract-archive=tar"),
]  # fmt: skip


async def _status(swift: Swift, method: str, path: str) -> int:
    answer = await swift(method, path, headers={"Destination": "/c/p"})
    if "bulk-delete" in path and answer.status_code == 200:
        return 403 if "403 Forbidden" in answer.text else 401 if "401" in answer.text else 200
    return answer.status_code


async def test_who_is_not_named_may_nothing(cloud: Cloud) -> None:
    owner = await member(cloud)
    await owner.put("/c")
    await owner.put("/c/o", b"x")
    stranger = Swift((await member(cloud, "q")).client, owner.account)
    reader = Swift(await cloud.project_with("r", "reader"))
    for method, path in EVERY:
        if "bulk" in path:
            continue
        assert await _status(nobody(cloud, owner.account), method, path) == 401, (method, path)
        assert await _status(stranger, method, path) == 403, (method, path)
        assert await _status(reader, method, path) == 403, (method, path)
    gone = await stranger("POST", "?bulk-delete", content=b"/c/o\n/c")
    assert "Number Deleted: 0" in gone.text and gone.text.count("403 Forbidden") == 2
    assert (await owner("GET", "/c/o", 200)).content == b"x"
    for account in ("", "none", "AUTH_"):
        answer = await owner.client("GET", f"http://cloud:8080/v1/{account}")
        assert 400 <= answer.status_code < 500


async def test_access_lists(cloud: Cloud) -> None:
    owner = await member(cloud)
    friend = (await member(cloud, "friend")).client
    other = Swift(friend, owner.account)
    await owner.put("/c")
    await owner.put("/c/o", b"x")
    project, user = friend.project_id, friend.user_id
    for said in (f"{project}:{user}", f"{project}:*", f"*:{user}", "*:*"):
        await owner("POST", "/c", 204, headers={"X-Container-Read": said, "X-Container-Write": ""})
        await other("GET", "/c/o", 200)
        await other("GET", "/c", 200)
        await other("PUT", "/c/new", 403, content=b"")
        await other("POST", "/c", 403)
        hidden = await other("HEAD", "/c", 204)
        assert "x-container-read" not in hidden.headers
    for said in (f"{owner.account}:{user}", f"{project}:{owner.client.user_id}", "member", "*"):
        await owner("POST", "/c", 204, headers={"X-Container-Read": said})
        await other("GET", "/c/o", 403)
    # Names say who is meant where all of them are of the default domain.
    await owner("POST", "/c", 204, headers={"X-Container-Read": "friend:friend"})
    await other("GET", "/c/o", 200)
    await owner("POST", "/c", 204, headers={"X-Container-Read": "friend:*"})
    await other("GET", "/c/o", 200)
    await owner("POST", "/c", 204, headers={"X-Container-Read": "friend:p"})
    await other("GET", "/c/o", 403)
    assert "domain" not in (await owner("HEAD", "/c", 204)).headers
    headers = {"X-Container-Read": "", "X-Container-Write": f"{project}:{user}"}
    await owner("POST", "/c", 204, headers=headers)
    await other("PUT", "/c/new", 201, content=b"y")
    await other("POST", "/c/new", 202)
    await other("DELETE", "/c/new", 204)
    await other("GET", "/c/o", 403)
    await other("DELETE", "/c", 403)
    await other("COPY", "/c/o", 403, headers={"Destination": "/c/p"})
    assert (await owner("HEAD", "/c")).headers["x-container-write"] == f"{project}:{user}"


async def test_everybody_and_who_comes_from_where(cloud: Cloud) -> None:
    owner = await member(cloud)
    anyone = nobody(cloud, owner.account)
    await owner.put("/c")
    await owner.put("/c/o", b"x")
    await owner("POST", "/c", 204, headers={"X-Container-Read": ".r:*"})
    await anyone("GET", "/c/o", 200)
    await anyone("GET", "/c", 401)
    await anyone("HEAD", "/c", 401)
    await anyone("PUT", "/c/o", 401, content=b"")
    await owner("POST", "/c", 204, headers={"X-Container-Read": ".r:*, .rlistings"})
    assert (await owner("HEAD", "/c")).headers["x-container-read"] == ".r:*,.rlistings"
    await anyone("GET", "/c", 200)
    await owner(
        "POST", "/c", 204, headers={"X-Container-Read": ".referrer:.example.com,.r:-x.example.com"}
    )
    await anyone("GET", "/c/o", 401)
    await anyone("GET", "/c/o", 200, headers={"Referer": "https://a.example.com/page"})
    await anyone("GET", "/c/o", 401, headers={"Referer": "https://x.example.com/page"})
    await anyone("GET", "/c/o", 401, headers={"Referer": "https://[bad"})
    for said in (".x:a", ".r:", ".r:-"):
        await owner("POST", "/c", 400, headers={"X-Container-Read": said})
    await owner("POST", "/c", 400, headers={"X-Container-Write": ".r:*"})
    await owner("POST", "/c", 204, headers={"X-Remove-Container-Read": "x"})
    await anyone("GET", "/c/o", 401, headers={"Referer": "https://a.example.com/page"})


async def test_a_copy_asks_for_the_right_at_both_ends(cloud: Cloud) -> None:
    owner, thief = await member(cloud), await member(cloud, "thief")
    await owner.put("/c")
    await owner.put("/c/secret", b"secret")
    await thief.put("/mine")
    source = {"X-Copy-From": "/c/secret", "X-Copy-From-Account": f"AUTH_{owner.account}"}
    await thief("PUT", "/mine/got", 403, headers=source)
    await thief("GET", "/mine/got", 404)
    target = {"Destination": "/c/put", "Destination-Account": f"AUTH_{owner.account}"}
    await thief.put("/mine/o", b"x")
    await thief("COPY", "/mine/o", 403, headers=target)
    # Whether somebody else's container is there is nobody's business.
    await thief("COPY", "/mine/o", 403, headers={**target, "Destination": "/none/put"})
    await owner("POST", "/c", 204, headers={"X-Container-Read": f"{thief.account}:*"})
    await thief("PUT", "/mine/got", 201, headers=source)
    assert (await thief("GET", "/mine/got")).content == b"secret"
    # Links and manifests open nothing that their reader may not read.
    anyone = nobody(cloud, thief.account)
    await thief("POST", "/mine", 204, headers={"X-Container-Read": ".r:*"})
    link = {"X-Symlink-Target": "c/secret", "X-Symlink-Target-Account": f"AUTH_{owner.account}"}
    await thief("PUT", "/mine/link", 201, headers=link)
    await thief("GET", "/mine/link", 200)
    await anyone("GET", "/mine/link", 401)
    await thief.put("/hidden")
    await thief.put("/hidden/1", b"hidden")
    await thief("PUT", "/mine/dlo", 201, headers={"X-Object-Manifest": "hidden/1"})
    await thief("GET", "/mine/dlo", 200)
    await anyone("GET", "/mine/dlo", 401)
    await thief("PUT", "/mine/slo?multipart-manifest=put", 201, json=[{"path": "/hidden/1"}])
    await thief("GET", "/mine/slo", 200)
    await anyone("GET", "/mine/slo", 409)


async def test_resellers(cloud: Cloud) -> None:
    owner = await member(cloud)
    reseller = await cloud.project_with("s", "ResellerAdmin")
    account = Swift(reseller, owner.account)
    quota = {"X-Account-Meta-Quota-Bytes": "10"}
    await owner("POST", "", 403, headers=quota)
    await owner("PUT", "", 403)
    await owner("DELETE", "", 403)
    await account("POST", "", 204, headers=quota)
    await account("POST", "", 400, headers={"X-Account-Meta-Quota-Bytes": "many"})
    await owner.put("/c")
    await owner.put("/c/o", b"0123456789")
    refused = await owner("PUT", "/c/p", 413, content=b"x")
    assert refused.text == "Upload exceeds quota."
    await owner.put("/c/o", b"9876543210")
    await owner("PUT", "/c/p", 201, content=b"")
    await account("GET", "/c/o", 200)
    await account("DELETE", "", 409)
    for path in ("/c/o", "/c/p", "/c"):
        await account("DELETE", path, 204)
    await account("DELETE", "", 204)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_operators_rule_takes_effect(cloud: Cloud) -> None:
    reader = Swift(await cloud.project_with("r", "reader"))
    await reader("GET", "", 403)
    cloud.control.app.enforcer("object-store").override({"project_reader_roles": "role:reader"})
    await reader("GET", "", 204)
    await reader("PUT", "/c", 403)
    cloud.control.app.enforcer("object-store").override({"operator_roles": "role:reader"})
    await reader("PUT", "/c", 201)
