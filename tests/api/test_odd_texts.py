"""Characters that no database keeps, by every way a text comes in, and bodies too deep: refused, no error of ours."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from hanok.base.errors import BadInput
from hanok.services.identity.logic.mapping import _text
from tests.cloud import NEWEST, Cloud, a_flavor, a_server, an_image, settle

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = b"grant_type=client_credentials"


async def test_in_a_form(cloud: Cloud) -> None:
    for odd in (b"%00", b"%ff", b"%ed%a0%80", b"%", b"\xff"):
        body = b"%b&client_id=%b&client_secret=%b" % (GRANT, odd, odd)
        answer = await cloud.anonymous("POST", "/v3/OS-OAUTH2/token", content=body, headers=FORM)
        assert answer.status_code in (400, 401), answer.text


async def test_in_a_name_and_password(cloud: Cloud) -> None:
    for pair in (b"a\0:b\0", b"\xff\xfe:a", b"\xed\xa0\x80:a", b":", b"a"):
        headers = {**FORM, "Authorization": f"Basic {b64encode(pair).decode()}"}
        answer = await cloud.anonymous(
            "POST", "/v3/OS-OAUTH2/token", content=GRANT, headers=headers
        )
        assert answer.status_code in (400, 401), answer.text


async def test_in_a_signed_request(cloud: Cloud) -> None:
    for path in ("request_token", "access_token"):
        for odd in ("%00", "%ff", "%ed%a0%80", "%"):
            values = {
                "oauth_consumer_key": odd,
                "oauth_token": odd,
                "oauth_verifier": odd,
                "oauth_nonce": odd,
                "oauth_timestamp": "1",
                "oauth_signature_method": "HMAC-SHA1",
                "oauth_signature": odd,
            }
            said = ",".join(f'{name}="{value}"' for name, value in values.items())
            headers = {"Authorization": f"OAuth {said}", "Requested-Project-Id": "a"}
            answer = await cloud.anonymous("POST", f"/v3/OS-OAUTH1/{path}", headers=headers)
            assert answer.status_code in (400, 401, 404), answer.text


async def test_in_a_document_inside_a_document(cloud: Cloud) -> None:
    """Who reads the inner one meets the character only then."""
    admin = await cloud.sign_in()
    blob = r"{\"access\": \"\\u000\u0030\", \"secret\": \"a\"}"
    mine = f'"user_id": "{admin.user_id}", "project_id": "{admin.project_id}"'
    for path, content in (
        ("credentials", f'{{"credential": {{"type": "ec2", {mine}, "blob": "{blob}"}}}}'),
        ("policies", f'{{"policy": {{"type": "application/json", "blob": "{blob}"}}}}'),
    ):
        answer = await admin("POST", f"/v3/{path}", content=content.encode())
        assert answer.status_code in (201, 400), answer.text


async def test_in_a_name(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for text in (r"\u0000", r"\ud800", r"\ud800\u0041", r"\udfff", r"\uffff", r"\u202e"):
        for path, body in (
            ("/v3/projects", '{"project": {"name": "%s"}}'),
            ("/v3/users", '{"user": {"name": "a", "%s": "%s"}}'),
            ("/image/v2/images", '{"name": "%s", "%s": "a"}'),
            ("/network/v2.0/networks", '{"network": {"name": "%s"}}'),
            ("/compute/v2.1/os-keypairs", '{"keypair": {"name": "%s"}}'),
            ("/placement/resource_providers", '{"name": "%s"}'),
            ("/load-balancer/v2.0/lbaas/flavorprofiles", _PROFILE % ("%s", "{}")),
            ("/metric/v1/archive_policy", '{"name": "%s", "definition": [{"granularity": "1s"}]}'),
            ("/metric/v1/resource/generic", '{"id": "%s"}'),
            ("/alarming/v2/alarms", '{"name": "%s", "type": "event", "event_rule": {}}'),
            ("/heat-api/v1/software_configs", '{"name": "%s", "config": "%s"}'),
        ):
            answer = await admin("POST", path, content=body.replace("%s", text).encode())
            assert answer.status_code < 500, f"{path}: {answer.text}"
            if text in (r"\u0000", r"\ud800", r"\udfff"):
                assert answer.status_code == 400, f"{path} {text}: {answer.text}"


_PROFILE = '{"flavorprofile": {"name": "%s", "provider_name": "amphora", "flavor_data": "%s"}}'
_DEEP = "[" * 4000


async def test_a_text_that_is_read_as_a_document_is_refused_when_it_is_too_deep(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    kind = "gnocchi_aggregation_by_resources_threshold"
    rule = {"metric": "cpu", "resource_type": "instance", "aggregation_method": "mean"}
    rule |= {"query": _DEEP, "threshold": "1", "comparison_operator": "gt"}
    stack = {"stack_name": "s", "template": "{" + f'"heat_template_version": {_DEEP}'}
    template = {"heat_template_version": "2016-10-14", "resources": {}}
    searched = {"operations": "(" * 4000, "resource_type": "generic", "search": "(" * 4000}
    policy = {"name": "p", "provider_name": "amphora", "availability_zone_data": _DEEP}
    for path, body in (
        ("/load-balancer/v2.0/lbaas/flavorprofiles", json.loads(_PROFILE % ("p", _DEEP))),
        (
            "/load-balancer/v2.0/lbaas/availabilityzoneprofiles",
            {"availability_zone_profile": policy},
        ),
        ("/alarming/v2/query/alarms", {"filter": _DEEP}),
        ("/alarming/v2/query/alarms/history", {"orderby": '{"a":' * 1500}),
        ("/alarming/v2/alarms", {"name": "a", "type": kind, f"{kind}_rule": rule}),
        ("/heat-api/v1/stacks", stack),
        ("/heat-api/v1/stacks", {"stack_name": "s", "template": template, "environment": _DEEP}),
        ("/metric/v1/aggregates", searched),
        ("/metric/v1/search/resource/generic", {"and": [{"=": {"id": {}}}]}),
        ("/metric/v1/search/resource/generic?filter=" + "(" * 4000, None),
    ):
        await admin("POST", path, body, status=400)


async def test_a_body_is_nested_so_deep_and_no_deeper(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for left, right in (("[", "]"), ('{"a":', "}")):
        for deep, status in ((90, 201), (101, 400), (970, 400), (50_000, 400)):
            nested = left * deep + "1" + right * deep
            content = f'{{"user": {{"name": "u{len(left)}-{deep}", "more": {nested}}}}}'
            answer = await admin("POST", "/v3/users", content=content.encode())
            assert answer.status_code == status, f"{deep}: {answer.text[:200]}"
            blob = {"user_id": admin.user_id, "project_id": admin.project_id, "type": "ec2"}
            body = {"credential": {**blob, "blob": nested}}
            answer = await admin("POST", "/v3/credentials", body)
            assert answer.status_code in (400, 201), f"{deep}: {answer.text[:200]}"
    await admin.get("/v3/users")


async def test_in_an_address_that_is_answered(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    admin = await cloud.sign_in()
    server = await a_server(owner, await an_image(owner), await a_flavor(admin))
    await settle(cloud)
    path = f"/compute/v2.1/servers/{server}/tags"
    for odd in ("%C4%B1", "%F0%9F%98%80", "%0D%0ASet-Cookie:%20a=b", "%7F", "%C3%A9"):
        answer = await owner("PUT", f"{path}/{odd}", headers=NEWEST)
        assert answer.status_code in (201, 400), answer.text
        said = answer.headers.get("Location", "")
        assert said.isascii() and said.isprintable() and "Set-Cookie" not in answer.headers
        assert answer.status_code == 400 or said.endswith(f"/{odd}".replace("%20", " "))


async def test_in_a_header(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for header in (
        b"X-Subject-Token",
        b"X-Auth-Token",
        b"X-Image-Meta-Store",
        b"If-Match",
        b"Range",
    ):
        for path in ("/v3/auth/tokens", "/image/v2/images", "/network/v2.0/networks"):
            for value in (b"\xff\xfe", "é".encode(), b"x" * 9_000, b"9" * 5_000, b""):
                headers = {b"X-Auth-Token": admin.token.encode(), header: value}
                answer = await cloud.http.request("GET", path, headers=headers)
                assert answer.status_code < 500, f"{path} {header!r}: {answer.text}"


async def test_numbers_that_are_none_or_too_long(cloud: Cloud) -> None:
    """Digits of other scripts, and more digits than Python turns into a number."""
    admin = await cloud.sign_in()
    network = (await admin.post("/network/v2.0/networks", {"network": {}}))["network"]["id"]
    newest = {"OpenStack-API-Version": "placement 1.39"}
    for odd in ("%C2%B2", "%D9%A3", "9" * 5000, "1" * 25):
        await admin("DELETE", f"/compute/v2.1/os-services/{odd}", status=400)
        await admin("GET", f"/compute/v2.1/servers?power_state={odd}", status=200)
        await admin("GET", f"/image/v2/images?size_min={odd}", status=400)
        await admin("GET", f"/image/v2/images?min_ram=-{odd}", status=400)
        path = f"/placement/allocation_candidates?resources=VCPU:1&limit={odd}"
        await admin("GET", path, headers=newest, status=400)
    for odd in ("9" * 5000, "1" * 25, "1.5"):
        path, change = f"/network/v2.0/networks/{network}", {"network": {"name": "n"}}
        headers = {"If-Match": f"revision_number={odd}"}
        await admin("PUT", path, change, headers=headers, status=400)


MANY = "9" * 5000  # more digits than Python turns into a number


async def test_numbers_of_thousands_of_digits(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for kind, path, status in (
        ("compute", "/compute/v2.1/flavors", 406),
        ("placement", "/placement/traits", 406),
    ):
        headers = {"OpenStack-API-Version": f"{kind} 2.{MANY}"}
        answer = await admin("GET", path, headers=headers, status=status)
        assert len(answer.text) < 1000
    headers = {"X-OpenStack-Nova-API-Version": f"2.{MANY}"}
    await admin("GET", "/compute/v2.1/flavors", headers=headers, status=406)
    for path in ("/compute/v2.1/flavors", "/network/v2.0/networks", "/image/v2/images"):
        await admin("GET", f"{path}?limit={MANY}", status=200)
    await admin("GET", f"/v3/users?limit={MANY}", status=200)
    for path in (
        "/load-balancer/v2.0/lbaas/flavors", "/metric/v1/metric", "/alarming/v2/alarms", "/heat-api/v1/stacks",
        "/metric/v1/resource/generic",
    ):  # fmt: skip
        answer = await admin("GET", f"{path}?limit={MANY}")
        assert answer.status_code in (200, 400), f"{path}: {answer.text[:200]}"
    image = await an_image(admin)
    size = len((await admin("GET", f"/image/v2/images/{image}/file")).content)
    for text, status, length in (
        (f"bytes=0-{MANY}", 206, size),
        (f"bytes=-{MANY}", 206, size),
        (f"bytes={MANY}-", 416, None),
        (f"bytes={'0' * 5000}1-2", 206, 2),
    ):
        answer = await admin("GET", f"/image/v2/images/{image}/file", headers={"Range": text})
        assert answer.status_code == status, text[:20]
        assert length is None or len(answer.content) == length


async def test_a_mark_of_a_mapping_with_thousands_of_digits() -> None:
    with pytest.raises(BadInput):
        _text(f"{{{MANY}}}", [["a"]])
