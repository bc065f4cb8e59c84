"""The plan of a match: what the parameters ask of the tables, which columns are read, which engine is quicker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tap.crossmatch.costs import Size, looked_up, streamed, told
from tap.crossmatch.neighbours import PAIRS
from tap.crossmatch.parameters import CrossmatchParameters, Engine, Mode
from uws.tasks import Neighbours, Plan, Rows, SelectionFacts
from uws.tasks.kept import kept_places
from vo.core.errors import ParameterError

ERRORS = ("ra_error", "dec_error")
MOTIONS = ("pmra", "pmdec", "parallax", "radial_velocity", "ref_epoch")


def planned(selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters) -> Plan:
    """Plan a match.

    Raises
    ------
    ParameterError
        If the tables cannot do what is asked, naming the parameter.
    """
    _check_radii(selections, parameters)
    moved = _check_epochs(selections, parameters)
    columns = {side: _columns(selections, parameters, side) for side in ("1", "2")}
    against = _against_index(selections, parameters, moved=bool(moved))
    if parameters.engine is Engine.DATABASE and against is not None:
        raise ParameterError("ENGINE", f"the database cannot find the pairs: {against}.", hint="Send ENGINE=stream.")
    sizes = {side: _size(selections[side], columns[side]) for side in ("1", "2")}
    nearest = parameters.k or 1
    first, second = sizes["1"], sizes["2"]
    by_stream = None if first is None or second is None else streamed(first, second, nearest)
    by_index = None
    if against is None and first is not None:
        by_index = looked_up(first, second or Size(0, len(selections["2"].columns)), nearest)
    match parameters.engine:
        case Engine.DATABASE:
            index = True
        case Engine.STREAM:
            index = False
        case _:
            index = by_index is not None and (by_stream is None or by_index < by_stream)
    words = _engines(parameters.engine, index, (by_stream, by_index), against)
    return Plan(
        _with_index(selections, columns, parameters) if index else _with_both(columns),
        seconds=by_index if index else by_stream,
        rows=_rows(selections["1"].rows, parameters),
        explanation=" ".join([*_sides(selections, parameters, moved), *words]),
    )


def _check_radii(selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters) -> None:
    if parameters.sigma is None:
        return
    for side, facts in selections.items():
        if "radius" in facts.recognised:
            raise ParameterError(f"RADIUS_{side}", "is given together with SIGMA.", hint="Send one of them.")
    if not any(role in facts.recognised for facts in selections.values() for role in ERRORS):
        raise ParameterError(
            "SIGMA",
            "neither table has a column that is known to be the error of a position.",
            hint="Name them, such as RA_ERROR_1 and DEC_ERROR_1.",
        )


def _check_epochs(selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters) -> tuple[str, ...]:
    """Return which sides are moved to the common epoch."""
    if parameters.epoch is None:
        return ()
    moved = []
    for side, facts in selections.items():
        moves = "pmra" in facts.recognised and "pmdec" in facts.recognised
        dated = "ref_epoch" in facts.recognised or parameters.own_epoch(side) is not None
        if moves and not dated:
            raise ParameterError(
                f"EPOCH_{side}",
                f"{facts.source} has proper motions, and no column tells the epoch of its positions.",
                hint=f"Send it, such as EPOCH_{side}=2016, or name the column with REF_EPOCH_{side}.",
            )
        if parameters.own_epoch(side) is not None and not moves:
            raise ParameterError(
                f"EPOCH_{side}",
                f"{facts.source} has no columns that are known to be proper motions.",
                hint=f"Name them with PMRA_{side} and PMDEC_{side}, or leave EPOCH_{side} out.",
            )
        if moves:
            moved.append(side)
    if not moved:
        raise ParameterError(
            "EPOCH",
            "neither table has columns that are known to be proper motions.",
            hint="Name them, such as PMRA_1 and PMDEC_1.",
        )
    return tuple(moved)


def _columns(selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters, side: str) -> tuple[str, ...]:
    """Return the columns of a side that are needed, in its order."""
    facts = selections[side]
    places = kept_places(facts.columns, parameters.wanted_columns(side), f"COLUMNS_{side}")
    names = {facts.columns[place].name for place in places}
    if side == "2" and parameters.mode is Mode.UNMATCHED:
        names = set()
    roles = ["ra", "dec"]
    if "radius" in facts.recognised:
        roles.append("radius")
    if parameters.sigma is not None:
        roles.extend(ERRORS)
    if parameters.epoch is not None:
        roles.extend(MOTIONS)
    names.update(name for role in roles if (name := facts.recognised.name(role)) is not None)
    return tuple(column.name for column in facts.columns if column.name in names)


def _against_index(
    selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters, *, moved: bool
) -> str | None:
    """Return why the database's index cannot be used; None if it can."""
    if not selections["2"].indexed:
        return "the positions of the second table are under no index"
    if moved:
        return "positions are moved to another epoch"
    if parameters.sigma is not None or any("radius" in facts.recognised for facts in selections.values()):
        return "rows have radii of their own"
    if parameters.mode is Mode.SYMMETRIC:
        return f"MODE={parameters.mode.value} compares all pairs"
    found = [facts.recognised.found[role] for facts in selections.values() for role in ("ra", "dec")]
    if any(each.factor != 1.0 for each in found) or len({each.name for each in found[:2]}) < 2:
        return "the positions are not in degrees"
    return None


def _with_both(columns: Mapping[str, tuple[str, ...]]) -> dict[str, Rows | Neighbours]:
    return {side: Rows(side, columns[side], stored_order=True) for side in ("1", "2")}


def _with_index(
    selections: Mapping[str, SelectionFacts],
    columns: Mapping[str, tuple[str, ...]],
    parameters: CrossmatchParameters,
) -> dict[str, Rows | Neighbours]:
    """Plan the pairs with the first side's position only: its other columns are read once, not once a pair."""
    position = tuple(selections["1"].recognised.found[role].name for role in ("ra", "dec"))
    return {
        "1": Rows("1", columns["1"], stored_order=True),
        PAIRS: Neighbours(Rows("1", position, stored_order=True), Rows("2", columns["2"]), parameters.radius / 3600.0),
    }


def _size(facts: SelectionFacts, columns: tuple[str, ...]) -> Size | None:
    return None if facts.rows is None else Size(facts.rows, len(columns))


def _rows(rows: int | None, parameters: CrossmatchParameters) -> int | None:
    if rows is None or parameters.mode is Mode.ALL:
        return None
    return rows * (parameters.k or 1)


def _sides(
    selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters, moved: tuple[str, ...]
) -> Iterator[str]:
    """Say what is matched."""
    sides = " with ".join(
        f"{facts.source} ({'an unknown number of' if facts.rows is None else f'{facts.rows:,}'} rows)"
        for facts in (selections["1"], selections["2"])
    )
    yield f"Matches {sides}, at most {parameters.radius:g} arcsec apart."
    if moved:
        names = " and ".join(selections[side].source for side in moved)
        yield f"Positions of {names} are moved to J{parameters.epoch:g}."


def _engines(
    engine: Engine, index: bool, seconds: tuple[float | None, float | None], against: str | None
) -> Iterator[str]:
    """Say who finds the pairs, and why."""
    here, there = ("an unknown time" if each is None else f"about {told(each)}" for each in seconds)
    if index:
        yield f"The database's index finds the pairs in {there}; to read both tables would take {here}."
    else:
        yield f"Both tables are read along the sky and compared piece by piece in {here}."
        if against is None:
            yield f"The database's index would take {there}."
        else:
            yield f"The database's index cannot be used: {against}."
    if engine is not Engine.AUTO:
        yield f"ENGINE={engine.value} was asked for."
