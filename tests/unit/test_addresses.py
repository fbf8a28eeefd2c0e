"""Which addresses may be reached."""

import pytest

from watchfleet.addresses import Guard, Origin, operator_guard

OUTSIDE = Guard(Origin.OUTSIDE)
OPERATOR = operator_guard([])


NOT_PUBLIC = """
    0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 172.16.0.1 172.31.255.255 192.168.1.1
    192.0.0.170 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1
    2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd12::1 fec0::1 ff02::1
"""
PUBLIC = "1.1.1.1 8.8.8.8 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_an_address_from_elsewhere_must_be_public(address: str) -> None:
    assert OUTSIDE.refusal(address) == "not_public"
    assert OPERATOR.refusal(address) == ""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_fine_in_every_form(address: str) -> None:
    assert OUTSIDE.refusal(address) == OPERATOR.refusal(address) == ""


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("169.254.169.254", "link_local"),
        ("::ffff:169.254.169.254", "link_local"),
        ("64:ff9b::a9fe:a9fe", "link_local"),
        ("2002:a9fe:a9fe::1", "link_local"),
        ("fe80::1", "link_local"),
        ("fe80::1%eth0", "link_local"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("168.63.129.16", "metadata"),
    ],
)
def test_metadata_services_are_out_of_reach_for_the_operators_addresses_too(
    address: str, reason: str
) -> None:
    assert OUTSIDE.refusal(address) == OPERATOR.refusal(address) == reason


def test_the_operator_can_allow_anything_by_its_network_in_every_form() -> None:
    allowing = Guard(Origin.OUTSIDE, operator_guard(["10.0.0.0/8", "169.254.169.254/32", "10.9.9.9/8"]).allow)
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "169.254.169.254"):
        assert allowing.refusal(address) == ""
    assert allowing.refusal("192.168.1.1") == "not_public"
