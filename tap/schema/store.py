"""TAP_SCHEMA in PostgreSQL: reading it, and the statements that change it when a table is published."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, text

from tap.adql.catalogue import BOUND_SUFFIX
from tap.schema.models import ForeignKey, PublishedColumn, PublishedSchema, PublishedTable, Tableset
from vo.core.tables import Column, Datatype

_VERSION = text("SELECT version FROM vo.catalogue")
_SCHEMAS = text(
    "SELECT schema_name, utype, description FROM tap_schema.schemas ORDER BY schema_index NULLS LAST, schema_name"
)
_TABLES = text("""
    SELECT t.schema_name, t.table_name, t.table_type, t.utype, t.description,
           p.physical_schema, p.physical_name, p.version, p.row_count, p.position_ra, p.position_dec, p.unique_columns,
           p.curation
    FROM tap_schema.tables AS t
    JOIN vo.published_tables AS p USING (table_name)
    ORDER BY t.table_index NULLS LAST, t.table_name
""")
_COLUMNS = text("""
    SELECT c.table_name, c.column_name, c.datatype, c.arraysize, c.xtype, c.description, c.utype, c.unit, c.ucd,
           c.indexed, c.principal, c.std, format_type(a.atttypid, NULL) AS sql_type, a.attname,
           EXISTS (SELECT FROM pg_attribute AS b
                   WHERE b.attrelid = r.oid AND b.attname = a.attname || :bound AND NOT b.attisdropped
                     AND a.attname || :bound NOT IN (SELECT o.column_name FROM tap_schema.columns AS o
                                                     WHERE o.table_name = c.table_name)) AS bounded
    FROM tap_schema.columns AS c
    JOIN vo.published_tables AS p USING (table_name)
    JOIN pg_namespace AS n ON n.nspname = p.physical_schema
    JOIN pg_class AS r ON r.relnamespace = n.oid AND r.relname = p.physical_name
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND NOT a.attisdropped AND a.attnum > 0
        AND a.attname = CASE WHEN c.column_name LIKE '"%"'
                             THEN replace(substr(c.column_name, 2, length(c.column_name) - 2), '""', '"')
                             ELSE c.column_name END
    ORDER BY c.table_name, c.column_index NULLS LAST, c.column_name
""")
_KEYS = text("""
    SELECT k.key_id, k.from_table, k.target_table, k.description, k.utype,
           array_agg(ARRAY[c.from_column, c.target_column] ORDER BY c.from_column) AS pairs
    FROM tap_schema.keys AS k
    JOIN tap_schema.key_columns AS c USING (key_id)
    GROUP BY k.key_id
    ORDER BY k.key_id
""")


def read_version(connection: Connection) -> int:
    """Return the version of the catalogue, which grows with every change."""
    return int(connection.execute(_VERSION).scalar_one())


def read_tableset(connection: Connection) -> Tableset:
    """Read everything that is published; the caller gives a connection in REPEATABLE READ, so that all parts agree."""
    version = read_version(connection)
    columns: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(_COLUMNS, {"bound": BOUND_SUFFIX}):
        columns[row.table_name].append(row)
    keys: dict[str, list[ForeignKey]] = defaultdict(list)
    for row in connection.execute(_KEYS):
        pairs = tuple((pair[0], pair[1]) for pair in row.pairs)
        keys[row.from_table].append(
            ForeignKey(row.key_id, row.from_table, row.target_table, pairs, row.description, row.utype)
        )
    tables: dict[str, list[PublishedTable]] = defaultdict(list)
    for row in connection.execute(_TABLES):
        tables[row.schema_name].append(
            PublishedTable(
                name=row.table_name,
                schema_name=row.schema_name,
                table_type=row.table_type,
                columns=tuple(_column(column, row.unique_columns) for column in columns[row.table_name]),
                physical=(row.physical_schema, row.physical_name),
                rows=row.row_count,
                version=row.version,
                description=row.description,
                utype=row.utype,
                position=(row.position_ra, row.position_dec) if row.position_ra else None,
                keys=tuple(keys[row.table_name]),
                curation=row.curation,
            )
        )
    schemas = tuple(
        PublishedSchema(row.schema_name, tuple(tables[row.schema_name]), row.description, row.utype)
        for row in connection.execute(_SCHEMAS)
    )
    return Tableset(version, schemas)


def _column(row: Any, unique: list[str]) -> PublishedColumn:
    column = Column(
        name=row.attname,
        datatype=Datatype(row.datatype),
        arraysize=row.arraysize,
        xtype=row.xtype,
        unit=row.unit,
        ucd=row.ucd,
        utype=row.utype,
        description=row.description,
    )
    return PublishedColumn(
        column=column,
        query_name=row.column_name,
        sql_type=row.sql_type,
        indexed=bool(row.indexed),
        principal=bool(row.principal),
        std=bool(row.std),
        unique=row.attname in unique,
        bounded=row.bounded,
    )


_UPSERT_SCHEMA = text("""
    INSERT INTO tap_schema.schemas (schema_name, utype, description, schema_index)
    VALUES (:schema_name, :utype, :description, :schema_index)
    ON CONFLICT (schema_name) DO UPDATE SET
        utype = coalesce(excluded.utype, schemas.utype),
        description = coalesce(excluded.description, schemas.description),
        schema_index = coalesce(excluded.schema_index, schemas.schema_index)
""")
_UPSERT_TABLE = text("""
    INSERT INTO tap_schema.tables (schema_name, table_name, table_type, utype, description, table_index)
    VALUES (:schema_name, :table_name, 'table', :utype, :description, :table_index)
    ON CONFLICT (table_name) DO UPDATE SET
        utype = excluded.utype, description = excluded.description, table_index = excluded.table_index
""")
_DELETE_COLUMNS = text("DELETE FROM tap_schema.columns WHERE table_name = :table_name")
_INSERT_COLUMN = text("""
    INSERT INTO tap_schema.columns (table_name, column_name, datatype, arraysize, xtype, "size", description, utype,
                                    unit, ucd, indexed, principal, std, column_index)
    VALUES (:table_name, :column_name, :datatype, :arraysize, :xtype, :size, :description, :utype, :unit,
            :ucd, :indexed, :principal, :std, :column_index)
""")
_UPSERT_POINTER = text("""
    INSERT INTO vo.published_tables (table_name, physical_schema, physical_name, version, row_count, position_ra,
                                     position_dec, unique_columns, curation, published_at)
    VALUES (:table_name, :physical_schema, :physical_name, :version, :row_count, :position_ra,
            :position_dec, :unique_columns, CAST(:curation AS jsonb), now())
    ON CONFLICT (table_name) DO UPDATE SET
        physical_schema = excluded.physical_schema, physical_name = excluded.physical_name, version = excluded.version,
        row_count = excluded.row_count, position_ra = excluded.position_ra, position_dec = excluded.position_dec,
        unique_columns = excluded.unique_columns, curation = excluded.curation, published_at = excluded.published_at
""")
_CHANGED = text("SELECT vo.catalogue_changed()")


def upsert_schema(connection: Connection, **values: Any) -> None:
    """Describe a schema; what is not given stays as it was."""
    connection.execute(_UPSERT_SCHEMA, values)


def replace_table(
    connection: Connection, table: dict[str, Any], columns: list[dict[str, Any]], pointer: dict[str, Any]
) -> None:
    """Describe a table anew and point its name at a physical table."""
    connection.execute(_UPSERT_TABLE, table)
    connection.execute(_DELETE_COLUMNS, {"table_name": table["table_name"]})
    connection.execute(_INSERT_COLUMN, columns)
    connection.execute(_UPSERT_POINTER, pointer)


def announce_change(connection: Connection) -> int:
    """Raise the catalogue's version and tell every process when the transaction commits; return the new version."""
    return int(connection.execute(_CHANGED).scalar_one())
