"""ECSV 1.0: CSV below a YAML header in comment lines (Astropy Proposal for Enhancement 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from vo.core.errors import TableError
from vo.core.tables.columns import ARRAYSIZE, COMPLEX, Column, Datatype
from vo.core.tables.readers.csv import refuse_table, typed_batches
from vo.core.tables.readers.csv_dialect import Dialect, column_names
from vo.core.tables.readers.source import Source
from vo.core.tables.stream import TableMetadata, TableStream

_LONGEST_HEADER = 4 << 20
_DATATYPES = {
    "bool": Datatype.BOOLEAN,
    "int8": Datatype.SHORT,
    "int16": Datatype.SHORT,
    "int32": Datatype.INT,
    "int64": Datatype.LONG,
    "uint8": Datatype.UNSIGNED_BYTE,
    "uint16": Datatype.INT,
    "uint32": Datatype.LONG,
    "uint64": Datatype.LONG,
    "float16": Datatype.FLOAT,
    "float32": Datatype.FLOAT,
    "float64": Datatype.DOUBLE,
    "float128": Datatype.DOUBLE,
    "complex64": Datatype.FLOAT_COMPLEX,
    "complex128": Datatype.DOUBLE_COMPLEX,
    "string": Datatype.UNICODE_CHAR,
}
_SUBTYPE = re.compile(r"(?P<type>\w+)\[(?P<shape>[\d, ]*(?:null)?)\]")


_PART = r"[-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf)"
_COMPLEX = rf"^\(?({_PART})([-+](?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))j\)?$"
_IMAGINARY = rf"^\(?({_PART})j\)?$"
_DEEPEST = 50
_MOST_ENTRIES = 60_000


class _PlainLoader(yaml.CSafeLoader):
    """A safe loader that reads any tag as the plain data below it: no tag names anything to be built."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave merge keys (``<<``) as they are: merged into each other they grow without bounds."""


def _plain(loader: yaml.CSafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_PlainLoader.add_multi_constructor("", _plain)


def open_ecsv(source: Source, table: str | int | None = None) -> TableStream:
    """Open an ECSV file; arrays (`subtype`) are JSON lists, an empty cell or the word ``null`` is null.

    Raises
    ------
    TableError
        If the header is damaged, or the column names below it are others.
    """
    refuse_table(table)
    text, lines = _header_lines(source)
    header = load_header(text)
    columns = read_columns(header)
    dialect = Dialect(str(header.get("delimiter", " ")), skip_lines=lines, quoted_nulls=True)
    if dialect.delimiter not in {" ", ","}:
        raise TableError(f"The ECSV header gives the delimiter {dialect.delimiter!r}; it may be a blank or a comma.")
    names = column_names(source, dialect)
    if names != [column.name.strip() or f"col{number}" for number, column in enumerate(columns, 1)]:
        raise TableError("The column names of the ECSV header and of the line below it differ.")
    return TableStream(columns, typed_batches(source, dialect, columns, _split), read_metadata(header))


def _split(column: Column, cells: pa.Array) -> pa.Array:
    """Turn arrays and complex numbers into lists of the text of their numbers."""
    if column.datatype not in COMPLEX or pc.any(pc.starts_with(cells, "[")).as_py():
        return split_json(cells)
    pairs = pc.replace_substring_regex(pc.replace_substring_regex(cells, _IMAGINARY, r"0 \1"), _COMPLEX, r"\1 \2")
    return pc.utf8_split_whitespace(pairs)


def load_header(text: str) -> dict[str, Any]:
    """Load the YAML of an ECSV header (or of the metadata that Astropy writes into Parquet) as plain data."""
    try:
        _check_size(text)
        header = yaml.load(text, _PlainLoader)  # noqa: S506 - a subclass of the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or "it is not valid YAML"
        raise TableError(f"The header is damaged: {problem}.") from error
    if not isinstance(header, dict) or not isinstance(header.get("datatype"), list):
        raise TableError("The header has no list of columns ('datatype').")
    return header


def _check_size(text: str) -> None:
    """Refuse what would take long, or is nested so deep that it would be followed beyond the end of the stack."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.CSafeLoader)):
        if number > _MOST_ENTRIES:
            raise TableError(f"The header has more than {_MOST_ENTRIES} entries.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise TableError(f"The header is nested more than {_DEEPEST} times.")


def read_columns(header: dict[str, Any]) -> tuple[Column, ...]:
    """Return the columns that the header's `datatype` lists."""
    return tuple(_read_column(entry) for entry in header["datatype"])


def read_metadata(header: dict[str, Any]) -> TableMetadata:
    """Return the facts of the header's `meta`."""
    infos = _texts(header.get("meta"))
    return TableMetadata(name=infos.get("name"), description=infos.get("description"), infos=infos)


def split_json(cells: pa.Array) -> pa.Array:
    """Turn JSON lists of numbers, nested for several dimensions, into lists of the numbers' text."""
    wrong = pc.invert(pc.match_substring_regex(cells, r"^\[[-+\w\s.,\[\]]*\]$"))
    if pc.any(wrong).as_py():
        raise pa.ArrowInvalid("not a JSON list")
    bare = pc.replace_substring_regex(cells, r"[\[\]\s]", "")
    bare = pc.replace_substring_regex(bare, r"\bnull\b", "")
    lists = pc.split_pattern(bare, ",")
    # An empty list leaves one empty text behind, which is no element; `[null]` leaves it too, and is one.
    empty = pc.match_substring_regex(cells, r"^[\[\]\s]*$")
    if not pc.any(empty).as_py():
        return lists
    counts = pc.if_else(empty, 0, pc.list_value_length(lists))
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum(pc.fill_null(counts, 0).to_numpy(zero_copy_only=False), out=offsets[1:])
    kept = pc.if_else(empty, pa.scalar(None, lists.type), lists).flatten()
    return pa.ListArray.from_arrays(pa.array(offsets), kept, mask=cells.is_null() if cells.null_count else None)


def _header_lines(source: Source) -> tuple[str, int]:
    """Return the YAML text of the header and the number of lines that it takes."""
    lines: list[bytes] = []
    size = 0
    with source.opened() as file:
        while (line := file.readline(_LONGEST_HEADER)).startswith(b"#"):
            lines.append(line)
            size += len(line)
            if size > _LONGEST_HEADER:
                raise TableError(f"The header has more than {_LONGEST_HEADER >> 20} MB.")
    if not lines or not lines[0].startswith(b"# %ECSV 1."):
        raise TableError("The file does not begin with '# %ECSV 1.0'.")
    yaml_lines = (line[2:] for line in lines[1:] if not line.startswith(b"##"))
    return b"".join(yaml_lines).decode(), len(lines)


def _read_column(entry: Any) -> Column:
    if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str | int | float):
        raise TableError("The header lists a column without a name.")
    subtype = entry.get("subtype")
    datatype = _DATATYPES.get(str(entry.get("datatype")))
    if datatype is None:
        raise TableError(f"Column {name!r} has the datatype {entry.get('datatype')!r}, which is not read.")
    arraysize = "*" if datatype is Datatype.UNICODE_CHAR else None
    if isinstance(subtype, str) and (shape := _SUBTYPE.fullmatch(subtype.strip())):
        element = _DATATYPES.get(shape["type"])
        # Lists of text, and of what has no type here, stay the JSON text that they are.
        if element not in {None, Datatype.UNICODE_CHAR}:
            datatype, arraysize = element, _arraysize(shape["shape"])
    meta = _texts(entry.get("meta"))
    described = {key: meta.get(key) or meta.get(key.upper()) for key in ("ucd", "utype", "xtype")}
    if described["xtype"] == "timestamp" and datatype is not Datatype.UNICODE_CHAR:
        described["xtype"] = None
    unit = _text(entry.get("unit"))
    column = Column(str(name), datatype, arraysize, unit=unit, description=_text(entry.get("description")), **described)
    return _restored(column, meta)


def _restored(column: Column, meta: dict[str, str]) -> Column:
    """Return a column as it was before `ECSVWriter` wrote it in another form, which its `meta` then says."""
    if not {"datatype", "arraysize"} & meta.keys():
        return column
    datatype = meta.get("datatype", column.datatype)
    arraysize = meta.get("arraysize")
    if datatype not in set(Datatype) or (arraysize is not None and not ARRAYSIZE.fullmatch(arraysize)):
        return column
    if arraysize is None and (datatype not in COMPLEX or column.length is None):  # a single one was two numbers
        arraysize = column.arraysize
    restored = replace(column, datatype=Datatype(datatype), arraysize=arraysize)
    same = restored.arrow_type == column.arrow_type and restored.length == column.length
    return restored if same else column


def _arraysize(shape: str) -> str:
    """Return VOTable's array size, first dimension the fastest, of NumPy's shape, last dimension the fastest."""
    sizes = [size.strip() for size in shape.split(",") if size.strip()]
    return "x".join("*" if size == "null" else size for size in reversed(sizes)) if sizes.count("null") < 2 else "*"


def _texts(meta: Any) -> dict[str, str]:
    """Return the scalars of a YAML mapping, or of an ordered one (a list of mappings or pairs), as text."""
    items: Iterable[Any] = meta.items() if isinstance(meta, dict) else meta if isinstance(meta, list) else ()
    found: dict[str, str] = {}
    for item in items:
        pairs = item.items() if isinstance(item, dict) else [item] if isinstance(item, tuple) and len(item) == 2 else ()
        for key, value in pairs:
            if (text := _text(value)) is not None:
                found[str(key)] = text
    return found


def _text(value: Any) -> str | None:
    """Return a scalar as text; a unit may be a mapping that holds it as ``unit``."""
    if isinstance(value, dict):
        value = value.get("unit")
    return str(value) if isinstance(value, str | int | float) and str(value) else None
