"""What a query would do, instead of doing it: the SQL that it becomes, the plan in words, and what it may cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tap.adql import Catalogue, Translation
from tap.query.models import ExplainAs, QueryRequest
from tap.query.plans import read_plan, seconds_for
from tap.query.wording import Step, rows_in_words, steps_of
from vo.core.limits import Limits
from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.writers import Outcome, ResultMetadata

EXPLAIN = "EXPLAIN (FORMAT JSON, VERBOSE) "
"""Before a SELECT: it is planned, not run."""
CAUTION = 0.5
"""Part of a limit from which an estimate counts as over it: estimates are that rough."""
_MOST_ROWS = 1e18
"""What is shown of estimates of even more rows: a product of many tables has more than a bigint holds."""

_COLUMNS = (
    Column("step", Datatype.INT, description="Number of the step, in the order in which they are done"),
    Column("operation", Datatype.UNICODE_CHAR, "*", description="What is done"),
    Column("table_name", Datatype.UNICODE_CHAR, "*", description="Table that is read"),
    Column("row_count", Datatype.LONG, ucd="meta.number", description="Estimated number of rows of the step"),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a query before it runs.

    Attributes
    ----------
    sql : str
        What PostgreSQL would be asked.
    tables : mapping
        Published names of the tables by those that the SQL has.
    steps : tuple of Step
        The plan.
    rows : float
        Estimated number of rows of the result.
    maxrec : int
        Most rows that would be returned.
    seconds : float
        Estimated time, to an order of magnitude.
    advice : tuple of str
        What to do about a query that may take too long.
    warnings : tuple of str
        Remarks on the query's text.
    """

    sql: str
    tables: Mapping[str, str]
    steps: tuple[Step, ...]
    rows: float
    maxrec: int
    seconds: float
    advice: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The size of the result and the time in words."""
        rows = rows_in_words(self.rows)
        if self.rows > self.maxrec:
            rows = f"more than the {self.maxrec:,} rows that would be returned"
        return f"{rows}, {time_in_words(self.seconds)}"

    @property
    def commented_sql(self) -> str:
        """The SQL below comments that say which published table each table is."""
        # Names come from TAP_SCHEMA; a line end in one must not end its comment.
        lines = [f"-- {_one_line(physical)} is {_one_line(name)}" for physical, name in self.tables.items()]
        return "\n".join([*lines, self.sql])

    def text(self) -> str:
        """Return all of it for a person."""
        parts = [("Plan", [f"{number}. {step.text}" for number, step in enumerate(self.steps, 1)])]
        parts.append(("Estimate", [self.result]))
        parts.append(("Advice", list(self.advice)))
        parts.append(("Warnings", list(self.warnings)))
        shown = [f"{title}\n" + "".join(f"  {line}\n" for line in lines) for title, lines in parts if lines]
        return "\n".join([*shown, f"SQL\n{self.commented_sql}\n"])

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for programs."""
        return {
            "steps": [
                {"operation": step.text, "table": step.table, "rows": None if step.rows is None else _whole(step.rows)}
                for step in self.steps
            ],
            "rows": min(round(self.rows), self.maxrec),
            "overflow": self.rows > self.maxrec,
            "seconds": round(self.seconds, 3),
            "time": time_in_words(self.seconds),
            "advice": list(self.advice),
            "warnings": list(self.warnings),
            "tables": dict(self.tables),
            "sql": self.sql,
        }


def explanation_of(
    plan: str,
    translation: Translation,
    catalogue: Catalogue,
    *,
    maxrec: int,
    sync_time: int,
    limits: Limits,
) -> Explanation:
    """Put PostgreSQL's plan into words.

    Parameters
    ----------
    plan : str
        The answer to `EXPLAIN`.
    translation : Translation
        The query.
    catalogue : Catalogue
        The tables that it was translated with.
    maxrec : int
        Most rows that would be returned.
    sync_time : int
        Seconds that a synchronous query may take.
    limits : Limits
        What a job may take.
    """
    physical = {table.physical: table for table in catalogue.tables}
    root = read_plan(plan, lambda schema, name: physical.get((schema or "", name or "")))
    steps = tuple(steps_of(root))
    seconds = seconds_for(root, maxrec)
    named = sorted((table for table in catalogue.tables if table.name in translation.tables), key=lambda t: t.name)
    return Explanation(
        sql=translation.sql,
        tables={".".join(f'"{part}"' for part in table.physical): table.name for table in named},
        steps=steps,
        rows=root.estimate.rows,
        maxrec=maxrec,
        seconds=seconds,
        advice=tuple(_advice(steps, seconds, sync_time, limits)),
        warnings=translation.warnings,
    )


def document(explanation: Explanation, request: QueryRequest, infos: tuple[tuple[str, str, str], ...]) -> bytes:
    """Return an explanation in the form that was asked for."""
    if request.explain is ExplainAs.TEXT:
        return explanation.text().encode()
    if request.explain is ExplainAs.JSON:
        return (json.dumps(explanation.as_dict(), indent=2, ensure_ascii=False) + "\n").encode()
    infos += (
        ("rows", f"{min(explanation.rows, explanation.maxrec):.0f}", "estimated"),
        ("seconds", f"{explanation.seconds:.3g}", f"estimated: {time_in_words(explanation.seconds)}"),
        *(("advice", line, "") for line in explanation.advice),
        ("SQL", explanation.commented_sql, ""),
    )
    writer = request.format.writer(_COLUMNS, ResultMetadata(name="plan", infos=infos))
    steps = explanation.steps
    columns = [
        list(range(1, len(steps) + 1)),
        [step.text for step in steps],
        [step.table for step in steps],
        [None if step.rows is None else _whole(step.rows) for step in steps],
    ]
    schema = schema_of(_COLUMNS)
    batch = pa.record_batch(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )
    try:
        blocks = [writer.begin(), *writer.batch(batch), *writer.end(Outcome(rows=len(steps)))]
        return b"".join(map(bytes, blocks))
    finally:
        writer.close()


def time_in_words(seconds: float) -> str:
    """Return a time of which only the order of magnitude is known."""
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if seconds < 1:
        return "under a second"
    if seconds < 10:
        return "some seconds"
    if seconds < 45:
        return f"about {10 * max(1, round(seconds / 10))} seconds"
    if minutes < 1.5:
        return "about a minute"
    if minutes < 45:
        return f"about {round(minutes) if minutes < 10 else 10 * round(minutes / 10)} minutes"
    if hours < 1.5:
        return "about an hour"
    if hours < 36:
        return f"about {round(hours) if hours < 10 else 10 * max(1, round(hours / 10))} hours"
    return "days" if days < 30 else "months or longer"


def _advice(steps: tuple[Step, ...], seconds: float, sync_time: int, limits: Limits) -> list[str]:
    advice = []
    if seconds > CAUTION * limits.max_job_time:
        advice.append(
            f"It may take longer than the {limits.max_job_time} s that any query may take: ask for fewer rows or a "
            "smaller region."
        )
    elif seconds > CAUTION * sync_time:
        advice.append(
            f"It may take longer than the {sync_time} s of a synchronous query: run it as an asynchronous job with an "
            f"EXECUTIONDURATION of up to {limits.max_job_time} s."
        )
    return advice + list(dict.fromkeys(step.advice for step in steps if step.advice is not None))


def _whole(rows: float) -> int:
    """Return a number of rows as a column of integers holds it."""
    return round(min(rows, _MOST_ROWS))


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
