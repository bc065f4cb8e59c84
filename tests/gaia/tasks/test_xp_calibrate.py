from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io.votable import parse_single_table
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from gaia.engines import Engine
from gaia.tasks.spectra_run import Form
from gaia.tasks.xp_calibrate import CalibrateParameters, XpCalibrate
from gaia.xp.calibration import Calibration
from gaia.xp.model import load
from gaia.xp.spectra import Spectra
from tests.gaia.tasks.spectra_tables import matrix, table_of
from tests.gaia.xp.conftest import without
from tests.schema import faults
from uws.tasks.testing import run_inline
from vo.core.errors import ParameterError

KEPT = [0, 1, 2, 3, 5, 6]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return Calibration(load())


def test_spectra_as_arrays_are_those_of_the_kernel(spectra: Spectra, calibration: Calibration) -> None:
    made = run_inline(XpCalibrate(), {"": table_of(spectra)}, CalibrateParameters(), batch_rows=3)
    assert made.table.schema.names == ["source_id", "wavelength", "flux", "flux_error"]
    assert_array_equal(made.table["source_id"], spectra.source_id[KEPT])
    assert_allclose(matrix(made.table, "flux"), calibration.flux(spectra)[KEPT], rtol=1e-12)
    assert_allclose(matrix(made.table, "flux_error"), calibration.errors(spectra)[KEPT], rtol=1e-12)
    assert_array_equal(matrix(made.table, "wavelength")[4], calibration.wavelength)
    assert (made.context.counts.requested, made.context.counts.found) == (7, 6)
    assert made.context.counts.failed == {"neither BP nor RP": 1}
    assert made.context.notes["without_bp"] == made.context.notes["without_rp"] == "1"
    assert "GaiaXPy 2." in made.context.notes["calibration"]
    assert made.files["spectra.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("truncation", [False, True])
def test_gaiaxpy_itself_gives_the_same(spectra: Spectra, truncation: bool) -> None:
    ours, theirs = (
        run_inline(
            XpCalibrate(),
            {"": table_of(spectra)},
            CalibrateParameters(
                engine=engine, truncation=truncation, with_correlation=True, sampling=(400.0, 520.0, 641.0, 900.0)
            ),
        )
        for engine in (Engine.BATCH, Engine.PACKAGE)
    )
    assert theirs.context.notes["engine"].startswith("GaiaXPy 2.")
    assert_array_equal(ours.table["source_id"], theirs.table["source_id"])
    for column in ("flux", "flux_error", "flux_correlation"):
        assert_allclose(matrix(ours.table, column), matrix(theirs.table, column), rtol=1e-12)


def test_samples_are_the_arrays_one_after_another(spectra: Spectra, calibration: Calibration) -> None:
    parameters = CalibrateParameters(form=Form.SAMPLE, columns=("flux", "name"))
    rows = table_of(spectra, flux=list(range(7)), name=list("abcdefg"))
    made = run_inline(XpCalibrate(), {"": rows}, parameters)
    assert made.table.schema.names == ["source_id", "flux_1", "name", "wavelength", "flux", "flux_error"]
    assert (made.table.num_rows, made.plan.rows) == (6 * 343, 7 * 343)
    first = made.table.slice(343, 343)
    assert set(first["name"].to_pylist()) == {"b"}
    flux = calibration.flux(spectra)[1]
    assert first["flux"].null_count == np.count_nonzero(np.isnan(flux)) > 100
    assert_allclose(first["flux"].drop_null(), flux[np.isfinite(flux)], rtol=1e-12)


def test_fluxes_alone_need_coefficients_alone(spectra: Spectra, calibration: Calibration) -> None:
    rows = table_of(spectra).select(["source_id", "bp_coefficients", "rp_coefficients"])
    made = run_inline(XpCalibrate(), {"": rows}, CalibrateParameters(with_errors=False))
    assert made.table.schema.names == ["source_id", "wavelength", "flux"]
    assert_allclose(matrix(made.table, "flux"), calibration.flux(spectra)[KEPT], rtol=1e-12)
    with pytest.raises(ParameterError, match="bp_coefficient_errors"):
        run_inline(XpCalibrate(), {"": rows}, CalibrateParameters())


def test_a_table_may_lack_the_columns_of_a_band(spectra: Spectra, calibration: Calibration) -> None:
    rows = table_of(spectra)
    rows = rows.select([name for name in rows.column_names if not name.startswith("bp_")])
    made = run_inline(XpCalibrate(), {"": rows}, CalibrateParameters())
    assert "It has no coefficients of BP." in made.plan.explanation
    assert made.context.notes["without_bp"] == "5"
    alone = calibration.flux(without(spectra, bp=range(7)))[[0, 1, 3, 5, 6]]
    assert_allclose(matrix(made.table, "flux"), alone, rtol=1e-12)
    with pytest.raises(ParameterError, match="BP_COEFFICIENTS"):
        run_inline(XpCalibrate(), {"": rows.select(["source_id"])}, CalibrateParameters())


def test_rows_that_are_no_spectra_are_counted(spectra: Spectra) -> None:
    rows = table_of(spectra)
    cells = rows["bp_coefficient_errors"].to_pylist()
    cells[0], cells[3] = cells[0][:54], [float("nan"), *cells[3][1:]]
    identifiers = [*rows["source_id"].to_pylist()[:-1], None]
    for name, values in (("bp_coefficient_errors", cells), ("source_id", identifiers)):
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, [values])
    made = run_inline(XpCalibrate(), {"": rows}, CalibrateParameters())
    assert made.context.counts.failed == {
        "no source_id": 1,
        "BP: not 55 numbers with their errors and correlations": 2,
        "neither BP nor RP": 1,
    }
    assert_array_equal(made.table["source_id"], spectra.source_id[[1, 2, 5]])


def test_documents_are_spectra_of_the_data_model(
    spectra: Spectra, calibration: Calibration, shared_folder: Path | None
) -> None:
    made = run_inline(XpCalibrate(), {"": table_of(spectra)}, CalibrateParameters(documents=True))
    with zipfile.ZipFile(io.BytesIO(made.files["spectra.zip"])) as documents:
        assert documents.namelist() == [f"gaia-{source}.vot" for source in spectra.source_id[KEPT]]
        texts = [documents.read(name) for name in documents.namelist()]
    assert faults(texts[1], shared_folder) == []
    assert all(f'<INFO name="{name}"'.encode() in texts[1] for name in ("licence", "engine", "calibration"))
    table = parse_single_table(io.BytesIO(texts[1]), verify="exception")
    utypes = {field.utype.rpartition("Data.")[2]: field for field in table.fields}
    assert utypes.keys() == {"SpectralAxis.Value", "FluxAxis.Value", "FluxAxis.Accuracy.StatError"}
    known = np.isfinite(calibration.flux(spectra)[1])
    assert_allclose(table.array["flux"], calibration.flux(spectra)[1][known], rtol=1e-12)
    assert_allclose(table.array["flux_error"], calibration.errors(spectra)[1][known], rtol=1e-12)
    parameters = {param.utype: param.value for param in table.params}
    assert parameters["spec:Spectrum.Target.Name"] == f"Gaia DR3 {spectra.source_id[1]}"
    assert parameters["spec:Spectrum.Length"] == np.count_nonzero(known)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sampling": (400.0, 400.0)}, "does not ascend"),
        ({"sampling": (300.0, 400.0)}, "330"),
        ({"wavelength_min": 800.0, "wavelength_max": 700.0}, "WAVELENGTH_MAX"),
        ({"wavelength_step": 0.01}, "points"),
        ({"wavelength_step": 1e-320}, "greater than or equal"),
        ({"wavelength_step": 0.5, "with_correlation": True}, "1,000"),
        ({"with_correlation": True, "form": Form.SAMPLE}, "FORM=spectrum"),
        ({"with_correlation": True, "with_errors": False}, "without errors"),
        ({"wavelength_max": 1051.0}, "1050"),
    ],
)
def test_what_cannot_be_had_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises((ParameterError, ValidationError)) as caught:
        CalibrateParameters.model_validate(wrong)
    assert said in str(getattr(caught.value, "hint", "")) + str(caught.value)


def test_a_grid_of_ones_own_ends_where_it_is_told() -> None:
    grid = CalibrateParameters(wavelength_min=400.0, wavelength_max=401.0, wavelength_step=0.1).grid
    assert_allclose(grid, np.linspace(400, 401, 11), rtol=1e-12)
    assert CalibrateParameters().grid == ()
