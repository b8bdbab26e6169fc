"""A database that a test has used is as it was when the next one gets it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests import postgres
from tests.cloud import a_network, an_image, running

pytestmark = pytest.mark.postgres


async def said(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for one in statements:
        await connection.execute(one)
    await connection.close()


async def held(url: str) -> dict[str, object]:
    """Rows of every table, in the order in which they stand there, and how far sequences are."""
    connection = await asyncpg.connect(url)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    names = [one[0] for one in await connection.fetch(tables)]
    found: dict[str, object] = {
        name: await connection.fetch(f'SELECT * FROM "{name}"') for name in names
    }
    found["sequences"] = await connection.fetch(
        "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
    )
    await connection.close()
    return found


@pytest.mark.parametrize("template", [postgres.ROWS, postgres.TABLES])
def test_what_a_cloud_wrote_is_gone(
    tmp_path: Path, postgres_server: postgres.Server, template: str
) -> None:
    url = postgres_server.new_database(template)
    before = asyncio.run(held(url))

    async def work() -> None:
        async with running(tmp_path, database=url) as cloud:
            user = await cloud.project_with("somebody", "member")
            await a_network(user)
            await an_image(user)
            roles = (await (admin := await cloud.sign_in()).get("/v3/roles"))["roles"]
            (one,) = [one["id"] for one in roles if one["name"] == "creator"]
            await admin("DELETE", f"/v3/roles/{one}", status=204)

    asyncio.run(work())
    assert asyncio.run(held(url)) != before
    postgres_server.drop(url)
    assert postgres_server.new_database(template) == url
    assert asyncio.run(held(url)) == before
    postgres_server.drop(url)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE further (id int)",
        "DROP TABLE leases",
        "ALTER TABLE users ADD COLUMN further int",
        "ALTER TABLE users ALTER COLUMN name DROP NOT NULL",
        "CREATE INDEX further ON users (created_at)",
        "ALTER TABLE users ADD CHECK (id <> '')",
        "ANALYZE users",
        "CREATE SCHEMA further",
    ],
)
def test_of_other_tables_nobody_gets_one(postgres_server: postgres.Server, change: str) -> None:
    url = postgres_server.new_database(postgres.ROWS)
    asyncio.run(said(url, change))
    postgres_server.drop(url)
    following = postgres_server.new_database(postgres.ROWS)
    assert following != url
    postgres_server.drop(following)


def test_who_does_not_let_go_is_put_out(postgres_server: postgres.Server) -> None:
    url = postgres_server.new_database(postgres.ROWS)

    async def stay() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("BEGIN; DELETE FROM endpoints")
            postgres_server.drop(url)
            following = await asyncio.to_thread(postgres_server.new_database, postgres.ROWS)
            assert len((await held(following))["endpoints"]) > 0  # type: ignore[arg-type]
            postgres_server.drop(following)
        finally:
            connection.terminate()

    asyncio.run(stay())
