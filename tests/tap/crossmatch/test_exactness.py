"""Every mode against brute force, on skies that are difficult on purpose."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap.crossmatch.parameters import CrossmatchParameters, Mode
from tap.crossmatch.separations import Floats
from tests.tap.crossmatch.brute_force import Places, expected, match, pairs_of, table, tiny_pieces

RADII = (1e-9, 0.001, 1.0, 60.0, 3600.0, 36_000.0)
CENTRES = (
    (0.0, 0.0),
    (0.0, 90.0),
    (123.4, -90.0),
    (359.9999999, 45.0),
    (180.0, 89.9999),
    (45.0, 35.2643897),
    (90, -30),
)


@st.composite
def skies(draw: st.DrawFn) -> tuple[Places, Places]:
    """Draw two sets of places that are near each other in all sorts of ways."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from((1e-13, 1e-7, 1e-4, 0.01, 1.0, 20.0)))
    centres = draw(st.lists(st.sampled_from(CENTRES), min_size=1, max_size=3, unique=True))
    kinds = draw(st.lists(st.sampled_from(("around", "grid", "circle", "same", "odd")), min_size=1, max_size=4))
    sides = []
    for _ in range(2):
        where: list[tuple[float | None, float | None]] = []
        for kind in kinds:
            ra, dec = centres[int(generator.integers(len(centres)))]
            where += _places(kind, (ra, dec), scale, generator)
        sides.append([where[place] for place in generator.permutation(len(where))])
    return sides[0], sides[1]


def _places(
    kind: str, centre: tuple[float, float], scale: float, generator: np.random.Generator
) -> list[tuple[float | None, float | None]]:
    (ra, dec), count = centre, int(generator.integers(1, 25))
    ras: Floats
    decs: Floats
    match kind:
        case "around":
            ras, decs = ra + generator.normal(0, scale, count), dec + generator.normal(0, scale, count)
        case "grid":
            steps = scale * generator.integers(-2, 3, (2, count)).astype(float)
            ras, decs = ra + steps[0], dec + steps[1]
        case "circle":
            ras, decs = generator.choice([0.0, 90.0, 180.0, 270.0, -90.0, 450.0], count), np.full(count, dec)
        case "same":
            ras, decs = np.full(count, ra) + 360.0 * generator.integers(-1, 2, count), np.full(count, dec)
        case _:
            odd = [(None, 1.0), (1.0, None), (float("nan"), 0.0), (float("inf"), 0.0), (10.0, 90.1), (-0.0, -90.0)]
            return [odd[place] for place in generator.integers(len(odd), size=count)]
    return list(zip(ras.tolist(), np.clip(decs, -90, 90).tolist(), strict=True))


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.value)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(sky=skies(), radius=st.sampled_from(RADII), tiny=st.booleans(), k=st.integers(1, 30))
def test_constant_radius(mode: Mode, sky: tuple[Places, Places], radius: float, tiny: bool, k: int) -> None:
    first, second = (table(where) for where in sky)
    parameters = CrossmatchParameters(radius=radius, mode=mode, k=k if mode is Mode.NEAREST else None)
    with tiny_pieces() if tiny else nullcontext():
        ran = match(first, second, parameters)
    if mode is Mode.UNMATCHED:
        found = [(row, row) for row in ran.table["id"].to_pylist()]
    else:
        found = pairs_of(ran)
        assert all(value <= radius for value in ran.table["separation"].to_pylist())
    assert sorted(found) == expected(first, second, parameters)
    assert ran.context.counts.requested == len(first)


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("rule", ["sum", "sigma"])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(sky=skies(), radius=st.sampled_from(RADII), tiny=st.booleans())
def test_radii_of_the_rows(mode: Mode, rule: str, sky: tuple[Places, Places], radius: float, tiny: bool) -> None:
    generator = np.random.default_rng(len(sky[0]) + 100 * len(sky[1]))
    sizes = [generator.choice([0.0, 0.1, 1.0, 3.0, 100.0, -1.0, np.nan], len(side)) * radius / 3 for side in sky]
    first, second = (table(where, size=size.tolist()) for where, size in zip(sky, sizes, strict=True))
    k = 3 if mode is Mode.NEAREST else None
    one, other = (np.where(size > 0, size, 0.0) for size in sizes)
    if rule == "sum":
        parameters = CrossmatchParameters(radius=radius, mode=mode, k=k)
        named = {"1": {"radius": "size"}, "2": {"radius": "size"}}
        reach = np.minimum(one, radius)[:, None] + np.minimum(other, radius)
    else:
        # Both coordinates have the same error, so the error of the row is that one.
        parameters = CrossmatchParameters(radius=radius, mode=mode, k=k, sigma=2.0)
        named = {side: {"ra_error": "size", "dec_error": "size"} for side in ("1", "2")}
        one, other = (np.minimum(2.0 * np.sqrt((size**2 + size**2) / 2), radius) for size in (one, other))
        reach = np.hypot(one[:, None], other)
    with tiny_pieces() if tiny else nullcontext():
        ran = match(first, second, parameters, named=named)
    found = [(row, row) for row in ran.table["id"].to_pylist()] if mode is Mode.UNMATCHED else pairs_of(ran)
    assert sorted(found) == expected(first, second, parameters, reach)
