"""Who asks: every request becomes a caller, and every part that may have to decide something is handed one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity behind a request.

    Attributes
    ----------
    identity : str, optional
        Name of the authenticated user; None for anonymous callers.
    groups : frozenset of str
        Groups that the user belongs to.
    address : str
        Network address of the client, by which anonymous callers are told apart.
    """

    identity: str | None = None
    groups: frozenset[str] = frozenset()
    address: str = ""

    @property
    def name(self) -> str:
        """Name for logs."""
        return self.identity or f"anonymous@{self.address}"


OPERATOR = Caller(identity="operator")
"""Whoever runs commands on the server itself."""
