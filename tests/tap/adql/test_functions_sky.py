"""Functions of the sky: astropy's and NumPy's answers, and the sky index behind conditions with them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import erfa  # type: ignore[import-untyped]
import numpy as np
import psycopg2
import psycopg2.extensions
import pytest
from astropy import units as u
from astropy.coordinates import FK4NoETerms, Galactic, GeocentricMeanEcliptic, SkyCoord, Supergalactic
from astropy.time import Time
from psycopg2.extras import execute_values

from tap.adql import ADQLError
from tap.adql.functions import healpix, rotations
from tests.tap.adql.odd_rows import COUNT, DEC, RA, SOURCES, make_odd_rows
from tests.tap.adql.tables import Plan, Run, adql_session

from .brute_force import separation


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with adql_session(database, make_odd_rows) as connection:
        yield connection


# ---- positions ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:ERFA function")
def test_epoch_propagation_agrees_with_astropy(run: Run) -> None:
    random = np.random.default_rng(8)
    number = 40
    plx, pmra, pmdec, rv = (
        random.uniform(low, high, number) for low, high in ((5, 500), (-3e3, 3e3), (-3e3, 3e3), (-99, 99))
    )
    ra, dec = random.uniform(0, 360, number), random.uniform(-89, 89, number)
    stars = SkyCoord(
        ra * u.deg, dec * u.deg, distance=(1000 / plx) * u.pc, pm_ra_cosdec=pmra * u.mas / u.yr,
        pm_dec=pmdec * u.mas / u.yr, radial_velocity=rv * u.km / u.s, obstime=Time(2016.0, format="jyear", scale="tt"),
    )  # fmt: skip
    moved = stars.apply_space_motion(Time(1950.0, format="jyear", scale="tt"))
    for i in range(number):
        values = ", ".join(repr(float(x)) for x in (ra[i], dec[i], plx[i], pmra[i], pmdec[i], rv[i]))
        constant, (x, y, parallax, east, north, radial), varying = run(
            f"SELECT ivo_epoch_prop_pos({values}, 2016, 1950), ivo_epoch_prop({values}, 2016, 1950), "
            f"ivo_epoch_prop_pos({values}, 2016, 1949 + field_id) FROM fields WHERE field_id = 1"
        )[0]
        assert varying == pytest.approx(constant, abs=1e-12)
        assert separation(np.array(x), np.array(y), moved.ra.deg[i], moved.dec.deg[i]) < 3e-7
        assert separation(np.array(x), np.array(y), *constant) < 1e-11
        after = (moved.pm_ra_cosdec.value[i], moved.pm_dec.value[i], moved.radial_velocity.value[i])
        assert (east, north, radial) == pytest.approx(after, rel=1e-4, abs=1e-2)
        assert parallax == pytest.approx(1000 / moved.distance.pc[i], rel=1e-5)


FRAMES = {
    "GALACTIC": Galactic(),
    "SUPER_GALACTIC": Supergalactic(),
    "FK4": FK4NoETerms(equinox="B1950", obstime="B1950"),
    "ECLIPTIC": GeocentricMeanEcliptic(equinox="J2000"),
}


@pytest.mark.parametrize("frame", ["GALACTIC", "SUPER_GALACTIC", "FK4"])
def test_frames_agree_with_astropy(frame: str, run: Run) -> None:
    places = SkyCoord(RA[:50] * u.deg, DEC[:50] * u.deg).transform_to(FRAMES[frame])
    ids = ", ".join(map(str, SOURCES[:50]))
    rows = run(
        f"SELECT ivo_geom_transform('ICRS', '{frame}', POINT(ra, dec)), ra, dec, ivo_geom_transform('{frame}', 'ICRS', "
        f"ivo_geom_transform('ICRS', '{frame}', POINT(ra, dec))) FROM bright WHERE source_id IN ({ids}) ORDER BY ra"
    )
    order = np.argsort(RA[:50])
    lon, lat = places.spherical.lon.deg[order], places.spherical.lat.deg[order]
    for i, ((x, y), ra, dec, back) in enumerate(rows):
        assert separation(np.array(x), np.array(y), lon[i], lat[i]) < 1e-9
        assert back == pytest.approx([ra % 360, dec], abs=1e-11)
        assert rotations.rotated(ra, dec, rotations.rotation("ICRS", frame)) == pytest.approx((x, y), abs=1e-11)


def test_ecliptic_is_that_of_erfa() -> None:
    assert rotations.rotation("ICRS", "ECLIPTIC") == pytest.approx(erfa.ecm06(2451545.0, 0).ravel(), abs=1e-15)


def test_regions_change_frames(run: Run) -> None:
    circle, stored, polygon, varying = run(
        "SELECT ivo_geom_transform('ICRS', 'GALACTIC', CIRCLE(120, -23, 0.5)), "
        "ivo_geom_transform('ICRS', 'GALACTIC', circle_), ivo_geom_transform('ICRS', 'GALACTIC', region_), "
        "ivo_geom_transform('ICRS', 'GALACTIC', POLYGON(119, -24, 121, -24, 121, -22)) FROM fields WHERE field_id = 1"
    )[0]
    assert circle == pytest.approx([241.121831182, 3.62785788087, 0.5])
    assert stored == pytest.approx([241.121831182, 3.62785788087, math.degrees(0.01)])
    assert polygon == pytest.approx(varying)
    assert len(polygon) == 6
    with pytest.raises(ADQLError, match="frame 'galactic' is not offered"):
        run("SELECT ivo_geom_transform('ICRS', 'galactic', POINT(1, 2)) FROM fields")


def test_healpix_of_rows_and_constants(run: Run) -> None:
    """The pixels of the database are those of the constants, where faces meet too, and hold their centres."""
    places = [(lon, lat) for lon in range(-90, 451, 15) for lat in (-90, -60, -41.810314895778596, 0, 30, 45, 75, 90)]
    for order in (0, 3, 29):
        assert all(0 <= healpix.index(order, *place) < healpix.pixels(order) for place in places)
        for lon, lat in places:
            centre = healpix.centre(order, healpix.index(order, lon, lat))
            assert separation(np.array(lon), np.array(lat), *centre) < 75 / 2**order
    rows = run(
        "SELECT ivo_healpix_index(8, ra, dec), ivo_healpix_center(8, ivo_healpix_index(8, POINT(ra, dec))), ra, dec, "
        "gaia_healpix_index(8, source_id) FROM bright"
    )
    for pixel, centre, ra, dec, gaia in rows[::10]:
        assert pixel == healpix.index(8, ra, dec) == gaia
        assert centre == pytest.approx(healpix.centre(8, pixel), abs=1e-11)


def test_healpix_where_faces_meet(connection: psycopg2.extensions.connection) -> None:
    places = [(lon, lat) for lon in range(-90, 451, 15) for lat in (-90, -60, -41.810314895778596, 0, 30, 45, 75, 90)]
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "SELECT lon, lat, vo_udf.healpix_index(17, lon::float8, lat::float8) FROM (VALUES %s) AS v (lon, lat)",
            places,
            page_size=1000,
        )
        for lon, lat, pixel in cursor.fetchall():
            assert pixel == healpix.index(17, float(lon), float(lat)), (lon, lat)


CONES = [
    "CIRCLE(ivo_geom_transform('GALACTIC', 'ICRS', POINT(118.6, -42.3)), 3)",
    "CIRCLE(ivo_healpix_center(6, ivo_healpix_index(6, 10, 20)), 1)",
    "CIRCLE(ivo_epoch_prop_pos(10, 20, 100, 300, -200, NULL, 2016, 2000), 0.5)",
    "CIRCLE(gavo_apply_pm(10, 20, 0.001, 0, 10), 0.5)",
    "CIRCLE(ivo_hms_to_degrees('0:40:00'), ivo_dms_to_degrees('+20d0m0s'), 0.5)",
    "ivo_geom_transform('GALACTIC', 'ICRS', CIRCLE(118.6, -42.3, 3))",
]


@pytest.mark.parametrize("region", CONES)
def test_regions_of_constants_reach_the_index(region: str, run: Run, plan: Plan) -> None:
    query = f"SELECT COUNT(*) FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), {region})"
    assert "Seq Scan" not in plan(query)
    assert 30 < run(query)[0][0] < COUNT / 2


# ---- Q3C's names ----------------------------------------------------------------------------------------------------

QUERIES = [
    ("q3c_dist(ra, dec, 10, 20) < 0.7", 0.7),
    ("0.7 >= q3c_dist(10, 20, ra, dec)", 0.7),
    ("1 = q3c_radial_query(ra, dec, 10, 20, 0.7)", 0.7),
    ("'t' = q3c_radial_query(ra, dec, 10, 20, 0.7)", 0.7),
    ("q3c_join(10, 20, ra, dec, 0.7) = 1", 0.7),
    ("1 = q3c_join(ra, dec, 10, 20, 0.7)", 0.7),
    ("1 = q3c_ellipse_query(ra, dec, 10, 20, 0.7, 1, 30)", 0.7),
    ("1 = q3c_ellipse_join(10, 20, ra, dec, 0.7, 1, 30)", 0.7),
]


@pytest.mark.parametrize(("condition", "radius"), QUERIES)
def test_cones_by_q3c_use_the_index(condition: str, radius: float, run: Run, plan: Plan) -> None:
    query = f"SELECT source_id FROM bright WHERE {condition}"
    assert "Seq Scan" not in plan(query)
    expected = set(SOURCES[separation(RA, DEC, 10, 20) < radius].tolist())
    assert len(expected) > 50
    assert {row[0] for row in run(query)} == expected


def test_polygons_and_joins_by_q3c(run: Run, plan: Plan) -> None:
    polygon = "POLYGON(9.5, 19.5, 10.5, 19.5, 10.5, 20.5, 9.5, 20.5)"
    query = f"SELECT source_id FROM bright WHERE 1 = q3c_poly_query(ra, dec, {polygon})"
    same = f"SELECT source_id FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), {polygon})"
    assert sorted(run(query)) == sorted(run(same))
    assert "Seq Scan" not in plan(query)
    inside = run("SELECT source_id FROM bright WHERE 1 = q3c_ellipse_query(ra, dec, 10, 20, 0.7, 0.5, 0)")
    assert 10 < len(inside) < np.count_nonzero(separation(RA, DEC, 10, 20) < 0.7)
    pairs = run(
        "SELECT a.source_id, b.source_id FROM bright a JOIN bright b ON 1 = q3c_join(a.ra, a.dec, b.ra, b.dec, 0.02)"
    )
    close = sum(int(np.count_nonzero(separation(RA, DEC, ra, dec) < 0.02)) for ra, dec in zip(RA, DEC, strict=True))
    assert len(pairs) == close > COUNT


def test_pixels_of_gaia_use_the_index_on_source_id(run: Run, plan: Plan) -> None:
    pixel = healpix.index(5, 10, 20)
    bits = 59 - 2 * 5
    for condition, expected in (
        (f"gaia_healpix_index(5, source_id) = {pixel}", SOURCES >> bits == pixel),
        (f"{pixel} = GAIA_HEALPIX_INDEX(5, source_id)", SOURCES >> bits == pixel),
        (f"gaia_healpix_index(5, source_id) BETWEEN {pixel - 3} AND {pixel}", abs((SOURCES >> bits) - pixel + 1.5) < 2),
        (f"gaia_healpix_index(5, source_id) IN ({pixel}, 7)", np.isin(SOURCES >> bits, (pixel, 7))),
        ("gaia_healpix_index(5, source_id) < 40", SOURCES >> bits < 40),
    ):
        query = f"SELECT source_id FROM bright WHERE {condition}"
        assert {row[0] for row in run(query)} == set(SOURCES[expected].tolist()), condition
        assert "Seq Scan" not in plan(query)
    assert len(run(f"SELECT source_id FROM bright WHERE gaia_healpix_index(5, source_id) <> {pixel}")) < COUNT
