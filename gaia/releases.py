"""What is true of a data release as a whole."""

from __future__ import annotations

from dataclasses import dataclass

LICENCE = "CC BY-NC 3.0 IGO"
"""Of Gaia's data, ESA's licence page for archive products; not of this program."""
ACKNOWLEDGEMENT = (
    "This work has made use of data from the European Space Agency (ESA) mission Gaia "
    "(https://www.cosmos.esa.int/gaia), processed by the Gaia Data Processing and Analysis Consortium (DPAC, "
    "https://www.cosmos.esa.int/web/gaia/dpac/consortium). Funding for the DPAC has been provided by national "
    "institutions, in particular the institutions participating in the Gaia Multilateral Agreement."
)


@dataclass(frozen=True, slots=True)
class Release:
    """A data release.

    Attributes
    ----------
    name : str
        ``Gaia DR3``.
    reference_epoch : float
        Of its astrometry, Julian year in TCB.
    citation : str
        Address of the paper that describes it.
    """

    name: str
    reference_epoch: float
    citation: str

    def facts(self) -> dict[str, str]:
        """Return what results made from its data say of it, by names of INFOs."""
        return {
            "release": self.name,
            "reference_epoch": f"J{self.reference_epoch}",
            "licence": f"{LICENCE} (Gaia data, credit ESA/Gaia/DPAC)",
            "acknowledgement": ACKNOWLEDGEMENT,
            "citation": self.citation,
        }


DR3 = Release("Gaia DR3", 2016.0, "https://doi.org/10.1051/0004-6361/202243940")
DR4 = Release("Gaia DR4", 2017.5, "https://www.cosmos.esa.int/web/gaia/data-release-4")
