"""Who asks: every request becomes a caller, and every part that may have to decide something is handed one."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network


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

    @property
    def account(self) -> str:
        """Whose limits and turns the caller takes: the user's own, or those of all anonymous callers of an address.

        An IPv6 client owns a whole /64 network and could choose a new address for every request.
        """
        if self.identity is not None:
            return f"user:{self.identity}"
        try:
            address = ip_address(self.address)
        except ValueError:
            return f"address:{self.address}"
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is not None:
                return f"address:{address.ipv4_mapped}"
            return f"address:{ip_network((address.packed, 64), strict=False)}"
        return f"address:{address}"


OPERATOR = Caller(identity="operator")
"""Whoever runs commands on the server itself."""
