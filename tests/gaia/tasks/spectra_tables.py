"""BP/RP spectra as tables like the archive's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gaia.xp.spectra import Spectra


def table_of(spectra: Spectra, **others: list[object]) -> pa.Table:
    """Return spectra as rows of xp_continuous_mean_spectrum, with columns of other names besides."""
    columns: dict[str, pa.Array] = {"source_id": pa.array(spectra.source_id)}
    for name, band in (("bp", spectra.bp), ("rp", spectra.rp)):
        for column, values in (
            ("coefficients", band.coefficients),
            ("coefficient_errors", band.errors),
            ("coefficient_correlations", band.correlations),
        ):
            cells = [row if there else None for row, there in zip(values, band.present, strict=True)]
            columns[f"{name}_{column}"] = pa.array(cells, pa.list_(pa.float64()))
        columns[f"{name}_standard_deviation"] = pa.array(band.standard_deviation, mask=~band.present)
        columns[f"{name}_n_relevant_bases"] = pa.array(band.relevant.astype(np.int16), mask=~band.present)
    return pa.table(columns | {name: pa.array(values) for name, values in others.items()})


def matrix(table: pa.Table, column: str) -> NDArray[np.float64]:
    """Return a column of arrays as the rows of a matrix."""
    chunk = table.column(column).combine_chunks()
    return np.asarray(chunk.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(len(chunk), -1)
