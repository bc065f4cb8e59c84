"""TOPCAT's check of queries while they are typed, made with what the service declares about its language.

The parser in TOPCAT 4.8 knows the grammar of ADQL 2.0 only: the queries here keep to its forms.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lxml import etree

from tests.conftest import Service
from tests.tap.asking import ask

CHECK = Path(__file__).with_name("AdqlCheck.java")
JARS = "/usr/share/java/starlink-vo.jar:/usr/share/java/*"
ARGUMENTS = {
    "SMALLINT": "1", "INTEGER": "1", "BIGINT": "1", "REAL": "1.5", "DOUBLE": "ra", "DOUBLE PRECISION": "ra",
    "CHAR": "'a'", "VARCHAR": "'a'", "TEXT": "'a'", "TIMESTAMP": "'2020-01-01'", "BOOLEAN": "ra",
    "POINT": "POINT('ICRS', ra, dec)", "CIRCLE": "CIRCLE('ICRS', ra, dec, 1)", "GEOMETRY": "CIRCLE('ICRS', ra, dec, 1)",
    "NUMERIC": "ra", "ANY": "ra", "ARRAY": "ra", "INTERVAL": "ra",
    "POLYGON": "POLYGON('ICRS', 1, 1, 2, 1, 2, 2)", "REGION": "CIRCLE('ICRS', ra, dec, 1)",
}  # fmt: skip
SIGNATURE = re.compile(r"(\w+)\((.*)\) *-> *(.+)")
GEOMETRY = [
    "SELECT AREA(BOX('ICRS', 1, 2, 3, 4)), COORDSYS(POINT('', ra, dec)) FROM gaia_dr3.bright",
    "SELECT COORD1(POINT('ICRS', ra, dec)), COORD2(POINT('ICRS', ra, dec)) FROM gaia_dr3.bright",
    "SELECT DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 1, 2)) FROM gaia_dr3.bright",
    "SELECT ra FROM gaia_dr3.bright WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), POLYGON('ICRS', 1, 1, 2, 1, 2, 2))",
    "SELECT ra FROM gaia_dr3.bright WHERE 1 = INTERSECTS(POINT('ICRS', ra, dec), REGION('CIRCLE ICRS 1 2 3'))",
]
WRONG = ["SELECT ivo_unheard_of(ra) FROM gaia_dr3.bright", "SELECT raa FROM gaia_dr3.bright"]


def verdicts(service: Service, queries: list[str]) -> list[str]:
    """Return what TOPCAT says of each query."""
    lines = ["table\tgaia_dr3\tbright\tra\tdec", *(f"query\t{query}" for query in queries)]
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", JARS, str(CHECK), f"{service.url}/tap/capabilities"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()


def calls(service: Service) -> list[str]:
    """Return a query with a call of each declared function."""
    document = etree.fromstring(ask(service, "/tap/capabilities").body)
    lists = document.iterfind(".//languageFeatures[@type='ivo://ivoa.net/std/TAPRegExt#features-udf']")
    queries = []
    for form in (str(form.text) for group in lists for form in group.iter("form")):
        signature = SIGNATURE.fullmatch(form)
        assert signature is not None, form
        name, parameters, _ = signature.groups()
        types = [part.split(None, 1)[1] for part in parameters.split(",") if part.strip()]
        arguments = ", ".join(ARGUMENTS[kind.strip()] for kind in types)
        queries.append(f"SELECT {name}({arguments}) FROM gaia_dr3.bright")
    return queries


def test_declared_functions_and_geometry_pass(service: Service) -> None:
    queries = [*calls(service), *GEOMETRY, *WRONG]
    found = dict(zip(queries, verdicts(service, queries), strict=True))
    assert len(found) > 20
    assert {query: said for query, said in found.items() if said != "ok" and query not in WRONG} == {}
    for query in WRONG:
        assert re.search("unresolved", found[query]), found[query]
