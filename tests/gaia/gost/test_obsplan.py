"""The table ivoa.obsplan: what a validator says of it, and that its strips are where Gaia looked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import psycopg2
import pytest
from psycopg2 import sql
from vo_models.vosi.capabilities import VOSICapabilities

from gaia.gost import obsplan
from gaia.scanning import law
from gaia.scanning.transits import forecast
from sql import read_sql
from tap.ingest.service import IngestService
from tests.conftest import environment, free_port
from tests.tap.asking import adql, ask, eventually
from tests.vo.app.running import running
from vo.app.main import create_app
from vo.core.migrations import migrate
from vo.core.settings import Settings, load_settings

DATABASE = "obsplan_trial"
SEGMENTS = law.SEGMENTS[:2]
"""Two months: EPSL and A."""
POSITIONS = ((86.8212, -51.0665), (270.3, 66.2), (10.0, 20.0), (200.0, -40.0))
MODEL = "ivo://ivoa.net/std/obsloctap#table-1.0"


class Published(NamedTuple):
    """A service with the table, and what it said of itself before it had it."""

    port: int
    settings: Settings
    before: bytes


def publish(settings: Settings) -> int:
    """Publish the plan of two months."""
    schema = obsplan.description()
    report = IngestService(settings).publish(
        obsplan.plan(SEGMENTS), obsplan.NAME, schema, schema.table(obsplan.NAME.table)
    )
    return report.rows


@pytest.fixture(scope="module")
def published(cluster: Settings) -> Iterator[Published]:
    """A service on a database of its own."""
    maintenance = cluster.url("postgres").set(database="postgres").render_as_string(hide_password=False)
    admin = psycopg2.connect(maintenance)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    urls = {
        role: cluster.url(role).set(database=DATABASE).render_as_string(hide_password=False)
        for role in ("postgres", "vo", "vo_tap")
    }
    with psycopg2.connect(urls["postgres"]) as connection, connection.cursor() as cursor:
        cursor.execute(read_sql("setup.sql"))
    connection.close()
    # The service's own descriptions name its port, and taplint follows them.
    port = free_port()
    settings = load_settings(home=cluster.home, port=port, database_url=urls["vo"], tap_database_url=urls["vo_tap"])
    migrate(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.vo.app.running.free_port", lambda: port)
        with running(create_app(settings)):
            before = ask(port, "/tap/capabilities").body
            assert publish(settings) == obsplan.rows(SEGMENTS)
            eventually(lambda: b"ivoa.obsplan" in ask(port, "/tap/tables").body)
            yield Published(port, settings, before)
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
    admin.close()


def test_taplint_finds_nothing_wrong(published: Published) -> None:
    url = f"tapurl=http://127.0.0.1:{published.port}/tap"
    command = ["stilts", "taplint", url, "stages=TMS LOC", "report=EWFS", "maxrepeat=20"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "ivoa.obsplan columns: 26/26 required, 2 custom" in said
    assert "Totals: Errors: 0; Warnings: 0;" in said, said
    assert "Failures: 0" in said, said


def test_the_data_model_is_declared(published: Published, validate: Callable[[bytes], list[str]]) -> None:
    document = ask(published.port, "/tap/capabilities").body
    assert validate(document) == []
    found: Any = VOSICapabilities.from_xml(document)
    [models] = [item.data_model for item in found.capability if str(item.standard_id) == "ivo://ivoa.net/std/TAP"]
    assert [str(model.ivo_id) for model in models] == [MODEL]
    assert MODEL.encode() not in published.before
    query = "SELECT utype FROM tap_schema.tables WHERE table_name = 'ivoa.obsplan'"
    assert adql(published.port, query, FORMAT="csv").csv() == [[MODEL]]


@pytest.mark.parametrize(("ra", "dec"), POSITIONS)
def test_every_transit_is_in_one_strip(published: Published, ra: float, dec: float) -> None:
    query = f"SELECT fov, t_min, t_max FROM ivoa.obsplan WHERE 1 = CONTAINS(POINT({ra}, {dec}), s_region)"
    strips = [(fov, float(low), float(high)) for fov, low, high in adql(published.port, query, FORMAT="csv").csv()]
    found = forecast(np.array([ra]), np.array([dec]))
    transits = [
        ("F" if following else "P", utc)
        for following, utc, segment in zip(found.following, found.time_gaia_utc, found.segment, strict=True)
        if segment < len(SEGMENTS)
    ]
    assert len(transits) >= 2
    for fov, utc in transits:
        assert sum(fov == other and low <= utc < high for other, low, high in strips) == 1
    assert 0 <= len(strips) - len(transits) <= 2 + len(transits) // 10, "a few cross between rows of CCDs"


def test_regions_that_meet(published: Published) -> None:
    def count(condition: str) -> int:
        answer = adql(published.port, f"SELECT COUNT(*) AS n FROM ivoa.obsplan WHERE 1 = {condition}", FORMAT="csv")
        return int(answer.csv()[0][0])

    ra, dec = POSITIONS[2]
    inside = count(f"CONTAINS(POINT({ra}, {dec}), s_region)")
    assert inside < count(f"INTERSECTS(CIRCLE({ra}, {dec}, 3), s_region)")
    square = f"{ra + 3}, {dec}, {ra}, {dec - 3}, {ra - 3}, {dec}, {ra}, {dec + 3}"
    assert inside < count(f"INTERSECTS(POLYGON({square}), s_region)")
    assert count("INTERSECTS(s_region, CIRCLE(0, 0, 180))") == obsplan.rows(SEGMENTS)


def test_regions_have_an_index(published: Published) -> None:
    query = "SELECT COUNT(*) FROM pg_indexes WHERE tablename LIKE 'obsplan__v%' AND indexdef LIKE '%gist%scircle%'"
    with psycopg2.connect(published.settings.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchone() == (1,)
    connection.close()


def test_the_command_publishes_again(published: Published) -> None:
    """All of the mission this time; what was there before is the same."""
    query = (
        "SELECT COUNT(*) AS n, MAX(t_planning) AS a, SUM(s_ra) AS b, MAX(obs_id) AS c FROM ivoa.obsplan "
        f"WHERE segment IN ('{SEGMENTS[0].name}', '{SEGMENTS[1].name}')"
    )
    before = adql(published.port, query, FORMAT="csv").csv()
    variables = {"VO_DATABASE_URL": published.settings.database_url, "VO_PORT": str(published.port)}
    command = [sys.executable, "-m", "vo.cli", "obsplan"]
    environ = environment(published.settings.home, **variables)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{obsplan.rows():,} rows" in done.stdout + done.stderr
    count = "SELECT COUNT(*) AS n FROM ivoa.obsplan"
    eventually(lambda: adql(published.port, count, FORMAT="csv").csv() == [[str(obsplan.rows())]])
    [[number, last, positions, name]] = adql(published.port, query, FORMAT="csv").csv()
    assert [number, last, name] == [before[0][0], before[0][1], before[0][3]]
    assert float(positions) == pytest.approx(float(before[0][2]))


def test_outlines_go_round_as_they_should() -> None:
    """DALI: counter-clockwise as seen from the origin, so that a cross product points inwards."""
    begin = np.linspace(law.BEGIN, law.END - 1, 50)
    begin = begin[np.isin(law.segment_of(begin), law.segment_of(begin + 0.05)) & (law.segment_of(begin) >= 0)]
    middle, region = obsplan.strips(begin, begin + obsplan.HOUR, following=np.arange(len(begin)) % 2 == 0)
    vertices = vectors(region.reshape(len(begin), -1, 2))
    centre = vectors(middle)
    turned = np.cross(vertices, np.roll(vertices, -1, axis=1)).sum(axis=1)
    area = -np.einsum("nk,nk->n", turned, centre) / 2
    flat = 2 * np.sin(np.radians(60.0 / 2)) * np.radians(0.69)  # seen from above the middle
    assert area == pytest.approx(flat, rel=0.03)


def vectors(degrees: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    lon, lat = np.radians(degrees[..., 0]), np.radians(degrees[..., 1])
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
