"""A name server that answers from a table, over UDP and TCP; what it says may change with each question."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Answer = Callable[[str, str], list[str] | str | None]
"""By a question's name and type: records as text, the name of a response code, or None for silence."""


class NameServer:
    """Answers until it is closed.

    Attributes:
        port: Of 127.0.0.1, for UDP and TCP.
        asked: Name and type of every question.
    """

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._answer, self.asked = answer, list[tuple[str, str]]()
        self._tcp = socket.create_server(("127.0.0.1", port))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for loop in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def close(self) -> None:
        for one in (self._udp, self._tcp):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                question, where = self._udp.recvfrom(4096)
                if not question:
                    return
                answer = self._made(question)
                if answer:
                    self._udp.sendto(answer, where)

    def _serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                opened, _ = self._tcp.accept()
                with opened:
                    (size,) = struct.unpack("!H", opened.recv(2))
                    answer = self._made(opened.recv(size))
                    if answer:
                        opened.sendall(struct.pack("!H", len(answer)) + answer)

    def _made(self, question: bytes) -> bytes | None:
        asked = dns.message.from_wire(question)
        (one,) = asked.question
        kind = dns.rdatatype.to_text(one.rdtype)
        self.asked.append((str(one.name), kind))
        found = self._answer(str(one.name), kind)
        if found is None:
            return None
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        if isinstance(found, str):
            answer.set_rcode(dns.rcode.from_text(found))
        elif found:
            answer.answer.append(dns.rrset.from_text(one.name, 60, "IN", kind, *found))
        return answer.to_wire()


@contextmanager
def name_server(answer: Answer) -> Iterator[NameServer]:
    server = NameServer(answer)
    try:
        yield server
    finally:
        server.close()
