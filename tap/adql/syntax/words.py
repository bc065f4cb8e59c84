"""The reserved words of ADQL 2.1 (section 2.1.3 of the Recommendation) and what each is to the grammar."""

# ruff: noqa: SIM905  (a list of words reads best as words)
from __future__ import annotations

FUNCTIONS = frozenset(
    """ABS ACOS AREA ASIN ATAN ATAN2 BOX CEILING CENTROID CIRCLE CONTAINS COORD1 COORD2 COORDSYS COS COT DEGREES
    DISTANCE EXP FLOOR INTERSECTS LOG LOG10 LOWER MOD PI POINT POLYGON POWER RADIANS RAND REGION ROUND SIN SQRT TAN
    TRUNCATE UPPER""".split()
)
"""Reserved names of functions that are called like any other."""

AGGREGATES = frozenset({"AVG", "MAX", "MIN", "SUM"})
"""Aggregates with one argument; COUNT has a rule of its own because of ``COUNT(*)``."""

KEYWORDS = frozenset(
    """ALL AND AS ASC BETWEEN BIGINT BY CAST CHAR COALESCE COUNT DESC DISTINCT DOUBLE EXCEPT EXISTS FROM FULL GROUP
    HAVING ILIKE IN INNER INTEGER INTERSECT IN_UNIT IS JOIN LEFT LIKE NATURAL NOT NULL OFFSET ON OR ORDER OUTER
    PRECISION REAL RIGHT SELECT SMALLINT TIMESTAMP TOP UNION USING VARCHAR WHERE WITH""".split()
)
"""Words with a meaning of their own in the grammar."""

UNUSED = frozenset(
    """ABSOLUTE ACTION ADD ALLOCATE ALTER ANY ARE ASSERTION AT AUTHORIZATION BEGIN BIT BIT_LENGTH BOTH CASCADE CASCADED
    CASE CATALOG CHARACTER CHARACTER_LENGTH CHAR_LENGTH CHECK CLOSE COLLATE COLLATION COLUMN COMMIT CONNECT CONNECTION
    CONSTRAINT CONSTRAINTS CONTINUE CONVERT CORRESPONDING CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP CURRENT_USER CURSOR DATE DAY DEALLOCATE DECIMAL DECLARE DEFAULT DEFERRABLE DEFERRED DELETE
    DESCRIBE DESCRIPTOR DIAGNOSTICS DISCONNECT DOMAIN DROP ELSE END ESCAPE EXCEPTION EXEC EXECUTE EXTERNAL EXTRACT FALSE
    FETCH FIRST FLOAT FOR FOREIGN FOUND GET GLOBAL GO GOTO GRANT HOUR IDENTITY IMMEDIATE INDICATOR INITIALLY INPUT
    INSENSITIVE INSERT INT INTERVAL INTO ISOLATION KEY LANGUAGE LAST LEADING LEVEL LOCAL MATCH MINUTE MODULE MONTH NAMES
    NATIONAL NCHAR NEXT NO NULLIF NUMERIC OCTET_LENGTH OF ONLY OPEN OPTION OUTPUT OVERLAPS PAD PARTIAL POSITION PREPARE
    PRESERVE PRIMARY PRIOR PRIVILEGES PROCEDURE PUBLIC READ REFERENCES RELATIVE RESTRICT REVOKE ROLLBACK ROWS SCHEMA
    SCROLL SECOND SECTION SESSION SESSION_USER SET SIZE SOME SPACE SQL SQLCODE SQLERROR SQLSTATE SUBSTRING SYSTEM_USER
    TABLE TEMPORARY THEN TIME TIMEZONE_HOUR TIMEZONE_MINUTE TO TRAILING TRANSACTION TRANSLATE TRANSLATION TRIM TRUE
    UNIQUE UNKNOWN UPDATE USAGE USER VALUE VALUES VARYING VIEW WHEN WHENEVER WORK WRITE YEAR ZONE""".split()
)
"""Words that SQL-92 reserves and ADQL has no use for."""

OPTIONAL = {"CROSS": "cross_join", "ESCAPE": "like_escape", "TRUE": "boolean_literals", "FALSE": "boolean_literals"}
"""Words among them that the grammar knows; each has a field of the dialect that lets it in."""

INSTEAD = {
    "CASE": "ADQL has no CASE: combine queries by UNION ALL, or use COALESCE or if_then_else(flag, value, other).",
    "CROSS": "Write a, b or a JOIN b for all pairs of rows.",
    "CURRENT_DATE": "Write the time as CAST('2026-01-31T12:00:00' AS TIMESTAMP).",
    "CURRENT_TIMESTAMP": "Write the time as CAST('2026-01-31T12:00:00' AS TIMESTAMP).",
    "ESCAPE": "ADQL's LIKE has no escape character.",
    "FALSE": "A boolean is compared with a string: flag = 'false'; CONTAINS and INTERSECTS are 1 or 0.",
    "FETCH": "Write TOP n behind SELECT to limit the rows.",
    "FLOAT": "Write REAL or DOUBLE PRECISION.",
    "INT": "Write INTEGER.",
    "INTO": "A query stores nothing; its result is the answer.",
    "NULLIF": "ADQL has no NULLIF; COALESCE replaces NULLs.",
    "NUMERIC": "Write DOUBLE PRECISION.",
    "TRUE": "A boolean is compared with a string: flag = 'true'; CONTAINS and INTERSECTS are 1 or 0.",
}
"""What to write instead of a reserved word that ADQL has no use for but people write."""

CALLED = {
    "CHARACTER_LENGTH": "Write esdc_length(string).",
    "CHAR_LENGTH": "Write esdc_length(string).",
    "CONVERT": "Types are converted by CAST(x AS type).",
    "EXTRACT": "Times are compared with strings such as '2016-01-31'; ivo_to_mjd makes numbers of them.",
    "NULLIF": "Write esdc_nullif(x, y).",
    "POSITION": "Write esdc_position(part, string).",
    "SUBSTRING": "Write esdc_substring(string, start, length).",
    "TRANSLATE": "Write esdc_translate(string, from, to).",
    "TRIM": "Write esdc_trim(string).",
    "YEAR": "Times are compared with strings such as '2016-01-31'; ivo_to_mjd makes numbers of them.",
}
"""The same for reserved words that stand before a parenthesis."""

FREEABLE = FUNCTIONS | AGGREGATES | UNUSED
"""Reserved words that may be names where a service likes."""

RESERVED = FUNCTIONS | AGGREGATES | KEYWORDS | UNUSED


def is_regular_identifier(name: str) -> bool:
    """Whether `name` can be written in a query without quotes."""
    return name.isascii() and name[:1].isalpha() and name.isidentifier() and name.upper() not in RESERVED
