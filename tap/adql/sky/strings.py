"""Geometries as strings: REGION, and CAST in DALI's form."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_VERTICES
from tap.adql.operands import Value
from tap.adql.scopes import Scope, Translate
from tap.adql.sky.constructors import box_polygon, shape
from tap.adql.sky.frames import read_frame
from tap.adql.sky.geometry import Circle, Point, Polygon, Stored, check_point, check_radius, dali_array, number
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, Kind, string_literal

_LITERALS = ("POSITION", "CIRCLE", "BOX", "POLYGON")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_ELEMENT = r"[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,2})?"
_COUNTS = {"POINT": "{1}", "CIRCLE": "{2}", "POLYGON": "{5,}"}


def region(node: ast.Call, scope: Scope, _: Translate) -> Value:
    """Translate REGION.

    Raises
    ------
    ADQLError
        If the shape is not offered, or its numbers make none.
    """
    (argument,) = node.arguments
    assert isinstance(argument, ast.String)  # noqa: S101  (the parser takes nothing else)
    words = argument.value.split()
    name = words[0].upper() if words else ""
    if name not in _LITERALS:
        hint = f"{', '.join(_LITERALS)} are."
        raise ADQLError(f"The region {name[:40]!r} is not offered.", argument.position, hint=hint)
    first = next((i for i, word in enumerate(words) if i and _NUMBER.fullmatch(word)), len(words))
    frame = read_frame(" ".join(words[1:first]), scope.context, argument.position)
    return replace(_literal_shape(name, words[first:], argument.position), frame=frame)


def cast_shape(node: ast.Cast, operand: Value) -> Value:
    """Convert a string in DALI's form, such as ``'10 20 1'``, to a geometry; other strings of a column become NULL."""
    if isinstance(operand.constant, str):
        return _literal_shape(node.type_name, operand.constant.split(), operand.position)
    kind = Kind[node.type_name]
    if operand.kind is kind:
        return operand
    if operand.kind not in (Kind.TEXT, Kind.NULL):
        raise ADQLError(f"CAST to {node.type_name} takes a string, not {operand.kind.value}.", operand.position)
    pattern = string_literal(f"^\\s*{_ELEMENT}(\\s+{_ELEMENT}){_COUNTS[node.type_name]}\\s*$")
    text = f"({operand.sql})::text"
    blank = string_literal("\\s+")
    array = (
        f"(CASE WHEN {text} OPERATOR(pg_catalog.~) {pattern} THEN "
        f"pg_catalog.regexp_split_to_array(pg_catalog.btrim({text}, E' \\t\\r\\n'), {blank})::{DOUBLE}[] END)"
    )
    return replace(shape(kind, Stored(kind, array, f"{DOUBLE}[]"), node.position, [operand]), sql=array)


def shape_text(operand: Value) -> str:
    """Return a geometry in DALI's form as a string."""
    if operand.kind is Kind.MOC:
        return f"({operand.sql})::text"
    return f"pg_catalog.array_to_string({dali_array(operand)}, ' ')"


def _literal_shape(name: str, words: Sequence[str], position: int) -> Value:
    """Return the constant geometry of a name and its numbers."""
    if len(words) > 2 * MAX_VERTICES:
        raise ADQLError(f"A polygon has at most {MAX_VERTICES} vertices.", position)
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise ADQLError("A geometry is written as numbers in degrees with blanks between.", position)
    values = [number(float(word), position) for word in words]
    if not all(math.isfinite(float(value.constant or 0)) for value in values):
        raise ADQLError("A number of the geometry is too large for a double.", position)
    if name in ("POINT", "POSITION") and len(values) == 2:
        return shape(Kind.POINT, check_point(Point(values[0], values[1])), position, ())
    if name == "CIRCLE" and len(values) == 3:
        circle = Circle(check_point(Point(values[0], values[1])), check_radius(values[2]))
        return shape(Kind.CIRCLE, circle, position, ())
    if name == "BOX" and len(values) == 4:
        centre = check_point(Point(values[0], values[1]))
        return shape(Kind.POLYGON, box_polygon(centre, values[2], values[3]), position, ())
    if name == "POLYGON" and len(values) >= 6 and len(values) % 2 == 0:
        vertices = tuple(check_point(Point(lon, lat)) for lon, lat in zip(values[::2], values[1::2], strict=True))
        return shape(Kind.POLYGON, Polygon(vertices), position, ())
    raise ADQLError(f"{name} does not have {len(values)} numbers.", position)
