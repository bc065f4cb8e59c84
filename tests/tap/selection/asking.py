"""Asking for selections, and looking at what they leave in the database."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tap.schema.service import SchemaService
from tap.selection import SelectionService
from tap.selection.service import OpenedSelections
from tests.conftest import Service
from uws.inputs import OpenInput
from uws.tasks.declaration import DEC, RA, InputPlan, Rows, TaskInput
from uws.tasks.recognition import Recognised, recognise
from uws.tasks.selections import SelectionRequest, SelectionsRequest
from vo.core.arrow import ArrowPool
from vo.core.callers import Caller
from vo.core.errors import ParameterError
from vo.core.tables import TableStream, schema_of

ME = Caller(address="127.0.0.1")
POSITIONS = TaskInput("1", "first table", (RA, DEC))
_numbers = itertools.count(1)


def request(inputs: Mapping[str, str | None], *uploads: str) -> SelectionsRequest:
    """Return what a client sends: ADQL, the name of a table after ``=``, or None for an upload."""
    selections = {}
    for name, text in inputs.items():
        if text is None:
            selections[name] = SelectionRequest("UPLOAD")
        elif text.startswith("="):
            selections[name] = SelectionRequest(f"TABLE_{name}", table=text[1:])
        else:
            selections[name] = SelectionRequest(f"QUERY_{name}", query=text)
    return SelectionsRequest(selections, uploads)


def file(path: Path, media_type: str | None = None) -> OpenInput:
    return OpenInput(str(path), path.name, media_type)


def whole(stream: TableStream) -> pa.Table:
    """Read to the end; the batches must be what the columns promise."""
    schema = schema_of(stream.columns)
    batches = list(stream.batches)
    for batch in batches:
        assert batch.schema.types == schema.types
        assert batch.num_rows > 0
    return pa.Table.from_arrays(
        [
            pa.chunked_array([batch.column(place) for batch in batches], field.type)
            for place, field in enumerate(schema)
        ],
        names=schema.names,
    )


@dataclass(frozen=True)
class Desk:
    """A service of selections, and the database behind it."""

    service: Service
    schema: SchemaService
    selections: SelectionService
    pool: ArrowPool

    def of(
        self, inputs: Mapping[str, str | None], *uploads: str, label: str | None = None, **files: OpenInput
    ) -> OpenedSelections:
        name = label or f"selection-{next(_numbers)}"
        return self.selections.of(request(inputs, *uploads), files, ME, name)

    def read(self, inputs: Mapping[str, str | None], plan: InputPlan | None = None, *uploads: str, **files: Any) -> Any:
        """Read one input to its end."""
        with self.of(inputs, *uploads, **files) as opened:
            return whole(opened.open(plan or Rows(next(iter(inputs))), positions(opened, inputs)))

    def fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = self.service.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def backends(self, label: str) -> list[str]:
        """Return the states of PostgreSQL's processes that work for a run."""
        found = self.fetch(
            "SELECT state FROM pg_stat_activity WHERE application_name = %s AND state <> 'idle'", f"vo:{label}"
        )
        return [state for (state,) in found]

    def loaded(self) -> list[tuple[Any, ...]]:
        """Return what is in the database of tables that were sent, and in the books."""
        tables = self.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'vo_upload'::regnamespace")
        return tables + self.fetch("SELECT name FROM vo.caller_tables")


def positions(opened: OpenedSelections, inputs: Mapping[str, str | None]) -> dict[str, Recognised]:
    """Recognise positions in all inputs that have one."""
    found = {}
    for name in inputs:
        columns = opened.describe(name).columns
        with suppress(ParameterError):
            found[name] = recognise(columns, POSITIONS, {})
    return found
