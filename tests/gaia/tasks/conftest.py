"""Real spectra as tables."""

from __future__ import annotations

import pytest

from gaia.xp.spectra import Spectra
from tests.gaia.xp.conftest import archive_product, perturbed, spectra_of, without


@pytest.fixture(scope="session")
def spectra() -> Spectra:
    """Seven replicas of a real source; the second has no BP, the third no RP, the fifth neither."""
    return without(perturbed(spectra_of(archive_product("XP_CONTINUOUS")), 7, seed=11), bp=[1, 4], rp=[2, 4])
