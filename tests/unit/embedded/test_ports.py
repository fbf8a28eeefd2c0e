import os
import socket

import pytest

from watchfleet.embedded import ports
from watchfleet.embedded.state import State
from watchfleet.errors import FleetError


@pytest.fixture
def taken() -> int:
    """A port that this process listens on."""
    with socket.socket() as listener:
        listener.bind((ports.HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(taken: int) -> None:
    assert not ports.is_free(taken)


def test_the_holder_of_a_port_is_named_with_its_pid(taken: int) -> None:
    assert f"(pid {os.getpid()})" in ports.holder(taken)


def test_a_free_port_lies_below_those_of_outgoing_connections() -> None:
    """A client that retries could otherwise be given the restarting server's port."""
    port = ports.free_port()
    assert ports.is_free(port)
    assert port < 32_768


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_that_names_holder_and_option(taken: int) -> None:
    with pytest.raises(FleetError, match=rf"port {taken} is taken by .*pid {os.getpid()}.*--port"):
        State().choose_ports(taken, None)


def test_two_things_cannot_listen_on_one_port() -> None:
    port = ports.free_port()
    with pytest.raises(FleetError, match=f"both {port}"):
        State().choose_ports(port, port)


def test_ports_are_kept_while_they_are_free_and_replaced_when_they_are_not(taken: int) -> None:
    state = State()
    state.choose_ports(0, 0)
    again = state.model_copy()
    again.postgres_port = taken
    again.choose_ports(None, None)
    assert (again.web_port, again.flower_port, again.valkey_port) == (
        state.web_port,
        state.flower_port,
        state.valkey_port,
    )
    assert again.postgres_port != taken


def test_all_ports_of_a_fleet_differ() -> None:
    state = State()
    state.choose_ports(0, 0)
    found = [state.web_port, state.flower_port, state.postgres_port, state.valkey_port, state.demo_port]
    assert len(set(found)) == 5
