"""What the grammar leaves open about ADQL's own functions: how many arguments each takes, and of which sort.

The annex of ADQL 2.1 has a rule for each function. Here one rule reads them all, and this module holds the rest, so
that a wrong call is refused before any name is looked up. Only what the text itself shows is judged: a column may be
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from tap.adql.errors import ADQLError
from tap.adql.syntax import ast


class Sort(Enum):
    """What the text shows a value to be."""

    NUMBER = "a number"
    TEXT = "a string"
    POINT = "a point"
    REGION = "a region"


_FORMS = {
    "AREA": "AREA(geometry)",
    "ATAN2": "ATAN2(y, x)",
    "BOX": "BOX(longitude, latitude, width, height)",
    "CENTROID": "CENTROID(geometry)",
    "CIRCLE": "CIRCLE(longitude, latitude, radius) or CIRCLE(point, radius)",
    "CONTAINS": "1 = CONTAINS(inner, outer)",
    "COORD1": "COORD1(point)",
    "COORD2": "COORD2(point)",
    "COORDSYS": "COORDSYS(geometry)",
    "COUNT": "COUNT(*) or COUNT(x)",
    "DISTANCE": "DISTANCE(point, point) or DISTANCE(longitude, latitude, longitude, latitude)",
    "INTERSECTS": "1 = INTERSECTS(geometry, geometry)",
    "LOG": "LOG(x), the natural logarithm, or LOG10(x)",
    "LOWER": "LOWER(string)",
    "MOD": "MOD(x, y)",
    "PI": "PI()",
    "POINT": "POINT(longitude, latitude)",
    "POLYGON": "POLYGON(longitude, latitude, …) with three pairs or more, or POLYGON(point, point, point, …)",
    "POWER": "POWER(x, y)",
    "RAND": "RAND() or RAND(seed)",
    "REGION": "REGION('CIRCLE 10 20 1')",
    "ROUND": "ROUND(x) or ROUND(x, digits)",
    "TRUNCATE": "TRUNCATE(x) or TRUNCATE(x, digits)",
    "UPPER": "UPPER(string)",
}
_COUNTS = {
    **dict.fromkeys(("ATAN2", "CONTAINS", "INTERSECTS", "MOD", "POINT", "POWER"), (2,)),
    "BOX": (3, 4),
    "CIRCLE": (2, 3),
    "DISTANCE": (2, 4),
    "PI": (0,),
    "RAND": (0, 1),
    "ROUND": (1, 2),
    "TRUNCATE": (1, 2),
}
"""Numbers of arguments other than one, the coordinate system not counted."""

_CONSTRUCTORS = frozenset({"BOX", "CIRCLE", "POINT", "POLYGON"})
_MEASURED = frozenset({"AREA", "CENTROID", "CONTAINS", "COORDSYS", "INTERSECTS"})
_SORTS = {
    **dict.fromkeys(("COORDSYS", "LOWER", "UPPER"), Sort.TEXT),
    **dict.fromkeys(("CENTROID", "POINT"), Sort.POINT),
    **dict.fromkeys(("BOX", "CIRCLE", "POLYGON", "REGION"), Sort.REGION),
}
_CASTS = {"POINT": Sort.POINT, "CIRCLE": Sort.REGION, "POLYGON": Sort.REGION, "CHAR": Sort.TEXT, "VARCHAR": Sort.TEXT}
_GEOMETRIES = (Sort.POINT, Sort.REGION)


def sort_of(node: ast.Value) -> Sort | None:
    """Return what a value is by its text alone; None where that takes more than the text."""
    match node:
        case ast.Call(function=function):
            return _SORTS.get(function, Sort.NUMBER) if function.isupper() else None
        case ast.Number() | ast.Signed() | ast.Arithmetic() | ast.InUnit():
            return Sort.NUMBER
        case ast.String() | ast.Concatenation():
            return Sort.TEXT
        case ast.Cast(type_name=name):
            return _CASTS.get(name)
        case _:
            return None


def check_operands(operands: Sequence[ast.Value], what: str) -> None:
    """Refuse geometries as operands."""
    for operand in operands:
        if type(operand) is ast.Call and (sort := sort_of(operand)) in _GEOMETRIES:
            hint = "DISTANCE, COORD1, COORD2 and AREA make numbers of geometries."
            raise ADQLError(f"{what} does not take {sort.value}.", operand.position, hint=hint)


def check_call(node: ast.Call) -> None:
    """Check a call of one of ADQL's own functions.

    Raises
    ------
    ADQLError
        If it has too few or too many arguments, or one of a sort that the function does not take.
    """
    function = node.function
    arguments = without_system(node) if function in _CONSTRUCTORS else node.arguments
    count = len(arguments)
    if function == "POLYGON":
        _check_polygon(node, arguments)
    elif count not in _COUNTS.get(function, (1,)):
        given = f"{count} argument" if count == 1 else f"{count or 'no'} arguments"
        raise ADQLError(f"{function} does not take {given}.", node.position, hint=_hint(function))
    if function in _CONSTRUCTORS:
        _check_constructor(node, arguments)
    elif function in _MEASURED:
        _refuse(node, arguments, (Sort.NUMBER, Sort.TEXT))
    elif function in ("COORD1", "COORD2") or (function == "DISTANCE" and count == 2):
        _refuse(node, arguments, (Sort.NUMBER, Sort.TEXT, Sort.REGION))
    elif function in ("LOWER", "UPPER"):
        _refuse(node, arguments, (Sort.NUMBER, *_GEOMETRIES))
    elif function == "REGION":
        if not isinstance(arguments[0], ast.String):
            raise ADQLError("REGION takes a literal string.", arguments[0].position, hint=_hint(function))
    else:
        _refuse(node, arguments, _GEOMETRIES)
        if function in ("ROUND", "TRUNCATE") and count == 2 and not _is_integer(arguments[1]):
            message = f"The second argument of {function} must be a literal integer."
            raise ADQLError(message, arguments[1].position)


def form_of(function: str) -> str:
    """Return how one of ADQL's own functions is called."""
    return _FORMS.get(function, f"{function}(x)")


def _hint(function: str) -> str:
    return f"Write {form_of(function)}."


def without_system(node: ast.Call) -> tuple[ast.Value, ...]:
    """Return the arguments of a constructor without the coordinate system that ADQL 2.0 puts first."""
    arguments = node.arguments
    if not arguments or isinstance(arguments[0], ast.String):
        return arguments[1:]
    counts = _COUNTS.get(node.function)
    if counts is None:
        spare = len(arguments) > 6 and len(arguments) % 2 == 1 and sort_of(arguments[-1]) is Sort.NUMBER
    else:
        spare = len(arguments) not in counts and len(arguments) - 1 in counts
    if not spare:
        return arguments
    if not isinstance(arguments[0], ast.Null):
        hint = "It may be left out: coordinates are ICRS then."
        raise ADQLError("The coordinate system must be a literal string.", arguments[0].position, hint=hint)
    return arguments[1:]


def _check_constructor(node: ast.Call, arguments: Sequence[ast.Value]) -> None:
    """Check the sorts of what makes a geometry: numbers, but for a centre that is a point."""
    if node.function == "POLYGON":
        return
    if node.function != "POINT" and len(arguments) == _COUNTS[node.function][0]:
        _refuse(node, arguments[:1], (Sort.NUMBER, Sort.TEXT, Sort.REGION))
        arguments = arguments[1:]
    _refuse(node, arguments, _GEOMETRIES)


def _check_polygon(node: ast.Call, arguments: Sequence[ast.Value]) -> None:
    """Check the vertices of a polygon: points or pairs of numbers, not both."""
    sorts = [sort_of(argument) for argument in arguments]
    pairs = Sort.NUMBER in sorts
    wrong = len(arguments) < 3 or (pairs and (len(arguments) < 6 or len(arguments) % 2 == 1))
    if wrong or (pairs and Sort.POINT in sorts):
        message = "POLYGON takes at least three points, or as many pairs of coordinates."
        raise ADQLError(message, node.position, hint=_hint("POLYGON"))
    _refuse(node, arguments, (Sort.REGION,))


def _refuse(node: ast.Call, arguments: Sequence[ast.Value], sorts: Sequence[Sort]) -> None:
    """Refuse arguments of some sorts."""
    for argument in arguments:
        found = sort_of(argument)
        if found is not None and found in sorts:
            hint = _hint(node.function)
            if found is Sort.TEXT and node.function in _CONSTRUCTORS:
                hint += " Angles are in degrees: ivo_hms_to_degrees and ivo_dms_to_degrees convert strings."
            raise ADQLError(f"{node.function} does not take {found.value} here.", argument.position, hint=hint)


def _is_integer(node: ast.Value) -> bool:
    """Whether a value is a literal integer, with or without sign."""
    number = node.operand if isinstance(node, ast.Signed) else node
    return isinstance(number, ast.Number) and number.integer
