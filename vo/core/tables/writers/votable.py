"""VOTable documents around rows in any of its serialisations (VOTable 1.5, DALI 1.1 section 4.4)."""

from __future__ import annotations

import re
from enum import StrEnum

import pyarrow as pa

from vo.core.tables.columns import INTEGER, Column
from vo.core.tables.writers import tabledata
from vo.core.tables.writers.base import Chunk, CoordinateSystem, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.base64_stream import Base64Stream
from vo.core.tables.writers.binary import RowEncoder
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.cells import NULL_INTEGER, null_integer
from vo.core.tables.writers.xml import attribute, element

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
        What is written before the TABLE.
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
        self._metadata = metadata
        self._serialization = serialization
        self._version = version
        self._canonical = Canonical(columns)
        self._base64 = Base64Stream()
        self._encoder: RowEncoder | None = None
        if serialization is not Serialization.TABLEDATA:
            self._encoder = RowEncoder(columns, null_flags=serialization is Serialization.BINARY2)

    def begin(self) -> bytes:
        """Return the document up to the first row."""
        identifiers = _identifiers([column.name for column in self._columns])
        metadata = self._metadata
        references: dict[str, str] = {}
        systems = ""
        for number, system in enumerate(metadata.coosys, 1):
            identifier = _unused(f"coosys_{number}", identifiers)
            systems += _coosys(identifier, system, self._version)
            references |= dict.fromkeys(system.columns, identifier)
        fields = "".join(
            self._field(column, identifier, references.get(column.name))
            for column, identifier in zip(self._columns, identifiers, strict=True)
        )
        document = (
            _opening(self._version)
            + element("DESCRIPTION", metadata.service)
            + _info("QUERY_STATUS", "OK")
            + "".join(_info(*info) for info in metadata.infos)
            + systems
            + f"<TABLE{attribute('name', metadata.name)}>\n"
            + element("DESCRIPTION", metadata.description)
            + fields
            + f"<DATA>\n<{self._serialization.name}>\n"
        )
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
        closing += f"</{self._serialization.name}>\n</DATA>\n</TABLE>\n"
        if outcome.error is not None:
            closing += _info("QUERY_STATUS", "ERROR", _told(outcome.error))
        elif outcome.overflow:
            closing += _info("QUERY_STATUS", "OVERFLOW", f"There are more rows than the {outcome.rows} returned.")
        return [self._base64.finish() + closing.encode() + _CLOSING]

    def _field(self, column: Column, identifier: str, reference: str | None) -> str:
        attributes = (
            f' ID="{identifier}"'
            + attribute("name", column.name)
            + f' datatype="{column.datatype}"'
            + attribute("arraysize", column.arraysize)
            + attribute("xtype", column.xtype)
            + attribute("unit", column.unit)
            + attribute("ucd", column.ucd)
            + attribute("utype", column.utype)
            + attribute("ref", reference)
        )
        null = self._declared_null(column)
        children = element("DESCRIPTION", column.description)
        if null is not None:
            children += f'<VALUES null="{null}"/>\n'
        return f"<FIELD{attributes}>\n{children}</FIELD>\n" if children else f"<FIELD{attributes}/>\n"

    def _declared_null(self, column: Column) -> int | None:
        """Return the integer that stands for null: in arrays, and in scalars where nothing else can tell."""
        if column.datatype not in INTEGER:
            return None
        if column.is_array:
            return null_integer(column)
        return NULL_INTEGER[column.datatype] if self._serialization is Serialization.BINARY else None


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
    return (document + "".join(_info(*info) for info in infos)).encode() + _CLOSING


_CLOSING = b"</RESOURCE>\n</VOTABLE>\n"


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


def _coosys(identifier: str, system: CoordinateSystem, version: str) -> str:
    frame, refposition = system.frame, system.refposition
    if version == "1.4":
        frame, refposition = _FRAMES_1_4.get(frame, frame), None
    attributes = attribute("ID", identifier) + attribute("system", frame) + attribute("epoch", system.epoch)
    return element("COOSYS", None, attributes + attribute("refposition", refposition))


_NOT_IN_NCNAME = re.compile(r"[^A-Za-z0-9_.-]")


def _identifiers(names: list[str]) -> list[str]:
    """Return a unique NCName for each column name, the name itself where it is one (XML 1.0, ID)."""
    identifiers: dict[str, None] = {}
    for name in names:
        candidate = _NOT_IN_NCNAME.sub("_", name)
        if not candidate or not (candidate[0].isalpha() or candidate[0] == "_"):
            candidate = f"_{candidate}"
        identifiers[_unused(candidate, identifiers)] = None
    return list(identifiers)


def _unused(candidate: str, used: dict[str, None] | list[str]) -> str:
    number, identifier = 1, candidate
    while identifier in used:
        number += 1
        identifier = f"{candidate}_{number}"
    return identifier
