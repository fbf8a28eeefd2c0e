"""Probes in a network of their own, where a name server rebinds and every address that is denied listens.

Run in fresh network and mount namespaces (`unshare --net --mount`), as root. Writes, as JSON, how each check
ended, and who was connected to.
"""

import json
import socket
import subprocess
import sys
import tempfile
import threading
from itertools import count

import dns.rrset  # noqa: F401 - loaded while names can still be looked up
from support import name_server
from support.target_of import checked

from watchfleet import http
from watchfleet.addresses import operator_guard
from watchfleet.errors import DeliveryError

METADATA = "169.254.169.254"
DENIED = (f"{METADATA}/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32")
DENIED_6 = ("fd00:ec2::254/128", "64:ff9b::a9fe:a9fe/128", "2002:a9fe:a9fe::/128")
HOSTS = (
    METADATA, "2852039166", "0251.0376.0251.0376", "0xa9fea9fe", "169.254.43518", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", f"[::ffff:{METADATA}]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]", "metadata.example",
)  # fmt: skip
ROUNDS = 12


class Listener:
    """Port 80 of every address here: notes which was connected to, and may send whoever comes elsewhere."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.redirect = ""
        self._listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            opened, _ = self._listener.accept()
            with opened:
                self.reached.append(opened.getsockname()[0].removeprefix("::ffff:"))
                opened.settimeout(5)
                opened.recv(65_536)
                head = f"302 Found\r\nLocation: {self.redirect}" if self.redirect else "200 OK"
                opened.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def prepare() -> None:
    """The loopback interface with every denied address, and a resolver that asks port 53 here."""
    for command in (
        ["link", "set", "lo", "up"],
        *(["addr", "add", each, "dev", "lo"] for each in (*DENIED, *DENIED_6)),
    ):
        subprocess.run(["ip", *command], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as settings:
        settings.write("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
    subprocess.run(["mount", "--bind", settings.name, "/etc/resolv.conf"], check=True)


def resolver() -> name_server.NameServer:
    """`metadata.example` is the metadata service; `rebinds.example` is that every other time."""
    turn = count()

    def answer(name: str, kind: str) -> list[str] | str:
        if kind != "A":
            return []
        if name == "metadata.example.":
            return [METADATA]
        return [METADATA if next(turn) % 2 else "127.0.0.1"]

    return name_server.NameServer(answer, 53)


def posted(host: str) -> str:
    """How a notification to a host ends."""
    try:
        return str(http.post(f"http://{host}/", b"{}", {}, guard=operator_guard([]), timeout=10).status)
    except DeliveryError as error:
        return error.reason


def ends_of(host: str, listener: Listener) -> list[str]:
    """How each way to a host ends: a probe over HTTP, by a redirect, over TCP, and a notification."""
    ends = [checked("http", url=f"http://{host}/").reason, checked("tcp", address=f"{host}:80").reason]
    listener.redirect = f"http://{host}/"
    ends.append(checked("http", url="http://127.0.0.1/").reason)
    listener.redirect = ""
    return [*ends, posted(host)]


def main() -> None:
    prepare()
    listener, names = Listener(), resolver()
    denied = {host: ends_of(host, listener) for host in HOSTS}
    rebinding = [
        (
            checked("http", url="http://rebinds.example/").reason,
            checked("tcp", address="rebinds.example:80").reason,
        )
        for _ in range(ROUNDS)
    ]
    json.dump(
        {"denied": denied, "rebinding": rebinding, "reached": listener.reached, "asked": len(names.asked)},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
