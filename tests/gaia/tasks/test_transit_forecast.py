from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from gaia.scanning.transits import BEGIN, END, forecast
from gaia.tasks.transit_forecast import Form, TransitForecast, TransitParameters
from uws.tasks.testing import run_inline
from vo.core.errors import ParameterError

COLUMNS = [
    "time_gaia_tcb",
    "time_gaia_utc",
    "time_bary_tcb",
    "obmt",
    "fov",
    "ccd_row",
    "zeta",
    "scan_angle",
    "parallax_factor_al",
    "parallax_factor_ac",
    "in_gap",
    "segment",
]
PICTURE = b"\x89PNG"


def test_transits_are_those_of_the_kernel_under_names_of_ones_own() -> None:
    targets = pa.table({"name": ["a", None, "c"], "ra": [86.8212, 10.0, 30.0], "dec": [-51.0665, None, 80.0]})
    parameters = TransitParameters(time_min=57000, time_max=58000)
    made = run_inline(TransitForecast(), {"": targets}, parameters)
    found = forecast(np.array([86.8212, 30.0]), np.array([-51.0665, 80.0]), 57000, 58000)
    assert made.table.schema.names == ["name", "ra", "dec", *COLUMNS]
    assert made.table["name"].to_pylist() == [["a", "c"][row] for row in found.target]
    assert_array_equal(made.table["time_bary_tcb"], found.time_bary_tcb)
    assert_array_equal(made.table["ccd_row"], found.ccd_row)
    assert made.table["fov"].to_pylist() == ["F" if following else "P" for following in found.following]
    assert set(made.table["segment"].to_pylist()) == {"B", "C"}
    counts = made.context.counts
    assert (counts.requested, counts.found, counts.failed) == (3, 2, {"no position": 1})
    assert all(made.files[name].startswith(PICTURE) for name in ("timeline.png", "sky.png"))
    assert "coverage.png" not in made.files


def test_whether_data_are_missing_is_unknown_after_the_lists_end() -> None:
    targets = pa.table({"ra": [86.8212], "dec": [-51.0665]})
    made = run_inline(TransitForecast(), {"": targets}, TransitParameters()).table
    late = made["time_gaia_tcb"].to_numpy() > 57901.4
    assert_array_equal(made["in_gap"].is_null(), late)
    assert 0 < sum(filter(None, made["in_gap"].to_pylist())) < np.count_nonzero(~late) / 2
    assert made["target"].to_pylist() == [1] * made.num_rows


def test_a_map_counts_what_its_pixels_have() -> None:
    both = {
        form: run_inline(
            TransitForecast(), {}, TransitParameters(healpix_order=1, form=form, time_min=57000, time_max=57400)
        )
        for form in Form
    }
    counts, transits = both[Form.COUNTS].table, both[Form.TRANSITS].table
    assert counts["healpix"].to_pylist() == list(range(48))
    assert counts.num_rows == both[Form.COUNTS].plan.rows
    assert_array_equal(counts["transits"], np.bincount(transits["healpix"], minlength=48))
    assert_array_equal(counts["following"].to_numpy() + counts["preceding"].to_numpy(), counts["transits"].to_numpy())
    first = transits.filter(pa.array(transits["healpix"].to_numpy() == 7))
    assert counts["first_transit"][7] == first["time_bary_tcb"][0]
    assert counts["last_transit"][7] == first["time_bary_tcb"][-1]
    assert both[Form.COUNTS].files["coverage.png"].startswith(PICTURE)


def test_motions_move_targets_from_their_epoch() -> None:
    still = pa.table({"source_id": [4472832130942575872], "ra": [269.448502525], "dec": [4.739420051]})
    moving = still.append_column("pmra", [[-801.551]]).append_column("pmdec", [[10362.394]])
    dated = moving.append_column("ref_epoch", [[2016.0]])
    empty = moving.append_column("ref_epoch", pa.array([None], pa.float64()))
    runs = [
        run_inline(TransitForecast(), {"": table}, TransitParameters(epoch=epoch))
        for table, epoch in ((still, None), (moving, 2016.0), (dated, None), (dated, 1991.25), (empty, 2016.0))
    ]
    first, *moved = (run.table["time_bary_tcb"].to_numpy() for run in runs)
    said = [run.context.notes["position_epoch"] for run in runs]
    assert "no proper motions" in said[0]
    assert said[1:] == ["J2016.0"] * 3 + ["column ref_epoch"]
    assert runs[0].table.schema.names[0] == "source_id"
    assert len(first) != len(moved[0]) or not np.array_equal(first, moved[0])
    assert_array_equal(moved[0], moved[1])
    assert_array_equal(moved[0], moved[2])  # a column tells better
    assert_array_equal(moved[0], moved[3])  # unless it tells nothing
    wild = moving.append_column("ref_epoch", [[1e300]])
    counts = run_inline(TransitForecast(), {"": wild}, TransitParameters()).context.counts
    assert (counts.found, counts.failed) == (0, {"an epoch outside of 1900 to 2100": 1})
    with pytest.raises(ParameterError, match="is missing: "):
        run_inline(TransitForecast(), {"": moving}, TransitParameters())


def test_targets_and_a_map_exclude_each_other() -> None:
    with pytest.raises(ParameterError, match="together with targets"):
        run_inline(TransitForecast(), {"": pa.table({"ra": [1.0], "dec": [1.0]})}, TransitParameters(healpix_order=1))
    with pytest.raises(ParameterError, match="nothing says which targets"):
        run_inline(TransitForecast(), {}, TransitParameters())


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_min": BEGIN - 1},
        {"time_max": END + 1},
        {"time_min": 58000.0, "time_max": 57000.0},
        {"healpix_order": 10},
        {"time_min": float("nan")},
    ],
)
def test_what_cannot_be_had_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises((ParameterError, ValidationError)):
        TransitParameters.model_validate(wrong)


def test_facts_tell_ephemeris_accuracy_and_licence() -> None:
    facts = TransitForecast().facts(TransitParameters())
    assert "Horizons" in facts["ephemeris"]
    assert "January 2020" in facts["accuracy"]
    assert "CC BY-NC 3.0 IGO" in facts["licence"]
