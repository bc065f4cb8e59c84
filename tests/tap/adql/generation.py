"""Queries at random: valid ones by the grammar, with types that mostly fit, and broken ones by changes of others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tap.adql import Catalogue
from tap.adql.functions import SHIPPED, Parameter
from tap.adql.syntax.words import is_regular_identifier
from tap.adql.types import Kind, kind_of

DEPTH = 4
"""How deep values, conditions and subqueries nest."""

_VALUES = (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN)
_REGIONS = (Kind.CIRCLE, Kind.POLYGON)
_CASTS = ("SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE PRECISION")
_ODD = ("a b", 'q"q', "ra", "RA", "Select", "c0", "t1", "é", "Ω mega", "%s", "{0}", "x" * 70, "a'b", "--", ";", "1st")
_STRINGS = ("", "a", "Alpha", "%a%", "_", "it''s", "\\", "%s", "{}", "Ω", "2020-01-01", "x" * 40, "1.5", "$$", "E''")
_NUMBERS = ("0", "1", "2", "7", "45", "1.5", ".5", "3.", "1e-3", "2E2", "2147483648", "9223372036854775807")


@dataclass(frozen=True)
class Table:
    """A table of FROM: the name by which columns call it, and their names as written with their kinds."""

    called: str
    columns: tuple[tuple[str, Kind], ...]


def quoted(name: str) -> str:
    """Write a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


class Generator:
    """Writes queries over a catalogue; equal seeds give equal queries."""

    def __init__(self, catalogue: Catalogue, seed: int) -> None:
        self.random = Random(seed)
        self._tables = [
            (
                table.name,
                tuple((self._written(c.column.name), kind_of(c.column, c.sql_type)) for c in table.columns),
            )
            for table in catalogue.tables
        ]
        self._common: list[Table] = []
        self._names = 0

    @staticmethod
    def _written(name: str) -> str:
        return name if is_regular_identifier(name) else quoted(name)

    # ---- chance -----------------------------------------------------------------------------------------------------

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _one(self, *makers: Callable[[], str]) -> str:
        return self.random.choice(makers)()

    def _any(self, values: Sequence[str]) -> str:
        return self.random.choice(values)

    def _name(self) -> str:
        """Return a new name for a table, a common table or a column."""
        self._names += 1
        if self._chance(0.2):
            return quoted(f"{self._any(_ODD)}{self._names}")
        return self._any(("t", "c", "x_", "Alias", "ra", "n")) + str(self._names)

    # ---- queries ----------------------------------------------------------------------------------------------------

    def statement(self) -> str:
        """Return a whole query."""
        self._common = []
        common = []
        for _ in range(self.random.choice((0, 0, 0, 1, 2))):
            name = self._name()
            text, columns = self.query((), DEPTH - 2)
            common.append(f"{name} AS ({text})")
            self._common.append(Table(name, columns))
        text, _ = self.query((), DEPTH)
        return (f"WITH {', '.join(common)} " if common else "") + text + self._any(("", "", "", ";", " -- end"))

    def query(
        self, outer: Sequence[Table], depth: int, kinds: Sequence[Kind] | None = None
    ) -> tuple[str, tuple[tuple[str, Kind], ...]]:
        """Return a query and its columns, of given kinds if wanted."""
        if depth <= 1 or self._chance(0.75):
            return self._select(outer, depth, kinds)
        if kinds is None:
            kinds = [self.random.choice(_VALUES) for _ in range(self.random.randint(1, 3))]
        operands = []
        columns: tuple[tuple[str, Kind], ...] = ()
        for place in range(self.random.randint(2, 3)):
            text, found = self._select(outer, depth - 1, kinds)
            columns = found if place == 0 else columns
            operands.append(f"({text})" if place == 0 or "ORDER" in text or "OFFSET" in text else text)
        text = operands[0]
        for operand in operands[1:]:
            text += (
                f" {self._any(('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL', 'INTERSECT ALL'))} {operand}"
            )
        if self._chance(0.4):
            text += f" ORDER BY {self.random.randint(1, len(kinds))}{self._any(('', ' DESC', ' ASC'))}"
        if self._chance(0.2):
            text += f" OFFSET {self.random.randint(0, 3)}"
        return text, columns

    def _select(
        self, outer: Sequence[Table], depth: int, kinds: Sequence[Kind] | None
    ) -> tuple[str, tuple[tuple[str, Kind], ...]]:
        """Return a SELECT and its columns."""
        joined, tables = self._from(outer, depth)
        known = [*tables, *outer]
        text = ["SELECT"]
        distinct = self._chance(0.15)
        if distinct:
            text.append("DISTINCT")
        elif self._chance(0.1):
            text.append("ALL")
        if self._chance(0.3):
            text.append(f"TOP {self.random.randint(0, 9)}")
        groups: list[tuple[str, Kind]] = []
        grouped = self._chance(0.25)
        if grouped:
            groups = [self._value(known, 1, self.random.choice(_VALUES)) for _ in range(self.random.randint(0, 2))]
        items, columns = self._items(known, tables, depth, kinds, groups, grouped=grouped)
        text += [", ".join(items), "FROM", joined]
        if self._chance(0.5):
            text += ["WHERE", self.condition(known, depth)]
        if groups:
            text += ["GROUP BY", ", ".join(value for value, _ in groups)]
        if grouped and self._chance(0.4):
            text += ["HAVING", f"{self._aggregate(known, depth, Kind.NUMBER)} {self._compare()} {self._literal()}"]
        if self._chance(0.35) and columns:
            text += ["ORDER BY", self._order(known, columns, distinct=distinct, grouped=grouped)]
        if self._chance(0.15):
            text += ["OFFSET", str(self.random.randint(0, 4))]
        return " ".join(text), columns

    def _items(
        self,
        known: Sequence[Table],
        tables: Sequence[Table],
        depth: int,
        kinds: Sequence[Kind] | None,
        groups: Sequence[tuple[str, Kind]],
        *,
        grouped: bool,
    ) -> tuple[list[str], tuple[tuple[str, Kind], ...]]:
        """Return a select list as written, and the names and kinds of its columns that can be named."""
        if kinds is None and not grouped and self._chance(0.2):
            table = self.random.choice(tables)
            if self._chance(0.5) or len(tables) > 1:
                return [f"{table.called}.*"], table.columns
            return ["*"], table.columns
        if kinds is None:
            shapes = (*_VALUES, Kind.NUMBER, *((Kind.POINT, Kind.CIRCLE, Kind.POLYGON) if not grouped else ()))
            kinds = [self.random.choice(shapes) for _ in range(self.random.randint(1, 5))]
        items, columns = [], []
        for kind in kinds:
            same = [value for value, group in groups if group is kind]
            if same and self._chance(0.7):
                value = self._any(same)
            elif grouped:
                value = self._aggregate(known, depth - 1, kind)
            elif self._chance(0.03):
                value = "NULL"
            else:
                value = self._value(known, depth - 1, kind)[0]
            if self._chance(0.75):
                name = self._name()
                columns.append((name, kind))
                value += f" {self._any(('AS ', ''))}{name}"
            items.append(value)
        return items, tuple(columns)

    def _order(
        self, known: Sequence[Table], columns: Sequence[tuple[str, Kind]], *, distinct: bool, grouped: bool
    ) -> str:
        keys = []
        for _ in range(self.random.randint(1, 2)):
            named = [name for name, kind in columns if kind in _VALUES]
            if named and (distinct or grouped or self._chance(0.6)):
                key = self._any(named)
                if not distinct and self._chance(0.2):
                    key = f"COALESCE({key}, {key})"
            elif grouped:
                key = self._aggregate(known, 1, Kind.NUMBER)
            else:
                key = "1" if distinct else self._value(known, 1, self.random.choice(_VALUES))[0]
            keys.append(f"{key}{self._any(('', ' ASC', ' DESC'))}")
        return ", ".join(keys)

    # ---- tables -----------------------------------------------------------------------------------------------------

    def _from(self, outer: Sequence[Table], depth: int) -> tuple[str, list[Table]]:
        text, table = self._table(outer, depth)
        tables = [table]
        while len(tables) < 3 and self._chance(0.3):
            text, table = self._join(text, tables, outer, depth)
            tables.append(table)
        if self._chance(0.1) and " JOIN " in text and ", " not in text:
            text = f"({text})"
        return text, tables

    def _join(self, text: str, tables: Sequence[Table], outer: Sequence[Table], depth: int) -> tuple[str, Table]:
        right, table = self._table(outer, depth)
        kind = self._any(("JOIN", "INNER JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "RIGHT JOIN", "FULL OUTER JOIN", ","))
        if kind == ",":
            return f"{text}, {right}", table
        left_name = self._column_of(tables[-1], Kind.NUMBER)
        right_name = self._column_of(table, Kind.NUMBER)
        shared = [name for name, _ in tables[-1].columns if name in dict(table.columns)]
        if shared and len(tables) == 1 and self._chance(0.3):
            return self._one(
                lambda: f"{text} NATURAL {kind} {right}", lambda: f"{text} {kind} {right} USING ({self._any(shared)})"
            ), table
        condition = f"{left_name} = {right_name}" if left_name and right_name else "1 = 1"
        if "FULL" in kind and "=" not in condition.replace("1 = 1", ""):
            kind = "JOIN"
        if self._chance(0.15) and "FULL" not in kind:
            condition = f"{condition} AND {self.condition([tables[-1], table], 1)}"
        return f"{text} {kind} {right} ON {condition}", table

    def _table(self, outer: Sequence[Table], depth: int) -> tuple[str, Table]:
        alias = self._name()
        if depth > 1 and self._chance(0.25):
            # A subquery of FROM sees what is around the query, not the tables beside it.
            text, columns = self.query(outer, depth - 1)
            return f"({text}) {self._any(('AS ', ''))}{alias}", Table(alias, columns)
        if self._common and self._chance(0.4):
            common = self.random.choice(self._common)
            return f"{common.called} AS {alias}", Table(alias, common.columns)
        name, columns = self.random.choice(self._tables)
        written = name if self._chance(0.5) else name.rpartition(".")[2]
        return f"{written} AS {alias}", Table(alias, columns)

    def _column_of(self, table: Table, kind: Kind) -> str | None:
        names = [f"{table.called}.{name}" for name, found in table.columns if found is kind]
        return self._any(names) if names else None

    # ---- values -----------------------------------------------------------------------------------------------------

    def _column(self, known: Sequence[Table], kind: Kind) -> str | None:
        names = [f"{table.called}.{name}" for table in known for name, found in table.columns if found is kind]
        return self._any(names) if names else None

    def _value(self, known: Sequence[Table], depth: int, kind: Kind) -> tuple[str, Kind]:
        """Return a value of a kind."""
        column = self._column(known, kind)
        if column is not None and (depth <= 0 or self._chance(0.5)):
            return column, kind
        match kind:
            case Kind.NUMBER:
                return self._number(known, depth), kind
            case Kind.TEXT:
                return self._text(known, depth), kind
            case Kind.TIMESTAMP:
                return column or f"CAST('{self._any(('2020-01-01', '2020-06-01T12:30:00.5'))}' AS TIMESTAMP)", kind
            case Kind.BOOLEAN:
                return column or "NULL", kind
            case Kind.POINT:
                return self._point(known, depth), kind
            case _:
                return self._region(known, depth, kind), kind

    def number(self, known: Sequence[Table], depth: int) -> str:
        """Return a number."""
        return self._value(known, depth, Kind.NUMBER)[0]

    def _literal(self) -> str:
        return self._any(_NUMBERS)

    def _number(self, known: Sequence[Table], depth: int) -> str:
        if depth <= 0:
            return self._literal()
        less = depth - 1
        return self._one(
            self._literal,
            lambda: f"-{self._literal()}",
            lambda: f"({self.number(known, less)} {self._any('+-*/')} {self.number(known, less)})",
            lambda: f"{self.number(known, less)} * {self._literal()} - {self.number(known, less)}",
            lambda: f"+{self.number(known, 0)}",
            lambda: f"CAST({self.number(known, less)} AS {self._any(_CASTS)})",
            lambda: f"CAST('{self._any(('12', ' 3 ', '1.5', '-7'))}' AS {self._any(_CASTS)})",
            lambda: f"COALESCE({self.number(known, less)}, {self.number(known, less)}, NULL)",
            lambda: f"IN_UNIT({self._angle(known, less)}, '{self._any(('deg', 'arcsec', 'rad'))}')",
            lambda: self._call(known, less, (Kind.NUMBER,)),
            lambda: self._call(known, less, (Kind.NUMBER,)),
            lambda: f"DISTANCE({self._point(known, less)}, {self._point(known, less)})",
            lambda: "DISTANCE({}, {}, {}, {})".format(*(self.number(known, 0) for _ in range(4))),
            lambda: f"COORD{self._any('12')}({self._point(known, less)})",
            lambda: f"AREA({self._region(known, less)})",
            lambda: f"CONTAINS({self._point(known, less)}, {self._region(known, less)})",
            lambda: f"INTERSECTS({self._region(known, less)}, {self._region(known, less)})",
        )

    def _angle(self, known: Sequence[Table], depth: int) -> str:
        return self._one(
            lambda: f"RADIANS({self.number(known, depth)})",
            lambda: f"DISTANCE({self._point(known, depth)}, {self._point(known, depth)})",
            lambda: self._column(known, Kind.NUMBER) or f"ATAN({self._literal()})",
        )

    def _text(self, known: Sequence[Table], depth: int) -> str:
        string = f"'{self._any(_STRINGS)}'"
        if depth <= 0:
            return string
        less = depth - 1
        return self._one(
            lambda: string,
            lambda: f"{self._value(known, less, Kind.TEXT)[0]} || {string}",
            lambda: self._call(known, less, (Kind.TEXT,)),
            lambda: f"CAST({self.number(known, less)} AS {self._any(('VARCHAR', 'CHAR(4)', 'VARCHAR(9)', 'CHAR'))})",
            lambda: f"CAST({self._value(known, 0, Kind.TIMESTAMP)[0]} AS VARCHAR)",
            lambda: f"COALESCE({self._value(known, less, Kind.TEXT)[0]}, {string})",
            lambda: f"COORDSYS({self._point(known, less)})",
        )

    def _call(self, known: Sequence[Table], depth: int, kinds: Sequence[Kind], *, aggregate: bool = False) -> str:
        """Return a call of a declared function whose result is of a kind."""
        fitting = [
            function
            for function in SHIPPED
            if function.aggregate is aggregate
            and kind_of(function.result, function.sql_type) in kinds
            and not function.simbad
        ]
        function = self.random.choice(fitting)
        arguments = [self._argument(known, depth, parameter) for parameter in function.parameters]
        return f"{function.name}({', '.join(arguments)})"

    def _argument(self, known: Sequence[Table], depth: int, parameter: Parameter) -> str:
        if parameter.sql_type in ("integer", "bigint") or parameter.name in ("n", "order"):
            return str(self.random.randint(parameter.low or 0, min(parameter.high or 9, 9)))
        if parameter.literal:
            return f"'{self._any(_STRINGS)}'" if Kind.TEXT in parameter.kinds else self._literal()
        return self._value(known, depth, self.random.choice(parameter.kinds))[0]

    def _aggregate(self, known: Sequence[Table], depth: int, kind: Kind) -> str:
        """Return an aggregate of a kind."""
        less = min(depth - 1, 1)
        quantifier = self._any(("", "", "DISTINCT ", "ALL "))
        if kind is Kind.NUMBER:
            function = self._any(("AVG", "SUM", "MIN", "MAX", "COUNT"))
            return self._one(
                lambda: "COUNT(*)",
                lambda: f"{function}({quantifier}{self.number(known, less)})",
                lambda: f"COUNT({quantifier}{self._value(known, less, self.random.choice(_VALUES))[0]})",
                lambda: f"({function}({self.number(known, less)}) + {self._literal()})",
            )
        if kind is Kind.BOOLEAN:
            return "NULL"
        if kind is Kind.TEXT and self._chance(0.3):
            return self._call(known, less, (Kind.TEXT,), aggregate=True)
        return f"{self._any(('MIN', 'MAX'))}({self._value(known, less, kind)[0]})"

    # ---- geometry ---------------------------------------------------------------------------------------------------

    def _system(self) -> str:
        return self._any(("", "", "", "'ICRS', ", "'', ", "NULL, "))

    def _place(self, known: Sequence[Table], depth: int) -> str:
        if self._chance(0.4):
            columns = {name for table in known for name, _ in table.columns}
            tables = [table for table in known if {"ra", "dec"} <= {name for name, _ in table.columns}]
            if tables and columns:
                called = self.random.choice(tables).called
                return f"{called}.ra, {called}.dec"
        if self._chance(0.5):
            return f"{self.random.randint(0, 359)}, {self.random.randint(-90, 90)}"
        return f"{self.number(known, min(depth, 1))}, {self.number(known, min(depth, 1))}"

    def _point(self, known: Sequence[Table], depth: int) -> str:
        column = self._column(known, Kind.POINT)
        if column is not None and self._chance(0.4):
            return column
        if depth > 0 and self._chance(0.2):
            return f"CENTROID({self._region(known, depth - 1)})"
        return f"POINT({self._system()}{self._place(known, depth)})"

    def _region(self, known: Sequence[Table], depth: int, kind: Kind | None = None) -> str:
        kind = kind or self.random.choice(_REGIONS)
        column = self._column(known, kind)
        if column is not None and self._chance(0.4):
            return column
        if kind is Kind.CIRCLE:
            radius = self._any(("1", "0.5", "10", "0"))
            if depth > 0 and self._chance(0.3):
                return f"CIRCLE({self._point(known, depth - 1)}, {radius})"
            return f"CIRCLE({self._system()}{self._place(known, depth)}, {radius})"
        if self._chance(0.4):
            return f"BOX({self._system()}{self._place(known, depth)}, 2, 1)"
        lon, lat = self.random.randint(0, 350), self.random.randint(-80, 80)
        if self._chance(0.3):
            return f"REGION('POLYGON ICRS {lon} {lat} {lon + 2} {lat} {lon + 2} {lat + 3}')"
        return f"POLYGON({self._system()}{lon}, {lat}, {lon + 2}, {lat}, {lon + 2}, {lat + 3})"

    # ---- conditions -------------------------------------------------------------------------------------------------

    def _compare(self) -> str:
        return self._any(("=", "<>", "!=", "<", ">", "<=", ">="))

    def condition(self, known: Sequence[Table], depth: int) -> str:
        """Return a condition."""
        if depth > 1 and self._chance(0.4):
            parts = [self.condition(known, depth - 1) for _ in range(self.random.randint(2, 3))]
            text = f" {self._any(('AND', 'OR'))} ".join(parts)
            return self._one(lambda: f"({text})", lambda: f"NOT ({text})", lambda: f"({text})")
        kind = self.random.choice((*_VALUES, Kind.NUMBER))
        one, other = (self._value(known, depth - 1, kind)[0] for _ in range(2))
        maybe = self._any(("", "", "NOT "))
        less = depth - 1
        choices: list[Callable[[], str]] = [
            lambda: f"{one} {self._compare()} {other}",
            lambda: f"{one} {maybe}BETWEEN {other} AND {self._value(known, 0, kind)[0]}",
            lambda: f"{one} {maybe}IN ({other}, {self._value(known, 0, kind)[0]}, NULL)",
            lambda: f"{one} IS {maybe}NULL",
            lambda: f"{self._value(known, less, Kind.TEXT)[0]} {maybe}{self._any(('LIKE', 'ILIKE'))} '%a\\_'",
            lambda: f"{self._any('01')} = CONTAINS({self._point(known, less)}, {self._region(known, less)})",
            lambda: f"INTERSECTS({self._region(known, less)}, {self._region(known, less)}) = {self._any('01')}",
            lambda: f"DISTANCE({self._point(known, less)}, {self._point(known, less)}) {self._compare()} 1.5",
        ]
        if kind is Kind.BOOLEAN:
            column = self._column(known, kind)
            choices = [lambda: f"{column or 'NULL'} = {self._any(('1', '0'))}", *choices[3:]]
        if less > 0:
            choices += [
                lambda: f"{one} {maybe}IN ({self.query(known, less, [kind])[0]})",
                lambda: f"{maybe}EXISTS ({self.query(known, less)[0]})",
            ]
        return self._one(*choices)


_WORDS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_]*|[0-9.]+|\s+|.""", re.DOTALL)
_SPLINTERS = (
    *"()[]{},.;:'\"`*+-/%|&^~!=<>$#@?\\\0\n\t \u00a0\u200b\ufeff\u0430\u0661\u2019\U0001f600\ud800",
    *("--", "/*", "*/", "||", "::", "$$", "''", '""', "1e999", "0x41", "1_000", "9" * 400, "(" * 150, "NOT " * 50),
    *("SELECT", "FROM", "WHERE", "UNION", "JOIN", "ON", "NATURAL", "WITH", "NULL", "CASE", "pg_sleep(1)", "E'\\x41'"),
    *("ORDER BY", "GROUP BY", "OFFSET", "TOP", "COUNT(*)", "ctid", "xmin", "t1", "c0", "x" * 5000, "POINT", "DISTINCT"),
)


def mutated(query: str, others: Sequence[str], random: Random) -> str:
    """Return a query after a few changes: words dropped, doubled, swapped, replaced, spliced with another's."""
    words = _WORDS.findall(query)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        if not words:
            break
        at, to = random.randrange(len(words)), random.randrange(len(words))
        match random.randrange(8):
            case 0:
                del words[at]
            case 1:
                words.insert(at, words[at])
            case 2:
                words[at], words[to] = words[to], words[at]
            case 3:
                words[at] = random.choice(_SPLINTERS)
            case 4:
                words.insert(at, random.choice(_SPLINTERS))
            case 5:
                other = _WORDS.findall(random.choice(others))
                words = words[:at] + other[random.randrange(len(other) + 1) :]
            case 6:
                word = words[at]
                spot = random.randrange(len(word) + 1)
                words[at] = (
                    word[:spot] + chr(random.choice((random.randrange(128), random.randrange(0x3000)))) + word[spot:]
                )
            case _:
                words[at : to + 1] = [word.swapcase() for word in words[at : to + 1]]
    return "".join(words)
