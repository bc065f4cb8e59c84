"""The functions that queries call, but for the geometrical ones of the language: a module a family, a declaration each.

A declaration (`Function`) says everything about a function: arguments, SQL, result and its metadata, description,
examples. The set that a service offers is `Dialect.functions`; operators add theirs from a file (`operators`). What a
service declares about its language (`tap.adql.features`) derives from the set. Bodies too long to stand in a query are
in the schema vo_udf (``sql/migrations``).
"""

from tap.adql.functions import bits, catalogue, choices, gaia, gavo, language, q3c
from tap.adql.functions.declaration import Called, Example, Function, FunctionSet, Parameter, Unit

SHIPPED = FunctionSet(
    (
        *language.FUNCTIONS,
        *catalogue.FUNCTIONS,
        *gaia.FUNCTIONS,
        *choices.FUNCTIONS,
        *bits.FUNCTIONS,
        *gavo.FUNCTIONS,
        *q3c.FUNCTIONS,
    )
)
"""The functions that come with the stack."""

__all__ = ["SHIPPED", "Called", "Example", "Function", "FunctionSet", "Parameter", "Unit"]
