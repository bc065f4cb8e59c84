"""Several files that are one table: the archives' bulk files come in thousands of pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables import Column, TableStream, schema_of
from vo.core.tables.readers import Layout, open_table


def open_files(paths: Sequence[Path], *, layout: Layout | None = None, table: str | int | None = None) -> TableStream:
    """Open files as one table, each when the one before it ends; all have the columns of the first.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        At least one; a folder is all its files by their names.
    layout : Layout, optional
        Of files that do not describe themselves.
    table : str or int, optional
        Which table of files with several.

    Raises
    ------
    TableError
        What is wrong with one of them, with its name.
    """
    files = [file for path in paths for file in (_files_of(path) if path.is_dir() else [path])]
    first = open_table(files[0], layout=layout, table=table)
    if len(files) == 1:
        return first

    def batches() -> Iterator[pa.RecordBatch]:
        schema = schema_of(first.columns)
        for place, file in enumerate(files):
            try:
                stream = first if place == 0 else open_table(file, layout=layout, table=table)
                _check(stream.columns, first.columns)
                for batch in stream.batches:
                    yield pa.RecordBatch.from_arrays(
                        [_cast(array, field) for array, field in zip(batch.columns, schema, strict=True)], schema=schema
                    )
            except TableError as error:
                raise TableError(f"{file.name}: {error.message}", hint=error.hint) from error

    return replace(first, batches=batches(), metadata=replace(first.metadata, rows=None))


def _files_of(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not found:
        raise TableError(f"The folder {folder.name} has no files.")
    return found


def _check(columns: Sequence[Column], wanted: Sequence[Column]) -> None:
    for ours, theirs in zip(columns, wanted, strict=False):
        if ours.name != theirs.name:
            raise TableError(f"It has a column {ours.name} where the first file has {theirs.name}.")
    if len(columns) != len(wanted):
        raise TableError(f"It has {len(columns)} columns, the first file has {len(wanted)}.")


def _cast(array: pa.Array, field: pa.Field) -> pa.Array:
    """Return a column in the type that it has in the first file, whose types may have been guessed."""
    if array.type == field.type:
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), field.type)
    # Arrow would make numbers of times and truth values too, and other texts of numbers than were in the file.
    if _of_numbers(array.type) and _of_numbers(field.type):
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return array.cast(field.type)
    raise TableError(
        f"Column {field.name!r} does not fit its type in the first file.",
        hint="Convert the files to a format with types, such as ECSV or Parquet.",
    )


def _of_numbers(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_list(kind) else kind
    return bool(pa.types.is_integer(value) or pa.types.is_floating(value))
