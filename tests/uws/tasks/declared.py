"""A task that is declared with a bit of everything, for tests of what is made from declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from uws.tasks import (
    DEC,
    RA,
    Input,
    Kind,
    Output,
    Plan,
    Reference,
    Role,
    Task,
    TaskContext,
    TaskInput,
    TaskOutput,
    TaskParameters,
    parameter,
)
from vo.core.tables import Column, Datatype

MOTION = Role("pmra", "proper motion", ("pos.pm;pos.eq.ra",), ("pmra", "pm_ra"), unit="mas.yr**-1", required=False)
NAME = Role("id", "identifier", ("meta.id;meta.main", "meta.id"), ("name",), kind=Kind.ANY, required=False)


class ShiftParameters(TaskParameters):
    by: float = parameter(
        1.5, description="How far.", unit="arcsec", ucd="pos.angDistance", gt=0, le=3600, examples=[2.0]
    )
    mode: Literal["north", "south"] = parameter("north", description="Where to.")
    bands: tuple[str, ...] = parameter((), description="Which bands.", max_length=3)
    rounds: int = parameter(..., description="How often.", ge=1, examples=[3])
    strict: bool = parameter(False, description="Refuse what is unknown.")
    limit: float | None = parameter(None, description="Where it ends.", unit="deg")


class Shift(Task[ShiftParameters]):
    """Moves positions."""

    name = "shift"
    title = "Move positions"
    description = "Moves each position.\n\nIt is of no use."
    references = (Reference("A paper & more", "https://example.org/paper?a=1&b=2"),)
    parameters = ShiftParameters
    inputs: ClassVar[tuple[TaskInput, ...]] = (TaskInput("", "table", (RA, DEC, MOTION, NAME)),)
    outputs = (
        TaskOutput("result", "moved positions", columns=(Column("ra", Datatype.DOUBLE, unit="deg"),)),
        TaskOutput("refused", "rows without a position"),
        TaskOutput("map.png", "where they are", media_type="image/png"),
    )
    examples = ({"TABLE": "gaia_dr3.bright", "ROUNDS": "3"},)

    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: ShiftParameters, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        return {"result": self.outputs[0].columns, "refused": inputs[""]}

    def run(
        self, inputs: Mapping[str, Input], parameters: ShiftParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        table = inputs[""]
        for batch in table.batches:
            ra = table.recognised.numbers(batch, "ra") + parameters.by / 3600 * parameters.rounds
            known = pa.array(~np.isnan(ra))
            context.count(requested=batch.num_rows, found=int(known.true_count))
            yield pa.record_batch([pa.array(ra).filter(known)], names=["ra"])
            refused = batch.filter(pa.array(np.isnan(ra)))
            if refused.num_rows:
                context.count(failed={"no position": refused.num_rows})
                yield Output("refused", refused)
        context.file("map.png").write_bytes(b"\x89PNG")
