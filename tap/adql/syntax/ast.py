"""The tree of a query: what its text says, before any name is looked up.

Every node knows its `position`, the offset of its first character in the text. Chains (AND, OR, sums, joins) are flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Identifier:
    """One part of a name; `delimited` when it was written in double quotes, which are taken off."""

    position: int
    text: str
    delimited: bool


Name: TypeAlias = tuple[Identifier, ...]

# ---- values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number; `integer` when it was written without point and exponent."""

    position: int
    value: float
    text: str
    integer: bool


@dataclass(frozen=True, slots=True)
class String:
    """A string, its quotes taken off."""

    position: int
    value: str


@dataclass(frozen=True, slots=True)
class Null:
    """NULL as a value."""

    position: int


@dataclass(frozen=True, slots=True)
class Boolean:
    """TRUE or FALSE."""

    position: int
    value: bool


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A column, with as many parts as were written."""

    position: int
    name: Name


@dataclass(frozen=True, slots=True)
class Signed:
    """A value with a sign before it."""

    position: int
    sign: str
    operand: Value


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A chain of sums or of products: ``operands[0] operators[0] operands[1] …``."""

    position: int
    operands: tuple[Value, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Strings joined by ``||``."""

    position: int
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of ADQL or of the service; its name in upper case if reserved, else in lower case."""

    position: int
    function: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """AVG, COUNT, MAX, MIN or SUM; `argument` is None for ``COUNT(*)``."""

    position: int
    function: str
    distinct: bool
    argument: Value | None


@dataclass(frozen=True, slots=True)
class Cast:
    """CAST; `type_name` in upper case, `length` of CHAR and VARCHAR where given."""

    position: int
    operand: Value
    type_name: str
    length: int | None


@dataclass(frozen=True, slots=True)
class Coalesce:
    """COALESCE."""

    position: int
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class InUnit:
    """IN_UNIT."""

    position: int
    operand: Value
    unit: str


Value: TypeAlias = (
    Number
    | String
    | Null
    | Boolean
    | ColumnReference
    | Signed
    | Arithmetic
    | Concatenation
    | Call
    | Aggregate
    | Cast
    | Coalesce
    | InUnit
)

# ---- conditions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class And:
    """Conditions that must all hold."""

    position: int
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Conditions of which one must hold."""

    position: int
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    position: int
    operand: Condition


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared by ``= <> < <= > >=``."""

    position: int
    left: Value
    operator: str
    right: Value


@dataclass(frozen=True, slots=True)
class Between:
    """[NOT] BETWEEN, both ends included."""

    position: int
    operand: Value
    negated: bool
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class InList:
    """[NOT] IN with a list of values."""

    position: int
    operand: Value
    negated: bool
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class InQuery:
    """[NOT] IN with a subquery."""

    position: int
    operand: Value
    negated: bool
    query: Query


@dataclass(frozen=True, slots=True)
class Like:
    """[NOT] LIKE or ILIKE; `escape` is the one character after ESCAPE."""

    position: int
    operand: Value
    negated: bool
    ignore_case: bool
    pattern: Value
    escape: str | None = None


@dataclass(frozen=True, slots=True)
class IsNull:
    """IS [NOT] NULL."""

    position: int
    operand: Value
    negated: bool


@dataclass(frozen=True, slots=True)
class Exists:
    """EXISTS."""

    position: int
    query: Query


Condition: TypeAlias = And | Or | Not | Comparison | Between | InList | InQuery | Like | IsNull | Exists

# ---- tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableReference:
    """A table by name."""

    position: int
    name: Name
    alias: Identifier | None


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A subquery in FROM."""

    position: int
    query: Query
    alias: Identifier


@dataclass(frozen=True, slots=True)
class Join:
    """One further table of a `Joined`; `kind` is INNER, LEFT, RIGHT or FULL; `cross` stands for CROSS JOIN."""

    position: int
    natural: bool
    kind: str
    table: Table
    on: Condition | None
    using: Name
    cross: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Tables joined from left to right."""

    position: int
    first: Table
    joins: tuple[Join, ...]


Table: TypeAlias = TableReference | DerivedTable | Joined

# ---- queries --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Star:
    """``*``, or ``t.*`` where `name` is not empty."""

    position: int
    name: Name


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a select list."""

    position: int
    value: Value
    alias: Identifier | None


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT … FROM … block."""

    position: int
    distinct: bool
    top: int | None
    items: tuple[Star | Item, ...]
    tables: tuple[Table, ...]
    where: Condition | None
    group_by: tuple[Value, ...]
    having: Condition | None


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Queries combined from left to right; each operator is UNION, EXCEPT or INTERSECT, with or without ALL."""

    position: int
    operands: tuple[Operand, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One key of ORDER BY."""

    position: int
    value: Value
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A select or set expression with its order and offset."""

    position: int
    body: Select | SetOperation | Query
    order_by: tuple[OrderTerm, ...]
    offset: int | None


Operand: TypeAlias = Select | SetOperation | Query


@dataclass(frozen=True, slots=True)
class CommonTable:
    """One named query of WITH."""

    position: int
    name: Identifier
    query: Query


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole query."""

    position: int
    common_tables: tuple[CommonTable, ...]
    query: Query
