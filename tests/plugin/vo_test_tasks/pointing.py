"""A task that takes a position or none, makes a picture if anybody wants it, and knows a service elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pyarrow as pa

from uws.tasks import (
    DEC,
    RA,
    Input,
    Output,
    Plan,
    SelectionFacts,
    Task,
    TaskContext,
    TaskInput,
    TaskOutput,
    TaskParameters,
)
from vo.core.tables import Column, Datatype

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff"
    "56c72f0d0000000049454e44ae426082"
)
RESULT = (
    Column("ra", Datatype.DOUBLE, unit="deg"),
    Column("made", Datatype.UNICODE_CHAR, "*"),
    Column("site", Datatype.UNICODE_CHAR, "*"),
)


class PointingParameters(TaskParameters):
    """It has none."""


class Pointing(Task[PointingParameters]):
    """Where it is told to look."""

    name: ClassVar[str] = "pointing"
    title: ClassVar[str] = "Look at a position"
    description: ClassVar[str] = "Tells where it is told to look."
    parameters: ClassVar[type[TaskParameters]] = PointingParameters
    inputs: ClassVar[tuple[TaskInput, ...]] = (TaskInput("", "target", (RA, DEC), required=False, position=True),)
    outputs: ClassVar[tuple[TaskOutput, ...]] = (
        TaskOutput("result", "where it looked", columns=RESULT),
        TaskOutput("sky.png", "the sky there", media_type="image/png"),
    )
    network: ClassVar[bool] = True

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: PointingParameters) -> Plan:
        seen = selections[""].source if selections else "nowhere"
        return Plan(super().plan(selections, parameters).inputs, 0.1, 1, f"Looks at {seen}.")

    def facts(self, parameters: PointingParameters) -> Mapping[str, str]:
        return {"licence": "CC0"}

    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: PointingParameters, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        return {"result": RESULT}

    def run(
        self, inputs: Mapping[str, Input], parameters: PointingParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        made = ",".join(name for name in ("result", "sky.png") if context.wants(name))
        places = [0.0]
        for table in inputs.values():
            places = [float(ra) for batch in table.batches for ra in table.recognised.numbers(batch, "ra")]
        context.file("sky.png").write_bytes(PNG)  # whether it is wanted or not
        site = [context.site("there")] * len(places)
        yield pa.record_batch([places, [made] * len(places), site], names=["ra", "made", "site"])
