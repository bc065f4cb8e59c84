"""What is one for a whole statement, and how much of everything it may still use."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic, thread_time
from typing import TYPE_CHECKING

from tap.adql.catalogue import Catalogue
from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_COVERS, MAX_EXPANDED, MAX_REPEATED, MAX_SECONDS, MAX_TABLES, MAX_WARNINGS, MAX_WRITTEN
from tap.adql.relations import Relation, same_name
from tap.adql.syntax import ast

if TYPE_CHECKING:
    from tap.adql.dialect import Dialect


@dataclass(slots=True)
class Context:
    """What is one for a whole statement.

    Attributes
    ----------
    common_tables : dict
        Name, query and number of tables of each query of WITH, by its name in lower case.
    warnings : list of str
        Remarks for the person who wrote the query.
    reads : int
        How many tables the query reads so far.
    repeated : int
        How much SQL was written anew for names of the select list.
    written : int
        How much SQL all values have together.
    expanded : int
        At how many columns * and NATURAL have looked.
    covers : float
        About how many milliseconds went into index conditions of large regions.
    began : tuple of float
        When the translation began, by the clock of the wall and by that of the thread.
    """

    catalogue: Catalogue
    dialect: Dialect
    common_tables: dict[str, tuple[ast.Identifier, Relation, int]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    aliases: int = 0
    reads: int = 0
    repeated: int = 0
    written: int = 0
    expanded: int = 0
    covers: float = 0.0
    began: tuple[float, float] = field(default_factory=lambda: (monotonic(), thread_time()))

    def warn(self, text: str) -> None:
        """Add a remark, once."""
        if len(self.warnings) < MAX_WARNINGS and text not in self.warnings:
            self.warnings.append(text if len(self.warnings) < MAX_WARNINGS - 1 else "Further remarks are left out.")

    def alias(self) -> str:
        """Return a new name for a table in SQL: names of the query never get there."""
        self.aliases += 1
        return f"t{self.aliases}"

    def common_table(self, name: ast.Identifier) -> Relation | None:
        """Return the query of WITH that a name means."""
        found = self.common_tables.get(name.text.lower())
        if found is None or not same_name(name, found[0]):
            return None
        self.read(found[2], name.position)
        return found[1]

    def read(self, tables: int, position: int) -> None:
        """Count tables that the query reads.

        PostgreSQL takes a query of WITH apart at each place where it is named, so that a few lines could ask for
        millions of tables.
        """
        self.reads += tables
        if self.reads > MAX_TABLES:
            hint = "Queries of WITH count each time that they are named."
            raise ADQLError(f"The query reads more than {MAX_TABLES} tables.", position, hint=hint)

    def repeat(self, sql: str, position: int) -> None:
        """Count SQL that is written anew where a name of the select list stands."""
        self.repeated += len(sql)
        if self.repeated > MAX_REPEATED:
            raise ADQLError("ORDER BY repeats too much of the select list.", position, hint="Use a subquery.")

    def write(self, length: int, position: int) -> None:
        """Count SQL of a value, and look at the clock."""
        self.written += length
        if self.written > MAX_WRITTEN:
            hint = "Compute what it repeats in a subquery of FROM."
            raise ADQLError("The query is too long once it is translated.", position, hint=hint)
        wall, computing = self.began
        # The thread's own clock costs ten times as much, and does not go while others have the processor.
        if monotonic() - wall > MAX_SECONDS and thread_time() - computing > MAX_SECONDS:
            raise ADQLError("The query takes too long to translate.", position, hint="Split it into several.")

    def expand(self, columns: int, position: int) -> None:
        """Count columns that a query names without writing their names."""
        self.expanded += columns
        if self.expanded > MAX_EXPANDED:
            message = f"* and NATURAL stand for more than {MAX_EXPANDED} columns in this query."
            raise ADQLError(message, position, hint="Name the columns that are needed.")

    def afford(self, cost: float) -> bool:
        """Whether there is time left for finding the index condition of a large region, which costs milliseconds."""
        self.covers += cost
        return self.covers <= MAX_COVERS
