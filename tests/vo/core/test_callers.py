"""Callers: whose limits and turns one takes."""

from __future__ import annotations

import pytest

from vo.core.callers import OPERATOR, Caller


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("192.0.2.8", "address:192.0.2.8"),
        ("2001:db8:1:2::7", "address:2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:3::7", "address:2001:db8:1:3::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),  # IPv4, as a socket for both hears it
        ("::1", "address:::/64"),
        ("testclient", "address:testclient"),
        ("", "address:"),
    ],
)
def test_anonymous_callers_share_by_address(address: str, account: str) -> None:
    caller = Caller(address=address)
    assert caller.account == account
    assert caller.name == f"anonymous@{address}"


def test_a_user_has_an_account_wherever_he_comes_from() -> None:
    accounts = {Caller("vera", address=address).account for address in ("192.0.2.7", "2001:db8::1", "")}
    assert accounts == {"user:vera"}
    assert Caller("vera").name == "vera"


def test_no_name_takes_the_account_of_an_address_or_of_another() -> None:
    callers = [
        Caller(address="192.0.2.7"),
        Caller("192.0.2.7"),
        Caller("address:192.0.2.7"),
        Caller("user:vera"),
        Caller("vera"),
        Caller("Vera"),
        OPERATOR,
    ]
    assert len({caller.account for caller in callers}) == len(callers)
