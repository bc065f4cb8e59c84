"""Coordinate systems as queries name them: a deprecated argument, not to be ignored where it matters."""

from __future__ import annotations

from collections.abc import Iterable

from tap.adql.context import Context
from tap.adql.errors import ADQLError
from tap.adql.operands import Value

# Names that mean the coordinates of the catalogues: their differences are below what a query can mean.
_CELESTIAL = frozenset({"ICRS", "FK5", "J2000", "EQUATORIAL", "EQ_FK5"})
_OTHERS = {
    "FK4": "FK4",
    "B1950": "FK4",
    "GALACTIC": "GALACTIC",
    "GALACTIC_I": "GALACTIC_I",
    "GALACTIC_II": "GALACTIC",
    "SUPER_GALACTIC": "SUPERGALACTIC",
    "SUPERGALACTIC": "SUPERGALACTIC",
    "ECLIPTIC": "ECLIPTIC",
    "GEO_C": "GEO_C",
    "GEO_D": "GEO_D",
}
# Words beside the frame: reference positions, flavours, equinoxes (STC-S), and the words for none.
_WITHOUT_MEANING = {
    *("GEOCENTER", "BARYCENTER", "HELIOCENTER", "TOPOCENTER", "EMBARYCENTER", "RELOCATABLE", "UNKNOWNREFPOS"),
    *("SPHERICAL2", "CARTESIAN2", "UNITSPHERE", "UNKNOWN", "UNKNOWNFRAME"),
}


def read_frame(text: str, context: Context, position: int) -> str | None:
    """Return the frame that a coordinate system names, such as ``ICRS GEOCENTER``; None where it names none.

    Raises
    ------
    ADQLError
        For words that nobody knows, where the dialect does not ignore them.
    """
    frame = None
    for word in text.upper().split():
        if frame is None and word in _CELESTIAL:
            frame = word
        elif frame is None and word in _OTHERS:
            frame = _OTHERS[word]
        elif word not in _WITHOUT_MEANING and word not in _CELESTIAL and word not in _OTHERS:
            if not context.dialect.unknown_frames:
                hint = "Leave it out: coordinates are ICRS then."
                raise ADQLError(f"The coordinate system {text[:40]!r} is not known.", position, hint=hint)
            context.warn(f"The coordinate system {text[:40]!r} is not known and was ignored.")
    return frame


def common_frame(values: Iterable[Value], context: Context | None = None) -> str | None:
    """Return the frame in which geometries are; None where none of them names one.

    Those that name none are taken to be in the frame of the others; with a context the person is told, unless it is a
    frame in which tables are anyway.

    Raises
    ------
    ADQLError
        If they are in different ones: nothing here converts coordinates unasked.
    """
    known: Value | None = None
    unnamed = False
    for part in values:
        if part.frame is None:
            unnamed = True
            continue
        if known is None:
            known = part
        elif known.frame != part.frame and not {known.frame, part.frame} <= _CELESTIAL:
            hint = "Convert one by ivo_geom_transform."
            message = f"Coordinates in {known.frame} and in {part.frame} do not go together."
            raise ADQLError(message, part.position, hint=hint)
    if known is None:
        return None
    if unnamed and context is not None and known.frame not in _CELESTIAL:
        context.warn(f"Geometries without a coordinate system were taken to be in {known.frame}, like the others.")
    return known.frame
