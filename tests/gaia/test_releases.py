from __future__ import annotations

import pytest

from gaia.releases import DR3, DR4, Release


@pytest.mark.parametrize(("release", "epoch"), [(DR3, "J2016.0"), (DR4, "J2017.5")])
def test_facts_of_a_release_stand_in_results(release: Release, epoch: str) -> None:
    facts = release.facts()
    assert facts["release"] == release.name
    assert facts["reference_epoch"] == epoch
    assert facts["licence"].startswith("CC BY-NC 3.0 IGO")
    assert "European Space Agency (ESA) mission Gaia" in facts["acknowledgement"]
    assert facts["citation"].startswith("https://")
