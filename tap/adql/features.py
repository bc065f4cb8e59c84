"""What a service declares about its language: the optional features of ADQL in TAPRegExt's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tap.adql.dialect import Dialect
from tap.adql.functions import Function


@dataclass(frozen=True, slots=True)
class Feature:
    """One form of a language feature, as TAPRegExt declares it."""

    form: str
    description: str | None = None


_UNDERSCORE = re.compile("_(.)")
_MORE = 2
"""Further arguments with which a function of any number of them is declared."""

_TYPE = "ivo://ivoa.net/std/tapregext#features-"
_MOC = "ivo://org.gavo.dc/std/exts#extra-adql-keywords"
"""The type under which services declare MOC, which is no part of ADQL; pyvo's Spatial constraint asks for it."""

_GEOMETRY = "AREA BOX CENTROID CIRCLE CONTAINS COORD1 COORD2 COORDSYS DISTANCE INTERSECTS POINT POLYGON REGION"


def features(dialect: Dialect) -> dict[str, tuple[Feature, ...]]:
    """Return the optional features of the language by their type in TAPRegExt (ADQL 2.1, section 4)."""
    forms = {
        "adqlgeo": _GEOMETRY.split(),
        "adql-string": ["LOWER", "UPPER", "ILIKE"],
        "adql-common-table": ["WITH"],
        "adql-sets": ["UNION", "EXCEPT", "INTERSECT"],
        "adql-type": ["CAST"],
        "adql-conditional": ["COALESCE"],
        "adql-unit": ["IN_UNIT"],
        "adql-offset": ["OFFSET"],
    }
    declared = {_TYPE + name: tuple(map(Feature, names)) for name, names in forms.items()}
    declared[_MOC] = (Feature("MOC", "MOC('3/4 5/900') and MOC(order, geometry): a coverage map as a geometry."),)
    offered = (function for function in dialect.functions.user_defined if dialect.offers(function))
    declared[_TYPE + "udf"] = tuple(
        Feature(form, function.description) for function in offered for form in _forms(function)
    )
    return declared


def _forms(function: Function) -> Iterator[str]:
    """Yield the signatures of a function in the narrow form that TOPCAT reads; it refuses calls of all others.

    Names of arguments are without underscores, types are single words, numbers of arguments are fixed.
    """
    geometry = any(parameter.type == "GEOMETRY" for parameter in function.parameters)
    for shape in ("POINT", "CIRCLE", "POLYGON") if geometry else ("",):
        returns = shape if geometry else "ARRAY" if "[" in function.returns else function.returns
        arguments = [
            f"{_UNDERSCORE.sub(_capital, parameter.name)} {shape if parameter.type == 'GEOMETRY' else parameter.type}"
            for parameter in function.parameters
        ]
        for more in range(1 + (_MORE if function.variadic else 0)):
            last = function.parameters[-1].type if more else ""
            added = [f"further{i + 1} {last}" for i in range(more)]
            yield f"{function.name}({', '.join(arguments + added)}) -> {returns}"


def _capital(found: re.Match[str]) -> str:
    return found[1].upper()


FEATURES = features(Dialect())
"""The features of the default dialect."""
