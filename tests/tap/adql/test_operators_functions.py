"""Functions that an operator declares: the documented file runs, wrong ones are refused with the entry's name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from tap.adql import ADQLError, Catalogue, Dialect, features, translate
from tap.adql.functions import SHIPPED, FunctionSet
from tap.adql.functions.operators import check_function_sql, read_functions
from vo.core.errors import ConfigurationError
from vo.core.tables import Column, Datatype

from .tables import become_adql

PAGE = Path(__file__).resolve().parents[3] / "docs/operator/functions.md"
MORE = """
  - signature: survey_shift(p POINT, times TIMESTAMP) -> POINT
    sql: CASE WHEN {times} IS NOT NULL THEN ARRAY[degrees(public.long({p})) + 1, degrees(public.lat({p}))] END
    description: A point one degree further.
  - signature: Survey_Name(first TEXT, second BOOLEAN, all DOUBLE[]) -> TEXT
    sql: "'{{' || {first} || '}}' || {second}::text || cardinality({all})::text"
    description: A name.
"""


@pytest.fixture
def declared(tmp_path: Path) -> FunctionSet:
    """Return the shipped functions and those of the documentation's file."""
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path / "functions.yaml"
    path.write_text(found[1] + MORE, encoding="utf-8")
    return SHIPPED.extended(read_functions(path))


def test_the_documented_file_runs(declared: FunctionSet, database: str, catalogue: Catalogue) -> None:
    dialect = Dialect(functions=declared)
    found = translate(
        "SELECT survey_flux(0, 0), SURVEY_IS_CLEAN(8, 1.0), survey_median(field_id), "
        "MAX(COORD1(survey_shift(POINT(10, 20), '2000-01-01'))), "
        "MAX(survey_name('x', to_boolean(1), ivo_epoch_prop(1, 2, 3, 4, 5, 6, 7, 8))) "
        "FROM fields WHERE 1 = survey_is_clean(field_id, 1)",
        catalogue,
        dialect=dialect,
    )
    assert found.columns[0].unit == "Jy"
    assert found.columns[0].ucd == "phot.flux"
    assert re.search(r'WHERE \(+t1\."field_id" & 7\) = 0 AND', found.sql)
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA data; GRANT USAGE ON SCHEMA data TO vo_tap")
        cursor.execute("CREATE TABLE data.fields__v1 (field_id integer); GRANT SELECT ON data.fields__v1 TO vo_tap")
        cursor.execute("INSERT INTO data.fields__v1 VALUES (8), (16), (48), (7)")
        become_adql(cursor)
        cursor.execute(found.sql)
        assert cursor.fetchone() == (3631, 1, 16, 11, "{x}true6")
        for function in declared.user_defined[len(SHIPPED.user_defined) :]:
            cursor.execute(check_function_sql(function))
            assert cursor.fetchall() in ([(None,)], [(0,)])
    connection.close()
    forms = [feature.form for feature in features(dialect)["ivo://ivoa.net/std/tapregext#features-udf"]]
    assert "survey_is_clean(flags INTEGER, ruwe DOUBLE) -> INTEGER" in forms
    with pytest.raises(ADQLError, match="survey_flux"):
        translate("SELECT survey_flix(1, 2) FROM fields", catalogue, dialect=dialect)


GOOD: dict[str, Any] = {"signature": "my_f(x DOUBLE) -> DOUBLE", "sql": "{x}", "description": "d"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signature": "ivo_f(x DOUBLE) -> DOUBLE"}, "begin with ivo_"),
        ({"signature": "upper(x DOUBLE) -> DOUBLE"}, "reserves the word UPPER"),
        ({"signature": "Q3C_Dist(x DOUBLE) -> DOUBLE"}, "has a function q3c_dist"),
        ({"signature": "my_f(x DOUBLE)"}, "not of the form"),
        ({"signature": "my_f(DOUBLE) -> DOUBLE"}, "argument 'DOUBLE' is not"),
        ({"signature": "my_f(x FOO) -> DOUBLE"}, "type FOO of the argument x"),
        ({"signature": "my_f(x DOUBLE) -> FOO"}, "type FOO of the result"),
        ({"signature": "my_f(x DOUBLE, x DOUBLE) -> DOUBLE"}, "same name"),
        ({"sql": "{y}"}, "{y}, which is no argument"),
        ({"sql": "{x!r}"}, "no argument"),
        ({"sql": "{x"}, "no template"),
        ({"sql": "1; DROP TABLE t"}, "one expression"),
        ({"condition": True}, "returns INTEGER"),
        ({"colour": "red"}, "functions.0.colour"),
        ({"description": ""}, "functions.0.description"),
    ],
)
def test_wrong_entries_are_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "functions.yaml"
    path.write_text(yaml.safe_dump({"functions": [{**GOOD, **change}]}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_functions(path)
    assert message in caught.value.message
    assert "functions.yaml" in caught.value.message
    assert "functions.0" in caught.value.message


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        read_functions(tmp_path / "missing.yaml")
    path = tmp_path / "functions.yaml"
    for text in ("a: [", "- 1", "functions: 5", "", "functions: !!python/object/apply:os.system ['true']"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=r"functions\.yaml"):
            read_functions(path)


def test_types_of_results(tmp_path: Path) -> None:
    path = tmp_path / "functions.yaml"
    path.write_text("functions:\n- {signature: 'f(x REAL) -> REAL[3]', sql: 'ARRAY[{x}]', description: d, unit: s}\n")
    (function,) = read_functions(path)
    assert (function.result, function.sql_type) == (Column("", Datatype.FLOAT, "3", unit="s"), "real[]")
    assert check_function_sql(function) == "SELECT (ARRAY[NULL::double precision])::real[] AS c0"
