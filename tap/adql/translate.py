"""From ADQL to one SELECT of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from tap.adql.catalogue import Catalogue
from tap.adql.context import Context
from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_SQL
from tap.adql.queries import statement
from tap.adql.syntax.parser import parse
from vo.core.tables import Column


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated query.

    Attributes
    ----------
    sql : str
        One SELECT whose columns are c0, c1 … in the types of `columns`. It names everything with its schema and runs
        under any search path.
    columns : tuple of Column
        Metadata of the result; the names are unique.
    tables : frozenset of str
        Published names of the tables that the query reads.
    warnings : tuple of str
        Remarks for the person who wrote the query.
    """

    sql: str
    columns: tuple[Column, ...]
    tables: frozenset[str]
    warnings: tuple[str, ...] = ()


def translate(
    query: str, catalogue: Catalogue, *, limit: int | None = None, dialect: Dialect | None = None
) -> Translation:
    """Translate a query.

    Parameters
    ----------
    query : str
        ADQL 2.0 or 2.1.
    catalogue : Catalogue
        The tables that it may read.
    limit : int, optional
        The largest number of rows of the whole result.
    dialect : Dialect, optional
        Rulings on what services differ about.

    Raises
    ------
    ADQLError
        If the query is wrong; it tells where.
    """
    context = Context(catalogue, dialect or Dialect())
    try:
        if not query.isascii():
            _check_text(query)
        relation = statement(parse(query, context.dialect), context, limit)
        if len(relation.sql) > MAX_SQL:
            raise ADQLError("The query is too long once it is translated.", 0, hint="Split it into several.")
    except ADQLError as error:
        error.query = query
        raise
    except RecursionError:
        raise ADQLError("The query is nested too deeply.", query=query) from None
    columns = tuple(field.column for field in relation.fields)
    return Translation(relation.sql, columns, frozenset(context.tables), tuple(context.warnings))


def _check_text(query: str) -> None:
    """Refuse half characters, which no text for the database can hold."""
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise ADQLError("The query contains half a character (a surrogate).", error.start) from None
