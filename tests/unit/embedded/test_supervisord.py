import configparser
import os
import shlex
import stat
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from watchfleet.embedded import supervisord
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.programs import Program
from watchfleet.errors import FleetError
from watchfleet.settings import Settings


def as_supervisord_reads_it(directory: DataDirectory) -> ServerOptions:
    options = ServerOptions()
    options.realize(["-c", str(directory.configuration)])
    return options


def prepared(path: Path) -> DataDirectory:
    directory = DataDirectory(path)
    directory.prepare()
    return directory


def program(directory: DataDirectory, **changes: object) -> Program:
    fields = {
        "name": "beat-1",
        "group": "fleet",
        "command": ("/bin/echo", "--hostname=x@%h", "a 'quoted' \"word\"", "100%"),
        "purpose": "nothing",
        "directory": directory.path,
        **changes,
    }
    return Program(**fields)


@pytest.mark.parametrize("name", ["plain", "with space", "it's", 'say "so"', "naïve-日本", "a;b#c"])
def test_a_command_in_any_folder_arrives_as_it_was_meant(tmp_path: Path, name: str) -> None:
    directory = prepared(tmp_path / name)
    one = program(directory, command=(str(directory.path / "run"), "--hostname=x@%h", "a 'quoted' \"word\""))
    supervisord.write(directory, directory.path, [one], Settings())
    (group,) = as_supervisord_reads_it(directory).process_group_configs
    (process,) = group.process_configs
    assert tuple(shlex.split(process.command)) == one.command
    assert process.directory == str(directory.path)
    assert process.stdout_logfile == str(directory.log / "beat-1.log")


@pytest.mark.parametrize("name", ["a ;b", "a #b", "a\nb", "100%"])
def test_a_folder_that_supervisord_cannot_read_is_refused(tmp_path: Path, name: str) -> None:
    directory = prepared(tmp_path / name)
    with pytest.raises(FleetError, match="supervisord cannot read"):
        supervisord.write(directory, directory.path, [program(directory)], Settings())


def test_groups_stop_in_the_opposite_order_of_their_start(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "data")
    programs = [
        program(directory, name="scraper", group="demo"),
        program(directory, name="postgres", group="servers", stop_signal="INT", stop_seconds=9),
        program(directory),
        program(directory, name="beat-2"),
    ]
    supervisord.write(directory, directory.path, programs, Settings())
    groups = sorted(as_supervisord_reads_it(directory).process_group_configs)
    assert [group.name for group in groups] == ["servers", "fleet", "demo"]
    assert [[process.name for process in group.process_configs] for group in groups] == [
        ["postgres"],
        ["beat-1", "beat-2"],
        ["scraper"],
    ]
    (postgres,) = groups[0].process_configs
    assert (postgres.stopsignal, postgres.stopwaitsecs, postgres.autostart) == (2, 9, True)
    assert not groups[1].process_configs[0].autostart


def test_log_settings_are_supervisord_s(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "data")
    settings = Settings(log_directory=tmp_path / "logs", log_max_file_size_mb=2.5, log_max_files=4)
    (tmp_path / "logs").mkdir()
    supervisord.write(directory, directory.path, [program(directory)], settings)
    (group,) = as_supervisord_reads_it(directory).process_group_configs
    (process,) = group.process_configs
    assert process.stdout_logfile == str(tmp_path / "logs" / "beat-1.log")
    assert (process.stdout_logfile_maxbytes, process.stdout_logfile_backups) == (2621440, 4)
    itself = as_supervisord_reads_it(directory)
    assert (itself.logfile_maxbytes, itself.logfile_backups) == (2621440, 4)


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    directory = prepared(tmp_path / "data")
    supervisord.write(directory, directory.path, [program(directory)], Settings())
    assert stat.S_IMODE(directory.configuration.stat().st_mode) == 0o600
    assert configparser.RawConfigParser().read(directory.configuration)


def test_a_long_path_has_its_socket_in_a_short_private_folder(tmp_path: Path) -> None:
    directory = prepared(tmp_path / ("d" * 120))
    folder = supervisord.runtime_folder(directory)
    try:
        assert folder != directory.path
        assert len(os.fsencode(folder / supervisord.SOCKET)) < 95
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        supervisord.remove_traces(directory, folder)
    assert not folder.exists()


def test_a_short_path_has_its_socket_beside_the_data() -> None:
    directory = DataDirectory(Path("/srv/watchfleet"))
    assert supervisord.runtime_folder(directory) == directory.path


def test_a_supervisor_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    client = supervisord.Supervisor(tmp_path / "none.sock")
    assert not client.answers()
    with pytest.raises(FleetError, match="does not answer"):
        client.processes()
