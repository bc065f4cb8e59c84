"""What an ingest reports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class IngestReport:
    """What was done.

    Attributes
    ----------
    name : str
        Published name.
    rows : int
        Rows published.
    version : int
        Version of the physical table.
    seconds : dict of str to float
        Time of each stage.
    remarks : list of str
        What the operator should know: metadata that is missing, names that were changed …
    """

    name: str
    rows: int = 0
    version: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def total_seconds(self) -> float:
        """Time of all stages."""
        return sum(self.seconds.values())

    @property
    def rate(self) -> float:
        """Rows a second, all stages together."""
        return self.rows / self.total_seconds if self.total_seconds else 0.0
