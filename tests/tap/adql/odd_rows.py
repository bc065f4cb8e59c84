"""Stars all over the sky, and every number that no catalogue should have, in the tables of the small catalogue."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
from psycopg2.extras import execute_values

from tap.adql.functions import healpix
from tests.tap.adql.tables import FINISHED, TABLES

COUNT = 4000
FIELDS = """
INSERT INTO data.fields__v1 (field_id, place, centre, circle_, region_) VALUES
    (1, ARRAY[120, -23], public.spoint(radians(120), radians(-23)),
     public.scircle(public.spoint(radians(120), radians(-23)), 0.01), ARRAY[119, -24, 121, -24, 121, -22]),
    (2, NULL, NULL, NULL, NULL);
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


def make_odd_rows(cursor: psycopg2.extensions.cursor) -> None:
    """Make the tables: the stars, two fields, and targets at all pairs of odd numbers."""
    cursor.execute(TABLES + FIELDS)
    stars = [
        (source, ra, dec, 5.5, "HD 1", "2000-01-02T12:00:00", i % 2 == 0, i % 200, [1.0, 2.0, 6.0])
        for i, (source, ra, dec) in enumerate(zip(SOURCES.tolist(), RA.tolist(), DEC.tolist(), strict=True))
    ]
    execute_values(cursor, "INSERT INTO data.bright__v7 VALUES %s", stars, page_size=2000)
    odd = [(i, x, y, x, i) for i, (x, y) in enumerate((x, y) for x in ODD for y in ODD)]
    execute_values(cursor, "INSERT INTO upload.targets VALUES %s", odd)
    cursor.execute(FINISHED)
