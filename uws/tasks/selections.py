"""What a task's input is made of: queries, tables and uploads of the client, read by whoever knows the tables.

The task interface knows no ADQL: what reads selections is handed in (`tap.selection`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from uws.inputs import OpenInput
from uws.tasks.declaration import InputPlan
from uws.tasks.recognition import Recognised
from uws.tasks.targets import Target
from vo.core.callers import Caller
from vo.core.tables import Column, TableStream


@dataclass(frozen=True, slots=True)
class SelectionRequest:
    """How a client says what one input is: by a query, or a table; or by neither, which means an upload.

    Inputs without query and table are the uploads that no other input names, in the order in which they are sent.

    Attributes
    ----------
    parameter : str
        Name of the parameter, for errors: ``QUERY_1``.
    query : str, optional
        ADQL; it may name uploaded tables as ``TAP_UPLOAD.name``.
    table : str, optional
        Name of a published table, or of an uploaded one with ``TAP_UPLOAD``.
    target : Target or str, optional
        A single position, or what it is called: then whoever reads selections finds out where that is.
    required : bool
        Whether an upload must be left for an input without all of these.
    """

    parameter: str
    query: str | None = None
    table: str | None = None
    target: Target | str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class SelectionsRequest:
    """All that a client says about the inputs of a task.

    Attributes
    ----------
    selections : mapping of str to SelectionRequest
        By names of inputs.
    uploads : tuple of str
        Values of UPLOAD as they were sent.
    """

    selections: Mapping[str, SelectionRequest]
    uploads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """A table that a selection is made from.

    Attributes
    ----------
    name : str
        As queries call it.
    state : str
        In words, which contents it had: the version of a published one, the checksum of one that came along.
    """

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Described:
    """A selection before it is read.

    Attributes
    ----------
    columns : tuple of Column
        Its columns; where two have one name, the second is called ``name_2``.
    rows : int, optional
        An estimate; None where nobody knows.
    source : str
        In words.
    position : tuple of str, optional
        Names of the columns under its index on the sky, if rows can be found by it.
    """

    columns: tuple[Column, ...]
    rows: int | None
    source: str
    position: tuple[str, str] | None = None


class OpenSelections(Protocol):
    """The selections of one run; closing them cancels what runs in the database and drops what was loaded."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def has(self, name: str) -> bool:
        """Return whether anything is given for an input.

        Raises
        ------
        ServiceError
            What is wrong with any of them, and that nothing is left for one that is required.
        """

    def origins(self) -> tuple[Origin, ...]:
        """Return the tables that all inputs are made from, so that a result can tell what would repeat it.

        Raises
        ------
        ServiceError
            What is wrong with any of them.
        """

    def describe(self, name: str) -> Described:
        """Return what is known of an input without reading it.

        Raises
        ------
        ServiceError
            What is wrong with the query, the table's name or the file; UsageErrors name the parameter.
        """

    def open(self, plan: InputPlan, recognised: Mapping[str, Recognised]) -> TableStream:
        """Begin to read; several may be read at the same time, each by one thread, each to be closed with all.

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

    def cancel(self) -> None:
        """Make all reading end soon with an error; called from any thread, also repeatedly."""


class Selections(Protocol):
    """Reads selections."""

    def of(
        self, request: SelectionsRequest, files: Mapping[str, OpenInput], caller: Caller, label: str
    ) -> OpenSelections:
        """Return the selections of one run, of which nothing is read yet.

        Parameters
        ----------
        request : SelectionsRequest
            What the client says.
        files : mapping of str to OpenInput
            What came with it, by the names of parts; they must be there until all is closed.
        caller : Caller
            Whose limits it takes.
        label : str
            The job's id, by which its backends are found.
        """
