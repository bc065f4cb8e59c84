"""Functions in PostgreSQL, as ADQL's role runs them: examples of their declarations, NumPy's and astropy's answers."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import unquote

import erfa  # type: ignore[import-untyped]
import numpy as np
import psycopg2
import psycopg2.extensions
import pytest
from astropy import units as u
from astropy.coordinates import FK4NoETerms, Galactic, GeocentricMeanEcliptic, SkyCoord, Supergalactic
from astropy.time import Time
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values

from tap.adql import FEATURES, ADQLError, Catalogue, Dialect, translate
from tap.adql.functions import SHIPPED, Function, Parameter, healpix, rotations
from tap.adql.functions.simbad import Simbad
from tap.adql.types import Kind
from tap.adql.units import power_unit, product_unit
from vo.core.errors import UnavailableError
from vo.core.tables import Datatype

from .brute_force import SESSION, separation

COUNT = 4000
UDFS = SHIPPED.user_defined
SETUP = """
CREATE SCHEMA data; CREATE SCHEMA upload; CREATE SCHEMA tap_schema;
CREATE TABLE data.bright__v7 (source_id bigint PRIMARY KEY, ra double precision, dec double precision, g real,
    name text, seen timestamp, variable boolean, quality smallint, spectrum real[]);
CREATE TABLE upload.targets (id integer PRIMARY KEY, ra double precision, dec double precision,
    radius double precision, "Mixed Case" integer);
CREATE TABLE data.fields__v1 (field_id integer PRIMARY KEY, centre public.spoint, circle_ public.scircle,
    outline public.spoly, place double precision[], region_ double precision[]);
INSERT INTO data.fields__v1 (field_id, place, centre, circle_, region_) VALUES
    (1, ARRAY[120, -23], public.spoint(radians(120), radians(-23)),
     public.scircle(public.spoint(radians(120), radians(-23)), 0.01), ARRAY[119, -24, 121, -24, 121, -22]),
    (2, NULL, NULL, NULL, NULL);
"""
INDEXES = """
CREATE INDEX ON data.bright__v7 (public.q3c_ang2ipix(ra, dec)); ANALYZE data.bright__v7; ANALYZE upload.targets;
GRANT USAGE ON SCHEMA data, upload TO vo_tap; GRANT SELECT ON ALL TABLES IN SCHEMA data, upload TO vo_tap;
"""
ODD = (math.nan, math.inf, -math.inf, 1e300, -1e300, 1e-300, -1e-300, 0.0, 90.0, -90.0, 91.0, 360.0, 1e17, None)
"""Numbers that no catalogue should have, in the table of targets."""


def sky() -> tuple[Any, Any]:
    """Return positions, some of them around (10, 20)."""
    random = np.random.default_rng(5)
    ra, dec = random.uniform(0, 360, COUNT), np.degrees(np.arcsin(random.uniform(-1, 1, COUNT)))
    ra[:300], dec[:300] = random.normal(10, 0.5, 300), random.normal(20, 0.5, 300)
    return ra, dec


RA, DEC = sky()
SOURCES = np.array([healpix.index(12, ra, dec) << 35 for ra, dec in zip(RA, DEC, strict=True)]) + np.arange(COUNT)


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    """Return a connection of ADQL's role to a database with stars and odd numbers."""
    with psycopg2.connect(database) as opened, opened.cursor() as cursor:
        cursor.execute(SETUP)
        stars = [
            (source, ra, dec, 5.5, "HD 1", "2000-01-02T12:00:00", i % 2 == 0, i % 200, [1.0, 2.0, 6.0])
            for i, (source, ra, dec) in enumerate(zip(SOURCES.tolist(), RA.tolist(), DEC.tolist(), strict=True))
        ]
        execute_values(cursor, "INSERT INTO data.bright__v7 VALUES %s", stars, page_size=2000)
        odd = [(i, x, y, x, i) for i, (x, y) in enumerate((x, y) for x in ODD for y in ODD)]
        execute_values(cursor, "INSERT INTO upload.targets VALUES %s", odd)
        cursor.execute(INDEXES)
    opened.autocommit = True
    with opened.cursor() as cursor:
        cursor.execute(SESSION)
    yield opened
    opened.close()


Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def run(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Run:
    """Return a function that runs a query."""

    def execute(query: str, dialect: Dialect | None = None) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(translate(query, catalogue, dialect=dialect).sql)
            return list(cursor.fetchall())

    return execute


@pytest.fixture
def plan(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Callable[[str], str]:
    """Return a function that returns the plan of a query."""

    def explain(query: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + translate(query, catalogue).sql)
            return "\n".join(row[0] for row in cursor.fetchall())

    return explain


# ---- every declaration ----------------------------------------------------------------------------------------------


def test_examples_of_declarations(run: Run) -> None:
    examples = [example for function in SHIPPED for example in function.examples]
    calls = ", ".join(example.call for example in examples)
    (row,) = run(f"SELECT {calls} FROM fields WHERE field_id = 1")
    for example, found in zip(examples, row, strict=True):
        if isinstance(example.result, list):
            for one, other in zip(found, example.result, strict=True):
                # The catalogue prints 5 to 16 digits.
                assert one == (other if other is None else pytest.approx(other, abs=1e-5, rel=1e-9)), example.call
        elif isinstance(example.result, float):
            assert found == pytest.approx(example.result, rel=1e-8), example.call
        else:
            assert found == example.result, example.call


SAMPLES = {
    "from_sys": "'GALACTIC'",
    "to_sys": "'ICRS'",
    "dest_unit": "'Hz'",
    "expr_unit": "'nm'",
    "pattern": "'a'",
    "lower": "1",
    "upper": "2",
    "nbins": "3",
    "identifier": "'M 1'",
}
COLUMNS = {
    Kind.POINT: "place",
    Kind.CIRCLE: "circle_",
    Kind.POLYGON: "region_",
    Kind.ARRAY: "epoch_prop(1, 2, 3, 4, 5, 6, 7, 8)",
    Kind.NUMBER: "field_id",
    Kind.BOOLEAN: "to_boolean(field_id)",
}
NAMED = Dialect(simbad=lambda _: (83.63, 22.01))


def sample(function: Function, parameter: Parameter, known: str) -> str:
    """Return an argument: what has to be a literal, the rest as `known` says."""
    if parameter.literal or (function.name.endswith("specconv") and "unit" in parameter.name):
        return SAMPLES[parameter.name]
    kind = parameter.kinds[0]
    if known == "null" and kind not in (Kind.POINT, Kind.CIRCLE, Kind.POLYGON):
        return "NULL"
    return COLUMNS.get(kind, "CAST('x' AS VARCHAR(3))")


def test_every_declaration_takes_nulls(run: Run) -> None:
    """No function stops a query for want of a value, but for those of which the catalogue asks it."""
    for function in UDFS:
        arguments = ", ".join(sample(function, parameter, "null") for parameter in function.parameters)
        if function.name == "gavo_specconv" and len(function.parameters) == 2:
            continue  # takes a value whose unit is known
        query = f"SELECT {function.name}({arguments}) AS x FROM fields WHERE field_id = 2"
        if "epoch_prop" in function.name:
            with pytest.raises(ADQLError, match="needs ra"):
                run(query)
            continue
        (row,) = run(query, NAMED)
        if not function.aggregate and "simbad" not in function.name:
            assert row == (None,), function.signature


TYPES = {
    Datatype.BOOLEAN: "bool", Datatype.SHORT: "int2", Datatype.INT: "int4", Datatype.LONG: "int8",
    Datatype.FLOAT: "float4", Datatype.DOUBLE: "float8", Datatype.CHAR: "text",
}  # fmt: skip


def test_results_have_the_declared_types(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> None:
    for function in UDFS:
        if function.name == "gavo_specconv" and len(function.parameters) == 2:
            continue
        given = [
            "'2000-01-01'" if Kind.TIMESTAMP in parameter.kinds and parameter.kinds[0] is Kind.TIMESTAMP
            else sample(function, parameter, "column")
            for parameter in function.parameters
        ]  # fmt: skip
        query = f"SELECT {function.name}({', '.join(given)}) AS x FROM fields WHERE field_id = 1"
        found = translate(query, catalogue, dialect=NAMED)
        (column,) = found.columns
        with connection.cursor() as cursor:
            cursor.execute(found.sql)
            assert cursor.description is not None
            cursor.execute("SELECT typname FROM pg_type WHERE oid = %s", (cursor.description[0].type_code,))
            (name,) = cursor.fetchone() or ("",)
        assert name == ("_" if column.is_array else "") + TYPES[column.datatype], function.signature
        if function.returns not in ("ANY", "NUMERIC", "GEOMETRY") and not function.returns.startswith("REAL"):
            declared = {"TEXT": "CHAR", "INTEGER": "INT", "SMALLINT": "SHORT", "BIGINT": "LONG", "POINT": "DOUBLE"}
            wanted = declared.get(function.returns.removesuffix("[]"), function.returns)
            assert column.datatype.name == wanted, function.signature


def test_odd_numbers_stop_no_query(run: Run) -> None:
    """Rows with numbers that are no positions, times or motions give NULL, or a number, but no error."""
    numbers = ("ra", "dec", "radius")
    for function in UDFS:
        if any(p.kinds not in ((Kind.NUMBER,), (Kind.TEXT,)) or (p.kinds == (Kind.TEXT,) and not p.literal)
               for p in function.parameters):  # fmt: skip
            continue
        whole = {"integer": "id", "bigint": "id"}
        given = [
            SAMPLES.get(p.name, "'nm'") if p.literal else whole.get(p.sql_type, numbers[i % 3])
            for i, p in enumerate(function.parameters)
        ]
        if function.name == "gavo_specconv" and len(given) == 2:
            continue
        condition = (
            " WHERE ra IS NOT NULL AND dec IS NOT NULL AND radius IS NOT NULL" if "prop" in function.name else ""
        )
        rows = run(f"SELECT {function.name}({', '.join(given)}) AS x FROM targets{condition}", NAMED)
        assert len(rows) == (1 if function.aggregate else len(ODD) ** 2 if not condition else len(rows))


def test_bodies_are_closed_and_harmless(database: str) -> None:
    """Nobody but ADQL's role calls them, with no other rights than its own, and they have no effects."""
    with psycopg2.connect(database) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname, has_function_privilege('vo_tap', p.oid, 'EXECUTE'), "
            "has_function_privilege('public', p.oid, 'EXECUTE'), p.prosecdef, p.provolatile, p.proparallel, "
            "p.prosrc ~* 'execute|perform|select|insert|update|delete|exception when' "
            "FROM pg_proc AS p WHERE p.pronamespace = 'vo_udf'::regnamespace"
        )
        rows = cursor.fetchall()
    superuser.close()
    assert len(rows) >= 10
    assert {row[1:] for row in rows} == {(True, False, False, "i", "s", False)}


def test_declared_forms_are_those_that_topcat_reads() -> None:
    forms = [feature.form for feature in FEATURES["ivo://ivoa.net/std/tapregext#features-udf"]]
    pattern = re.compile(r"[a-z]\w*\((?:[A-Za-z0-9]+ [A-Z]+(?:, )?)*\) -> [A-Z]+")
    assert [form for form in forms if pattern.fullmatch(form) is None] == []
    assert len(set(forms)) == len(forms)
    assert "ivo_geom_transform(fromSys TEXT, toSys TEXT, geo CIRCLE) -> CIRCLE" in forms
    assert all(function.description for function in UDFS)


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
def test_regions_of_constants_reach_the_index(region: str, run: Run, plan: Callable[[str], str]) -> None:
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
def test_cones_by_q3c_use_the_index(condition: str, radius: float, run: Run, plan: Callable[[str], str]) -> None:
    query = f"SELECT source_id FROM bright WHERE {condition}"
    assert "Seq Scan" not in plan(query)
    expected = set(SOURCES[separation(RA, DEC, 10, 20) < radius].tolist())
    assert len(expected) > 50
    assert {row[0] for row in run(query)} == expected


def test_polygons_and_joins_by_q3c(run: Run, plan: Callable[[str], str]) -> None:
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


def test_pixels_of_gaia_use_the_index_on_source_id(run: Run, plan: Callable[[str], str]) -> None:
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


# ---- the rest -------------------------------------------------------------------------------------------------------


def test_statistics_agree_with_numpy(run: Run) -> None:
    ((counts, deviation, variance, joined, bits),) = run(
        "SELECT ivo_histogram(ra, 100, 200, 5), stddev(dec), variance(dec), ivo_string_agg(NULL, '-'), "
        "bit_or(quality) FROM bright"
    )
    inside, _ = np.histogram(RA[RA < 200], 5, (100, 200))
    assert counts == [np.count_nonzero(RA < 100), *inside.tolist(), np.count_nonzero(RA >= 200)]
    assert (deviation, variance, joined, bits) == (
        pytest.approx(DEC.std(ddof=1)),
        pytest.approx(DEC.var(ddof=1)),
        "",
        255,
    )
    assert run("SELECT ivo_histogram(ra, 0, 1, 2) FROM bright WHERE source_id < 0") == [([0, 0, 0, 0],)]
    rows: Any = np.array(run("SELECT ivo_normal_random(10, 3), arr_avg(spectrum), arr_max(spectrum) FROM bright"))
    assert (rows[:, 0].mean(), rows[:, 0].std()) == (pytest.approx(10, abs=0.3), pytest.approx(3, abs=0.2))
    assert rows[0, 1:].tolist() == [3, 6]


def test_metadata_of_results(catalogue: Catalogue) -> None:
    for expression, unit, ucd, xtype in (
        ("ivo_to_mjd(seen)", "d", "time.epoch", None),
        ("stddev(phot_g_mean_mag)", "mag", "stat.stdev;phot.mag;em.opt", None),
        ("variance(ra)", "deg**2", "stat.variance;pos.eq.ra", None),
        ("ivo_epoch_prop_pos(ra, dec, 0, 0, 0, 0, 2000, 2010)", "deg", "pos", "point"),
        ("greatest(ra, dec)", "deg", "pos.eq.ra;meta.main", None),
        ("POWER(ra, 2)", "deg**2", None, None),
        ("SQRT(ra * ra)", "deg", None, None),
        ("SQRT(ra)", None, None, None),
        ("gavo_specconv(500, 'nm', 'eV')", "eV", "em", None),
        ("IN_UNIT(ra / dec * ra, 'arcsec')", "arcsec", None, None),
    ):
        (column,) = translate(f"SELECT {expression} AS x FROM bright", catalogue).columns
        assert (column.unit, column.ucd, column.xtype) == (unit, ucd, xtype), expression


ERRORS = [
    ("ivo_haswrd(name, 'x')", "Did you mean ivo_hasword?"),
    ("gaia_healpix_idx(6, source_id)", "gaia_healpix_index"),
    ("stddev_samp(ra)", "In ADQL it is stddev."),
    ("ivo_hasword(name)", "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER"),
    ("ivo_hasword(name, 5)", "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER"),
    ("greatest(1)", "2 or more arguments"),
    ("ivo_healpix_index(30, 1, 1)", "from 0 to 29"),
    ("ivo_healpix_index(ra, 1, 1)", "whole number"),
    ("ivo_healpix_center(0, 12)", "pixels from 0 to 11"),
    ("ivo_healpix_center(17, 23.2)", "whole number"),
    ("ivo_epoch_prop_pos(NULL, 11, 125, 300, 0, 0, 2016.0, 1875.0)", "needs ra"),
    ("ivo_epoch_prop_pos(1, 11, 125, 300, 0, 0, NULL, 1875.0)", "needs ref_epoch"),
    ("ivo_histogram(ra, 5, 1, 3)", "less than its upper"),
    ("ivo_histogram(ra, 1, 5, 0)", "from 1 to 10000"),
    ("ivo_histogram(ra, dec, 5, 3)", "literal number"),
    ("ivo_simbadpoint('M 1')", "not offered"),
    ("gavo_match(name, 'x')", "literal string"),
    ("gavo_match('(a)\\1', name)", "not offered"),
    ("gavo_match('(a?){200}(a?){200}', name)", "not offered"),
    ("gavo_specconv(1, 'nm')", "unit of the value is not known"),
    ("gavo_specconv(1, 'nm', 'kg')", "spectral"),
    ("IN_UNIT(5, 'deg')", "bare numbers have none"),
    ("IN_UNIT(EXP(ra), 'deg')", "not known"),
    ("ivo_geom_transform('GALACTIC', 'ICRS', POINT('ECLIPTIC', 1, 2))", "do not go together"),
]


@pytest.mark.parametrize(("call", "part"), ERRORS)
def test_errors(call: str, part: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(f"SELECT {call} FROM bright", catalogue)
    assert part in caught.value.text()
    assert caught.value.position is not None


SYMBOLS = st.sampled_from(["mas", "yr", "deg", "km", "s", "mag", "Jy", "'electron'"])
SIMPLE = st.builds(lambda symbol, power: symbol if power == 1 else f"{symbol}**{power}", SYMBOLS, st.integers(1, 3))
UNITS = st.one_of(
    SIMPLE,
    st.builds("{}.{}".format, SIMPLE, SIMPLE),
    st.builds("{}/{}".format, SIMPLE, SIMPLE),
    st.builds("{0}.{1}**-1".format, SIMPLE, SYMBOLS),
    st.builds("{}/({}.{})".format, SIMPLE, SIMPLE, SIMPLE),
)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("*/"), UNITS), min_size=2, max_size=5), st.sampled_from([-2, 0.5, 2]))
def test_units_of_products_are_those_of_astropy(factors: list[tuple[str, str]], power: float) -> None:
    def read(text: str) -> u.UnitBase:
        return u.Unit(text, format="vounit", parse_strict="raise")

    names = [unit for _, unit in factors]
    product = product_unit(names, [False] * len(names), [operator for operator, _ in factors[1:]])
    expected = read(names[0])
    for operator, unit in factors[1:]:
        expected = expected * read(unit) if operator == "*" else expected / read(unit)
    assume(product is not None)  # VOUnits have no high powers
    assert product is not None
    assert read(product).is_equivalent(expected)
    assert read(product).to(expected) == pytest.approx(1)
    raised = power_unit(product, power)
    if raised is not None:
        assert read(raised).to(expected**power) == pytest.approx(1)


def test_units_that_cannot_be_written() -> None:
    assert product_unit(["mas.yr**-1", "yr"], [False, False], ["*"]) == "mas"
    assert product_unit([None, "d"], [True, False], ["/"]) == "d**-1"
    assert product_unit(["10**-3.mag", None], [False, True], ["*"]) == "10**-3.mag"
    assert product_unit(["10**-3.mag", "s"], [False, False], ["*"]) is None
    assert product_unit(["deg", None], [False, False], ["*"]) is None


class Sesame(BaseHTTPRequestHandler):
    """Answers as CDS does."""

    asked: list[str] = []

    def do_GET(self) -> None:
        name = unquote(self.path.partition("?")[2])
        self.asked.append(name)
        text = f"# {name}\n#=S=Simbad: 1\n%J 269.45207696 +4.69336497 = 17:57:48.49 +04:41:36.1\n"
        body = (text if name == "GJ 699" else f"# {name}\n#!S=Simbad: Nothing found\n").encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_names_are_resolved_once(run: Run, catalogue: Catalogue) -> None:
    server = HTTPServer(("127.0.0.1", 0), Sesame)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        dialect = Dialect(simbad=Simbad(f"http://127.0.0.1:{server.server_port}/", timeout=5))
        for _ in range(2):
            ((place,),) = run("SELECT ivo_simbadpoint('GJ   699') FROM fields WHERE field_id = 1", dialect)
            assert place == [269.45207696, 4.69336497]
        with pytest.raises(ADQLError, match="Simbad does not know 'an invalid identifier'"):
            run("SELECT gavo_simbadpoint('an invalid identifier') FROM fields", dialect)
        with pytest.raises(ADQLError, match="literal"):
            run("SELECT ivo_simbadpoint(name) FROM bright", dialect)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert Sesame.asked == ["GJ 699", "an invalid identifier"]
    with pytest.raises(UnavailableError):
        run("SELECT ivo_simbadpoint('M 31') FROM fields", dialect)
    assert replace(dialect, simbad=None).functions is SHIPPED
