"""Which columns are a table's position, when nobody says it: by UCD, by name, and the unit must be right."""

from __future__ import annotations

from collections.abc import Sequence

from vo.core.tables import Column, Datatype

_DEGREES = frozenset({"deg", "degree", "degrees"})
_MAIN = (
    ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main"),
    ("pos_eq_ra_main", "pos_eq_dec_main"),  # UCD1, which old VOTables have
)
_NAMES = (
    ("ra", "dec"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("raj2000", "dej2000"),
    ("_raj2000", "_dej2000"),
    ("raj2000", "decj2000"),
    ("ra_j2000", "dec_j2000"),
    ("ra2000", "dec2000"),
    ("_ra", "_de"),
    ("_ra", "_dec"),
    ("ra_deg", "dec_deg"),
    ("radeg", "decdeg"),
    ("ra_d", "dec_d"),
    ("s_ra", "s_dec"),
    ("ra_mean", "dec_mean"),
    ("ramean", "decmean"),
    ("right_ascension", "declination"),
)
"""Pairs of names under which catalogues give positions, in lower case; those of VizieR, ObsCore and many papers."""
_NAMES_WITH_UNIT = (("alpha", "delta"), ("alpha_j2000", "delta_j2000"), ("x_world", "y_world"))
"""Pairs that mean other things too, unless they say that they are in degrees."""


def likely_position(columns: Sequence[Column]) -> tuple[int, int] | None:
    """Return the places of right ascension and declination in degrees, None where nothing tells them.

    Only scalars in double precision are a position: a `float` has steps of up to 0.1 arcsec.
    """
    usable = [
        (place, column)
        for place, column in enumerate(columns)
        if column.datatype is Datatype.DOUBLE
        and not column.is_array
        and (column.unit is None or column.unit.strip().lower() in _DEGREES)
    ]
    by_ucd = {_ucd(column): place for place, column in reversed(usable)}
    by_first_word = {_ucd(column).partition(";")[0]: place for place, column in reversed(usable)}
    by_name = {column.name.strip().lower(): place for place, column in reversed(usable)}
    sure = {name: place for name, place in by_name.items() if columns[place].unit is not None}
    known = (
        *((by_ucd, pair) for pair in _MAIN),
        (by_first_word, ("pos.eq.ra", "pos.eq.dec")),
        *((by_name, pair) for pair in _NAMES),
        *((sure, pair) for pair in _NAMES_WITH_UNIT),
    )
    for places, (ra, dec) in known:
        if ra in places and dec in places:
            return places[ra], places[dec]
    return None


def _ucd(column: Column) -> str:
    return "".join((column.ucd or "").lower().split())
