"""Random positional joins with their answers by brute force, and the tables that they are about."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np

from tap.adql import Catalogue, CatalogueTable
from tests.tap.adql.brute_force import Array, Mask, separation, stars
from tests.tap.adql.conftest import STARS as BRIGHT
from tests.tap.adql.conftest import column
from vo.core.tables import Datatype

Rows: TypeAlias = list[tuple[int, ...]]
COUNT = 8_000

_COLUMNS = (
    column("id", "integer", Datatype.INT, unique=True),
    column("ra", unit="deg"),
    column("dec", unit="deg"),
    column("g"),
    column("radius", unit="deg"),
    column("field", "integer", Datatype.INT),
)
EXTRA = CatalogueTable("data.extra", ("data", "extra__v1"), _COLUMNS, 1_000, ("ra", "dec"))
UPLOAD = CatalogueTable("tap_upload.mine", ("upload", "mine"), _COLUMNS, 130)
CATALOGUE = Catalogue(1, [BRIGHT, EXTRA, UPLOAD])


@dataclass(frozen=True)
class Table:
    """What a table holds, and how queries call its columns."""

    name: str
    id: str
    g_name: str
    ra: Array
    dec: Array
    g: Array
    radius: Array
    indexed: bool = True

    @property
    def rows(self) -> range:
        return range(len(self.ra))


def _extended(name: str, ra: Array, dec: Array, seed: int, *, indexed: bool) -> Table:
    generator = np.random.default_rng(seed)
    radius = generator.choice([0.002, 0.02, 0.3, 0.0, -1.0, np.nan], len(ra), p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
    return Table(name, "id", "g", ra, dec, generator.uniform(3, 15, len(ra)), radius, indexed)


@cache
def tables() -> tuple[Table, Table, Table]:
    """Return the stars, a second catalogue of places near some of them, and an upload with odd places among others."""
    found = stars(COUNT)
    nothing = np.full(len(found.ra), np.nan)
    bright = Table("gaia_dr3.bright", "source_id", "phot_g_mean_mag", found.ra, found.dec, found.g, nothing)
    generator = np.random.default_rng(5)
    special = np.flatnonzero(np.arange(len(found.ra)) >= len(found.ra) - 70)
    drawn = np.union1d(generator.choice(len(found.ra), 930, replace=False), special)
    moved = generator.normal(0, 1e-4, (2, len(drawn)))
    extra = _extended("data.extra", found.ra[drawn], np.clip(found.dec[drawn] + moved[1], -90, 90), 6, indexed=True)
    drawn = np.union1d(generator.choice(drawn, 90, replace=False), special[::4])
    odd = [
        (np.nan, 5),
        (5, np.nan),
        (np.inf, 5),
        (5, 95),
        (-10, 10),
        (370, 10),
        (10, 10),
        (10, 10),
        (123, 90),
        (7, -90),
    ]
    ra = np.concatenate([(found.ra[drawn] + generator.normal(0, 1e-4, len(drawn))) % 360, [p[0] for p in odd]])
    dec = np.concatenate([found.dec[drawn], [p[1] for p in odd]])
    return bright, extra, _extended("tap_upload.mine", ra, dec, 7, indexed=False)


BRIGHT_ROWS, EXTRA_ROWS, MINE = tables()


@cache
def _distances(first: str, second: str) -> Array:
    one, other = (next(table for table in tables() if table.name == name) for name in (first, second))
    with np.errstate(invalid="ignore"):
        found = separation(one.ra[:, None], one.dec[:, None], other.ra[None, :], other.dec[None, :])
    found[np.abs(one.dec) > 90] = np.nan  # no place on the sky
    found[:, np.abs(other.dec) > 90] = np.nan
    return found


def distances(one: Table, other: Table) -> Array:
    """Return the distances of the rows of two tables, NaN where a position is unknown."""
    return _distances(one.name, other.name) if len(one.ra) <= len(other.ra) else _distances(other.name, one.name).T


# ---- the grammar of queries -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A query, its rows, and the tables that it must find by their sky index alone."""

    query: str
    rows: Rows
    sought: tuple[Table, ...] = ()


def near(draw: random.Random, a: str, b: str, radius: float) -> str:
    """Return the condition that two tables' positions are near each other, in one of its phrasings."""
    if draw.random() < 0.5:
        a, b = b, a
    one, other = f"{a}.ra, {a}.dec", f"{b}.ra, {b}.dec"
    forms = [
        f"DISTANCE({one}, {other}) <= {radius!r}",
        f"{radius!r} >= DISTANCE(POINT({one}), POINT({other}))",
        f"1 = CONTAINS(POINT({one}), CIRCLE({other}, {radius!r}))",
        f"CONTAINS(POINT('ICRS', {one}), CIRCLE('ICRS', {other}, {radius!r})) > 0",
        f"0 <> INTERSECTS(CIRCLE({one}, {radius!r}), POINT({other}))",
        f"1 = INTERSECTS(CIRCLE({one}, {radius / 2!r}), CIRCLE({other}, {radius / 2!r}))",
        f"DISTANCE({one}, {other}) BETWEEN 0 AND {radius!r}",
        f"NOT (DISTANCE({one}, {other}) > {radius!r})",
        f"NOT CONTAINS(POINT({one}), CIRCLE({other}, {radius!r})) = 0",
        f"NOT (DISTANCE({one}, {other}) NOT BETWEEN 0 AND {radius!r} OR {a}.ra <> {a}.ra)",
        f"q3c_dist({one}, {other}) <= {radius!r}",
    ]
    if radius > 0:
        forms += [
            f"3600 * DISTANCE({one}, {other}) < {radius * 3600!r}",
            f"DISTANCE({one}, {other}) * 60 / 0.5 < {radius * 120!r}",
            f"DISTANCE({one}, {other}) < {radius * 3600!r} / 3600.",
            f"IN_UNIT(DISTANCE({one}, {other}), 'arcsec') < {radius * 3600!r}",
            f"1 = q3c_join({one}, {other}, {radius!r})",
            f"'t' = q3c_radial_query({one}, {other}, {radius!r})",
        ]
    return draw.choice(forms)


def from_table(draw: random.Random, table: Table, alias: str) -> str:
    """Return a table of FROM: itself, or subqueries through which an index is reached."""
    columns = f"{table.id}, ra, dec, {table.g_name}"
    forms = [
        f"{table.name} AS {alias}",
        f"{table.name} AS {alias}",
        f"(SELECT * FROM {table.name}) AS {alias}",
        f"(SELECT DISTINCT {columns} FROM {table.name}) AS {alias}",
        f"(SELECT {columns} FROM (SELECT {columns} FROM {table.name} WHERE {table.id} >= 0) AS q) AS {alias}",
        f"(SELECT {columns} FROM {table.name} WHERE {table.id} < 500 UNION ALL "
        f"SELECT {columns} FROM {table.name} WHERE {table.id} >= 500) AS {alias}",
    ]
    return draw.choice(forms)


def extra_filter(draw: random.Random, one: Table, a: str, other: Table, b: str) -> tuple[str, Mask]:
    """Return a further condition on two joined tables, and where it holds."""
    everything = np.ones((len(one.ra), len(other.ra)), bool)
    cut = draw.uniform(5, 15)
    lon, lat, size = draw.choice([(56.75, 24.12, 3.0), (0.0, 0.0, 2.0), (180.0, 90.0, 5.0), (0.0, -89.5, 2.0)])
    number = draw.randrange(len(one.ra))
    forms: list[Callable[[], tuple[str, Mask]]] = [
        lambda: ("1 = 1", everything),
        lambda: (f"{b}.{other.g_name} < {cut!r}", everything & (other.g < cut)),
        lambda: (f"{a}.{one.g_name} < {cut!r}", everything & (one.g < cut)[:, None]),
        lambda: (
            f"DISTANCE({b}.ra, {b}.dec, {lon}, {lat}) < {size}",
            everything & (separation(other.ra, other.dec, lon, lat) < size) & (np.abs(other.dec) <= 90),
        ),
        lambda: (
            f"1 = CONTAINS(POINT({a}.ra, {a}.dec), CIRCLE({lon}, {lat}, {size}))",
            everything & ((separation(one.ra, one.dec, lon, lat) <= size) & (np.abs(one.dec) <= 90))[:, None],
        ),
        lambda: (f"{a}.{one.id} = {number}", everything & (np.array(one.rows) == number)[:, None]),
        lambda: (f"{b}.{other.id} = {number}", everything & (np.array(other.rows) == number)),
        lambda: (
            f"{a}.{one.id} <= {b}.{other.id}",
            np.array(one.rows)[:, None] <= np.array(other.rows)[None, :],
        ),
    ]
    with np.errstate(invalid="ignore"):
        return draw.choice(forms)()


def within(one: Table, other: Table, radius: float) -> Mask:
    """Return which pairs of rows are near each other."""
    return np.asarray(distances(one, other) <= radius)


def pairs(mask: Mask) -> Rows:
    """Return the pairs that a mask tells."""
    return sorted(map(tuple, np.argwhere(mask).tolist()))


def any_radius(draw: random.Random) -> float:
    """Return a radius: none, small or large."""
    return draw.choice([0.0, 0.0005, 0.002, 0.03, 0.4])


def two_tables(draw: random.Random) -> tuple[Table, Table]:
    """Return two tables of which one at least has a sky index."""
    return draw.choice([(MINE, BRIGHT_ROWS), (EXTRA_ROWS, BRIGHT_ROWS), (MINE, EXTRA_ROWS), (EXTRA_ROWS, EXTRA_ROWS)])


def inner(draw: random.Random) -> Case:
    """Return an inner join of two tables in some form of FROM."""
    (one, other), radius = two_tables(draw), any_radius(draw)
    further, mask = extra_filter(draw, one, "a", other, "b")
    test = near(draw, "a", "b", radius)
    first, second = from_table(draw, one, "a"), from_table(draw, other, "b")
    select = f"SELECT a.{one.id}, b.{other.id} FROM"
    forms = [
        f"{select} {first}, {second} WHERE {test} AND {further}",
        f"{select} {first} JOIN {second} ON {test} WHERE {further}",
        f"{select} {second} INNER JOIN {first} ON ({further} AND {test})",
        f"{select} {second} JOIN {first} ON {further} WHERE ({test})",
        f"{select} {first} LEFT JOIN {second} ON {further} WHERE {test}",
        f"{select} {first} RIGHT JOIN {second} ON {further} WHERE {test}",
        f"SELECT q.i, q.j FROM (SELECT a.{one.id} AS i, b.{other.id} AS j, b.ra FROM {first}, {second} "
        f"WHERE {test} AND {further}) AS q",
        f"WITH a AS (SELECT * FROM {one.name}), b AS (SELECT * FROM {other.name}) "
        f"{select} a JOIN b ON {test} WHERE {further}",
        f"{select} {first} JOIN {second} ON {test} AND {further} UNION "
        f"{select} {second}, {first} WHERE {further} AND {test}",
    ]
    return Case(draw.choice(forms), pairs(within(one, other, radius) & mask), (other,) if one is not other else ())


def outer(draw: random.Random) -> Case:
    """Return a LEFT or RIGHT JOIN with filters in ON and in WHERE, on either side."""
    (one, other), radius = two_tables(draw), any_radius(draw)
    test = near(draw, "a", "b", radius)
    further, mask = extra_filter(draw, one, "a", other, "b")
    cut = draw.uniform(5, 15)
    matched = within(one, other, radius) & mask
    first, second = from_table(draw, one, "a"), from_table(draw, other, "b")
    join = draw.choice(
        [
            f"{first} LEFT JOIN {second} ON {test} AND {further}",
            f"{second} RIGHT OUTER JOIN {first} ON {further} AND {test}",
        ]
    )
    query = f"SELECT a.{one.id}, b.{other.id} FROM {join}"
    alone = ~matched.any(axis=1)
    rows = pairs(matched) + [(int(i), -1) for i in np.flatnonzero(alone)]
    kept = {
        "": rows,
        f" WHERE a.{one.g_name} < {cut!r}": [row for row in rows if one.g[row[0]] < cut],
        f" WHERE b.{other.g_name} < {cut!r}": [row for row in rows if row[1] >= 0 and other.g[row[1]] < cut],
        f" WHERE b.{other.id} IS NULL": [row for row in rows if row[1] < 0],
    }
    where = draw.choice(list(kept))
    return Case(query + where, sorted(kept[where]), (other,) if one is not other else ())


def subquery(draw: random.Random) -> Case:
    """Return EXISTS, IN and their negations with a position of the outer query."""
    (one, other), radius = two_tables(draw), any_radius(draw)
    test = near(draw, "a", "b", radius)
    further, mask = extra_filter(draw, one, "a", other, "b")
    matched = within(one, other, radius) & mask
    inside = f"FROM {from_table(draw, other, 'b')} WHERE {test} AND {further}"
    query = f"SELECT a.{one.id} FROM {from_table(draw, one, 'a')} WHERE"
    found = matched.any(axis=1)
    number = draw.randrange(len(other.ra))
    forms = {
        f"EXISTS (SELECT b.ra {inside})": found,
        f"NOT EXISTS (SELECT * {inside})": ~found,
        f"a.{one.g_name} < 99 AND NOT (NOT EXISTS (SELECT 1 {inside}))": found & (one.g < 99),
        f"{number} IN (SELECT b.{other.id} {inside})": matched[:, number],
        f"{number} NOT IN (SELECT b.{other.id} {inside})": ~matched[:, number],
        f"a.{one.id} IN (SELECT c.{one.id} FROM {one.name} AS c, {other.name} AS b WHERE {test.replace('a.', 'c.')} "
        f"AND {further.replace('a.', 'c.')})": found,
    }
    form = draw.choice(list(forms))
    rows: Rows = [(int(i),) for i in np.flatnonzero(forms[form])]
    return Case(f"{query} {form}", rows, (other,) if one is not other and "NOT IN" not in form else ())


def other_side(draw: random.Random) -> Case:
    """Return EXISTS and IN about a table with a sky index, the table inside having none or being smaller."""
    one, other = draw.choice([(BRIGHT_ROWS, MINE), (BRIGHT_ROWS, EXTRA_ROWS), (EXTRA_ROWS, MINE)])
    radius = any_radius(draw)
    test = near(draw, "a", "b", radius)
    further, mask = extra_filter(draw, one, "a", other, "b")
    matched = within(one, other, radius)
    number = draw.randrange(len(other.ra))
    inside = f"FROM {other.name} AS b WHERE {further} AND {test}"
    forms = {
        f"EXISTS (SELECT b.ra {inside})": (matched & mask).any(axis=1),
        f"NOT (NOT EXISTS (SELECT TOP 1 * {inside}))": (matched & mask).any(axis=1),
        f"EXISTS (SELECT b.id, COUNT(*) {inside} GROUP BY b.id)": (matched & mask).any(axis=1),
        f"{number} IN (SELECT b.id {inside})": (matched & mask)[:, number],
        f"EXISTS (SELECT 1 FROM {other.name} AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) <= b.radius)": (
            distances(one, other) <= other.radius[None, :]
        ).any(axis=1),
    }
    form = draw.choice(list(forms))
    query = f"SELECT a.{one.id} FROM {one.name} AS a WHERE a.{one.g_name} > 0 AND {form}"
    return Case(query, [(int(i),) for i in np.flatnonzero(forms[form])], (one,))


def three_tables(draw: random.Random) -> Case:
    """Return a chain or a star of three tables."""
    radii = draw.choice([0.0005, 0.002]), draw.choice([0.002, 0.03])
    chain = draw.random() < 0.5
    one, two = near(draw, "m", "e", radii[0]), near(draw, "e" if chain else "m", "s", radii[1])
    m, e, s = (from_table(draw, table, alias) for table, alias in ((MINE, "m"), (EXTRA_ROWS, "e"), (BRIGHT_ROWS, "s")))
    cut = draw.uniform(6, 15)
    forms = [
        f"{m} JOIN {e} ON {one} JOIN {s} ON {two} WHERE s.phot_g_mean_mag < {cut!r}",
        f"{s}, {m}, {e} WHERE {two} AND s.phot_g_mean_mag < {cut!r} AND {one}",
        f"{s}, {m} JOIN {e} ON {one} WHERE {two} AND s.phot_g_mean_mag < {cut!r}",
        f"({m} JOIN {e} ON {one}) JOIN {s} ON ({two} AND s.phot_g_mean_mag < {cut!r})",
        f"{s} JOIN ({e} JOIN {m} ON {one}) ON {two} WHERE s.phot_g_mean_mag < {cut!r}",
        f"{m} JOIN {EXTRA_ROWS.name} AS f USING (id) JOIN {e} ON {one} JOIN {s} ON {two} "
        f"WHERE s.phot_g_mean_mag < {cut!r}",
    ]
    left = f"{m} LEFT JOIN {e} ON {one} LEFT JOIN {s} ON {two} AND s.phot_g_mean_mag < {cut!r}"
    first = within(MINE, EXTRA_ROWS, radii[0])
    second = within(EXTRA_ROWS if chain else MINE, BRIGHT_ROWS, radii[1]) & (BRIGHT_ROWS.g < cut)
    rows: Rows = []
    outer_too = draw.random() < 0.25
    for i in MINE.rows:
        for j in np.flatnonzero(first[i]).tolist() or ([-1] if outer_too else []):
            from_row = (j if chain else i) if not (chain and j < 0) else None
            found = np.flatnonzero(second[from_row]).tolist() if from_row is not None else []
            rows += [(i, j, k) for k in found or ([-1] if outer_too else [])]
    form = left if outer_too else draw.choice(forms)
    return Case(f"SELECT m.id, e.id, s.source_id FROM {form}", sorted(rows), (BRIGHT_ROWS,))


def radius_by_row(draw: random.Random) -> Case:
    """Return a join with a radius in a column of either table, or made of such."""
    one, other = draw.choice([(MINE, BRIGHT_ROWS), (EXTRA_ROWS, BRIGHT_ROWS), (MINE, EXTRA_ROWS)])
    between = distances(one, other)
    here, there = one.radius[:, None], other.radius[None, :]
    forms = {
        "DISTANCE(a.ra, a.dec, b.ra, b.dec) <= a.radius": between <= here,
        "1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(a.ra, a.dec, a.radius))": between <= here,
        "a.radius / 2 > DISTANCE(b.ra, b.dec, a.ra, a.dec)": between < here / 2,
        "DISTANCE(a.ra, a.dec, b.ra, b.dec) * 7200 < a.radius * 3600": between < here / 2,
        "DISTANCE(a.ra, a.dec, b.ra, b.dec) < a.g / 1000": between < one.g[:, None] / 1000,
    }
    if other is EXTRA_ROWS:
        forms |= {
            "DISTANCE(a.ra, a.dec, b.ra, b.dec) <= b.radius AND b.radius < 0.1": (between <= there) & (there < 0.1),
            "1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, b.radius * 2)) AND b.radius * 4 BETWEEN 0 AND 0.5":
                (between <= there * 2) & (there >= 0) & (there <= 0.125),
            "DISTANCE(a.ra, a.dec, b.ra, b.dec) <= b.radius": between <= there,
            "1 = INTERSECTS(CIRCLE(a.ra, a.dec, a.radius), CIRCLE(b.ra, b.dec, b.radius)) AND a.radius > 0 "
            "AND b.radius > 0": (between <= here + there) & (here > 0) & (there > 0),
        }  # fmt: skip
    form = draw.choice(list(forms))
    unbounded = "b.radius" in form and "b.radius <" not in form and "BETWEEN" not in form
    query = f"SELECT a.{one.id}, b.{other.id} FROM {from_plain(draw, one, other)} WHERE {form}"
    return Case(query, pairs(forms[form]), () if unbounded else (other,))


def from_plain(draw: random.Random, one: Table, other: Table) -> str:
    """Return two tables in either order."""
    both = [f"{one.name} AS a", f"{other.name} AS b"]
    draw.shuffle(both)
    return ", ".join(both)


def computed_places(draw: random.Random) -> Case:
    """Return a join on places that are points of subqueries, or computed."""
    one, other = draw.choice([(MINE, BRIGHT_ROWS), (EXTRA_ROWS, BRIGHT_ROWS)])
    radius = any_radius(draw)
    source = f"(SELECT {other.id} AS k, POINT(ra, dec) AS p FROM {other.name}) AS b"
    united = (
        f"(SELECT {other.id} AS k, POINT(ra, dec) AS p FROM {other.name} WHERE {other.id} < 300 UNION ALL "
        f"SELECT {other.id}, POINT('ICRS', ra, dec) FROM {other.name} WHERE {other.id} >= 300) AS b"
    )
    forms = [
        f"{one.name} AS a JOIN {source} ON DISTANCE(POINT(a.ra, a.dec), b.p) <= {radius!r}",
        f"{united} JOIN {one.name} AS a ON 1 = CONTAINS(b.p, CIRCLE(POINT(a.ra, a.dec), {radius!r}))",
        f"(SELECT id, POINT(ra, dec) AS p FROM {one.name}) AS a, {source} WHERE DISTANCE(b.p, a.p) <= {radius!r}",
        f"{one.name} AS a, {source} WHERE DISTANCE(POINT(a.ra + 0.0 * a.g, a.dec), b.p) <= {radius!r}",
        f"{one.name} AS a, {source} WHERE DISTANCE(CENTROID(CIRCLE(a.ra, a.dec * 1.0, 1)), b.p) <= {radius!r}",
        f"{one.name} AS a LEFT JOIN {source} ON DISTANCE(POINT(a.ra * 1.0, a.dec), b.p) <= {radius!r} WHERE b.k >= 0",
    ]
    return Case(f"SELECT a.id, b.k FROM {draw.choice(forms)}", pairs(within(one, other, radius)), (other,))


def either(draw: random.Random) -> Case:
    """Return joins on a position or something else, and on positions that are not near."""
    one, other = draw.choice([(MINE, BRIGHT_ROWS), (EXTRA_ROWS, BRIGHT_ROWS), (MINE, EXTRA_ROWS)])
    radius, far = any_radius(draw), draw.choice([0.002, 0.4])
    test, second = near(draw, "a", "b", radius), near(draw, "a", "b", far)
    same = np.array(one.rows)[:, None] == np.array(other.rows)[None, :]
    number = draw.randrange(len(one.ra))
    mine = (np.array(one.rows) == number)[:, None]
    known = np.isfinite(distances(one, other))
    forms = {
        f"({test} OR a.{one.id} = b.{other.id})": (within(one, other, radius) | same, True),
        f"({second} OR {test})": (within(one, other, max(radius, far)), True),
        f"({test} OR a.{one.id} + 0 = b.{other.id}) AND a.g < 10": (
            (within(one, other, radius) | same) & (one.g < 10)[:, None], True,
        ),
        f"a.{one.id} = {number} AND NOT ({test})": (mine & known & ~within(one, other, radius), False),
        f"a.{one.id} = {number} AND ({test} OR b.{other.g_name} < 5)": (
            mine & (within(one, other, radius) | (other.g < 5)), False,
        ),
        f"a.{one.id} = {number} AND DISTANCE(a.ra, a.dec, b.ra, b.dec) > {radius!r}": (
            mine & (distances(one, other) > radius), False,
        ),
        f"a.{one.id} = {number} AND NOT ({test} AND b.{other.g_name} < 9)": (
            mine & ((known & ~within(one, other, radius)) | (other.g >= 9)), False,
        ),
    }  # fmt: skip
    form = draw.choice(list(forms))
    mask, sought = forms[form]
    query = f"SELECT a.{one.id}, b.{other.id} FROM {from_plain(draw, one, other)} WHERE {form}"
    return Case(query, pairs(mask), (other,) if sought else ())


GRAMMAR: dict[Callable[[random.Random], Case], int] = {
    inner: 90,
    outer: 60,
    subquery: 50,
    other_side: 30,
    three_tables: 40,
    radius_by_row: 30,
    computed_places: 20,
    either: 30,
}
