"""Which addresses an outgoing request may reach.

The deny lists are written out, because `ipaddress` alone calls some of these addresses global: they follow
IANA's special-purpose registries for IPv4 and IPv6 and the metadata services of the large clouds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Origin(StrEnum):
    """Who wrote the address that a request goes to."""

    OPERATOR = "operator"
    """It stands in the environment or in watchfleet.yml: private networks are fine, metadata services not."""
    OUTSIDE = "outside"
    """It came by an API, a rule or a label: public networks only."""


def _networks(*lines: str) -> tuple[Network, ...]:
    return tuple(ip_network(network) for line in lines for network in line.split())


LINK_LOCAL: Final = _networks("169.254.0.0/16 fe80::/10")
METADATA: Final = _networks(
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure; a public address
    "192.0.0.192/32",  # Oracle Cloud
    "fd00:ec2::254/128 fd20:ce::254/128",  # AWS, Google Cloud
)
SPECIAL: Final = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
    "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24",
    "224.0.0.0/4 240.0.0.0/4",
    "::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16",
    "fc00::/7 fec0::/10 ff00::/8",
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides whether a connection to an address may be opened.

    Attributes:
        origin: Who wrote the address.
        allow: Networks that are always allowed: the operator's `outgoing_allow`.
    """

    origin: Origin
    allow: tuple[Network, ...] = ()

    def refusal(self, address: str) -> str:
        """Why the address must not be reached: `link_local`, `metadata`, `not_public`; empty if it may."""
        ip = unwrap(ip_address(address.partition("%")[0]))
        if _within(ip, self.allow):
            return ""
        if _within(ip, LINK_LOCAL):
            return "link_local"
        if _within(ip, METADATA):
            return "metadata"
        if self.origin is Origin.OUTSIDE and _within(ip, SPECIAL):
            return "not_public"
        return ""


def operator_guard(allow: Sequence[str]) -> Guard:
    """The guard for an address that the operator wrote.

    Args:
        allow: Networks in CIDR notation, as `outgoing_allow` holds them.
    """
    return Guard(Origin.OPERATOR, tuple(ip_network(network, strict=False) for network in allow))


def unwrap(ip: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _within(ip: Address, networks: Sequence[Network]) -> bool:
    return any(ip in network for network in networks)
