from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from gaia.engines import Engine
from gaia.tasks.photometry_columns import spectral_ucd
from gaia.tasks.xp_photometry import PhotometryParameters, XpPhotometry
from gaia.xp.spectra import Spectra
from tests.gaia.tasks.spectra_tables import table_of
from uws.tasks.declaration import Plan
from uws.tasks.testing import run_inline
from vo.core.errors import ParameterError
from vo.core.tables import columns_of

TOP_HAT = "halpha: 649 0, 650 1, 662 1, 663 0"


def test_columns_are_named_as_gaiaxpy_names_them_and_numbers_are_its(spectra: Spectra) -> None:
    ours, theirs = (
        run_inline(
            XpPhotometry(),
            {"": table_of(spectra, name=list("abcdefg"))},
            PhotometryParameters(
                engine=engine, systems=("SDSS_Std", "JKC"), error_correction=True, truncation=True, columns=("name",)
            ),
        )
        for engine in (Engine.BATCH, Engine.PACKAGE)
    )
    names = ours.table.schema.names
    assert names[:4] == ["source_id", "name", "SdssStd_mag_u", "SdssStd_mag_g"]
    assert names[-1] == "Jkc_flux_error_I"
    assert len(names) == 2 + 3 * 10
    assert theirs.context.notes["engine"].startswith("GaiaXPy 2.")
    for name in names[2:]:
        assert_allclose(ours.table[name].to_numpy(), theirs.table[name].to_numpy(), rtol=1e-12, err_msg=name)
    assert ours.table["Jkc_mag_V"].null_count == 2  # one band alone is not enough
    assert ours.table["name"].to_pylist() == list("abcdfg")
    assert ours.files["photometry.png"].startswith(b"\x89PNG")


def test_passbands_of_ones_own(spectra: Spectra) -> None:
    parameters = PhotometryParameters(filters=f"{TOP_HAT}; blue: 400 0, 401 1, 500 1, 501 0", filters_zero_point="ST")
    made = run_inline(XpPhotometry(), {"": table_of(spectra)}, parameters).table
    assert made.schema.names[1:] == [
        f"User_{kind}_{name}" for name in ("halpha", "blue") for kind in ("mag", "flux", "flux_error")
    ]
    halpha, blue = (made[f"User_mag_{name}"].to_numpy() for name in ("halpha", "blue"))
    assert np.isfinite(halpha).tolist() == [True, True, False, True, True, True]  # needs RP alone
    assert np.isfinite(blue).tolist() == [True, False, True, True, True, True]
    units = {column.name: (column.unit, column.ucd) for column in columns_of(made.schema)}
    assert units["User_mag_halpha"] == ("mag", "phot.mag;em.opt.R")
    assert units["User_flux_halpha"][0] == "W.m**-2.nm**-1"


def test_plan_tells_rows_and_columns_match_the_run(spectra: Spectra) -> None:
    parameters = PhotometryParameters(systems=("Gaia_DR3_Vega",), filters=TOP_HAT)
    made = run_inline(XpPhotometry(), {"": table_of(spectra)}, parameters)
    given = columns_of(table_of(spectra).schema)
    assert [
        column.name for column in XpPhotometry().columns({"": given}, parameters, Plan({}))["result"]
    ] == made.table.schema.names
    assert made.plan.rows == 7


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "SYSTEMS"),
        ({"filters": "nothing"}, "colon"),
        ({"filters": ";"}, "no passband"),
        ({"filters": "a: 500 0, 510"}, "point 2 of 'a'"),
        ({"filters": "a: 500 0, 510 1; A: 500 0, 510 1"}, "two passbands"),
        ({"filters": "a: 200 0, 210 1, 220 0"}, "outside"),
        ({"filters": TOP_HAT, "engine": Engine.PACKAGE}, "ENGINE=batch"),
        ({"filters": "a: 500 nan, 510 1"}, "not a number"),
        ({"filters": "a: 500 1e-323, 501 0"}, "no usual size"),
        ({"filters": "a: 400 1e308, 700 1e308"}, "no usual size"),
        ({"filters": "a: 500 0, 500.00000000000006 1"}, "too close"),
        ({"filters": "a" * 100_000 + ": 500 1"}, "characters"),
        ({"filters": ";".join(f"a{n}: 500 1, 510 1" for n in range(51))}, "at most 50"),
    ],
)
def test_what_cannot_be_had_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises((ParameterError, ValidationError)) as caught:
        PhotometryParameters.model_validate(wrong)
    assert said in str(caught.value) + str(getattr(caught.value, "hint", ""))


def test_words_for_parts_of_the_spectrum() -> None:
    assert [spectral_ucd(nm) for nm in (350, 450, 550, 650, 800, 1020)] == [
        "em.opt.U",
        "em.opt.B",
        "em.opt.V",
        "em.opt.R",
        "em.opt.I",
        "em.IR.J",
    ]
