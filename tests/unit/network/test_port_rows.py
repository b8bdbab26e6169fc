"""A page of ports costs the same however many there are."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.services.network.tables import bindings, networks, port_rows, ports, qos_policies


def test_a_page_of_ports_is_read_in_its_order_and_no_further() -> None:
    engine = sa.create_engine("sqlite://")
    tables = [networks, ports, bindings, qos_policies]
    with engine.connect() as connection:
        for table in tables:
            table.create(connection)
        page = sa.select(port_rows).order_by(port_rows.c.id).limit(100)
        text = str(page.compile(engine, compile_kwargs={"literal_binds": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    assert plan and not [one.detail for one in plan if "TEMP B-TREE" in one.detail], plan
