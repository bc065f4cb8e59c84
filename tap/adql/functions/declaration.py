"""What a declaration of a function says, and the set of those that a service offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from tap.adql.types import DOUBLE, Kind
from vo.core.tables import Column, Datatype

if TYPE_CHECKING:
    from tap.adql.operands import Value
    from tap.adql.scopes import Scope

AS_IT_IS = ""
"""Type of a parameter in SQL: the argument's own."""

INSTANT = (Kind.TIMESTAMP, Kind.TEXT)

DOUBLES = Column("", Datatype.DOUBLE)
INTEGERS = Column("", Datatype.INT)
LONGS = Column("", Datatype.LONG)
TEXTS = Column("", Datatype.CHAR, "*")


class Unit(Enum):
    """Where the unit of a result comes from."""

    NONE = None
    OF_ARGUMENT = "argument"
    RADIAN = "rad"
    DEGREE = "deg"
    POWER = "power"
    ROOT = "root"
    SQUARE = "square"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument.

    Attributes
    ----------
    name : str
        Its name in the signature.
    type : str
        Its type in the signature.
    kinds : tuple of Kind
        What it takes; NULL goes everywhere.
    sql_type : str
        The type in which a number arrives in SQL. ``integer`` and ``bigint`` take whole numbers only: what has a point
        would lose digits on the way.
    literal : bool
        Whether its value must be known when the query is translated.
    low, high : int, optional
        The least and the greatest value, where it is known.
    """

    name: str
    type: str
    kinds: tuple[Kind, ...]
    sql_type: str = DOUBLE
    literal: bool = False
    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


@dataclass(frozen=True, slots=True)
class Called:
    """A call whose arguments are translated and fit, as a form sees it.

    Attributes
    ----------
    function : Function
        The declaration that is meant.
    arguments : tuple of Value
        What it was given.
    sql : tuple of str
        The same in SQL, in the types of the parameters.
    position : int
        Place of the call in the query.
    scope : Scope
        Where it stands.
    """

    function: Function
    arguments: tuple[Value, ...]
    sql: tuple[str, ...]
    position: int
    scope: Scope


Form: TypeAlias = "Callable[[Called], Value]"


@dataclass(frozen=True, slots=True)
class Example:
    """A call with what comes out; the tests run it."""

    call: str
    result: Any


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function: all there is to say about it.

    Attributes
    ----------
    name : str
        Upper case for the reserved names of ADQL, lower case for functions of the service; queries write any case.
    parameters : tuple of Parameter
        In order.
    sql : str
        Its text in PostgreSQL with the arguments as ``{0}``, ``{1}`` …; a condition if `condition` is set. Empty where
        `form` writes it.
    result : Column
        Type of the result, and what is always so of its metadata.
    sql_type : str
        The same in PostgreSQL.
    returns : str
        The same in the signature.
    description : str
        A sentence or two for users.
    unit : Unit
        The unit of the result.
    ucd_prefix : str, optional
        What is put before the UCD of the first argument, which the result then has.
    fold : callable, optional
        Its value for constant numbers.
    form : callable, optional
        Makes the result where that is more than a text: geometries, tests that an index serves, results in the type of
        an argument.
    condition : bool
        Whether `sql` is a condition, of which the function is 1 or 0: compared with 1 it stands alone, so that indexes
        serve it.
    aggregate : bool
        Whether it takes a group of rows.
    variadic : bool
        Whether the last parameter may be given again and again.
    simbad : bool
        Whether it needs a resolver of names.
    examples : tuple of Example
        Calls with their results.
    """

    name: str
    parameters: tuple[Parameter, ...]
    sql: str
    result: Column = DOUBLES
    sql_type: str = DOUBLE
    returns: str = "DOUBLE"
    description: str = ""
    unit: Unit = Unit.NONE
    ucd_prefix: str | None = None
    fold: Callable[..., float] | None = None
    form: Form | None = None
    condition: bool = False
    aggregate: bool = False
    variadic: bool = False
    simbad: bool = False
    examples: tuple[Example, ...] = ()
    column: Column = field(init=False, repr=False)
    """The result with the function's name, which is in lower case there."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", replace(self.result, name=self.name.lower()))

    @property
    def signature(self) -> str:
        """The signature as the catalogue of functions writes it; `tap.adql.features` declares a plainer one."""
        arguments = ", ".join(map(str, self.parameters)) + (", ..." if self.variadic else "")
        return f"{self.name}({arguments}) -> {self.returns}"

    @property
    def reserved(self) -> bool:
        """Whether its name is one of the language's own."""
        return self.name.isupper()

    def takes(self, count: int) -> bool:
        """Whether it takes so many arguments."""
        return count >= len(self.parameters) if self.variadic else count == len(self.parameters)

    def parameter(self, place: int) -> Parameter:
        """Return the parameter of an argument."""
        return self.parameters[min(place, len(self.parameters) - 1)]


def renamed(function: Function, name: str, *, examples: tuple[Example, ...] = ()) -> Function:
    """Declare a function under the name that it has elsewhere."""
    return replace(function, name=name, examples=examples, description=f"The same as {function.name}.")


class FunctionSet:
    """The functions that a service offers.

    Parameters
    ----------
    functions : iterable of Function
        Those of one name differ in their parameters.
    """

    def __init__(self, functions: Iterable[Function]) -> None:
        self._functions = tuple(functions)
        found: dict[str, tuple[Function, ...]] = {}
        for function in self._functions:
            found[function.name] = (*found.get(function.name, ()), function)
        self.by_name: Mapping[str, tuple[Function, ...]] = found

    def __iter__(self) -> Iterator[Function]:
        return iter(self._functions)

    @property
    def user_defined(self) -> tuple[Function, ...]:
        """The functions beyond the language's own."""
        return tuple(function for function in self._functions if not function.reserved)

    def extended(self, functions: Iterable[Function]) -> FunctionSet:
        """Return a set that has further functions."""
        return FunctionSet((*self._functions, *functions))


# ---- parameters -----------------------------------------------------------------------------------------------------


def number(name: str) -> Parameter:
    """Declare a number."""
    return Parameter(name, "DOUBLE", (Kind.NUMBER,))


def real(name: str) -> Parameter:
    """Declare a number, under the name of its type that the catalogue of functions uses."""
    return Parameter(name, "REAL", (Kind.NUMBER,))


def numeric(name: str) -> Parameter:
    """Declare a number that keeps its type."""
    return Parameter(name, "NUMERIC", (Kind.NUMBER,), AS_IT_IS)


def whole(name: str, sql_type: str = "bigint", *, low: int | None = None, high: int | None = None) -> Parameter:
    """Declare a whole number."""
    return Parameter(name, sql_type.upper(), (Kind.NUMBER,), sql_type, low=low, high=high)


def text(name: str, *, literal: bool = False) -> Parameter:
    """Declare a string."""
    return Parameter(name, "TEXT", (Kind.TEXT,), "text", literal)


def point(name: str) -> Parameter:
    """Declare a point."""
    return Parameter(name, "POINT", (Kind.POINT,))


def literal(parameter: Parameter) -> Parameter:
    """Return a parameter whose value must be known when the query is translated."""
    return replace(parameter, literal=True)
