"""Bitwise operations, for which ADQL has no operators."""

from __future__ import annotations

from tap.adql.functions.declaration import LONGS, Example, Function, whole

_PAIR = (whole("a"), whole("b"))


def _bitwise(name: str, sql: str, description: str, *examples: Example) -> tuple[Function, ...]:
    """Declare an operation on two whole numbers, under both names in use."""
    return tuple(
        Function(prefix + name, _PAIR, sql, LONGS, "bigint", "BIGINT", description, examples=examples if i == 0 else ())
        for i, prefix in enumerate(("bitwise_", "bit_"))
    )


FUNCTIONS = (
    *_bitwise("and", "({0} & {1})", "The bits that both numbers have.", Example("bitwise_and(12, 10)", 8)),
    *_bitwise("or", "({0} | {1})", "The bits that one of the numbers has or both.", Example("bitwise_or(12, 10)", 14)),
    *_bitwise("xor", "({0} # {1})", "The bits that only one of the numbers has.", Example("bitwise_xor(12, 10)", 6)),
    *(
        Function(
            name,
            (whole("a"),),
            "(~ {0})",
            LONGS,
            "bigint",
            "BIGINT",
            "The bits that a number does not have.",
            examples=(Example(f"{name}(12)", -13),),
        )
        for name in ("bitwise_not", "bit_not")
    ),
    Function(
        "bit_and",
        (whole("e"),),
        "pg_catalog.bit_and({0})",
        LONGS,
        "bigint",
        "BIGINT",
        "The bits that all numbers of a group have.",
        aggregate=True,
    ),
    Function(
        "bit_or",
        (whole("e"),),
        "pg_catalog.bit_or({0})",
        LONGS,
        "bigint",
        "BIGINT",
        "The bits that any number of a group has.",
        aggregate=True,
    ),
)
