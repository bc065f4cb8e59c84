"""Statistics of the numeric columns of any table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uws.tasks import (
    Input,
    Output,
    Plan,
    Reference,
    Rows,
    SelectionFacts,
    Task,
    TaskContext,
    TaskInput,
    TaskOutput,
    TaskParameters,
    parameter,
)
from vo.core.errors import UsageError
from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.columns import FLOATING, INTEGER


class StatisticsParameters(TaskParameters):
    """What a client can say."""

    clip: float | None = parameter(
        None, description="Leave out values farther from zero than this.", gt=0, examples=[1000.0]
    )


@dataclass
class Sums:
    """What is known of one column so far; the mean is updated batch by batch, which keeps its digits."""

    rows: int = 0
    count: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    mean: float = 0.0

    def add(self, values: npt.NDArray[np.float64], clip: float | None) -> None:
        """Take one batch, in which NaN is unknown."""
        self.rows += len(values)
        known = values[~np.isnan(values)]
        if clip is not None:
            known = known[np.abs(known) <= clip]
        if not len(known):
            return
        self.count += len(known)
        self.minimum = min(self.minimum, float(known.min()))
        self.maximum = max(self.maximum, float(known.max()))
        self.mean += (float(known.mean()) - self.mean) * len(known) / self.count


RESULT = (
    Column("column_name", Datatype.UNICODE_CHAR, "*", ucd="meta.id", description="Name of the column"),
    Column(
        "unit",
        Datatype.UNICODE_CHAR,
        "*",
        ucd="meta.unit",
        description="Its unit, which minimum, maximum and mean have",
    ),
    Column("number", Datatype.LONG, ucd="meta.number", description="Values that are known"),
    Column("nulls", Datatype.LONG, ucd="meta.number", description="Rows without a value"),
    Column("minimum", Datatype.DOUBLE, ucd="stat.min", description="Least value"),
    Column("maximum", Datatype.DOUBLE, ucd="stat.max", description="Largest value"),
    Column("mean", Datatype.DOUBLE, ucd="stat.mean", description="Mean of the values"),
)


class ColumnStatistics(Task[StatisticsParameters]):
    """Number, extremes and mean of every numeric column."""

    name: ClassVar[str] = "column-statistics"
    title: ClassVar[str] = "Statistics of columns"
    description: ClassVar[str] = (
        "Counts the values of every numeric column of a table, and tells their extremes and mean."
    )
    references: ClassVar[tuple[Reference, ...]] = (
        Reference("Welford 1962, Technometrics 4, 419", "https://doi.org/10.1080/00401706.1962.10490022"),
    )
    parameters: ClassVar[type[TaskParameters]] = StatisticsParameters
    inputs: ClassVar[tuple[TaskInput, ...]] = (TaskInput("", "table"),)
    outputs: ClassVar[tuple[TaskOutput, ...]] = (TaskOutput("result", "Statistics, a row a column", columns=RESULT),)
    examples: ClassVar[tuple[Mapping[str, str], ...]] = ({"TABLE": "hipparcos.hip2"},)

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: StatisticsParameters) -> Plan:
        facts = selections[""]
        numeric = tuple(column.name for column in facts.columns if _is_numeric(column))
        if not numeric:
            raise UsageError("The table has no numeric columns.")
        seconds = None if facts.rows is None else facts.rows * len(numeric) * 1e-8
        return Plan({"rows": Rows("", columns=numeric)}, seconds, len(numeric), "All rows are read once.")

    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: StatisticsParameters, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        return {"result": RESULT}

    def run(
        self, inputs: Mapping[str, Input], parameters: StatisticsParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        given = inputs["rows"]
        sums = [Sums() for _ in given.columns]
        for batch in given.batches:
            for found, column in zip(sums, batch.columns, strict=True):
                values = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
                found.add(values, parameters.clip)
            context.count(requested=batch.num_rows, found=batch.num_rows)
        known = [found.count > 0 for found in sums]
        yield pa.RecordBatch.from_arrays(
            [
                pa.array([column.name for column in given.columns], pa.string()),
                pa.array([column.unit for column in given.columns], pa.string()),
                pa.array([found.count for found in sums], pa.int64()),
                pa.array([found.rows - found.count for found in sums], pa.int64()),
                *(
                    pa.array(
                        [getattr(found, name) if there else None for found, there in zip(sums, known, strict=True)],
                        pa.float64(),
                    )
                    for name in ("minimum", "maximum", "mean")
                ),
            ],
            schema=schema_of(RESULT),
        )


def _is_numeric(column: Column) -> bool:
    return (column.datatype in INTEGER or column.datatype in FLOATING) and not column.is_array
