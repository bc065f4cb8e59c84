"""Translating queries: ours against Lark alone, which only reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from bench.report import Figure, median
from bench.server import Bench
from tap.adql import Catalogue, Dialect, translate
from tap.adql.syntax.lexer import LarkToken, tokens
from tap.adql.syntax.parser import build_parser
from tap.schema.service import SchemaService
from vo.core.database import owner_engine

ROUNDS = 200
SHORT = "SELECT TOP 10 ra, dec FROM gaia_dr3.bright WHERE ra < 1"
MIDDLE = """\
SELECT TOP 100 g.source_id, h.hip, g.ra, g.dec, g.phot_g_mean_mag + 5 * LOG10(h.plx) - 10 AS magnitude,
  DISTANCE(POINT(g.ra, g.dec), POINT(h.ra, h.dec)) * 3600 AS arcsec
FROM gaia_dr3.bright AS g
JOIN hipparcos.hip2 AS h ON 1 = CONTAINS(POINT('ICRS', g.ra, g.dec), CIRCLE('ICRS', h.ra, h.dec, 0.001))
WHERE g.phot_g_mean_mag BETWEEN 5 AND 9 AND h.plx > 1 AND h.hip IN (1, 2, 3, 5, 8)
  AND g.ra > 10.5 AND h.hip < 100000
ORDER BY magnitude DESC, h.hip"""
_PART = """\
SELECT x{0}.source_id, x{0}.ra, x{0}.dec, x{0}.g, x{0}.m FROM (
  SELECT b{0}.source_id, b{0}.ra, b{0}.dec, b{0}.phot_g_mean_mag AS g,
    SQRT(POWER(h{0}.pmra, 2) + POWER(h{0}.pmdec, 2)) AS m
  FROM gaia_dr3.bright AS b{0}
  LEFT JOIN hipparcos.hip2 AS h{0} ON DISTANCE(b{0}.ra, b{0}.dec, h{0}.ra, h{0}.dec) < 1 / 3600.
  WHERE 1 = CONTAINS(POINT(b{0}.ra, b{0}.dec), POLYGON(10, 10, 1{0}, 10, 1{0}, 14, 10, 14))
    AND b{0}.phot_bp_mean_mag > {0}
    AND (b{0}.source_id IN (SELECT source_id FROM near WHERE bp > 10 AND ra BETWEEN {0} AND 90) OR h{0}.hip IS NULL)
    AND EXISTS (SELECT n.ra FROM near AS n WHERE n.source_id = b{0}.source_id AND n.dec > COALESCE(b{0}.dec, 0.5))
) AS x{0} WHERE x{0}.g < 12.5 AND NOT x{0}.m > 1000"""
LONG = (
    "WITH near AS (SELECT source_id, ra, dec, phot_bp_mean_mag AS bp FROM gaia_dr3.bright WHERE phot_bp_mean_mag > 5)\n"
    + "\nUNION ALL\n".join(_PART.format(i) for i in range(2, 9))
    + "\nORDER BY g DESC, 1"
)
TARGETS = ((SHORT, 0.2), (MIDDLE, 1.5), (LONG, 15.0))


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure queries of three lengths, in turns with the limit, against the real catalogue."""
    engine = owner_engine(bench.settings, connections=1)
    schema = SchemaService(engine, bench.settings.conninfo())
    catalogue, dialect = schema.current().catalogue, Dialect()
    lark = build_parser()
    for query, target in TARGETS:
        ours, limit = [], []
        for _ in range(ROUNDS):
            limit.append(_milliseconds(lambda text: lark.parse(list(map(LarkToken.of, tokens(text, dialect)))), query))
            ours.append(_milliseconds(lambda text: _translated(text, catalogue, dialect), query))
        time_taken = median(ours)
        yield Figure(
            f"translation of {len(query.encode()):,} bytes; limit: Lark alone",
            time_taken,
            "ms",
            median(limit),
            f"≤ {target} ms",
            time_taken <= target,
        )
    engine.dispose()


def _translated(query: str, catalogue: Catalogue, dialect: Dialect) -> None:
    translate(query, catalogue, dialect=dialect, limit=1_000_001)


def _milliseconds(work: Callable[[str], object], query: str) -> float:
    started = time.perf_counter()
    work(query)
    return (time.perf_counter() - started) * 1000
