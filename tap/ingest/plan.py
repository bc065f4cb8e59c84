"""What of a file is published under which names and types: the description first, then the file itself."""

from __future__ import annotations

from dataclasses import replace

from tap.adql.syntax.words import is_regular_identifier
from tap.adql.types import SQL_TYPES
from tap.ingest.description import ColumnDescription, TableDescription
from tap.tables.models import PlannedColumn, TableName
from vo.core.errors import TableError
from vo.core.tables import Column, Datatype, TableStream
from vo.core.tables.positions import likely_position

MAX_NAME = 63
"""Longest name that PostgreSQL keeps whole, in bytes."""
SUFFIX = len("__v") + 10
"""Room for the version in the name of a physical table."""
RESERVED_SCHEMAS = frozenset({"tap_schema", "tap_upload", "vo", "public", "information_schema"})


def table_name(text: str) -> TableName:
    """Read a qualified table name.

    Raises
    ------
    TableError
        If it is not two regular identifiers, or the schema is the stack's own.
    """
    schema, dot, table = text.lower().partition(".")
    for part in (schema, table):
        if not dot or not is_regular_identifier(part) or len(part) > MAX_NAME - SUFFIX:
            raise TableError(
                f"{text!r} cannot be a table name.",
                hint="Write SCHEMA.TABLE: each a letter, then letters, digits and _, and no word of ADQL.",
            )
    if schema in RESERVED_SCHEMAS or schema.startswith("pg_"):
        raise TableError(f"The schema {schema} belongs to the system.", hint="Choose another one.")
    return TableName(schema, table)


def plan_columns(stream: TableStream, description: TableDescription) -> tuple[list[PlannedColumn], list[str]]:
    """Join the columns of a file with their descriptions.

    Returns
    -------
    list of PlannedColumn
        Described columns in the description's order, then the others in the file's.
    list of str
        Remarks for the operator.

    Raises
    ------
    TableError
        If a described column is not in the file, two have one name, or a type cannot be published.
    """
    remarks: list[str] = []
    by_name = {column.name: place for place, column in enumerate(stream.columns)}
    by_lower = {column.name.lower(): place for place, column in enumerate(stream.columns)}
    planned: list[PlannedColumn] = []
    used: set[int] = set()
    for described in description.columns:
        wanted = described.source_name or described.name
        place = by_name.get(wanted, by_lower.get(wanted.lower()))
        if place is None:
            raise TableError(
                f"The description has a column {described.name}, but the file has no column {wanted}.",
                hint=f"The file has: {', '.join(list(by_name)[:50])}.",
            )
        used.add(place)
        planned.append(_described(described, stream.columns[place], place, description))
    undescribed = [place for place in range(len(stream.columns)) if place not in used]
    planned += [_undescribed(stream.columns[place], place, description) for place in undescribed]
    if description.columns and undescribed:
        names = ", ".join(stream.columns[place].name for place in undescribed)
        remarks.append(f"not in the description, published as the file has them: {names}")
    renamed = [
        f"{stream.columns[c.place].name} as {c.column.name}"
        for c in planned[len(used) :]
        if stream.columns[c.place].name != c.column.name
    ]
    if renamed:
        remarks.append(f"published in lower case: {', '.join(renamed)}")
    _check(planned)
    for what in ("description", "ucd"):
        missing = [item.column.name for item in planned if getattr(item.column, what) is None]
        if missing:
            remarks.append(f"without {what}: {', '.join(missing)}")
    return planned, remarks


def _described(described: ColumnDescription, found: Column, place: int, table: TableDescription) -> PlannedColumn:
    wanted = described.column()
    typed = wanted or found
    column = Column(
        name=described.name,
        datatype=typed.datatype,
        arraysize=typed.arraysize,
        xtype=typed.xtype,
        unit=described.unit or described.fits_unit or found.unit,
        ucd=described.ucd or found.ucd,
        utype=described.utype or found.utype,
        description=described.description or found.description,
    )
    return PlannedColumn(
        column=column,
        place=place,
        query_name=quoted(described.name),
        factor=_factor(described, found),
        principal=described.principal,
        std=described.std,
        unique=described.name in table.unique_columns,
        # An explicit unicodeChar stays what it is; char gives way when the content needs it.
        by_content=wanted is None or wanted.datatype is Datatype.CHAR,
    )


def _undescribed(found: Column, place: int, table: TableDescription) -> PlannedColumn:
    lower = found.name.lower()
    name = lower if is_regular_identifier(lower) else found.name
    return PlannedColumn(
        column=replace(found, name=name),
        place=place,
        query_name=quoted(name),
        principal=not table.columns,
        unique=name in table.unique_columns,
        by_content=True,
    )


def quoted(name: str) -> str:
    """Return a name as it is written in ADQL: in double quotes unless it is a regular identifier in lower case."""
    if is_regular_identifier(name) and name == name.lower():
        return name
    return '"' + name.replace('"', '""') + '"'


def _factor(described: ColumnDescription, found: Column) -> float:
    """Return what turns the file's unit into the published one."""
    source, target = described.source_unit, described.unit
    if source is None or target is None or source == target:
        return 1.0
    from astropy import units  # noqa: PLC0415  (0.3 s, and few descriptions convert)

    try:
        return float(units.Unit(source).to(units.Unit(target)))
    except (ValueError, TypeError) as error:
        raise TableError(f"Column {described.name}: {source} cannot be converted to {target}: {error}.") from None
    except units.UnitConversionError as error:
        raise TableError(f"Column {described.name} ({found.name}): {error}.") from None


def _check(planned: list[PlannedColumn]) -> None:
    seen: set[str] = set()
    for item in planned:
        column = item.column
        if column.name.lower() in seen:
            raise TableError(
                f"Two columns would be published as {column.name}.", hint="Rename one with vo:source in a description."
            )
        seen.add(column.name.lower())
        if not column.name or "\0" in column.name or len(column.name.encode()) > MAX_NAME:
            raise TableError(f"{column.name[:80]!r} cannot be a column name: it must have 1 to {MAX_NAME} bytes.")
        if column.datatype not in SQL_TYPES:
            raise TableError(f"Column {column.name}: the database has no type for {column.datatype}.")
        if item.factor != 1.0 and column.datatype not in (Datatype.DOUBLE, Datatype.FLOAT):
            raise TableError(f"Column {column.name}: a value of type {column.datatype} cannot change its unit.")


def find_position(planned: list[PlannedColumn], description: TableDescription) -> tuple[str, str] | None:
    """Return the columns of the main position: as described, else as UCDs, units and names tell.

    Raises
    ------
    TableError
        If the description names columns that are not there, or not numbers.
    """
    columns = {item.column.name: item.column for item in planned}
    if description.position is not None:
        pair = (description.position.ra, description.position.dec)
        for name in pair:
            if name not in columns or columns[name].datatype is not Datatype.DOUBLE or columns[name].is_array:
                raise TableError(f"vo:position names {name}, which is not a column of type double.")
        return pair
    found = likely_position([item.column for item in planned])
    return None if found is None else (planned[found[0]].column.name, planned[found[1]].column.name)
