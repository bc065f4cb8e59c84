"""The formats that a client can ask for with RESPONSEFORMAT (DALI 1.1, section 3.4.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from vo.core.errors import ParameterError
from vo.core.tables.columns import Column
from vo.core.tables.writers.arrow import ArrowWriter
from vo.core.tables.writers.base import ResultMetadata, Writer
from vo.core.tables.writers.csv import DelimitedWriter
from vo.core.tables.writers.ecsv import ECSVWriter
from vo.core.tables.writers.fits import FitsWriter
from vo.core.tables.writers.html import HTMLWriter
from vo.core.tables.writers.json import JSONWriter
from vo.core.tables.writers.parquet import ParquetWriter
from vo.core.tables.writers.plain import PlainWriter
from vo.core.tables.writers.votable import VERSION, VERSIONS, Serialization, VOTableWriter

WriterFactory: TypeAlias = Callable[[tuple[Column, ...], ResultMetadata], Writer]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of results.

    Attributes
    ----------
    name : str
        Short name, unique.
    media_type : str
        What the capabilities declare and what a client that named no media type gets.
    aliases : tuple of str
        Further short names and media types that mean this format.
    ivo_id : str, optional
        TAPRegExt's key of the format.
    extension : str
        Of file names, with the dot.
    description : str
        One line for people.
    writer : callable
        Makes a writer from columns and metadata.
    """

    name: str
    media_type: str
    aliases: tuple[str, ...]
    ivo_id: str | None
    extension: str
    description: str
    writer: WriterFactory

    @property
    def content_type(self) -> str:
        """The Content-Type header; plain text needs its character set said, XML says it itself."""
        return f"{self.media_type};charset=utf-8" if self.media_type.startswith("text/") else self.media_type


def _votables(version: str) -> tuple[Format, ...]:
    def votable(name: str, serialization: Serialization, media_type: str, key: str, *aliases: str) -> Format:
        return Format(
            name=name,
            media_type=media_type,
            aliases=(*aliases, f"text/xml;serialization={serialization}"),
            ivo_id=f"ivo://ivoa.net/std/TAPRegExt#output-{key}",
            extension=".vot",
            description=f"VOTable with {serialization.name} rows",
            writer=partial(VOTableWriter, serialization=serialization, version=version),
        )

    xml = "application/x-votable+xml"
    binary2, binary, tabledata = (f"{xml};serialization={serialization}" for serialization in Serialization)
    return (
        votable("votable", Serialization.BINARY2, xml, "votable-binary2", "votable/b2", binary2, "text/xml"),
        votable("votable/b", Serialization.BINARY, binary, "votable-binary"),
        votable("votable/td", Serialization.TABLEDATA, tabledata, "votable-td"),
    )


FORMATS: tuple[Format, ...] = (
    *_votables(VERSION),
    Format(
        name="csv",
        media_type="text/csv;header=present",
        aliases=("text/csv",),
        ivo_id=None,
        extension=".csv",
        description="Comma-separated values with a line of column names",
        writer=DelimitedWriter,
    ),
    Format(
        name="csv/bare",
        media_type="text/csv;header=absent",
        aliases=(),
        ivo_id=None,
        extension=".csv",
        description="Comma-separated values without a line of column names",
        writer=partial(DelimitedWriter, header=False),
    ),
    Format(
        name="tsv",
        media_type="text/tab-separated-values",
        aliases=(),
        ivo_id=None,
        extension=".tsv",
        description="Tab-separated values with a line of column names",
        writer=partial(DelimitedWriter, tabs=True),
    ),
    Format(
        name="ecsv",
        media_type="text/x-ecsv",
        aliases=("text/ecsv", "application/x-ecsv"),
        ivo_id=None,
        extension=".ecsv",
        description="Comma-separated values below a header with units, types and descriptions (Astropy's ECSV)",
        writer=ECSVWriter,
    ),
    Format(
        name="json",
        media_type="application/json",
        aliases=(),
        ivo_id=None,
        extension=".json",
        description="One JSON object with the columns in metadata and the rows in data",
        writer=JSONWriter,
    ),
    Format(
        name="html",
        media_type="text/html",
        aliases=(),
        ivo_id=None,
        extension=".html",
        description="A page to look at",
        writer=HTMLWriter,
    ),
    Format(
        name="text",
        media_type="text/plain",
        aliases=("txt",),
        ivo_id=None,
        extension=".txt",
        description="Aligned columns of plain text to look at",
        writer=PlainWriter,
    ),
    Format(
        name="fits",
        media_type="application/fits",
        aliases=("application/x-fits",),
        ivo_id=None,
        extension=".fits",
        description="FITS binary table with a VOTable in its primary HDU",
        writer=FitsWriter,
    ),
    Format(
        name="parquet",
        media_type="application/vnd.apache.parquet",
        aliases=("application/x-parquet",),
        ivo_id=None,
        extension=".parquet",
        description="Parquet with a VOTable in its metadata (VOParquet)",
        writer=ParquetWriter,
    ),
    Format(
        name="arrow",
        media_type="application/vnd.apache.arrow.stream",
        aliases=(),
        ivo_id=None,
        extension=".arrows",
        description="Arrow IPC stream",
        writer=ArrowWriter,
    ),
)
"""All formats, the default first."""

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110's token
# A space inside the type is a plus sign that was not percent-encoded in a query string.
_REQUEST = re.compile(rf"({_WORD}(?:/{_WORD}(?: xml)?)?)((?:\s*;\s*{_WORD}\s*=\s*(?:{_WORD}|\"{_WORD}\"))*)")
_PARAMETER = re.compile(rf"({_WORD})\s*=\s*\"?({_WORD})\"?")


def find_format(value: str | None) -> tuple[Format, str]:
    """Return the format that a client asks for, and the Content-Type to answer with.

    Parameters
    ----------
    value : str, optional
        A short name or a media type, its parameters in any order, case and spacing; nothing asks for the default.

    Returns
    -------
    Format
        One of `FORMATS`, or a variant of it in the version of VOTable that the media type names.
    str
        The media type that the client named, else the format's own (TAP 1.1, RESPONSEFORMAT).

    Raises
    ------
    ParameterError
        If there is no such format.
    """
    if value is None or not value.strip():
        return FORMATS[0], FORMATS[0].content_type
    essence, parameters = _parse(value)
    meaning = {name: parameter.lower() for name, parameter in parameters}
    if meaning.get("charset") == "utf-8":
        del meaning["charset"]
    form = _KNOWN.get((essence, frozenset(meaning.items())))
    if form is None or len({name for name, _ in parameters}) < len(parameters):
        raise ParameterError(
            "RESPONSEFORMAT",
            f"there is no format {value[:80]!r}.",
            hint=f"The formats are {', '.join(known.name for known in FORMATS)}, or their media types: "
            f"{', '.join(known.media_type for known in FORMATS)}.",
        )
    content_type = form.content_type
    if parameters:
        content_type = ";".join([essence, *(f"{name}={parameter}" for name, parameter in parameters)])
    elif essence.startswith(("application/", "text/")) and not content_type.startswith(essence):
        content_type = essence
    return form, content_type


def _parse(value: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the type or short name in lower case, and the parameters with their values as written."""
    match = _REQUEST.fullmatch(value.strip())
    if match is None:
        return "", []
    parameters = [(name.lower(), parameter) for name, parameter in _PARAMETER.findall(match[2])]
    return match[1].lower().replace(" ", "+"), parameters


def _known() -> Mapping[tuple[str, frozenset[tuple[str, str]]], Format]:
    """Return the formats by all that means them, VOTable also by the parameter ``version`` of its media types."""
    asked: list[tuple[Format, tuple[tuple[str, str], ...]]] = [(form, ()) for form in FORMATS]
    asked += [(form, (("version", version),)) for version in VERSIONS for form in _votables(version)]
    found: dict[tuple[str, frozenset[tuple[str, str]]], Format] = {}
    for form, more in asked:
        for name in (form.name, form.media_type, *form.aliases):
            essence, parameters = _parse(name)
            found[essence, frozenset([*parameters, *more])] = form
    return found


_KNOWN = _known()
