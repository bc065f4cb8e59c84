"""Example queries: those that descriptions of published tables bring, and a few on TAP_SCHEMA."""

from __future__ import annotations

from dataclasses import dataclass

from tap.schema.models import Tableset


@dataclass(frozen=True, slots=True)
class Example:
    """A query that works here.

    Attributes
    ----------
    key : str
        XML identifier, unique in the document.
    name : str
        What the query finds, in a few words.
    query : str
        ADQL.
    text : str
        What is worth knowing about it.
    tables : tuple of str
        Published tables that it uses.
    """

    key: str
    name: str
    query: str
    text: str
    tables: tuple[str, ...]


_TAP_SCHEMA = (
    Example(
        "tables",
        "List the tables",
        "SELECT schema_name, table_name, description\nFROM tap_schema.tables\nORDER BY schema_name, table_name",
        "Every table that can be queried, from the service's own description of itself.",
        ("tap_schema.tables",),
    ),
    Example(
        "find-columns",
        "Find columns by what they mean",
        "SELECT table_name, column_name, unit, ucd, description\nFROM tap_schema.columns\nWHERE ucd LIKE 'phot.mag%'",
        "Unified content descriptors (UCDs) name what a column holds, whatever the column is called: here, magnitudes.",
        ("tap_schema.columns",),
    ),
)


def examples(tableset: Tableset) -> list[Example]:
    """Return the examples whose tables are published, catalogues first."""
    found = []
    for table in tableset.tables.values():
        for number, example in enumerate(table.curation.get("examples", []), 1):
            tables = tuple(dict.fromkeys([table.name, *example.get("tables", [])]))
            if all(name in tableset.tables for name in tables):
                key = f"{table.name}-{number}".replace('"', "")
                found.append(Example(key, example["name"], example["query"].strip(), example.get("text", ""), tables))
    return found + list(_TAP_SCHEMA)
