from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gaia.engines import Engine
from gaia.tasks.spectra_run import Form
from gaia.tasks.xp_convert import ConvertParameters, XpConvert
from gaia.xp.conversion import Conversion
from gaia.xp.model import load
from gaia.xp.spectra import Spectra
from tests.gaia.tasks.spectra_tables import matrix, table_of
from uws.tasks.testing import run_inline
from vo.core.errors import ParameterError


def test_each_band_that_is_there_has_a_row(spectra: Spectra) -> None:
    made = run_inline(XpConvert(), {"": table_of(spectra)}, ConvertParameters(points=61), batch_rows=4)
    rows = list(zip(made.table["source_id"].to_pylist(), made.table["xp"].to_pylist(), strict=True))
    present = zip(spectra.source_id.tolist(), spectra.bp.present, spectra.rp.present, strict=True)
    assert rows == [
        (i, name) for i, *bands in present for name, there in zip(("BP", "RP"), bands, strict=True) if there
    ]
    conversion = Conversion(load(), np.linspace(0, 60, 61))
    for band in ("bp", "rp"):
        there = getattr(spectra, band).present
        mine = made.table.filter([name == band.upper() for _, name in rows])
        assert_allclose(matrix(mine, "flux"), conversion.flux(spectra, band)[there], rtol=1e-11)
        assert_allclose(matrix(mine, "flux_error"), conversion.errors(spectra, band)[there], rtol=1e-12)
    assert_allclose(matrix(made.table, "pseudo_wavelength")[0], np.linspace(0, 60, 61))
    assert made.context.counts.failed == {"neither BP nor RP": 1}
    assert {name for name, data in made.files.items() if data.startswith(b"\x89PNG")} == {"bp.png", "rp.png"}


def test_gaiaxpy_itself_gives_the_same(spectra: Spectra) -> None:
    ours, theirs = (
        run_inline(
            XpConvert(),
            {"": table_of(spectra)},
            ConvertParameters(engine=engine, sampling=(10.0, 25.0, 40.0), truncation=True, with_correlation=True),
        ).table
        for engine in (Engine.BATCH, Engine.PACKAGE)
    )
    for column in ("source_id", "xp"):
        assert_array_equal(ours[column], theirs[column])
    for column in ("flux", "flux_error", "flux_correlation"):
        assert_allclose(matrix(ours, column), matrix(theirs, column), rtol=1e-11)


def test_samples_are_the_arrays_one_after_another(spectra: Spectra) -> None:
    arrays, samples = (
        run_inline(XpConvert(), {"": table_of(spectra)}, ConvertParameters(points=5, form=form)).table
        for form in (Form.SPECTRUM, Form.SAMPLE)
    )
    assert_allclose(matrix(arrays, "flux").ravel(), samples["flux"], rtol=1e-12)
    assert samples["xp"].to_pylist() == [name for name in arrays["xp"].to_pylist() for _ in range(5)]
    assert samples["pseudo_wavelength"].to_pylist()[:6] == [0, 15, 30, 45, 60, 0]


@pytest.mark.parametrize(
    "wrong",
    [{"sampling": (10.0, 5.0)}, {"sampling": (-1.0, 5.0)}, {"points": 2000, "with_correlation": True}],
)
def test_what_cannot_be_had_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        ConvertParameters.model_validate(wrong)
