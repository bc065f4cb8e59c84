from __future__ import annotations

import numpy as np
import pytest

from gaia.xp import sampling
from gaia.xp.covariance import QuadraticForm, correlation_matrix, covariances
from gaia.xp.spectra import BASES, Spectra
from tests.gaia.xp.conftest import perturbed, without
from vo.core.errors import ParameterError


def test_parts_are_the_whole(anchor: Spectra) -> None:
    many = perturbed(anchor, 7, seed=1)
    parts = [(place, part) for place, part in many.parts(3)]
    assert [(place.start, place.stop) for place, _ in parts] == [(0, 3), (3, 6), (6, 7)]
    np.testing.assert_array_equal(np.concatenate([part.rp.coefficients for _, part in parts]), many.rp.coefficients)
    assert [len(part) for _, part in parts] == [3, 3, 1]


def test_truncation_leaves_out_the_functions_of_each_source(anchor: Spectra) -> None:
    many = perturbed(anchor, 4, seed=1)
    many.bp.relevant[:] = (3, 55, 0, -1)
    many.rp.relevant[:] = (1, 1, 1, 1)
    short = many.truncated()
    assert [np.count_nonzero(row) for row in short.bp.coefficients] == [3, 55, 55, 55]
    assert [np.count_nonzero(row) for row in short.rp.errors] == [1, 1, 1, 1]
    np.testing.assert_array_equal(short.bp.coefficients[0, :3], many.bp.coefficients[0, :3])


def test_replicas_scatter_as_their_covariances_say(anchor: Spectra) -> None:
    many = perturbed(anchor, 4000, seed=2)
    expected = covariances(anchor.bp)[0] * anchor.bp.standard_deviation[0] ** 2
    scatter = np.cov(many.bp.coefficients.T)
    np.testing.assert_allclose(np.diag(scatter), np.diag(expected), rtol=0.12)
    off = correlation_matrix(scatter) - correlation_matrix(expected)
    assert np.abs(off).max() < 0.08


def test_variances_are_those_of_the_matrix(anchor: Spectra) -> None:
    """The archive's correlations are the upper triangle column after column."""
    band = anchor.bp
    matrix = np.eye(BASES)
    at = 0
    for column in range(1, BASES):
        for row in range(column):
            matrix[row, column] = matrix[column, row] = band.correlations[0, at]
            at += 1
    matrix *= np.outer(band.errors[0], band.errors[0])
    design = np.random.default_rng(3).standard_normal((BASES, 4))
    expected = np.einsum("kj,kl,lj->j", design, matrix, design)
    np.testing.assert_allclose(QuadraticForm(design).variances(band)[0], expected, rtol=1e-13)
    np.testing.assert_allclose(covariances(band)[0] * band.standard_deviation[0] ** 2, matrix, rtol=1e-14)


def test_more_sources_than_a_block_have_their_own_variances(anchor: Spectra) -> None:
    many = without(perturbed(anchor, 600, seed=4), bp=[599])
    many.bp.errors[:] *= np.linspace(1.0, 2.0, 600)[:, None] * many.bp.present[:, None]
    found = QuadraticForm(np.eye(BASES)).variances(many.bp)
    np.testing.assert_allclose(found, many.bp.errors**2, rtol=1e-15)
    assert not found[599].any()


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([400.0, 390.0], "SAMPLING: value 2, 390 nm, does not ascend after 400 nm."),
        ([400.0, 400.0], "value 2, 400 nm, does not ascend"),
        ([329.9, 400.0], "value 1, 329.9 nm, is not within 330 to 1050 nm."),
        ([400.0, 1051.0], "value 2, 1051 nm, is not within"),
        ([400.0, float("nan")], "value 2, nan nm, is not a number."),
        ([400.0, float("inf")], "value 2, inf nm, is not within"),
        ([], "it has no values."),
        (np.linspace(330, 1050, 10_001), "10,001 values are more than 10,000."),
    ],
)
def test_samplings_that_are_refused(values: list[float], fault: str) -> None:
    with pytest.raises(ParameterError) as caught:
        sampling.wavelengths(values)
    assert fault in caught.value.message


def test_samplings_that_are_taken() -> None:
    assert sampling.wavelengths([330, 1050]).tolist() == [330.0, 1050.0]
    assert sampling.wavelengths([656.28]).tolist() == [656.28]
    assert sampling.pseudo_wavelengths([0, 60]).tolist() == [0.0, 60.0]
    with pytest.raises(ParameterError, match=r"value 1, -0.1, is not within 0 to 60"):
        sampling.pseudo_wavelengths([-0.1, 1.0])
