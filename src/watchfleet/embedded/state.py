"""What a fleet on one machine must remember between two starts: ports, passwords, what made it."""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, Field, ValidationError

from watchfleet import __version__
from watchfleet.embedded import ports
from watchfleet.embedded.directory import DataDirectory
from watchfleet.errors import FleetError
from watchfleet.redact import register

LAYOUT: Final = 1
"""The arrangement of the data directory; raised when an older watchfleet could not use it any more."""
DEFAULT_WEB_PORT: Final = 8420
DEFAULT_FLOWER_PORT: Final = 5555


class Managed(BaseModel):
    """One process under the supervisor, as `status` and `logs` tell of it."""

    name: str
    purpose: str
    log: Path


class State(BaseModel):
    """The content of `fleet.json`.

    Attributes:
        layout: See `LAYOUT`.
        version: The watchfleet that wrote this.
        web_port: Where the web process listens.
        flower_port: Where Flower listens.
        postgres_port: Where the embedded PostgreSQL listens, when it runs.
        valkey_port: Where the embedded Valkey listens, when it runs.
        demo_port: Where the example application listens, when it runs.
        postgres_password: The embedded PostgreSQL's.
        valkey_password: The embedded Valkey's.
        runtime: The folder of the supervisor's socket.
        processes: What runs under the supervisor.
    """

    layout: int = LAYOUT
    version: str = __version__
    web_port: int = 0
    flower_port: int = 0
    postgres_port: int = 0
    valkey_port: int = 0
    demo_port: int = 0
    postgres_password: str = Field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    valkey_password: str = Field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    runtime: Path | None = None
    processes: list[Managed] = Field(default_factory=list)

    @classmethod
    def load(cls, directory: DataDirectory) -> Self | None:
        """Read `fleet.json`; None if there is none.

        Raises:
            FleetError: It cannot be read, or a watchfleet of another layout made it.
        """
        try:
            state = cls.model_validate_json(directory.state.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FleetError(f"{directory.state}: {error.strerror}; run this as the fleet's user") from error
        except ValidationError as error:
            raise FleetError(
                f"{directory.state} is damaged ({error.errors()[0]['msg']}): "
                "restore it from a backup, or name a new --data-dir"
            ) from error
        state.check_layout(directory)
        state.register_secrets()
        return state

    def check_layout(self, directory: DataDirectory) -> None:
        """Refuse what another watchfleet arranged in another way.

        Raises:
            FleetError: The layouts differ.
        """
        if self.layout != LAYOUT:
            raise FleetError(
                f"{directory.path} was made by watchfleet {self.version} with layout {self.layout}, and this "
                f"watchfleet {__version__} uses layout {LAYOUT}: run it with that release, "
                "or name a new --data-dir"
            )

    def register_secrets(self) -> None:
        """Have the passwords redacted wherever they may turn up."""
        register(self.postgres_password)
        register(self.valkey_password)

    def save(self, directory: DataDirectory) -> None:
        """Write `fleet.json`, whole or not at all, readable for this user alone."""
        self.version = __version__
        write_private(directory.state, self.model_dump_json(indent=2) + "\n")

    def choose_ports(self, web: int | None, flower: int | None) -> None:
        """Take the ports that were asked for, else those of the last time, else the usual or any free ones.

        Raises:
            FleetError: A port that was asked for is taken, or both are the same.
        """
        if web and web == flower:
            raise FleetError(f"--port and --flower-port are both {web}: name two")
        self.web_port = _named("--port", web) or _kept(self.web_port, DEFAULT_WEB_PORT, set())
        self.flower_port = _named("--flower-port", flower) or _kept(
            self.flower_port, DEFAULT_FLOWER_PORT, {self.web_port}
        )
        taken = {self.web_port, self.flower_port}
        for name in ("postgres_port", "valkey_port", "demo_port"):
            setattr(self, name, _kept(getattr(self, name), 0, taken))
            taken.add(getattr(self, name))


def write_private(path: Path, content: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def _named(option: str, port: int | None) -> int | None:
    if port is not None and port != 0 and not ports.is_free(port):
        raise FleetError(
            f"port {port} is taken by {ports.holder(port)}: stop that, or name another with {option} "
            f"({option} 0 takes any free one)"
        )
    return ports.free_port() if port == 0 else port


def _kept(last: int, usual: int, others: set[int]) -> int:
    for port in (last, usual):
        if port and port not in others and ports.is_free(port):
            return port
    return ports.free_port(others)
