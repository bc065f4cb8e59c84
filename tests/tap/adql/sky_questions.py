"""Positional conditions and whole queries at random, over real stars, with their answers by brute force in NumPy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.tap.adql import brute_force as sky
from tests.tap.adql.brute_force import Mask, Vertices

STARS = sky.stars()
KNOWN = STARS.known
RA, DEC = np.where(KNOWN, STARS.ra, 0), np.where(KNOWN, STARS.dec, 0)
FEW = STARS.id < 400


@dataclass(frozen=True)
class Question:
    """A condition on stars, which of them answer it, which are too near an edge to tell, and whether an index helps."""

    condition: str
    found: Mask
    edge: Mask
    indexed: bool


class Generator:
    """Makes conditions and whole queries at random."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def one_of(self, *choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def place(self) -> tuple[float, float]:
        """Return a star, a pole, a place at the meridian, or any other."""
        star = int(self.random.choice(np.flatnonzero(KNOWN)))
        any_ = float(self.random.uniform(0, 360)), float(np.degrees(np.arcsin(self.random.uniform(-1, 1))))
        near_pole = any_[0], float(self.one_of(-1, 1) * (90 - self.random.exponential(1)))
        lon, lat = self.one_of(
            (float(RA[star]), float(DEC[star])),
            (float(RA[star]), float(DEC[star])),
            any_,
            near_pole,
            (any_[0], self.one_of(-90.0, 90.0)),
            (float(self.random.normal(0, 0.5)), float(self.random.normal(0, 30))),
            (float(self.random.integers(0, 360)), float(self.random.integers(-90, 91))),
        )
        return lon, max(-90.0, min(90.0, lat))

    def size(self, least: float, most: float) -> float:
        return float(np.exp(self.random.uniform(np.log(least), np.log(most))))

    def turns(self) -> int:
        return int(self.one_of(0, 0, 0, 0, -360, 360, -720))

    def system(self) -> str:
        return str(self.one_of("", "", "'ICRS', ", "'', ", "'J2000', ", "'ICRS GEOCENTER', ", "'FK5', "))

    def compared(self, call: str) -> str:
        return str(self.one_of(f"1 = {call}", f"{call} = 1", f"0 <> {call}", f"{call} <> 0"))

    def point(self) -> str:
        return f"POINT({self.system()}ra, dec)"

    def cone(self) -> Question:
        lon, lat = self.place()
        radius = self.one_of(self.size(1e-6, 180), self.size(0.01, 30), 0.0, 90.0, 180.0, 5.0, 30.0)
        distance = sky.separation(RA, DEC, lon, lat)
        same = (lon == RA) & (lat == DEC)
        edge = (np.abs(distance - radius) < sky.EDGE) & ~(same & (radius == 0)) & (radius < 180)
        found = (distance <= radius) | (radius == 180)
        x = lon + self.turns()
        if x != lon:  # a sum of longitudes is rounded
            edge |= same & (radius == 0)
        centre = f"{x!r}, {lat!r}"
        both = [self.point(), f"POINT({self.system()}{centre})"]
        if self.random.random() < 0.5:
            both.reverse()
        circle = self.one_of(
            f"CIRCLE({self.system()}{centre}, {radius!r})", f"CIRCLE(POINT({centre}), {radius / 2!r} * 2)"
        )
        strings = f"{x!r} {lat!r} {radius!r}"
        rest = min(radius / 4, 179 - radius) if radius < 179 else 0.0
        text = self.one_of(
            self.compared(f"CONTAINS({self.point()}, {circle})"),
            self.compared(f"INTERSECTS({self.point()}, {circle})"),
            self.compared(f"INTERSECTS({circle}, {self.point()})"),
            self.compared(f"CONTAINS({self.point()}, REGION('CIRCLE ICRS {strings}'))"),
            self.compared(f"CONTAINS({self.point()}, REGION('Circle {strings}'))"),
            self.compared(f"CONTAINS({self.point()}, CAST('{strings}' AS CIRCLE))"),
            self.compared(f"CONTAINS(POINT({centre}), CIRCLE(ra, dec, {radius!r}))"),
            f"DISTANCE({both[0]}, {both[1]}) <= {radius!r}",
            f"{radius!r} >= DISTANCE({both[0]}, {both[1]})",
            f"DISTANCE(ra, dec, {centre}) <= {radius!r}",
            f"{radius!r} >= DISTANCE({centre}, ra, dec)",
            self.compared(f"CONTAINS(CIRCLE(ra, dec, {rest!r}), CIRCLE({centre}, {radius + rest!r}))"),
            self.compared(f"INTERSECTS(CIRCLE(ra, dec, {radius / 4!r}), CIRCLE({centre}, {radius * 0.75!r}))"),
        )
        return Question(text, found, edge, radius < 29)

    def outline(self) -> list[tuple[float, float]]:
        """Return a polygon: convex or not, of few or many vertices, of any size."""
        while True:
            lon, lat = self.place()
            radius = self.one_of(self.size(1e-5, 80), self.size(0.1, 10), self.size(1, 60))
            count = int(self.one_of(3, 4, 4, 5, 7, 12, 30, self.random.integers(101, 180)))
            angles = np.sort(self.random.uniform(0, 360, count)) if count < 10 else np.arange(count) * 360 / count
            sizes: Any = radius
            if self.random.random() < 0.5:
                sizes = radius * self.random.uniform(0.3, 1, count)
            vertices = sky.ring(lon, lat, sizes, angles)
            vectors = sky.vectors(*np.transpose(vertices))
            gaps = np.diff(np.append(angles, angles[0] + 360))
            if np.all(vectors @ vectors.sum(axis=0) > 0.01) and gaps.max() < 170:
                break
        if self.random.random() < 0.2:
            at = int(self.random.integers(count))
            vertices.insert(at, vertices[at])  # twice the same
        if self.random.random() < 0.5:
            vertices.reverse()
        return vertices

    def written(self, vertices: Vertices) -> str:
        """Return a polygon in one of its forms."""
        turns = self.turns()
        pairs = [(lon + turns * (self.random.random() < 0.5), lat) for lon, lat in vertices]
        numbers = [part for pair in pairs for part in pair]
        listed, spaced = ", ".join(map(repr, numbers)), " ".join(map(repr, numbers))
        points = ", ".join(f"POINT({lon!r}, {lat!r})" for lon, lat in pairs)
        return str(
            self.one_of(
                f"POLYGON({self.system()}{listed})",
                f"POLYGON({self.system()}{points})",
                f"REGION('POLYGON ICRS GEOCENTER {spaced}')",
                f"REGION('Polygon {spaced}')",
                f"CAST('{spaced}' AS POLYGON)",
            )
        )

    def polygon(self) -> Question:
        vertices = self.outline()
        found, edge = sky.in_polygon(vertices, RA, DEC)
        shape = self.written(vertices)
        call = self.one_of(
            f"CONTAINS({self.point()}, {shape})",
            f"INTERSECTS({self.point()}, {shape})",
            f"INTERSECTS({shape}, {self.point()})",
        )
        return Question(self.compared(call), found, edge, _extent(vertices) < 20)

    def box(self) -> Question:
        lon, lat = self.place()
        width, height = (self.one_of(self.size(1e-4, 100), self.size(0.5, 10)) for _ in range(2))
        vertices = sky.box(lon, lat, width, height)
        found, edge = sky.in_polygon(vertices, RA, DEC)
        shape = self.one_of(
            f"BOX({self.system()}{lon!r}, {lat!r}, {width!r}, {height!r})",
            f"BOX(POINT({lon!r}, {lat!r}), {width!r}, {height!r})",
            f"REGION('BOX ICRS {lon!r} {lat!r} {width!r} {height!r}')",
        )
        return Question(self.compared(f"CONTAINS({self.point()}, {shape})"), found, edge, _extent(vertices) < 20)

    def near_polygon(self) -> Question:
        """Return a question about circles around stars, and a polygon."""
        vertices = self.outline()
        while len(vertices) > 30 or _extent(vertices) > 60:
            vertices = self.outline()
        radius = self.size(0.01, 40)
        inside, edges = np.zeros(len(RA), bool), np.full(len(RA), np.inf)
        inside[FEW] = sky.inside(vertices, RA[FEW], DEC[FEW])
        edges[FEW] = sky.to_edges(vertices, RA[FEW], DEC[FEW])
        corners = sky.vectors(*np.transpose(vertices))
        farthest = sky.angles(sky.vectors(RA, DEC)[:, None, :], corners[None, :, :]).max(axis=1)
        circle, shape = f"CIRCLE(ra, dec, {radius!r})", self.written(vertices)
        call, found, edge = self.one_of(
            (f"INTERSECTS({circle}, {shape})", inside | (edges <= radius), edges - radius),
            (f"INTERSECTS({shape}, {circle})", inside | (edges <= radius), edges - radius),
            (f"CONTAINS({circle}, {shape})", inside & (edges >= radius), edges - radius),
            (f"CONTAINS({shape}, {circle})", farthest <= radius, farthest - radius),
        )
        edge = (np.abs(edge) < 1e-7) | (edges < 1e-7)
        return Question(f"source_id < 400 AND {self.compared(call)}", found & FEW, edge, False)

    def question(self) -> Question:
        kind = self.random.random()
        if kind < 0.45:
            return self.cone()
        return self.polygon() if kind < 0.83 else self.box() if kind < 0.97 else self.near_polygon()

    def query(self) -> tuple[str, Mask, Mask, bool]:
        """Return a query for star numbers, its answer, what is open of it, and whether an index should serve it."""
        asked = self.question()
        text, found, edge, indexed = asked.condition, asked.found & KNOWN, asked.edge, asked.indexed
        bright = STARS.g < 10
        select = "SELECT source_id FROM bright"
        call = re.sub(r"^(?:1 = |0 <> )|(?: = 1| <> 0)$", "", text)
        forms: list[tuple[str, Mask, bool]] = [
            (f"{select} WHERE {text}", found, indexed),
            (f"{select} AS b WHERE {text} AND phot_g_mean_mag < 10", found & bright, False),
            (f"{select} WHERE NOT ({text})", KNOWN & ~found, False),
            (f"{select} WHERE NOT ({text}) AND {text}", found & False, False),
            (f"{select} WHERE {text} OR phot_g_mean_mag < 10", found | bright, False),
            (f"{select} WHERE {text} OR source_id = 7", found | (STARS.id == 7), indexed),
            (f"{select} WHERE {text} OR DISTANCE(ra, dec, 10, 20) < 0.5",
             found | (KNOWN & (sky.separation(RA, DEC, 10, 20) < 0.5)), indexed),
            (f"SELECT x.source_id FROM (SELECT source_id, ra, dec FROM bright) AS x WHERE {text}", found, indexed),
            (f"SELECT source_id FROM (SELECT DISTINCT source_id, ra FROM bright WHERE {text}) AS x", found, indexed),
            (f"WITH near AS (SELECT * FROM bright WHERE {text}) SELECT source_id FROM near", found, indexed),
            (f"WITH b AS (SELECT source_id, ra, dec FROM bright) SELECT source_id FROM b WHERE {text}", found, indexed),
            (f"{select} WHERE {text} UNION SELECT source_id FROM bright WHERE source_id < 9",
             found | (STARS.id < 9), False),
            (f"{select} WHERE phot_g_mean_mag < 10 EXCEPT {select} WHERE {text}", bright & ~found, False),
            (f"{select} WHERE phot_g_mean_mag < 10 INTERSECT {select} WHERE {text}", found & bright, False),
            (f"{select} WHERE source_id IN (SELECT source_id FROM bright WHERE {text})", found, False),
            (f"SELECT MIN(source_id) FROM bright GROUP BY source_id, ra, dec HAVING {text}", found, False),
        ]  # fmt: skip
        if call != text and "source_id <" not in text and "DISTANCE" not in text:
            forms += [
                (f"SELECT source_id FROM (SELECT source_id, {call} AS c FROM bright) AS x WHERE c = 1", found, False),
                (f"{select} WHERE 0 = {call}", KNOWN & ~found, False),
                (f"{select} WHERE {call} <> 1", KNOWN & ~found, False),
                (f"SELECT COALESCE(source_id, {call}) FROM bright WHERE {call} > 0", found, False),
            ]
        if "source_id <" in text:
            forms = forms[:2] + forms[3:5] + forms[9:10]
        query, found, indexed = self.one_of(*forms)
        return query, found, edge, indexed


def _extent(vertices: Vertices) -> float:
    """Return the largest distance of a vertex from their mean."""
    vectors = sky.vectors(*np.transpose(vertices))
    return float(sky.angles(vectors, vectors.sum(axis=0)).max())
