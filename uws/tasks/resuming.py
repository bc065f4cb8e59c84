"""Help for tasks that go through one input row by row and are to go on where they were."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uws.tasks.given import Checkpoint

SAVE_SECONDS = 2.0
"""Time between two checkpoints: what is lost with a worker, and more often than this it would cost time."""


class RowsDone:
    """How many rows of an input are done, and which: a checkpoint of some hundred bytes.

    The input has to come in the same order again, of published tables by ``Rows(…, stored_order=True)``. A digest of
    one column proves that; if it comes otherwise, the run begins anew. Use it so::

        done = RowsDone(context.checkpoint, "source_id")
        for batch in done.left(inputs["spectra"].batches):
            yield calibrated(batch)
            done.add(batch.num_rows)

    Parameters
    ----------
    checkpoint : Checkpoint
        Of the run.
    column : str
        Of the input: an identifier, or anything else that tells its rows apart.
    seconds : float, optional
        Time between two checkpoints.

    Attributes
    ----------
    number : int
        Rows that are done, with those of earlier attempts.
    resumed : int
        Rows that earlier attempts did.
    tally : dict of str to int
        What the task counts itself among them; it is kept with them.
    """

    def __init__(self, checkpoint: Checkpoint, column: str, *, seconds: float | None = None) -> None:
        self._checkpoint = checkpoint
        self._column = column
        self._seconds = SAVE_SECONDS if seconds is None else seconds
        self._saved = time.monotonic()
        self._digest = _Digest()
        self._ahead: deque[pa.Array] = deque()
        self._expected = ""
        self.number = self.resumed = 0
        self.tally: dict[str, int] = {}
        state = checkpoint.load()
        if state is not None:
            try:
                found = json.loads(state)
                self.resumed, self._expected = int(found["rows"]), str(found["digest"])
                self.tally = {str(name): int(count) for name, count in found["tally"].items()}
            except (ValueError, KeyError, TypeError, AttributeError):  # of another version of the task
                checkpoint.drop()

    def left(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows that are not done yet, in the batches in which they come."""
        for batch in batches:
            values = batch.column(self._column)
            before = max(0, min(self.resumed - self.number, batch.num_rows))
            if before:
                self._count(values.slice(0, before))
                if self.number == self.resumed:
                    self._prove()
            if before < batch.num_rows:
                self._ahead.append(values.slice(before))
                yield batch.slice(before)
        if self.number < self.resumed:  # the input has become shorter
            self._checkpoint.drop()

    def add(self, rows: int) -> None:
        """Note that the next rows are done, in the order of `left`, and that what they gave was yielded."""
        while rows:
            values = self._ahead.popleft()
            if len(values) > rows:
                self._ahead.appendleft(values.slice(rows))
                values = values.slice(0, rows)
            self._count(values)
            rows -= len(values)
        if time.monotonic() - self._saved >= self._seconds:
            self.save()

    def save(self) -> None:
        """Save a checkpoint now."""
        state = {"rows": self.number, "digest": self._digest.value(), "tally": self.tally}
        self._checkpoint.save(json.dumps(state).encode())
        self._saved = time.monotonic()

    def _count(self, values: pa.Array) -> None:
        self._digest.update(values)
        self.number += len(values)

    def _prove(self) -> None:
        if self._digest.value() != self._expected:
            self._checkpoint.drop()


class _Digest:
    """A digest of values in their order, however they are cut into arrays."""

    def __init__(self) -> None:
        self._values = blake2b(digest_size=16)
        self._lengths = blake2b(digest_size=16)

    def update(self, values: pa.Array) -> None:
        """Add values: numbers, times, truth values or texts."""
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            lengths = pc.fill_null(pc.binary_length(values), -1)
            self._lengths.update(lengths.to_numpy(zero_copy_only=False).astype(np.int64).data)
            self._values.update("".join(values.drop_null().to_pylist()).encode())
            return
        self._lengths.update(values.is_valid().to_numpy(zero_copy_only=False).astype(np.int8).data)
        if values.null_count:
            values = values.drop_null()
        if pa.types.is_temporal(values.type):
            values = values.view(pa.int64() if values.type.bit_width == 64 else pa.int32())
        self._values.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).data)

    def value(self) -> str:
        """Return the digest of all so far."""
        return blake2b(self._values.digest() + self._lengths.digest(), digest_size=16).hexdigest()
