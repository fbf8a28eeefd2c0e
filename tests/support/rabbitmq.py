"""A private RabbitMQ node on loopback, where Debian's `rabbitmq-server` is installed."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from support.servers import free_port, running, wait_until

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in /usr/sbin changes the user, and forgets


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running RabbitMQ; tests of one run share it."""
    epmd = shutil.which("epmd")
    if epmd is None or not _SERVER.exists():
        pytest.skip("rabbitmq-server is not installed: `make peers` installs it")
    home = tmp_path_factory.mktemp("rabbitmq")
    port, distribution, mapper = free_port(), free_port(), free_port()
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\ndisk_free_limit.absolute = 1MB\nlog.file = server.log\n"
    )
    (home / "plugins").write_text("[].\n")
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"watchfleet-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1 -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    with (
        running([epmd, "-port", str(mapper), "-address", "127.0.0.1"], home / "epmd.log"),
        running([str(_SERVER)], home / "out.log", environment=environment),
    ):
        wait_until(lambda: _answers(url), 60)
        yield url


def _answers(url: str) -> bool:
    with Connection(url, connect_timeout=2) as connection:
        try:
            connection.ensure_connection(max_retries=0)
        except OperationalError:
            return False
    return True
