"""The task as clients meet it: its columns, counts and errors, its plan, and both engines."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest

from tap.crossmatch import neighbours as neighbours_of_the_index
from tap.crossmatch import pairs
from tap.crossmatch.neighbours import PAIRS
from tap.crossmatch.parameters import INPUTS, CrossmatchParameters, Engine, Mode
from tap.crossmatch.separations import chord, vectors
from tap.crossmatch.streaming import in_processes
from tap.crossmatch.task import Crossmatch
from tests.tap.crossmatch.brute_force import Pair, expected, match, pairs_of, table, tiny_pieces
from uws.tasks import Input, Neighbours, Plan, Rows, SelectionFacts
from uws.tasks.catalogue import TaskCatalogue
from uws.tasks.parameters import read_parameters
from uws.tasks.recognition import recognise
from uws.tasks.testing import InlineContext, run_inline
from vo.core.dali.parameters import Parameters
from vo.core.errors import LimitError, ParameterError, ServiceError, UnavailableError
from vo.core.tables import Column, Datatype, columns_of

ID = Column("source_id", Datatype.LONG, ucd="meta.id;meta.main")
RA = Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main")
DEC = Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main")
MOVING = (Column("pmra", Datatype.DOUBLE, unit="mas.yr-1"), Column("pmdec", Datatype.DOUBLE, unit="mas.yr-1"))


def facts(
    side: str, rows: int | None, *more: Column, indexed: bool = False, named: dict[str, str] | None = None
) -> SelectionFacts:
    columns = (ID, RA, DEC, *more)
    wanted = INPUTS[int(side) - 1]
    return SelectionFacts(columns, rows, recognise(columns, wanted, named or {}), f"table t{side}", indexed)


def plan(first: SelectionFacts, second: SelectionFacts, **parameters: Any) -> Plan:
    return Crossmatch().plan({"1": first, "2": second}, CrossmatchParameters.model_validate(parameters))


# ---- declaration ----------------------------------------------------------------------------------------------------


def test_the_declaration_can_be_served() -> None:
    assert [task.name for task in TaskCatalogue([Crossmatch()])] == ["crossmatch"]


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"MODE": "nearest"}, "K"),
        ({"K": "3"}, "K"),
        ({"K": "0", "MODE": "nearest"}, "K"),
        ({"RADIUS": "0"}, "RADIUS"),
        ({"RADIUS": "nan"}, "RADIUS"),
        ({"RADIUS": "36001"}, "RADIUS"),
        ({"SIGMA": "-1"}, "SIGMA"),
        ({"MODE": "worst"}, "MODE"),
        ({"EPOCH_1": "1991.25"}, "EPOCH_1"),
        ({"EPOCH": "x"}, "EPOCH"),
        ({"MODE": "unmatched", "COLUMNS_2": "ra"}, "COLUMNS_2"),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, str], parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read_parameters(CrossmatchParameters, Parameters(list(given.items())))
    assert caught.value.parameter == parameter


def test_parameters_survive_their_way_to_the_process() -> None:
    given = [("RADIUS", "2"), ("MODE", "NEAREST"), ("K", "3"), ("EPOCH", "2016"), ("COLUMNS_1", "a,b")]
    parameters = read_parameters(CrossmatchParameters, Parameters(given))
    assert CrossmatchParameters.model_validate_json(parameters.model_dump_json()) == parameters


# ---- plan -----------------------------------------------------------------------------------------------------------


def test_the_quicker_engine_is_planned() -> None:
    few, many = facts("1", 1_000), facts("2", 50_000_000, indexed=True)
    by_index = plan(few, many, columns_2=["source_id"])
    (near,) = (item for item in by_index.inputs.values() if isinstance(item, Neighbours))
    assert near.first.columns == ("ra", "dec")
    assert near.second.columns == ("source_id", "ra", "dec")
    assert near.radius == pytest.approx(1 / 3600)
    assert by_index.rows == 1_000
    assert "index" in by_index.explanation

    by_stream = plan(facts("1", 10_000_000), many, columns_1=["source_id"])
    assert by_stream.inputs == {
        "1": Rows("1", ("source_id", "ra", "dec"), stored_order=True),
        "2": Rows("2", ("source_id", "ra", "dec"), stored_order=True),
    }
    assert by_index.seconds is not None
    assert by_stream.seconds is not None
    assert by_stream.seconds > 10 * by_index.seconds
    assert "10,000,000 rows" in by_stream.explanation


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"mode": "best-symmetric"}, "all pairs"),
        ({"epoch": 2016, "epoch_1": 2000}, "another epoch"),
        ({"sigma": 3}, "radii of their own"),
    ],
)
def test_the_index_is_not_used_where_it_cannot_be(parameters: dict[str, Any], why: str) -> None:
    error = Column("ra_error", Datatype.DOUBLE, unit="mas", ucd="stat.error;pos.eq.ra")
    sides = facts("1", 10, *MOVING, error), facts("2", 10**9, indexed=True)
    assert why in plan(*sides, **parameters).explanation
    with pytest.raises(ParameterError, match="ENGINE"):
        plan(*sides, **parameters, engine="database")


@pytest.mark.parametrize(
    ("more", "named", "parameters", "parameter"),
    [
        ((), {}, {"epoch": 2016}, "EPOCH"),
        (MOVING, {}, {"epoch": 2016}, "EPOCH_1"),
        (MOVING, {}, {"epoch": 2016, "epoch_1": 2000, "epoch_2": 2000}, "EPOCH_2"),
        ((), {}, {"sigma": 3}, "SIGMA"),
        (MOVING, {"radius": "pmra"}, {}, "RADIUS_1"),
        ((Column("size", Datatype.DOUBLE),), {"radius": "size"}, {"sigma": 3}, "RADIUS_1"),
        ((), {}, {"columns_1": ["nothing"]}, "COLUMNS_1"),
        ((), {}, {"engine": "database"}, "ENGINE"),
    ],
)
def test_what_the_tables_cannot_do_is_named(
    more: tuple[Column, ...], named: dict[str, str], parameters: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        plan(facts("1", 10, *more, named=named), facts("2", 10), **parameters)
    assert caught.value.parameter == parameter


def test_unknown_numbers_of_rows_are_planned() -> None:
    unknown = plan(facts("1", None), facts("2", None, indexed=True))
    assert unknown.seconds is None
    assert set(unknown.inputs) == {"1", "2"}
    assert "unknown number" in unknown.explanation


# ---- result ---------------------------------------------------------------------------------------------------------


def test_columns_of_the_result() -> None:
    inputs = {
        "1": (ID, RA, DEC),
        "2": (ID, RA, DEC, Column("Separation", Datatype.FLOAT), Column("ra_2", Datatype.INT)),
    }
    columns = Crossmatch().columns(inputs, CrossmatchParameters(), Plan({}))["result"]
    names = [column.name for column in columns]
    assert len({name.lower() for name in names}) == len(names)
    assert names[:3] == ["source_id_1", "ra_1", "dec_1"]
    assert names[3:] == ["source_id_2", "ra_2_2", "dec_2", "Separation_2", "ra_2", "separation", "position_angle"]
    assert [column.ucd for column in columns[:6]] == [
        "meta.id;meta.main", "pos.eq.ra;meta.main", "pos.eq.dec;meta.main", "meta.id", "pos.eq.ra", "pos.eq.dec",
    ]  # fmt: skip
    chosen = CrossmatchParameters(columns_1=("DEC", "source_id"), columns_2=('"ra"',))
    names = [column.name for column in Crossmatch().columns(inputs, chosen, Plan({}))["result"]]
    assert names == ["dec", "source_id", "ra", "separation", "position_angle"]


def test_rows_keep_their_values_and_are_counted() -> None:
    first = pa.table(
        {
            "name": ["a", None, "cc", "d", "e"],
            "ra": [10.0, 20.0, None, 30.0, 40.0],
            "dec": [0.0, 0.0, 0.0, 95.0, 0.0],
            "fluxes": pa.array([[1.0], [], None, [2.0], [3.0, 4.0]], pa.list_(pa.float64())),
        }
    )
    second = pa.table({"ra": [20.0, 10.0, 40.0], "dec": [1 / 3600, 0.0, 1.0], "flag": [True, None, False]})
    ran = match(first, second, CrossmatchParameters(radius=1.5))
    assert ran.table.to_pydict() == {
        "name": ["a", None],
        "ra_1": [10.0, 20.0],
        "dec_1": [0.0, 0.0],
        "fluxes": [[1.0], []],
        "ra_2": [10.0, 20.0],
        "dec_2": [0.0, 1 / 3600],
        "flag": [None, True],
        "separation": [0.0, pytest.approx(1.0)],
        "position_angle": [None, 0.0],
    }
    counts = ran.context.counts
    assert (counts.requested, counts.found) == (5, 2)
    assert counts.failed == {"no position": 1, "declination beyond 90 degrees": 1}
    alone = match(first, second, CrossmatchParameters(radius=1.5, mode=Mode.UNMATCHED)).table
    assert sorted(alone["ra"].to_pylist(), key=str) == [30.0, 40.0, None]
    assert alone.column_names == ["name", "ra", "dec", "fluxes"]


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.value)
def test_empty_tables(mode: Mode) -> None:
    nothing, something = table([]), table([(1.0, 1.0)])
    parameters = CrossmatchParameters(mode=mode, k=2 if mode is Mode.NEAREST else None)
    for first, second in ((nothing, something), (something, nothing), (nothing, nothing)):
        ran = match(first, second, parameters)
        assert len(ran.table) == (len(first) if mode is Mode.UNMATCHED else 0)


def test_a_side_is_moved_by_its_own_epochs() -> None:
    """Two years at 1000 mas a year; a row without motion, and one without epoch where none is given, stay."""
    first = table(
        [(10.0, 0.0), (20.0, 0.0), (30.0, 0.0)], pmra=[0, 0, None], pmdec=[1000.0] * 3, ref_epoch=[2014.0, None, 2014.0]
    )
    second = table([(10.0, 2 / 3600), (20.0, 0.0), (30.0, 0.0)])
    ran = match(first, second, CrossmatchParameters(radius=0.01, epoch=2016.0))
    assert pairs_of(ran) == [(0, 0), (1, 1), (2, 2)]
    ran = match(first, second, CrossmatchParameters(radius=0.01, epoch=2016.0, epoch_1=2015.0))
    assert pairs_of(ran) == [(0, 0), (2, 2)]


# ---- crowds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "rows"), [(Mode.BEST, 100_000), (Mode.NEAREST, 300_000), (Mode.UNMATCHED, 0)])
def test_a_hundred_thousand_rows_at_one_place(mode: Mode, rows: int) -> None:
    crowd = pa.table({"id": np.arange(100_000), "ra": np.full(100_000, 10.0), "dec": np.full(100_000, -90.0)})
    begun = time.process_time()
    ran = run_inline(
        Crossmatch(), {"1": crowd, "2": crowd}, CrossmatchParameters(mode=mode, k=3 if rows > 1e5 else None)
    )
    assert len(ran.table) == rows
    if rows:
        assert set(ran.table["id_2"].to_pylist()) == set(range(rows // 100_000))
    assert time.process_time() - begun < 30


def test_all_pairs_of_a_crowd_stream(tmp_path: Path) -> None:
    """Ten thousand million pairs: whoever reads them stops when he has enough, and memory stays bounded."""
    crowd = pa.table({"id": np.arange(100_000), "ra": np.full(100_000, 10.0), "dec": np.full(100_000, 5.0)})
    context = InlineContext(tmp_path, memory=2**28, cores=1)
    before = pa.total_allocated_bytes()
    running = Crossmatch().run(_inputs(crowd, crowd), CrossmatchParameters(mode=Mode.ALL), context)
    rows = 0
    for batch in running:
        assert isinstance(batch, pa.RecordBatch)
        rows += batch.num_rows
        assert pa.total_allocated_bytes() - before < 2**28
        if rows > 3_000_000:
            break
    running.close()  # type: ignore[attr-defined]
    assert rows > 3_000_000


def test_pairs_that_cannot_be_decided_are_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    where = {name: generator.normal(0, 1e-5, 3_000) for name in ("ra", "dec")}
    crowd = pa.table({"id": np.arange(3_000), **where})
    running = Crossmatch().run(
        _inputs(crowd, crowd), CrossmatchParameters(mode=Mode.SYMMETRIC), InlineContext(tmp_path, memory=2**26, cores=1)
    )
    with pytest.raises(LimitError, match="pairs hang together"):
        list(running)


def _inputs(first: pa.Table, second: pa.Table) -> dict[str, Input]:
    return {wanted.name: _input(rows, wanted.name) for wanted, rows in zip(INPUTS, (first, second), strict=True)}


def _input(rows: pa.Table, side: str) -> Input:
    columns = columns_of(rows.schema)
    return Input(columns, iter(rows.to_batches(max_chunksize=10_000)), recognise(columns, INPUTS[int(side) - 1], {}))


# ---- the database's pairs -------------------------------------------------------------------------------------------


def neighbours(first: pa.Table, second: pa.Table, radius: float) -> Iterator[pa.RecordBatch]:
    """Give the pairs as the database does: a little too many, in no order, without rows that have no position."""
    places = [np.stack([side[name].fill_null(np.nan).to_numpy() for name in ("ra", "dec")]) for side in (first, second)]
    good = [np.isfinite(place).all(axis=0) & (np.abs(place[1]) <= 90) for place in places]
    one, other = (vectors(*np.where(known, place, 0.0)) for known, place in zip(good, places, strict=True))
    distance = np.linalg.norm(one[:, None] - other, axis=2)
    near = (distance <= 1.01 * chord(radius) + 1e-15) & good[0][:, None] & good[1]
    i, j = np.nonzero(near)
    order = np.lexsort((np.random.default_rng(3).permutation(len(i)), j % 3))  # but of one first row by second row
    order = order[np.argsort(j[order], kind="stable")]
    i, j = i[order], j[order]
    columns = [first["ra"].take(pa.array(i)), first["dec"].take(pa.array(i))]
    columns += [second[name].take(pa.array(j)) for name in second.column_names]
    names = ["ra", "dec", *second.column_names, "first_row"]
    rows = pa.Table.from_arrays(
        [*columns, pa.array(i, pa.int64())], names=[f"{n}{name}" for n, name in enumerate(names)]
    )
    yield from rows.to_batches(max_chunksize=7)


@pytest.mark.parametrize("mode", [Mode.BEST, Mode.ALL, Mode.NEAREST, Mode.UNMATCHED], ids=lambda mode: mode.value)
def test_pairs_of_the_index_are_reduced_to_the_same(mode: Mode, tmp_path: Path) -> None:
    generator = np.random.default_rng(11)
    where = [
        [*zip(generator.normal(0, 1, 60).tolist(), (90 - np.abs(generator.normal(0, 1, 60))).tolist(), strict=True),
         (None, 3.0), (5.0, 5.0), (365.0, 5.0), (5.0, 5.0)]
        for _ in range(2)
    ]  # fmt: skip
    first, second = (table(places) for places in where)
    parameters = CrossmatchParameters(radius=3000, mode=mode, k=4 if mode is Mode.NEAREST else None)
    found = _by_index(first, second, parameters, tmp_path)
    assert found
    assert sorted(found) == expected(first, second, parameters)


def _by_index(first: pa.Table, second: pa.Table, parameters: CrossmatchParameters, folder: Path) -> list[Pair]:
    batches = list(neighbours(first, second, parameters.radius))
    columns = (*columns_of(first.schema)[1:], *columns_of(second.schema), Column("first_row", Datatype.LONG))
    inputs = {"1": _input(first, "1"), PAIRS: Input(columns, iter(batches), _input(second, "2").recognised)}
    context = InlineContext(folder)
    told = Crossmatch().columns({name: each.columns for name, each in inputs.items()}, parameters, Plan({}))["result"]
    made = [batch for batch in Crossmatch().run(inputs, parameters, context) if isinstance(batch, pa.RecordBatch)]
    assert context.counts.requested == len(first)
    names = [column.name for column in told]
    assert all(batch.num_columns == len(names) for batch in made)
    rows = [
        batch.columns[names.index("id" if parameters.mode is Mode.UNMATCHED else "id_1")].to_pylist() for batch in made
    ]
    if parameters.mode is Mode.UNMATCHED:
        return [(row, row) for part in rows for row in part]
    others = [batch.columns[names.index("id_2")].to_pylist() for batch in made]
    return [pair for one, other in zip(rows, others, strict=True) for pair in zip(one, other, strict=True)]


def test_more_pairs_of_the_index_than_fit_into_the_memory(tmp_path: Path) -> None:
    generator = np.random.default_rng(12)
    first, second = (table([*zip(*generator.normal(0, 0.1, (2, 300)).tolist(), strict=True)]) for _ in range(2))
    parameters = CrossmatchParameters(radius=100, mode=Mode.NEAREST, k=20)
    with tiny_pieces(), patch.object(neighbours_of_the_index, "PAIR_BYTES", 2**31), patch.object(pairs, "GROUP", 2):
        found = _by_index(first, second, parameters, tmp_path)
    assert len(found) > 1000
    assert [one for one, _ in found] == sorted(one for one, _ in found)
    assert sorted(found) == expected(first, second, parameters)


def test_what_no_position_can_be_has_no_pairs_of_the_index(tmp_path: Path) -> None:
    """The database takes a right ascension of 1e300 for some place, too."""
    first, second = table([(1.0, 1.0), (1e300, 2.0)]), table([(math.fmod(1e300, 360.0), 2.0), (1.0, 1.0)])
    assert _by_index(first, second, CrossmatchParameters(), tmp_path) == [(0, 1)]


def test_a_long_text_in_many_pairs_does_not_fill_the_memory(tmp_path: Path) -> None:
    first = table([(10.0, 20.0)] * 300)
    second = table([(10.0, 20.0), *[(50.0, 0.0)] * 3000])
    second = second.append_column("text", pa.array(["x" * 2**20, *["y"] * 3000]))
    made = Crossmatch().run(_inputs(first, second), CrossmatchParameters(), InlineContext(tmp_path))
    sizes = [batch.nbytes for batch in made if isinstance(batch, pa.RecordBatch)]
    assert sum(sizes) > 300 * 2**20
    assert max(sizes) < 40 * 2**20


@pytest.mark.parametrize(
    ("memory", "cores", "several"), [(2**31, 2, True), (2**28, 2, False), (2**31, 64, False), (2**31, 1, False)]
)
def test_only_processes_that_fit_into_the_memory(tmp_path: Path, memory: int, cores: int, several: bool) -> None:
    context = InlineContext(tmp_path, memory=memory, cores=cores)
    assert in_processes(10**9, context) is several
    assert not in_processes(10**5, context)


def test_a_first_side_that_changed_is_noticed(tmp_path: Path) -> None:
    first, second = table([(1.0, 1.0), (2.0, 2.0)]), table([(1.0, 1.0), (2.0, 2.0)])
    other = table([(2.0, 2.0), (1.0, 1.0)])
    columns = (*columns_of(first.schema)[1:], *columns_of(second.schema), Column("first_row", Datatype.LONG))
    near = neighbours(first, second, 1.0)
    inputs = {"1": _input(other, "1"), PAIRS: Input(columns, near, _input(second, "2").recognised)}
    with pytest.raises(UnavailableError, match="another order"):
        list(Crossmatch().run(inputs, CrossmatchParameters(), InlineContext(tmp_path)))


def test_what_reading_raises_is_told(tmp_path: Path) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield from table([(1.0, 1.0)]).to_batches()
        raise ServiceError("The disk with the table broke.")

    good = table([(1.0, 1.0)])
    inputs = _inputs(good, good)
    inputs["2"].batches = breaking()
    with pytest.raises(ServiceError, match="broke"):
        list(Crossmatch().run(inputs, CrossmatchParameters(engine=Engine.STREAM), InlineContext(tmp_path)))


def test_symmetric_pairs_of_a_crowd() -> None:
    """Each row of two crowds at one place is used once, in the order of rows."""
    rows = 60_000
    first = pa.table({"id": np.arange(rows), "ra": np.full(rows, 10.0), "dec": np.full(rows, 5.0)})
    second = pa.table({"id": np.arange(rows), "ra": np.full(rows, 370.0), "dec": 5.0 + 1e-4 * (np.arange(rows) % 2)})
    ran = run_inline(Crossmatch(), {"1": first, "2": second}, CrossmatchParameters(mode=Mode.SYMMETRIC))
    pairs = np.array(sorted(pairs_of(ran)))
    assert np.array_equal(pairs[:, 0], np.arange(rows))
    assert np.array_equal(pairs[: rows // 2, 1], np.arange(0, rows, 2))  # those at the very place come first
    assert np.array_equal(pairs[rows // 2 :, 1], np.arange(1, rows, 2))
