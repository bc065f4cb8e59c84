"""Figures and how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing.

    Attributes
    ----------
    what : str
        What was done.
    ours, limit : float, optional
        Our figure and the physical limit's, in `unit`, from the same run.
    unit : str
        Unit of both.
    target : str
        What the figure should be.
    good : bool, optional
        Whether it is; None where no target is set.
    """

    what: str
    ours: float
    unit: str
    limit: float | None = None
    target: str = ""
    good: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the limit's."""
        return self.ours / self.limit if self.limit else None


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def show(figures: Sequence[Figure]) -> bool:
    """Print the figures; return whether every target is met."""
    table = Table(title="Ours against the limit measured in the same run")
    for name in ("what", "ours", "limit", "ratio", "target", ""):
        table.add_column(name, justify="left" if name in ("what", "target") else "right")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.ours:.4g} {figure.unit}",
            "" if figure.limit is None else f"{figure.limit:.4g} {figure.unit}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.target,
            {True: "[green]✓[/]", False: "[bold red]✗[/]", None: ""}[figure.good],
        )
    Console(width=140).print(table)
    return all(figure.good is not False for figure in figures)
