"""Which hosts a client may send the service to: those of the public Internet, and those that an operator names."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?|[0-9a-f:.]*:[0-9a-f:.]*")
"""A name or an address, without brackets, in lower case; no IPv6 zone, which would name a network card of ours."""

_NOT_PUBLIC = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",  # IETF's own, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4, which hides an IPv4 address
        "3fff::/20",
    )
]
"""IANA's special purposes, whatever this version of Python knows of them."""
_IPV6_UNICAST = IPv6Network("2000::/3")
"""All other IPv6 is local, not given to anybody, or hides an IPv4 address (mapped, compatible, NAT64)."""


@dataclass(frozen=True)
class AllowedHosts:
    """Hosts outside of the public Internet that an operator has allowed.

    Attributes
    ----------
    names : frozenset of (str, int or None)
        Host names with their port; None is any that `FetchPolicy` allows everywhere.
    networks : tuple of network
        Networks, and so also single addresses.
    """

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: tuple[str, ...]) -> Self:
        """Read entries such as ``archive.local``, ``archive.local:81``, ``[fd00::5]:81`` and ``10.1.0.0/16``.

        Raises
        ------
        ValueError
            Naming the entry that is none of them.
        """
        names: set[tuple[str, int | None]] = set()
        networks: list[Network] = []
        for entry in entries:
            text = entry.strip().lower()
            with suppress(ValueError):
                networks.append(ip_network(text, strict=False))
                continue
            try:
                parts = urlsplit(f"//{text}")
                host, port = parts.hostname or "", parts.port
            except ValueError:
                host, port = "", None
            if not HOST_NAME.fullmatch(host) or parts.path or parts.query or parts.fragment or parts.username:
                raise ValueError(f"{entry!r} is not a host, host:port or network")
            names.add((host.rstrip("."), port))
        return cls(frozenset(names), tuple(networks))

    def names_port(self, host: str, port: int) -> bool:
        """Return whether a host is allowed together with this very port."""
        return (host, port) in self.names

    def has(self, host: str, port: int, address: Address) -> bool:
        """Return whether an address is allowed, for itself or for the name that led to it."""
        if (host, port) in self.names or (host, None) in self.names:
            return True
        return any(address in network for network in self.networks)


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public Internet, and of a single host."""
    if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)
