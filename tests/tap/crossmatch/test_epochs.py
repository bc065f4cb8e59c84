"""Propagation of whole columns against the function of the database."""

from __future__ import annotations

import numpy as np
import psycopg2

from sql import read_sql
from tap.crossmatch.epochs import Motions, propagated

QUERY = """
    SELECT vo_udf.epoch_prop(ra, "dec", parallax, pmra, pmdec, velocity, 2000, 2000 + years)
    FROM unnest(%s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[])
         WITH ORDINALITY AS star (ra, "dec", pmra, pmdec, parallax, velocity, years, number)
    ORDER BY number
"""


def stars() -> list[np.ndarray]:
    """Many stars, then odd ones: at the poles, unknown in parts, absurdly fast, through the Sun."""
    generator = np.random.default_rng(1991)
    count = 2000
    many = [
        generator.uniform(-360, 720, count),
        np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
        generator.normal(0, 2000, count),
        generator.normal(0, 2000, count),
        generator.lognormal(2, 2, count) * generator.choice([1, -1], count, p=[0.9, 0.1]),
        generator.normal(0, 200, count),
        generator.choice([-10_000, -100, -8.75, 0, 24.75, 1000, 10_000], count).astype(float),
    ]
    for place, values in enumerate(many[2:6]):
        values[generator.random(count) < 0.1] = np.nan
        assert len(values) == count, place
    nan = np.nan
    odd = [
        (10.0, 90.0, 100.0, 100.0, 5.0, 3.0, 100.0),
        (10.0, -90.0, 1e5, -1e5, 5.0, 3.0, 1000.0),
        (10.0, 20.0, nan, 100.0, 5.0, 3.0, 100.0),
        (10.0, 20.0, 100.0, nan, 5.0, 3.0, 100.0),
        (10.0, 20.0, 0.0, 0.0, 750.0, -1e8, 2000.0),
        (10.0, 20.0, 1e13, 0.0, 5.0, 3.0, 100.0),
        (10.0, 20.0, 1e6, 1e6, 5.0, 3.0, -100.0),
    ]
    return [np.concatenate([values, [row[place] for row in odd]]) for place, values in enumerate(many)]


def test_as_in_the_database(scratch_database: str) -> None:
    columns = stars()
    ra, dec = propagated(columns[0], columns[1], Motions(*columns[2:6]), columns[6])
    given = [[None if np.isnan(value) else float(value) for value in column] for column in columns]
    with psycopg2.connect(scratch_database) as connection, connection.cursor() as cursor:
        cursor.execute(read_sql("migrations/0003_functions.sql"))
        cursor.execute(QUERY, given)
        theirs = [row for (row,) in cursor.fetchall()]
    connection.close()
    moves = ~(np.isnan(columns[2]) | np.isnan(columns[3]))
    lost = 0
    for place, row in enumerate(theirs):
        if not moves[place]:
            assert (ra[place], dec[place]) == (columns[0][place], columns[1][place])
        elif row is None:
            assert np.isnan(ra[place])
            assert np.isnan(dec[place])
            lost += 1
        else:
            turn = (ra[place] - float(row[0]) + 180) % 360 - 180
            assert abs(turn) * np.cos(np.radians(dec[place])) < 1e-12
            assert abs(dec[place] - float(row[1])) < 1e-12
    assert lost >= 1
