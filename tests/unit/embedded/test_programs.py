from pathlib import Path

import pytest
from support.servers import ROOT

from watchfleet import fleet
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.programs import GROUPS, Program, programs
from watchfleet.embedded.state import State
from watchfleet.settings import Settings

STATE = State(web_port=1, flower_port=2, postgres_port=3, valkey_port=4, demo_port=5)


def planned(*, with_demo: bool = False, **settings: str) -> dict[str, Program]:
    directory = DataDirectory(Path("/srv/watchfleet"))
    found = programs(Settings(**settings), STATE, directory, ROOT, with_demo=with_demo)
    return {program.name: program for program in found}


def test_every_worker_family_has_a_process_and_tells_why_its_pool() -> None:
    found = planned()
    for family in fleet.families():
        assert list(found[family.name].command)[-len(family.arguments()) :] == family.arguments()
        assert family.pool in found[family.name].purpose
        assert family.why in found[family.name].purpose


def test_two_beats_answer_under_names_of_their_own() -> None:
    found = planned()
    assert "--hostname=beat-1@%h" in found["beat-1"].command
    assert "--hostname=beat-2@%h" in found["beat-2"].command


def test_a_dispatcher_runs() -> None:
    assert planned()["dispatcher"].command[-2:] == ("-m", "workers.dispatcher")


def test_workers_may_take_as_long_as_their_soft_shutdown() -> None:
    found = planned()
    config = (ROOT / "celeryconfig.py").read_text()
    (line,) = [line for line in config.splitlines() if line.startswith("worker_soft_shutdown_timeout")]
    timeout = int(line.split("=")[1].split("#")[0])
    assert all(found[family.name].stop_seconds > timeout for family in fleet.families())


def test_no_command_holds_a_secret() -> None:
    for program in planned(with_demo=True).values():
        line = " ".join(program.command)
        assert STATE.postgres_password not in line
        assert STATE.valkey_password not in line


@pytest.mark.parametrize(
    ("settings", "servers"),
    [
        ({}, {"postgres", "valkey"}),
        ({"database_url": "postgresql://u:p@h/d"}, {"valkey"}),
        ({"broker_url": "redis://h"}, {"postgres"}),
        ({"broker_url": "amqp://h"}, {"postgres", "valkey"}),
        ({"database_url": "postgresql://u:p@h/d", "broker_url": "redis://h"}, set()),
    ],
)
def test_only_the_servers_that_are_not_given_run(settings: dict[str, str], servers: set[str]) -> None:
    found = planned(**settings)
    assert {program.name for program in found.values() if program.group == "servers"} == servers


def test_the_example_runs_when_it_is_asked_for_and_is_there() -> None:
    assert not [program for program in planned().values() if program.group == "demo"]
    demo = [program for program in planned(with_demo=True).values() if program.group == "demo"]
    assert [program.name for program in demo] == ["demo-worker", "demo-web"]
    for name in ("scraper.py", "web.py"):
        assert (demo[0].directory / name).is_file()


def test_programs_come_in_the_order_of_their_groups() -> None:
    order = [GROUPS.index(program.group) for program in planned(with_demo=True).values()]
    assert order == sorted(order)
