"""Identity's."""

from __future__ import annotations

from hanok.services.identity.logic.credentials import id_of_access
from tests.api.ways import Way, Ways
from tests.cloud import Client, Cloud

_KEYS = {"blob": '{"access": "a", "secret": "s"}', "type": "ec2"}


async def ways(cloud: Cloud, admin: Client, owner: Client) -> Ways:
    """With a group, roles, a key and a limit of their own."""

    async def made(kind: str, path: str, **values: object) -> str:
        return str((await admin.post(f"/v3/{path}", {kind: values}))[kind]["id"])

    domain = await made("domain", "domains", name="d")
    group = await made("group", "groups", name="g")
    role = await made("role", "roles", name="r")
    of_domain = await made("role", "roles", name="r", domain_id=domain)
    service = await made("service", "services", type="t")
    registered = {"service_id": service, "resource_name": "things", "default_limit": 5}
    await admin.post("/v3/registered_limits", {"registered_limits": [registered]})
    limit = {"service_id": service, "resource_name": "things", "resource_limit": 3}
    of_owner = {**limit, "project_id": owner.project_id}
    await admin.post("/v3/limits", {"limits": [of_owner]})
    path = f"/v3/users/{owner.user_id}/credentials/OS-EC2"
    keys = []
    for _ in range(3):
        key = (await owner.post(path, {"tenant_id": owner.project_id}))["credential"]
        keys.append(str(key["access"]))
    subject = {"X-Subject-Token": (await cloud.sign_in("owner", project="owner")).token}
    described = {"description": "changed"}
    found: Ways = {
        ("GET /v3/OS-TRUST/trusts", f"identity:list_trusts_for_{who}"): Way(
            query=f"{who}_user_id={owner.user_id}"
        )
        for who in ("trustor", "trustee")
    }
    for method in ("GET", "HEAD", "DELETE"):
        found[f"{method} /v3/auth/tokens", ""] = Way(headers=subject)
    for method, verb in (("GET", "get"), ("PATCH", "update"), ("DELETE", "delete")):
        body = {"role": described}
        for rule, one in ((f"{verb}_role", role), (f"{verb}_domain_role", of_domain)):
            named = {"role_id": one}
            found[f"{method} /v3/roles/{{role_id}}", f"identity:{rule}"] = Way(
                path=named, body=body
            )
        of_key = "create" if verb == "update" else verb
        found[
            f"{method} /v3/credentials/{{credential_id}}", f"identity:ec2_{of_key}_credential"
        ] = Way(path={"credential_id": id_of_access(keys[0])}, body={"credential": described})
    for rules, access in (("ec2_{}_credential", keys[1]), ("{}_credential", keys[2])):
        for method, verb in (("GET", "get"), ("DELETE", "delete")):
            where = {"user_id": owner.user_id, "access": access}
            path = "/v3/users/{user_id}/credentials/OS-EC2/{access}"
            found[f"{method} {path}", f"identity:{rules.format(verb)}"] = Way(path=where)
    for kind, one in (
        ("domain", domain), ("group", group), ("user", owner.user_id), ("project", owner.project_id),
    ):  # fmt: skip
        named = {f"{kind}_id": one}
        found[f"PATCH /v3/{kind}s/{{{kind}_id}}", ""] = Way(path=named, body={kind: described})
        found[f"POST /v3/{kind}s", ""] = Way(body={kind: {"name": "new"}})
    trust = {
        "trustor_user_id": owner.user_id, "trustee_user_id": admin.user_id, "impersonation": False,
    }  # fmt: skip
    return found | {
        ("GET /v3/roles", "identity:list_domain_roles"): Way(query=f"domain_id={domain}"),
        ("POST /v3/roles", "identity:create_role"): Way(body={"role": {"name": "new"}}),
        ("POST /v3/roles", "identity:create_domain_role"): Way(
            body={"role": {"name": "new", "domain_id": domain}}
        ),
        ("GET /v3/role_assignments", "identity:list_role_assignments_for_tree"): Way(
            query=f"include_subtree&scope.project.id={owner.project_id}"
        ),
        ("DELETE /v3/groups/{group_id}", ""): Way(path={"group_id": group}),
        ("DELETE /v3/projects/{project_id}", "identity:delete_domain"): Way(
            path={"project_id": domain}
        ),
        ("GET /v3/credentials", "identity:get_credential"): Way(owner=True),
        ("POST /v3/credentials", "identity:create_credential"): Way(
            body={"credential": {"user_id": owner.user_id, "type": "cert", "blob": "b"}}
        ),
        ("POST /v3/credentials", "identity:ec2_create_credential"): Way(
            body={"credential": {"user_id": owner.user_id, **_KEYS}}
        ),
        ("PATCH /v3/credentials/{credential_id}", "identity:update_credential"): Way(
            body={"credential": {"blob": "b"}}
        ),
        ("POST /v3/users/{user_id}/credentials/OS-EC2", ""): Way(
            path={"user_id": owner.user_id}, body={"tenant_id": "none"}
        ),
        ("POST /v3/users/{user_id}/application_credentials", ""): Way(
            path={"user_id": owner.user_id},
            body={"application_credential": {"name": "n", "expires_at": "never"}},
        ),
        ("POST /v3/OS-TRUST/trusts", ""): Way(body={"trust": trust}),
        ("GET /v3/limits", "service_or_admin"): Way(),
    }
