"""Which columns of an input a client wants to see again in the result."""

from __future__ import annotations

from collections.abc import Sequence

from vo.core.errors import ParameterError
from vo.core.tables import Column


def kept_places(columns: Sequence[Column], wanted: Sequence[str], parameter: str) -> tuple[int, ...]:
    """Return which columns come into the result.

    Parameters
    ----------
    columns : sequence of Column
        That there are.
    wanted : sequence of str
        Names as the client writes them; empty for all.
    parameter : str
        That names them, for errors.

    Raises
    ------
    ParameterError
        If there is no such column.
    """
    if not wanted:
        return tuple(range(len(columns)))
    places = []
    for name in wanted:
        exact = [place for place, column in enumerate(columns) if column.name == name]
        text = name[1:-1].replace('""', '"') if len(name) > 1 and name[0] == name[-1] == '"' else name
        folded = [place for place, column in enumerate(columns) if column.name.lower() == text.lower()]
        if not (exact or len(folded) == 1):
            names = ", ".join(column.name for column in columns[:20]) + (" …" if len(columns) > 20 else "")
            raise ParameterError(parameter, f"there is no column {name[:60]!r}.", hint=f"The columns are {names}.")
        place = (exact or folded)[0]
        if place not in places:
            places.append(place)
    return tuple(places)
