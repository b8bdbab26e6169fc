"""Whatever ends a token has ended it once it is answered, on every control process, however much happens at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.api.identity.doors import by_password, roles_of, sign_in
from tests.cloud import PASSWORD, Client, Cloud, running

MANY = 50
Ending = Callable[[Client, Client, str], Awaitable[object]]


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
async def clouds(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str
) -> AsyncIterator[list[Cloud]]:
    """Control once, or twice on the same database and files."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running(tmp_path, database=database_url, node_name=f"control-{number}")
            )
            for number in range(request.param)
        ]


async def _remove_role(admin: Client, client: Client, role_id: str) -> object:
    path = f"/v3/projects/{client.project_id}/users/{client.user_id}/roles/{role_id}"
    return await admin("DELETE", path, status=204)


async def _change_password(admin: Client, client: Client, role_id: str) -> object:
    body = {"user": {"original_password": PASSWORD, "password": "another"}}
    return await client("POST", f"/v3/users/{client.user_id}/password", body, status=204)


async def _set_password(admin: Client, client: Client, role_id: str) -> object:
    body = {"user": {"password": "another"}}
    return await admin("PATCH", f"/v3/users/{client.user_id}", body, status=200)


async def _disable(admin: Client, client: Client, role_id: str) -> object:
    path = f"/v3/users/{client.user_id}"
    return await admin("PATCH", path, {"user": {"enabled": False}}, status=200)


async def _revoke(admin: Client, client: Client, role_id: str) -> object:
    subject = {"X-Subject-Token": client.token}
    return await admin("DELETE", "/v3/auth/tokens", headers=subject, status=204)


ENDINGS: tuple[Ending, ...] = (_remove_role, _change_password, _set_password, _disable, _revoke)


def _on(cloud: Cloud, client: Client) -> Client:
    """The same user, asking another process."""
    return Client(cloud.http, client.token, client.body)


async def _people(cloud: Cloud, count: int) -> tuple[Client, str, list[Client]]:
    """An administrator, the id of a role, and signed-in users who have it on one project."""
    admin = await cloud.sign_in()
    role_id = (await roles_of(cloud))["member"]
    project = (await admin.post("/v3/projects", {"project": {"name": "crowd"}}))["project"]["id"]
    people = []
    for number in range(count):
        user = {"user": {"name": f"u{number}", "password": PASSWORD}}
        user_id = (await admin.post("/v3/users", user))["user"]["id"]
        path = f"/v3/projects/{project}/users/{user_id}/roles/{role_id}"
        await admin("PUT", path, status=204)
        scope = {"project": {"id": project}}
        people.append(await sign_in(cloud, by_password(user_id), scope))
    return admin, role_id, people


async def _alive(cloud: Cloud, admin: Client, token: str) -> bool:
    answer = await _on(cloud, admin)("GET", "/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code == 200


async def test_no_token_outlives_the_answer_that_ends_it(clouds: list[Cloud]) -> None:
    admin, role_id, people = await _people(clouds[0], MANY)
    ended: set[str] = set()
    done = asyncio.Event()

    async def end(number: int, client: Client) -> None:
        cloud = clouds[number % len(clouds)]
        ending = ENDINGS[number % len(ENDINGS)]
        await ending(_on(cloud, admin), _on(cloud, client), role_id)
        ended.add(client.token)
        for one in clouds:
            answer = await _on(one, client)("GET", f"/v3/users/{client.user_id}")
            assert answer.status_code == 401, f"{ending.__name__}: {answer.text}"
            assert not await _alive(one, admin, client.token), ending.__name__

    async def look(cloud: Cloud) -> int:
        """Keep what each token is worth in the process's memory, and see none rise."""
        looked = 0
        while not done.is_set():
            for client in people:
                was_over = client.token in ended
                lives = await _alive(cloud, admin, client.token)
                assert not (was_over and lives)
                looked += 1
                await asyncio.sleep(0)
        return looked

    for cloud in clouds:
        assert all([await _alive(cloud, admin, client.token) for client in people])
    async with asyncio.TaskGroup() as looking:
        seen = [looking.create_task(look(cloud)) for cloud in clouds for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for number, client in enumerate(people):
                group.create_task(end(number, client))
        done.set()
    assert all(task.result() for task in seen) and len(ended) == MANY


async def test_a_sign_in_that_a_new_password_overtakes_gives_nothing(clouds: list[Cloud]) -> None:
    """Sign-ins with the old password, and exchanges of old tokens, that were under way when it changed."""
    admin, role_id, people = await _people(clouds[0], 10)
    scope = {"project": {"id": people[0].project_id}}

    async def enter(cloud: Cloud, identity: object) -> str:
        auth = {"auth": {"identity": identity, "scope": scope}}
        answer = await cloud.anonymous("POST", "/v3/auth/tokens", auth)
        assert answer.status_code in (201, 401, 404), answer.text
        return str(answer.headers.get("X-Subject-Token", ""))

    async def overtake(number: int, client: Client) -> None:
        by_token = {"methods": ["token"], "token": {"id": client.token}}
        cloud = clouds[number % len(clouds)]
        entering = []
        async with asyncio.TaskGroup() as group:
            ending = ENDINGS[1 + number % 2](_on(cloud, admin), _on(cloud, client), role_id)
            group.create_task(asyncio.wait_for(ending, 60))
            for attempt in range(12):
                identity = by_token if attempt % 3 == 0 else by_password(client.user_id)
                entering.append(group.create_task(enter(clouds[attempt % len(clouds)], identity)))
                await asyncio.sleep(0.001)
        for task in entering:
            for one in clouds:
                assert not task.result() or not await _alive(one, admin, task.result())
        fresh = await sign_in(cloud, by_password(client.user_id, "another"), scope)
        assert await _alive(cloud, admin, fresh.token)

    for number, client in enumerate(people):
        await overtake(number, client)


async def test_the_same_said_many_times_at_once_is_said_once(clouds: list[Cloud]) -> None:
    admin, role_id, people = await _people(clouds[0], 4)
    group = (await admin.post("/v3/groups", {"group": {"name": "g"}}))["group"]["id"]
    role = {"role": {"name": "new"}}
    new = (await admin.post("/v3/roles", role))["role"]["id"]
    client = people[0]
    project, user = f"/v3/projects/{client.project_id}", f"users/{client.user_id}"
    for path, status in (
        (f"{project}/{user}/roles/{new}", 204),
        (f"/v3/groups/{group}/{user}", 204),
        (f"/v3/roles/{role_id}/implies/{new}", 201),
    ):
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                cloud = clouds[number % len(clouds)]
                tasks.create_task(_on(cloud, admin)("PUT", path, status=status))
    subject = {"X-Subject-Token": client.token}
    async with asyncio.TaskGroup() as tasks:
        ends = [
            tasks.create_task(
                _on(clouds[number % len(clouds)], admin)(
                    "DELETE", "/v3/auth/tokens", headers=subject
                )
            )
            for number in range(20)
        ]
    assert {task.result().status_code for task in ends} <= {204, 404}
    assert not await _alive(clouds[-1], admin, client.token)


@pytest.mark.parametrize("kind", ["user", "group", "project", "role", "domain"])
async def test_one_of_many_gets_the_name(clouds: list[Cloud], kind: str) -> None:
    admin = await clouds[0].sign_in()
    ids = []
    for number in range(8):
        requested = {kind: {"name": f"n{number}"}}
        ids.append((await admin.post(f"/v3/{kind}s", requested))[kind]["id"])
    async with asyncio.TaskGroup() as tasks:
        renamed = [
            tasks.create_task(
                _on(clouds[number % len(clouds)], admin)(
                    "PATCH", f"/v3/{kind}s/{one}", {kind: {"name": "wanted"}}
                )
            )
            for number, one in enumerate(ids)
        ]
    assert sorted(task.result().status_code for task in renamed) == [200] + [409] * 7


async def test_two_processes_may_start_on_an_empty_database_at_once(
    tmp_path: Path, database_url: str
) -> None:
    async def start(number: int) -> list[str]:
        name = f"control-{number}"
        async with running(tmp_path, database=database_url, node_name=name) as cloud:
            admin = await cloud.sign_in()
            return [role["name"] for role in (await admin.get("/v3/roles"))["roles"]]

    async with asyncio.timeout(60):
        one, two = await asyncio.gather(start(1), start(2))
    assert one == two == sorted(set(one)) and "admin" in one
