"""What /gost says of itself: its parameters, capabilities and examples."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from lxml import etree

from vo.core.settings import Settings
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import FORMATS
from vo.core.tables.writers.base import ServiceDescriptor, ServiceParameter
from vo.core.vosi import TYPE, Capability, E, capabilities_document

OBSERVABILITY = "ivo://ivoa.net/std/ObjObsSAP#query-0.3"
VISIBILITY = "ivo://ivoa.net/std/ObjVisSAP#query-0.3"


SIMPLE = {Datatype.CHAR: "string", Datatype.INT: "integer", Datatype.DOUBLE: "real"}
"""Types of parameters in VODataService."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A parameter of /gost/query.

    Attributes
    ----------
    column : Column
        Name, type and meaning.
    required : bool
        Whether there must be one.
    """

    column: Column
    required: bool = False


def _text(name: str, description: str, ucd: str | None = None, unit: str | None = None) -> Column:
    return Column(name, Datatype.CHAR, "*", ucd=ucd, unit=unit, description=description)


def _number(name: str, description: str, ucd: str, unit: str) -> Column:
    return Column(name, Datatype.DOUBLE, ucd=ucd, unit=unit, description=description)


TAKEN = (
    Taken(_text("POS", "Right ascension and declination with a comma between, ICRS", "pos.eq", "deg"), required=True),
    Taken(
        _text(
            "TIME",
            "Range of time: two MJD in barycentric TCB with a slash between. An open beginning is now, an open end "
            "that of the mission; without TIME, all of the mission",
            "time.interval;obs.exposure",
            "d",
        )
    ),
    Taken(Column("MAXREC", Datatype.INT, ucd="meta.number", description="Most rows")),
    Taken(_number("VIS_MIN", "Shortest crossing that is wanted", "time.duration", "s")),
    Taken(_number("MIN_OBS", "The same, by its name in ObjObsSAP", "time.duration", "s")),
    Taken(_text("FACILITY", "Who observes; other facilities than Gaia have no rows here", "meta.id;instr.tel")),
    Taken(_number("s_ra", "Right ascension, by its name in ESA's GOST; with s_dec instead of POS", "pos.eq.ra", "deg")),
    Taken(_number("s_dec", "Declination, by its name in ESA's GOST", "pos.eq.dec", "deg")),
    Taken(_number("t_min", "Beginning, by its name in ESA's GOST; with t_max instead of TIME", "time.start", "d")),
    Taken(_number("t_max", "End, by its name in ESA's GOST", "time.end", "d")),
    Taken(_text("RESPONSEFORMAT", "Format of the answer, by a short name or a media type")),
)  # fmt: skip
"""What /gost/query takes."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request that works.

    Attributes
    ----------
    key : str
        XML identifier.
    name, text : str
        What it finds.
    parameters : tuple of (name, value)
        What is sent.
    """

    key: str
    name: str
    text: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def query(self) -> str:
        """The parameters as they stand in an address."""
        return urlencode(self.parameters, safe=",/")


EXAMPLES = (
    Example(
        "mission",
        "When did Gaia see a position?",
        "Each time that the position crossed the focal plane, from the first scans in July 2014 to the last ones.",
        (("POS", "86.8212,-51.0665"), ("RESPONSEFORMAT", "csv")),
    ),
    Example(
        "year",
        "One year, as VOTable",
        "2016, in barycentric TCB; the scan angle is in the column pos_angle.",
        (("POS", "45,20"), ("TIME", "57388/57754")),
    ),
    Example(
        "gost",
        "In the words of ESA's GOST",
        "Programs that ask the Gaia Observation Forecast Tool can ask here by the same parameters.",
        (("s_ra", "45"), ("s_dec", "20"), ("t_min", "57388"), ("t_max", "57754")),
    ),
)


def descriptor(settings: Settings) -> ServiceDescriptor:
    """Return how the service describes itself in its answers; the drafts call it ``this``."""
    return ServiceDescriptor(
        access_url=f"{settings.public_url}/gost/query",
        parameters=tuple(
            ServiceParameter(
                taken.column.name,
                datatype=taken.column.datatype,
                arraysize=taken.column.arraysize,
                unit=taken.column.unit,
                ucd=taken.column.ucd,
                description=taken.column.description,
            )
            for taken in TAKEN
        ),
        identifier="this",
        name="this",
        standard_id=OBSERVABILITY,
    )


def gost_capabilities(settings: Settings) -> bytes:
    """Return the document of /gost/capabilities."""
    base = f"{settings.public_url}/gost"

    def query(standard: str, name: str) -> Capability:
        return Capability(
            standard,
            f"{base}/query",
            extra_interface=[
                E.queryType("GET"),
                E.queryType("POST"),
                E.resultType(FORMATS[0].media_type),
                *map(_param, TAKEN),
            ],
            description=f"When Gaia observes a position, by its nominal scanning law ({name}).",
        )

    return capabilities_document(
        [
            query(OBSERVABILITY, "Object Observability Simple Access Protocol"),
            query(VISIBILITY, "Object Visibility Simple Access Protocol, the same by its older name"),
            Capability("ivo://ivoa.net/std/VOSI#capabilities", f"{base}/capabilities", version="1.0"),
            Capability("ivo://ivoa.net/std/VOSI#availability", f"{base}/availability", version="1.0"),
            Capability("ivo://ivoa.net/std/DALI#examples", f"{base}/examples", interface="vr:WebBrowser"),
        ]
    )


def _param(taken: Taken) -> etree._Element:
    column = taken.column
    described = [
        E.name(column.name),
        E.description(column.description or ""),
        *([E.unit(column.unit)] if column.unit else []),
        *([E.ucd(column.ucd)] if column.ucd else []),
        E.dataType({TYPE: "vs:SimpleDataType"}, SIMPLE[column.datatype]),
    ]
    element: etree._Element = E.param({"use": "required" if taken.required else "optional", "std": "true"}, *described)
    return element
