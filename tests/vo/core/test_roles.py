"""What ADQL's role cannot do, tried around the service on a connection of its own; and what the owner still can."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing

import adbc_driver_postgresql.dbapi
import psycopg2
import pytest
from psycopg2 import errors, extensions

from sql import read_sql
from tests.conftest import Service
from vo.core.cluster import Cluster
from vo.core.database import fetch_value
from vo.core.migrations import set_up_private
from vo.core.settings import OWNER_ROLE, TAP_ROLE

REFUSED = {
    "passwords": "SELECT * FROM pg_catalog.pg_authid",
    "shadow": "SELECT * FROM pg_catalog.pg_shadow",
    "roles": "SELECT * FROM pg_catalog.pg_roles",
    "role settings": "SELECT * FROM pg_catalog.pg_db_role_setting",
    "tables of others": "SELECT * FROM pg_catalog.pg_class",
    "source of functions": "SELECT prosrc FROM pg_catalog.pg_proc",
    "samples of rows": "SELECT * FROM pg_catalog.pg_stats",
    "samples of rows, raw": "SELECT * FROM pg_catalog.pg_statistic",
    "settings": "SELECT * FROM pg_catalog.pg_settings",
    "a setting": "SELECT current_setting('data_directory')",
    "a secret setting": "SHOW data_directory",
    "foreign servers": "SELECT * FROM pg_catalog.pg_foreign_server",
    "user mappings": "SELECT * FROM pg_catalog.pg_user_mappings",
    "subscriptions": "SELECT subconninfo FROM pg_catalog.pg_subscription",
    "other sessions": "SELECT * FROM pg_catalog.pg_stat_activity",
    "other sessions, by function": "SELECT pg_stat_get_activity(NULL)",
    "replication": "SELECT * FROM pg_catalog.pg_stat_replication",
    "locks": "SELECT * FROM pg_catalog.pg_locks",
    "the information schema": "SELECT * FROM information_schema.tables",
    "internal tables": "SELECT * FROM vo.published_tables",
    "internal functions": "SELECT vo.catalogue_changed()",
    "internal sequences": "SELECT nextval('vo.table_version')",
    "insert": "INSERT INTO tap_schema.schemas (schema_name) VALUES ('x')",
    "update": "UPDATE tap_schema.columns SET description = 'x'",
    "delete": "DELETE FROM tap_schema.tables",
    "truncate": "TRUNCATE tap_schema.tables CASCADE",
    "lock rows": "SELECT * FROM tap_schema.tables FOR UPDATE",
    "lock a table": "BEGIN; LOCK TABLE tap_schema.tables IN ROW EXCLUSIVE MODE",
    "alter": "ALTER TABLE tap_schema.tables ADD COLUMN x integer",
    "drop": "DROP TABLE tap_schema.key_columns",
    "comment": "COMMENT ON TABLE tap_schema.tables IS 'x'",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON tap_schema.tables EXECUTE FUNCTION unique_key_recheck()",
    "create table": "CREATE TABLE public.t (a integer)",
    "create table as": "SELECT 1 AS a INTO public.t",
    "create in tap_schema": "CREATE TABLE tap_schema.t (a integer)",
    "create view": "CREATE VIEW public.v AS SELECT 1 AS a",
    "create temporary table": "CREATE TEMPORARY TABLE t (a integer)",
    "create temporary view": "CREATE TEMPORARY VIEW v AS SELECT 1 AS a",
    "create schema": "CREATE SCHEMA s",
    "create database": "CREATE DATABASE d",
    "create role": "CREATE ROLE r",
    "create extension": "CREATE EXTENSION dblink",
    "create function": "CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "create temporary function": "CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "create C function": "CREATE FUNCTION public.f() RETURNS integer LANGUAGE c AS 'libc', 'system'",
    "create type": "CREATE TYPE public.t AS ENUM ('a')",
    "create operator": "CREATE OPERATOR public.%%% (LEFTARG = integer, FUNCTION = abs)",
    "code block": "DO $$ BEGIN NULL; END $$",
    "large object": "SELECT lo_create(0)",
    "large object from bytes": "SELECT lo_from_bytea(0, 'x')",
    "large object from a file": "SELECT lo_import('/etc/passwd')",
    "large object to a file": "SELECT lo_export(1, '/tmp/x')",
    "large objects": "SELECT * FROM pg_catalog.pg_largeobject",
    "copy to a file": "COPY tap_schema.tables TO '/tmp/vo-copied'",
    "copy to a program": "COPY tap_schema.tables TO PROGRAM 'cat'",
    "copy from a file": "COPY tap_schema.tables FROM '/etc/passwd'",
    "copy from a program": "COPY tap_schema.tables FROM PROGRAM 'id'",
    "read a file": "SELECT pg_read_file('PG_VERSION')",
    "read bytes of a file": "SELECT pg_read_binary_file('PG_VERSION')",
    "list a folder": "SELECT pg_ls_dir('.')",
    "look at a file": "SELECT pg_stat_file('PG_VERSION')",
    "path of a table": "SELECT pg_relation_filepath(1259)",
    "size of a database": "SELECT pg_database_size('vo')",
    "load a library": "LOAD 'dblink'",
    "advisory lock": "SELECT pg_advisory_lock(1)",
    "try an advisory lock": "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
    "sleep": "SELECT pg_sleep(0)",
    "sleep for": "SELECT pg_sleep_for('0 s')",
    "set by function": "SELECT set_config('statement_timeout', '0', false)",
    "query as text": "SELECT query_to_xml('SELECT 1', true, true, '')",
    "table as text": "SELECT table_to_xml('vo.published_tables', true, true, '')",
    "database as text": "SELECT database_to_xml(true, true, '')",
    "cursor as text": "SELECT cursor_to_xml('c', 1, true, true, '')",
    "query of a text search": "SELECT ts_stat('SELECT 1')",
    "query of a rewrite": "SELECT ts_rewrite('a'::tsquery, 'SELECT 1')",
    "cancel": "SELECT pg_cancel_backend(1)",
    "terminate": "SELECT pg_terminate_backend(1, 0)",
    "notify by function": "SELECT pg_notify('vo_catalogue', '1')",
    "snapshot": "SELECT pg_export_snapshot()",
    "replication slot": "SELECT pg_create_physical_replication_slot('x')",
    "write-ahead log": "SELECT pg_switch_wal()",
    "reload": "SELECT pg_reload_conf()",
    "checkpoint": "CHECKPOINT",
    "server settings": "ALTER SYSTEM SET work_mem = '1GB'",
    "temporary files": "SET temp_file_limit = -1",
    "superuser settings": "SET log_statement = 'none'",
    "triggers off": "SET session_replication_role = replica",
    "transaction number": "SELECT txid_current()",
    "seed": "SELECT setseed(0.5)",
    "currval": "SELECT currval('vo.table_version')",
    "lastval": "SELECT lastval()",
    "how pgSphere prints": "SELECT public.set_sphere_output('DEG')",
    "become the owner": "SET ROLE vo",
    "become superuser": "SET ROLE postgres",
    "become another": "SET SESSION AUTHORIZATION vo",
    "join a role": "GRANT vo TO vo_tap",
    "grant": "GRANT SELECT ON vo.catalogue TO vo_tap",
    "promote itself": "ALTER ROLE vo_tap SUPERUSER",
    "password of the owner": "ALTER ROLE vo PASSWORD 'x'",
    "defaults of the owner": "ALTER ROLE vo SET search_path = public",
    "event trigger": "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION unique_key_recheck()",
}
"""What the role tries, and how."""


@pytest.fixture
def intruder(service: Service) -> Iterator[extensions.connection]:
    """A session of ADQL's role that has switched off what a session may switch off."""
    with closing(service.connect(TAP_ROLE)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("RESET SESSION AUTHORIZATION; RESET ROLE; SET default_transaction_read_only = off")
            cursor.execute("SET search_path = pg_catalog, public")
        yield connection


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_refused(intruder: extensions.connection, statement: str) -> None:
    with intruder.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
        cursor.execute(statement)


def test_only_the_services_database_lets_it_in(service: Service) -> None:
    for database in ("postgres", "template1"):
        url = service.settings.url(TAP_ROLE).set(database=database).render_as_string(hide_password=False)
        with pytest.raises(psycopg2.OperationalError, match="User does not have CONNECT privilege"):
            psycopg2.connect(url)


def test_it_sees_only_published_tables_and_types(service: Service) -> None:
    readable = """
        SELECT n.nspname, c.relname
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S') AND has_schema_privilege('vo_tap', n.oid, 'USAGE')
          AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('vo_tap', c.oid, 'USAGE, SELECT, UPDATE')
                             ELSE has_table_privilege('vo_tap', c.oid, 'SELECT') END
    """
    with closing(service.connect()) as owner, owner.cursor() as cursor:
        cursor.execute(readable)
        seen = set(cursor.fetchall())
        cursor.execute("SELECT physical_schema, physical_name FROM vo.published_tables")
        published = set(cursor.fetchall())
    # A version that was just replaced stays readable until it is dropped.
    seen = {(schema, name) for schema, name in seen if "__v" not in name} | (seen & published)
    assert seen == published | {("pg_catalog", "pg_type"), ("pg_catalog", "pg_attribute")}


def test_it_changes_nothing_anywhere(service: Service) -> None:
    writable = """
        SELECT c.oid::regclass::text
        FROM pg_class AS c
        WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
          AND has_table_privilege('vo_tap', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    """
    creatable = "SELECT nspname FROM pg_namespace WHERE has_schema_privilege('vo_tap', oid, 'CREATE')"
    owned = "SELECT objid FROM pg_shdepend WHERE refobjid = 'vo_tap'::regrole AND deptype = 'o'"
    member = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'vo_tap'::regrole"
    with closing(service.connect()) as owner, owner.cursor() as cursor:
        for query in (writable, creatable, owned, member):
            cursor.execute(query)
            assert cursor.fetchall() == []


def test_functions_with_effects_are_few(service: Service) -> None:
    effects = """
        SELECT proname
        FROM pg_proc
        WHERE provolatile = 'v' AND pronamespace = 'pg_catalog'::regnamespace
          AND has_function_privilege('vo_tap', oid, 'EXECUTE')
    """
    with closing(service.connect()) as owner, owner.cursor() as cursor:
        cursor.execute(effects)
        assert {name for (name,) in cursor.fetchall()} == {"random", "clock_timestamp", "gen_random_uuid"}


def test_its_sessions_begin_with_limits(service: Service) -> None:
    with closing(service.connect(TAP_ROLE)) as connection:
        found = {
            name: fetch_value(connection, f"SHOW {name}")
            for name in ("default_transaction_read_only", "statement_timeout", "temp_file_limit", "search_path", "jit")
        }
    assert found == {
        "default_transaction_read_only": "on",
        "statement_timeout": "1d",
        "temp_file_limit": "50GB",
        "search_path": "pg_catalog",
        "jit": "off",
    }


def test_defaults_that_it_gave_itself_and_memberships_go_with_the_next_command(service: Service) -> None:
    with closing(service.connect(TAP_ROLE)) as connection, connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute("ALTER ROLE vo_tap SET statement_timeout = 0")
        cursor.execute("ALTER ROLE vo_tap IN DATABASE vo SET work_mem = '100GB'")
    with closing(service.connect("postgres")) as superuser, superuser.cursor() as cursor:
        cursor.execute("GRANT pg_read_all_data TO vo_tap")
    set_up_private(service.settings)
    with closing(service.connect(TAP_ROLE)) as connection:
        assert fetch_value(connection, "SHOW statement_timeout") == "1d"
        assert fetch_value(connection, "SHOW work_mem") == "64MB"
        with connection.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("SELECT * FROM vo.published_tables")


def test_what_migrations_make_later_is_closed(service: Service) -> None:
    with closing(service.connect()) as owner, owner.cursor() as cursor:
        owner.autocommit = False
        cursor.execute("CREATE FUNCTION tap_schema.later() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        cursor.execute("CREATE TABLE tap_schema.later (a integer); CREATE SEQUENCE tap_schema.numbers")
        cursor.execute("CREATE SCHEMA later")
        for question in (
            "has_function_privilege('vo_tap', 'tap_schema.later()', 'EXECUTE')",
            "has_table_privilege('vo_tap', 'tap_schema.later', 'SELECT')",
            "has_sequence_privilege('vo_tap', 'tap_schema.numbers', 'USAGE')",
            "has_schema_privilege('vo_tap', 'later', 'USAGE')",
        ):
            assert fetch_value(owner, f"SELECT {question}") is False, question
        owner.rollback()


def test_the_owner_can_work(service: Service) -> None:
    psql = Cluster(service.settings).program("psql")
    for command in (r"\d tap_schema.columns", r"\dn+", r"\df vo.*", r"\du", r"\dt+ *.*", r"\l+"):
        done = subprocess.run(
            [psql, "--no-psqlrc", "--command", command, service.settings.conninfo(OWNER_ROLE)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    with (
        adbc_driver_postgresql.dbapi.connect(service.settings.conninfo(OWNER_ROLE)) as connection,
        connection.cursor() as cursor,
    ):
        assert "row_count" in connection.adbc_get_table_schema("published_tables", db_schema_filter="vo").names
        cursor.execute("SELECT only_row FROM vo.catalogue")
        assert cursor.fetch_arrow_table().to_pydict() == {"only_row": [True]}


def test_setting_up_again_changes_nothing(service: Service) -> None:
    grants = """
        SELECT md5(string_agg(item, E'\\n' ORDER BY item))
        FROM (SELECT concat_ws(' ', oid::regprocedure, proacl, proparallel) AS item FROM pg_proc
              UNION ALL SELECT concat_ws(' ', oid::regclass, relacl) FROM pg_class
              UNION ALL SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace
              UNION ALL SELECT concat_ws(' ', defaclrole::regrole, defaclobjtype, defaclacl) FROM pg_default_acl
              UNION ALL SELECT concat_ws(' ', datname, datacl) FROM pg_database WHERE datname = 'vo') AS acl
    """
    with closing(service.connect("postgres")) as superuser, superuser.cursor() as cursor:
        before = fetch_value(superuser, grants)
        cursor.execute(read_sql("setup.sql"))
        assert fetch_value(superuser, grants) == before
