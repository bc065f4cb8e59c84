"""Which addresses are public, and what an operator can allow beside them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo.core.hosts import AllowedHosts, is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "130.79.128.10", "1.1.1.1", "223.255.255.254", "2001:4860:4860::8888", "2a00:1450::1"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


OTHERS = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.9", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.7", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1"),
    *(
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:20::1",
    ),
    *("2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1"),
    *("fec0::1", "ff02::1"),
]


@pytest.mark.parametrize("address", OTHERS)
def test_all_others(address: str) -> None:
    assert not is_public(ip_address(address))


@given(st.ip_addresses())
def test_what_python_calls_special_is_never_public(address: object) -> None:
    ip = ip_address(str(address))
    if ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        assert not is_public(ip)


def test_what_an_operator_allows() -> None:
    hosts = AllowedHosts.parse(("Archive.local", "data.local:81", "10.1.2.3/16", "192.168.0.7", "[fd00::5]:8000"))
    inside, outside = ip_address("10.1.255.1"), ip_address("10.2.0.1")
    assert hosts.has("archive.local", 8080, outside)
    assert hosts.has("data.local", 81, outside)
    assert not hosts.has("data.local", 82, outside)
    assert not hosts.has("x.archive.local", 80, outside)
    assert hosts.has("anything", 80, inside)
    assert hosts.has("anything", 80, ip_address("192.168.0.7"))
    assert not hosts.has("anything", 80, outside)
    assert hosts.has("fd00::5", 8000, ip_address("fd00::5"))
    assert (hosts.names_port("data.local", 81), hosts.names_port("archive.local", 81)) == (True, False)


@pytest.mark.parametrize(
    "entry",
    ["", "http://a.b", "a.b/c", "a b", "10.0.0.0/33", "user@a.b", "a.b:port", "a.b:99999", "*", "*.a.b", "[::1"],
)
def test_entries_that_mean_nothing(entry: str) -> None:
    with pytest.raises(ValueError, match="host, host:port or network"):
        AllowedHosts.parse(("good.local", entry))
