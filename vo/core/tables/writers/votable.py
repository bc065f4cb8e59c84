"""VOTable documents around rows in any of its serialisations (VOTable 1.5, DALI 1.1 section 4.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import pyarrow as pa

from vo.core.tables.columns import INTEGER, Column
from vo.core.tables.writers import services, tabledata
from vo.core.tables.writers.base import Chunk, CoordinateSystem, Outcome, ResultMetadata, TimeSystem, Writer
from vo.core.tables.writers.base64_stream import Base64Stream
from vo.core.tables.writers.binary import RowEncoder
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.cells import NULL_INTEGER, null_integer
from vo.core.xml import attribute, element

VERSION = "1.4"
"""What is written unless asked otherwise: the newest that STILTS 3.4 knows."""

VERSIONS = ("1.4", "1.5")

_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"  # of versions 1.3 to 1.6
# VOTable 1.4 had a list of its own, before 1.5 took the refframe vocabulary.
_FRAMES_1_4 = {
    "FK4": "eq_FK4",
    "FK5": "eq_FK5",
    "GALACTIC": "galactic",
    "SUPER_GALACTIC": "supergalactic",
    "ECLIPTIC": "ecl_FK5",
}


class Serialization(StrEnum):
    """How the rows are written, in the words of the media type's parameter."""

    BINARY2 = "binary2"
    BINARY = "binary"
    TABLEDATA = "tabledata"


class VOTableWriter(Writer):
    """Writes one VOTable document with one table.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        What is written around the TABLE.
    serialization : Serialization
        How the rows are written.
    version : str
        One of `VERSIONS`.
    """

    def __init__(
        self,
        columns: tuple[Column, ...],
        metadata: ResultMetadata,
        *,
        serialization: Serialization = Serialization.BINARY2,
        version: str = VERSION,
    ) -> None:
        self._columns = columns
        self._serialization = serialization
        self._frame = _Frame(columns, metadata, version, serialization)
        self._canonical = Canonical(columns)
        self._base64 = Base64Stream()
        self._encoder: RowEncoder | None = None
        if serialization is not Serialization.TABLEDATA:
            self._encoder = RowEncoder(columns, null_flags=serialization is Serialization.BINARY2)

    def begin(self) -> bytes:
        """Return the document up to the first row."""
        document = self._frame.before + f"<DATA>\n<{self._serialization.name}>\n"
        if self._encoder is not None:
            document += '<STREAM encoding="base64">\n'
        return document.encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        pieces = self._canonical.pieces(batch)
        if self._encoder is None:
            return [chunk for arrays in pieces for chunk in tabledata.rows(self._columns, arrays)]
        # All pieces before the first base64: a batch that is refused must leave no bytes of it waiting there.
        encoded = [self._encoder.encode(arrays) for arrays in pieces]
        return [line for rows in encoded for line in self._base64.encode(rows)]

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return the end of the rows and of the document, with an INFO where the rows are not all there are."""
        closing = "" if self._encoder is None else "</STREAM>\n"
        closing += f"</{self._serialization.name}>\n</DATA>\n" + self._frame.after(outcome)
        return [self._base64.finish() + closing.encode()]


def header_document(
    columns: tuple[Column, ...],
    metadata: ResultMetadata,
    *,
    outcome: Outcome | None = None,
    version: str = VERSION,
) -> bytes:
    """Return the document without DATA, for formats that carry a VOTable to tell what they have no words for.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns.
    metadata : ResultMetadata
        What is written before the TABLE.
    outcome : Outcome, optional
        How the rows ended; an overflow or an error is told as in a document with rows.
    version : str
        One of `VERSIONS`.
    """
    frame = _Frame(columns, metadata, version, None)
    return (frame.before + frame.after(outcome or Outcome(rows=0))).encode()


class _Frame:
    """The document around the DATA of its one table.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns.
    metadata : ResultMetadata
        What is written before the TABLE, and the services behind it.
    version : str
        One of `VERSIONS`.
    serialization : Serialization, optional
        Of the rows; None if the document has none.

    Attributes
    ----------
    before : str
        The document up to the DATA.
    """

    def __init__(
        self, columns: tuple[Column, ...], metadata: ResultMetadata, version: str, serialization: Serialization | None
    ) -> None:
        reserved = dict.fromkeys(service.identifier for service in metadata.services if service.identifier)
        identifiers = _identifiers([column.name for column in columns], reserved)
        used = {**reserved, **dict.fromkeys(identifiers)}
        references: dict[str, str] = {}
        systems = ""
        for number, system in enumerate(metadata.coosys, 1):
            identifier = _unused(f"coosys_{number}", used)
            systems += _coosys(identifier, system, version)
            references |= dict.fromkeys(system.columns, identifier)
        for number, times in enumerate(metadata.timesys, 1):
            identifier = _unused(f"timesys_{number}", used)
            systems += _timesys(identifier, times)
            references |= dict.fromkeys(times.columns, identifier)
        fields = "".join(
            _field(column, identifier, references.get(column.name), _declared_null(column, serialization))
            for column, identifier in zip(columns, identifiers, strict=True)
        )
        self.before = (
            _opening(version)
            + element("DESCRIPTION", metadata.service)
            + _info("QUERY_STATUS", "OK")
            + "".join(_info(*info) for info in metadata.infos)
            + systems
            + f"<TABLE{attribute('name', metadata.name)}>\n"
            + element("DESCRIPTION", metadata.description)
            + fields
        )
        known = {column.name: (column, identifier) for column, identifier in zip(columns, identifiers, strict=True)}
        self._services = "".join(services.resource(service, known) for service in metadata.services)

    def after(self, outcome: Outcome) -> str:
        """Return the document from the end of the DATA on."""
        status = ""
        if outcome.error is not None:
            status = _info("QUERY_STATUS", "ERROR", _told(outcome.error))
        elif outcome.overflow:
            status = _info("QUERY_STATUS", "OVERFLOW", f"There are more rows than the {outcome.rows} returned.")
        status += "".join(_info(*info) for info in outcome.infos)
        return f"</TABLE>\n{status}</RESOURCE>\n{self._services}</VOTABLE>\n"


def _arraysize(column: Column) -> str | None:
    """Return a FIELD's arraysize: a single character has none (VOTable 1.3, erratum 3)."""
    return None if column.is_text and column.arraysize == "1" else column.arraysize


def error_document(message: str, *, infos: tuple[tuple[str, str, str], ...] = ()) -> bytes:
    """Return the document that tells an error: QUERY_STATUS=ERROR with `message`, and no TABLE (DALI 1.1, 4.4).

    Parameters
    ----------
    message : str
        For the client; DALI wants one that is not empty.
    infos : tuple of (name, value, text)
        Further facts.
    """
    document = _opening(VERSION) + _info("QUERY_STATUS", "ERROR", _told(message))
    document += "".join(_info(*info) for info in infos) + "</RESOURCE>\n</VOTABLE>\n"
    return document.encode()


def _opening(version: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<VOTABLE version="{version}" xmlns="{_NAMESPACE}">\n'
        '<RESOURCE type="results">\n'
    )


def _info(name: str, value: str, text: str = "") -> str:
    return element("INFO", text, attribute("name", name) + attribute("value", value))


def _told(message: str) -> str:
    return message.strip() or "The service gave no reason."


def _field(column: Column, identifier: str, reference: str | None, null: int | None) -> str:
    attributes = (
        f' ID="{identifier}"'
        + attribute("name", column.name)
        + f' datatype="{column.datatype}"'
        + attribute("arraysize", _arraysize(column))
        + attribute("xtype", column.xtype)
        + attribute("unit", column.unit)
        + attribute("ucd", column.ucd)
        + attribute("utype", column.utype)
        + attribute("ref", reference)
    )
    children = element("DESCRIPTION", column.description)
    if null is not None:
        children += f'<VALUES null="{null}"/>\n'
    return f"<FIELD{attributes}>\n{children}</FIELD>\n" if children else f"<FIELD{attributes}/>\n"


def _declared_null(column: Column, serialization: Serialization | None) -> int | None:
    """Return the integer that stands for null: in arrays, and in scalars where nothing else can tell."""
    if column.datatype not in INTEGER or serialization is None:
        return None
    if column.is_array:
        return null_integer(column)
    return NULL_INTEGER[column.datatype] if serialization is Serialization.BINARY else None


def _coosys(identifier: str, system: CoordinateSystem, version: str) -> str:
    frame, refposition = system.frame, system.refposition
    if version == "1.4":
        frame, refposition = _FRAMES_1_4.get(frame, frame), None
    attributes = attribute("ID", identifier) + attribute("system", frame) + attribute("epoch", system.epoch)
    return element("COOSYS", None, attributes + attribute("refposition", refposition))


def _timesys(identifier: str, system: TimeSystem) -> str:
    attributes = attribute("ID", identifier) + attribute("timeorigin", system.timeorigin)
    attributes += attribute("timescale", system.timescale) + attribute("refposition", system.refposition)
    return element("TIMESYS", None, attributes)


_NOT_IN_NCNAME = re.compile(r"[^A-Za-z0-9_.-]")


def _identifiers(names: list[str], reserved: Mapping[str, None]) -> list[str]:
    """Return a unique NCName for each column name, the name itself where it is one and free (XML 1.0, ID)."""
    identifiers: dict[str, None] = dict(reserved)
    for name in names:
        candidate = _NOT_IN_NCNAME.sub("_", name)
        if not candidate or not (candidate[0].isalpha() or candidate[0] == "_"):
            candidate = f"_{candidate}"
        identifiers[_unused(candidate, identifiers)] = None
    return list(identifiers)[len(reserved) :]


def _unused(candidate: str, used: Mapping[str, None]) -> str:
    number, identifier = 1, candidate
    while identifier in used:
        number += 1
        identifier = f"{candidate}_{number}"
    return identifier
