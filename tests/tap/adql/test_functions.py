"""Functions as they are declared: examples, NULLs, types, names and errors, as ADQL's role runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest

from tap.adql import FEATURES, ADQLError, Catalogue, Dialect, translate
from tap.adql.functions import SHIPPED, Function, Parameter
from tap.adql.types import Kind
from tests.tap.adql.odd_rows import DEC, ODD, RA, make_odd_rows
from tests.tap.adql.tables import Run, adql_session
from vo.core.tables import Datatype

UDFS = SHIPPED.user_defined


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with adql_session(database, make_odd_rows) as connection:
        yield connection


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
        ("greatest(ra, dec)", "deg", None, None),
        ("nvl(ra, 5)", "deg", "pos.eq.ra;meta.main", None),
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
