"""Migrations: what they make is what TAP_SCHEMA and the code say, and nobody works on a database of another age."""

from __future__ import annotations

import re
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from tap.schema.store import read_tableset
from vo.core import migrations
from vo.core.database import owner_engine
from vo.core.errors import ConfigurationError
from vo.core.settings import Settings, load_settings


@pytest.fixture
def empty(scratch_database: str, tmp_path: Path) -> Settings:
    """Settings for an empty database."""
    return load_settings(home=tmp_path, database_url=scratch_database)


@pytest.fixture
def migrated(empty: Settings) -> Settings:
    """Settings for a database that migrations alone have made."""
    migrations.migrate(empty)
    return empty


def test_an_empty_database_is_refused_with_the_command_that_mends_it(empty: Settings) -> None:
    assert migrations.current(empty) is None
    with pytest.raises(ConfigurationError, match=r"migration none, this version .* needs .* vo database migrate"):
        migrations.check(empty)


def test_migrating_satisfies_the_check_and_again_changes_nothing(migrated: Settings) -> None:
    migrations.check(migrated)
    assert migrations.current(migrated) == migrations.head()
    migrations.migrate(migrated)
    migrations.check(migrated)


def test_a_newer_database_is_refused(migrated: Settings) -> None:
    with psycopg2.connect(migrated.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE vo.alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"9999, newer than this version .* Upgrade the stack"):
        migrations.check(migrated)


def test_each_sql_file_has_its_revision_and_they_form_one_line() -> None:
    folder = files("sql").joinpath("migrations")
    scripts = {item.name for item in folder.iterdir() if item.name.endswith(".sql")}
    revisions = {}
    for item in folder.joinpath("versions").iterdir():
        if item.name.endswith(".py") and item.name != "__init__.py":
            source = item.read_text()
            (number,) = re.findall(r'^revision = "(\d{4})"', source, re.MULTILINE)
            (before,) = re.findall(r'^down_revision = (?:"(\d{4})"|None)', source, re.MULTILINE)
            (script,) = re.findall(r'read_sql\("migrations/([^"]+)"\)', source)
            assert item.name == f"m{script.removesuffix('.sql')}.py"
            revisions[number] = before
            scripts.remove(script)
    assert scripts == set()
    assert list(revisions.values()) != []
    assert sorted(revisions) == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    assert all(int(before or 0) == int(number) - 1 for number, before in revisions.items())


def test_tap_schema_describes_exactly_the_columns_that_exist(migrated: Settings) -> None:
    with closing(psycopg2.connect(migrated.conninfo())) as connection, connection.cursor() as cursor:
        cursor.execute("""
            SELECT table_schema || '.' || table_name, column_name, data_type
            FROM information_schema.columns WHERE table_schema = 'tap_schema'
        """)
        existing = {(table, name): sql_type for table, name, sql_type in cursor.fetchall()}
        cursor.execute("SELECT table_name, column_name, datatype FROM tap_schema.columns")
        described = {(table, name.strip('"')): datatype for table, name, datatype in cursor.fetchall()}
        cursor.execute("SELECT table_name FROM tap_schema.tables EXCEPT SELECT table_name FROM vo.published_tables")
        assert cursor.fetchall() == []
        cursor.execute("""
            SELECT k.from_table, c.from_column, k.target_table, c.target_column
            FROM tap_schema.keys AS k JOIN tap_schema.key_columns AS c USING (key_id)
        """)
        keys = cursor.fetchall()
    assert described.keys() == existing.keys()
    types = {"text": {"char", "unicodeChar"}, "integer": {"int"}}
    for column, sql_type in existing.items():
        assert described[column] in types[sql_type], column
    for from_table, from_column, target_table, target_column in keys:
        assert (from_table, from_column) in existing
        assert (target_table, target_column) in existing


def test_the_models_read_what_migrations_make(migrated: Settings) -> None:
    engine = owner_engine(migrated)
    with engine.connect() as connection:
        tableset = read_tableset(connection)
        count = connection.execute(text("SELECT count(*) FROM tap_schema.columns")).scalar()
    engine.dispose()
    assert {name for name in tableset.tables if name.startswith("tap_schema.")} == tableset.tables.keys()
    assert sum(len(table.columns) for table in tableset.tables.values()) == count
