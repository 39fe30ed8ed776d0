"""Connections to PostgreSQL give up a silent server, and let it give up a silent client."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from warehouse.postgres import CLIENT, SERVER, add_timeouts, choose_timeouts
from warehouse.store.database import create_engines


@pytest.mark.parametrize("words", ["host=db dbname=lake password='a b'", "postgresql://u:a%20b@db/lake"])
def test_words_get_limits_and_keep_what_they_say(words: str) -> None:
    found = conninfo_to_dict(add_timeouts(words))
    assert (found["host"], found["dbname"], found["password"]) == ("db", "lake", "a b")
    assert {name: found[name] for name in CLIENT} == CLIENT
    assert all(f"-c {name}={value}" in str(found["options"]) for name, value in SERVER.items())


def test_the_operators_own_limits_win() -> None:
    found = conninfo_to_dict(add_timeouts("host=db connect_timeout=30 options='-c geqo=off'"))
    assert (found["connect_timeout"], found["options"]) == ("30", "-c geqo=off")
    assert "tcp_user_timeout" not in choose_timeouts({"tcp_user_timeout": "0"})


def test_a_store_sets_them_on_both_sides(postgres_url: str) -> None:
    engine, _ = create_engines(postgres_url)
    try:
        with engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            assert CLIENT.items() <= driver.info.get_parameters().items()
            own = connection.execute(
                text("SELECT source FROM pg_settings WHERE name = 'tcp_user_timeout'")
            ).scalar()
            assert own == "session"
    finally:
        engine.dispose()
