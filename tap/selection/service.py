"""The selections of a run: described before it, opened for it, cancelled and closed with it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

import pyarrow as pa

from tap.adql import Dialect
from tap.schema.models import PublishedTable
from tap.schema.service import SchemaService
from tap.selection.batches import Batches
from tap.selection.choosing import Choice, Given, Queried, Sent, choose
from tap.selection.errors import told_of
from tap.selection.neighbours import FIRST_ROW, Floats, Side, pairs
from tap.selection.sent import SentTables
from tap.selection.statements import Statements, canonical
from tap.selection.targets import identified, identifiers
from tap.upload.loading import UploadedTables, UploadService
from tap.upload.models import SCHEMA, read_uploads
from uws.inputs import OpenInput
from uws.tasks.declaration import InputPlan, Neighbours, Rows
from uws.tasks.recognition import Recognised
from uws.tasks.selections import Described, Origin, SelectionRequest, SelectionsRequest
from uws.tasks.targets import COLUMNS
from vo.core.arrow import ArrowPool
from vo.core.callers import Caller
from vo.core.errors import ServiceError
from vo.core.tables import Column, TableMetadata, TableStream


class SelectionService:
    """Reads selections (a `uws.tasks.selections.Selections`).

    Parameters
    ----------
    schema : SchemaService
        The published tables.
    pool : ArrowPool
        Connections as the role that may read them and nothing else; a run takes one for each input.
    dialect : Dialect
        How contested points of ADQL are ruled.
    uploads : UploadService
        Loads the tables that come along.
    """

    def __init__(self, schema: SchemaService, pool: ArrowPool, dialect: Dialect, uploads: UploadService) -> None:
        self._schema = schema
        self._pool = pool
        self._dialect = dialect
        self._uploads = uploads

    def of(
        self, request: SelectionsRequest, files: Mapping[str, OpenInput], caller: Caller, label: str
    ) -> OpenedSelections:
        """Return the selections of one run, of which nothing is read yet."""
        statements = Statements(self._schema, self._pool, self._dialect, label)
        sent = SentTables(self._uploads, read_uploads(request.uploads), files, caller, statements.seconds)
        return OpenedSelections(request, statements, sent, lambda: self._schema.current().tableset.tables)


class OpenedSelections:
    """The selections of one run (a `uws.tasks.selections.OpenSelections`)."""

    def __init__(
        self,
        request: SelectionsRequest,
        statements: Statements,
        sent: SentTables,
        published: Callable[[], Mapping[str, PublishedTable]],
    ) -> None:
        self._request = request
        self._published = published
        self._statements = statements
        self._sent = sent
        self._chosen: dict[str, Choice] | None = None
        self._described: dict[str, Described] = {}
        self._named: dict[str, str] = {}
        self._opened: list[Batches] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        for batches in self._opened:
            with suppress(ServiceError):
                batches.close()
        self._statements.close()
        self._sent.close()

    def has(self, name: str) -> bool:
        """Return whether anything is given for an input: one that is not required may have no table left.

        Raises
        ------
        ServiceError
            What is wrong with any of them.
        """
        return name in self._choices()

    def describe(self, name: str) -> Described:
        """Return what is known of an input; of a CSV file, which says nothing of its columns, all rows are looked at.

        Raises
        ------
        ServiceError
            What is wrong with the query, the table's name or the file.
        """
        if name not in self._described:
            self._described[name] = self._describe(name, self._choice(name))
        return self._described[name]

    def _describe(self, name: str, choice: Choice) -> Described:
        match choice:
            case Queried():
                with told_of(choice.parameter):
                    described = self._of_query(choice)
                return replace(described, source=self._named.get(name, described.source))
            case Sent():
                table = self._sent.tables[choice.name]
                return Described(table.columns, table.rows, f"upload {_shown(choice.name)}")
            case Given(target):
                return Described(COLUMNS, 1, target.source)

    def origins(self) -> tuple[Origin, ...]:
        """Return the tables that all inputs are made from: published ones by version, sent ones by checksum.

        Raises
        ------
        ServiceError
            What is wrong with any of them.
        """
        names: dict[str, None] = {}
        for choice in self._choices().values():
            if isinstance(choice, Queried):
                names |= dict.fromkeys(sorted(choice.translation.tables))
            elif isinstance(choice, Sent):
                names[choice.name] = None
        sent, published = self._sent.tables, self._published()
        found = []
        for name in names:
            if name in sent:
                found.append(Origin(name, sent[name].state()))
            elif name in published:  # it may have been withdrawn just now
                found.append(Origin(name, f"version {published[name].version}, {published[name].rows:,} rows"))
        return tuple(found)

    def open(self, plan: InputPlan, recognised: Mapping[str, Recognised]) -> TableStream:
        """Begin to read.

        Parameters
        ----------
        plan : Rows or Neighbours
            What of which selections.
        recognised : mapping of str to Recognised
            Columns with roles, by names of inputs: positions of `Neighbours` are those with the roles ra and dec.

        Raises
        ------
        ServiceError
            While it is opened or read: what the database refuses, which limit was reached.
        """
        self._sent.check()
        if isinstance(plan, Neighbours):
            return self._neighbours(plan, recognised[plan.first.selection])
        return self._rows(plan)

    def cancel(self) -> None:
        """Make all reading end soon with an error; called from any thread, also repeatedly."""
        self._statements.cancel()
        self._sent.cancel()

    def _choices(self) -> dict[str, Choice]:
        if self._chosen is None:
            sent = [table.as_loaded for table in self._sent.tables.values()]
            catalogue, dialect = self._statements.catalogue, self._statements.dialect
            requests = {name: self._identified(name, request) for name, request in self._request.selections.items()}
            self._chosen = choose(requests, sent, catalogue, dialect)
        return self._chosen

    def _choice(self, name: str) -> Choice:
        return self._choices()[name]

    def _identified(self, name: str, request: SelectionRequest) -> SelectionRequest:
        """Return a request in which the name of a target is the query of its row."""
        if not isinstance(request.target, str):
            return request
        self._named[name] = f"target {request.target}"
        return identified(request, identifiers(self._published().values()), self._statements)

    def _of_query(self, choice: Queried) -> Described:
        rows: int | None
        if choice.sent:  # what is not loaded cannot be planned: a query has about the rows of what was sent
            rows = max(self._sent.tables[name].rows for name in choice.sent)
            rows = rows if choice.top is None else min(rows, choice.top)
        elif choice.whole is not None:
            rows = choice.whole.rows
        else:
            rows = self._statements.rows_of(choice.query)
        columns = choice.translation.columns
        position = None
        if choice.whole is not None and choice.whole.position is not None:
            ra, dec = choice.whole.position
            position = (columns[ra].name, columns[dec].name)
        return Described(columns, rows, choice.source, position)

    # ---- rows -----------------------------------------------------------------------------------------------------

    def _rows(self, plan: Rows) -> TableStream:
        columns, places = self._asked_for(plan)
        choice = self._choice(plan.selection)
        if isinstance(choice, Given):
            batch = choice.target.batch().select([column.name for column in columns])
            return self._read((each for each in (batch,)), columns)
        if isinstance(choice, Sent):
            return self._read(self._sent.rows(choice.name, places), columns)
        described, uploaded = choice.translation.columns, None
        if choice.sent:
            uploaded = self._sent.loaded(self._sent_with_queries())
            with told_of(choice.parameter):  # some columns are known for what they are once they were read
                described = self._statements.translated(choice.query, uploaded).columns
        columns = tuple(described[place] for place in places)
        return self._read(self._asked(choice, plan, described, places, uploaded), columns)

    def _sent_with_queries(self) -> frozenset[str]:
        choices = self._choices().values()
        return frozenset().union(*(choice.sent for choice in choices if isinstance(choice, Queried)))

    def _asked(
        self,
        choice: Queried,
        plan: Rows,
        described: tuple[Column, ...],
        places: Sequence[int],
        uploaded: UploadedTables | None,
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a query, which begins when they are asked for: those of several inputs at the same time."""
        with told_of(choice.parameter):
            stream = self._statements.begin(
                choice.query,
                described=described,
                places=places,
                uploaded=uploaded,
                stored_order=plan.stored_order,
            )
            try:
                for batch in canonical(stream, tuple(described[place] for place in places)):
                    self._sent.check()
                    yield batch
            finally:
                self._statements.end(stream)
            self._sent.check()

    def _asked_for(self, plan: Rows) -> tuple[tuple[Column, ...], list[int]]:
        """Return the columns of a plan and their places in its selection."""
        described = self.describe(plan.selection).columns
        if plan.columns is None:
            return described, list(range(len(described)))
        by_name = {column.name: place for place, column in enumerate(described)}
        if unknown := [name for name in plan.columns if name not in by_name]:
            raise RuntimeError(f"the task plans columns that input {plan.selection!r} does not have: {unknown}")
        places = [by_name[name] for name in plan.columns]
        return tuple(described[place] for place in places), places

    def _read(self, batches: Generator[pa.RecordBatch, None, None], columns: tuple[Column, ...]) -> TableStream:
        reading = Batches(batches, self.cancel)
        self._opened.append(reading)
        return TableStream(columns, reading, TableMetadata())

    # ---- neighbours -----------------------------------------------------------------------------------------------

    def _neighbours(self, plan: Neighbours, recognised: Recognised) -> TableStream:
        choice = self._choice(plan.second.selection)
        if not isinstance(choice, Queried) or choice.whole is None or choice.whole.position is None:
            raise RuntimeError(f"the task plans neighbours in input {plan.second.selection!r}, which has no index")
        first, _ = self._asked_for(plan.first)
        second, places = self._asked_for(plan.second)
        read, position = self._position(plan.first, recognised)
        stream = self._rows(replace(plan.first, columns=read))
        kept = tuple(read.index(column.name) for column in first)
        side = Side(stream.batches, stream.columns, kept, position)
        columns = (*(stream.columns[place] for place in kept), *second, FIRST_ROW)
        found = pairs(
            side,
            choice.whole,
            places,
            described=columns,
            radius=plan.radius,
            statements=self._statements,
            sent=self._sent,
        )
        return self._read(_telling(found, choice.parameter), columns)

    def _position(
        self, plan: Rows, recognised: Recognised
    ) -> tuple[tuple[str, ...], Callable[[pa.RecordBatch], tuple[Floats, Floats]]]:
        """Return which columns are read, those with the position among them, and what gives positions in degrees."""
        described = self.describe(plan.selection).columns
        asked = plan.columns if plan.columns is not None else tuple(column.name for column in described)
        names = [recognised.found[role].name for role in ("ra", "dec")]
        read = tuple(dict.fromkeys((*asked, *names)))
        return read, lambda batch: (recognised.numbers(batch, "ra"), recognised.numbers(batch, "dec"))


def _telling(batches: Iterator[pa.RecordBatch], parameter: str) -> Generator[pa.RecordBatch, None, None]:
    with told_of(parameter):
        yield from batches


def _shown(name: str) -> str:
    schema, _, table = name.partition(".")
    return f"{schema.upper()}.{table}" if schema == SCHEMA else name
