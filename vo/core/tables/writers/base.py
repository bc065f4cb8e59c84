"""What every table writer is given and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import pyarrow as pa

from vo.core.tables.columns import Datatype

Chunk: TypeAlias = bytes | memoryview | pa.Buffer
"""A piece of the document; all kinds offer the buffer protocol, so a server can send them without a copy."""


@dataclass(frozen=True, slots=True)
class CoordinateSystem:
    """A coordinate system and the columns that are given in it (VOTable's COOSYS).

    Attributes
    ----------
    frame : str
        Term of the IVOA refframe vocabulary: ``ICRS``, ``FK5``, ``GALACTIC`` …
    columns : tuple of str
        Names of the columns that refer to it; names that the result does not have are ignored.
    epoch : str, optional
        Epoch of the positions as a Julian or Besselian year: ``J2016.0`` or ``2016.0``.
    refposition : str, optional
        Term of the IVOA refposition vocabulary; written from VOTable 1.5 on, which introduced it.
    """

    frame: str
    columns: tuple[str, ...]
    epoch: str | None = None
    refposition: str | None = None


@dataclass(frozen=True, slots=True)
class TimeSystem:
    """A system of times and the columns that are given in it (VOTable's TIMESYS).

    Attributes
    ----------
    timescale : str
        Term of the IVOA timescale vocabulary: ``TCB``, ``UTC`` …
    refposition : str
        Term of the IVOA refposition vocabulary: ``BARYCENTER``, ``TOPOCENTER`` (the instrument) …
    columns : tuple of str
        Names of the columns that refer to it; names that the result does not have are ignored.
    timeorigin : str
        From where their numbers count: a Julian day, ``MJD-origin`` or ``JD-origin``.
    """

    timescale: str
    refposition: str
    columns: tuple[str, ...]
    timeorigin: str = "MJD-origin"


@dataclass(frozen=True, slots=True)
class ServiceParameter:
    """What a service takes (DataLink 1.1, section 4): from a column, always the same, or from whoever asks.

    Attributes
    ----------
    name : str
        As the service knows it.
    column : str, optional
        Name of the column that gives the value for each row.
    value : str, optional
        The value for every row, or the one that is proposed.
    datatype : Datatype
        Of a value; a parameter that comes from a column is described by the column.
    arraysize, xtype, unit, ucd, description : str, optional
        As in `Column`.
    """

    name: str
    column: str | None = None
    value: str | None = None
    datatype: Datatype = Datatype.CHAR
    arraysize: str | None = "*"
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceDescriptor:
    """A service that can be called with values of the result's rows (DataLink 1.1, section 4).

    Attributes
    ----------
    access_url : str
        Absolute URL, to which the parameters are added.
    parameters : tuple of ServiceParameter
        What it takes. A descriptor that asks for a column which the result does not have is not written.
    identifier : str, optional
        XML ID by which rows refer to it (``service_def`` of DataLink).
    name, description : str, optional
        For people.
    standard_id : str, optional
        IVOID of the protocol: ``ivo://ivoa.net/std/DataLink#links-1.1`` …
    resource_identifier : str, optional
        IVOID of the service's record.
    content_type : str, optional
        Media type of the answer.
    """

    access_url: str
    parameters: tuple[ServiceParameter, ...]
    identifier: str | None = None
    name: str | None = None
    description: str | None = None
    standard_id: str | None = None
    resource_identifier: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class ResultMetadata:
    """What is said about a result besides its columns and rows; a format writes what it has a place for.

    Attributes
    ----------
    name, description : str, optional
        Of the table.
    service : str, optional
        Text about the service that made the result.
    infos : tuple of (name, value, text)
        Facts about the request and its answer (DALI 1.1, section 4.4); the text may be empty.
    coosys : tuple of CoordinateSystem
        Coordinate systems with the columns they apply to.
    timesys : tuple of TimeSystem
        Systems of times with the columns they apply to.
    services : tuple of ServiceDescriptor
        Services for the rows; written in VOTable.
    """

    name: str | None = None
    description: str | None = None
    service: str | None = None
    infos: tuple[tuple[str, str, str], ...] = ()
    coosys: tuple[CoordinateSystem, ...] = ()
    timesys: tuple[TimeSystem, ...] = ()
    services: tuple[ServiceDescriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the stream of rows ended.

    Attributes
    ----------
    rows : int
        Number of rows written.
    overflow : bool
        Whether there would have been more rows than the limit allowed.
    error : str, optional
        Why the rows stopped early, in words for the client; None when they did not.
    infos : tuple of (name, value, text)
        Facts that were not known before the last row; written where `ResultMetadata.infos` are if the format has a
        place for them after its rows.
    """

    rows: int
    overflow: bool = False
    error: str | None = None
    infos: tuple[tuple[str, str, str], ...] = ()


class Writer(ABC):
    """Writes one table: `begin` once, `batch` for every batch, `end` once, also after an error; `close` at last.

    Constructed with ``(columns, metadata)``. A writer keeps no batch after `batch` has returned, except through the
    chunks it returned and in temporary files.

    Attributes
    ----------
    tells_errors : bool
        Whether the document can say that its rows ended early. Of a format that cannot, `end` is not called after an
        error: the answer is cut off, so that nobody takes it for whole.
    holds_back : bool
        Whether nothing can be sent before the last row is known, so that all comes from `end`.
    held : int
        Bytes kept in temporary files so far, for what limits the size of results.
    """

    tells_errors: ClassVar[bool] = True
    holds_back: ClassVar[bool] = False
    held: int = 0

    @abstractmethod
    def begin(self) -> bytes:
        """Return the document up to the first row."""

    @abstractmethod
    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch as chunks of at most a few MB.

        Raises
        ------
        TableError
            If a value does not fit its column's datatype or arraysize. Nothing of the batch is written then, and `end`
            can still close the document.
        LimitError
            If the disk of the temporary files is full.
        """

    @abstractmethod
    def end(self, outcome: Outcome) -> Iterable[Chunk]:
        """Give the rest of the document, with the marks of overflow and error where the format has them.

        The chunks are made while they are taken; each is of at most a few MB.
        """

    def close(self) -> None:
        """Free what the writer holds; also before its end, and repeatedly."""
        self.held = 0
