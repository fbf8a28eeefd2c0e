import gzip
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from support.servers import forget_environment, use_environment, wait_until
from werkzeug.test import TestResponse

from watchfleet.web import create_app
from watchfleet.web import logs as web_logs
from watchfleet.web.logs import create_logs

TOKEN = {"Authorization": "Bearer sesame"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    (logs / "sub").mkdir(parents=True)
    (logs / "app.log").write_text(
        "2026-11-25 10:00:00 INFO shop: <b>one</b> \x1b[31m\n2026-11-25 10:01:00 ERROR shop: two\nTraceback\n"
    )
    (logs / "app.log.1.gz").write_bytes(gzip.compress(b"2026-11-25 09:00:00 WARN shop: old\n"))
    (logs / "sub" / "deep.log").write_text("2026-11-25 09:30:00 INFO deep: x\n")
    (tmp_path / "logsfoo").mkdir()
    (tmp_path / "logsfoo" / "secret.log").write_text("secret\n")
    (tmp_path / "secret.log").write_text("secret\n")
    (logs / "link.log").symlink_to(tmp_path / "secret.log")
    (logs / "linked").symlink_to(tmp_path / "logsfoo")
    os.mkfifo(logs / "pipe.log")
    return logs


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    app = Flask("somebody's own")
    app.register_blueprint(create_logs(folder, token="sesame"))
    return app.test_client()


def get(client: FlaskClient, path: str, **parameters: object) -> TestResponse:
    return client.get(f"/api/logs/{path}", query_string=parameters, headers=TOKEN)


def test_files_lists_what_can_be_searched_and_no_link(client: FlaskClient):
    found = get(client, "files").json["files"]
    assert [one["name"] for one in found] == ["app.log", "app.log.1.gz", "sub/deep.log"]
    assert [one["compressed"] for one in found] == [False, True, False]


def test_search_merges_files_and_tells_what_it_covered(client: FlaskClient):
    answer = get(client, "search", limit=2).json
    assert [(one["file"], one["level"]) for one in answer["records"]] == [
        ("app.log", "ERROR"),
        ("app.log", "INFO"),
    ]
    assert answer["truncated"] is True
    assert (answer["covered_from"], answer["covered_to"]) == (
        "2026-11-25T10:00:00.000000Z",
        "2026-11-25T10:01:00.000000Z",
    )
    assert answer["scanned_bytes"] > 0
    rest = get(client, "search", cursor=answer["cursor"]).json
    assert [one["file"] for one in rest["records"]] == ["sub/deep.log", "app.log.1.gz"]
    assert (rest["truncated"], rest["cursor"]) == (False, None)


def test_parameters_mean_what_they_say(client: FlaskClient):
    def found(**parameters: object) -> list[str]:
        return [
            one["text"].split(": ")[1].split("\n")[0]
            for one in get(client, "search", **parameters).json["records"]
        ]

    assert found(level="warning") == ["two", "old"]
    assert found(text="TWO", ignore_case="1") == ["two"]
    assert found(pattern="t.o", file="app*") == ["two"]
    assert found(**{"from": "2026-11-25T09:10:00Z", "to": "2026-11-25 10:00:00"}) == ["x"]
    assert found(order="oldest", limit=1) == ["old"]
    assert found(logger="deep") == ["x"]


def test_histogram_counts_by_level_over_time(client: FlaskClient):
    found = get(client, "histogram", buckets=3).json
    assert found["counts"] == {"ERROR": 1, "WARNING": 1, "INFO": 2}
    assert sum(sum(one["counts"].values()) for one in found["buckets"]) == 4
    assert found["truncated"] is False
    errors = get(client, "histogram", level="error", **{"from": "2026-11-25T10:00:00Z"}).json
    assert errors["counts"] == {"ERROR": 1}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("search", {"pattern": "("}),
        ("search", {"limit": "many"}),
        ("search", {"limit": "-1"}),
        ("search", {"limit": "9" * 400}),
        ("search", {"levle": "error"}),
        ("search", {"from": "soon"}),
        ("search", {"order": "best"}),
        ("search", {"cursor": "x"}),
        ("search", {"field": "x"}),
        ("histogram", {"buckets": "0"}),
        ("tail/app.log", {"lines": "10000000"}),
        ("tail/app.log", {"follow": "maybe"}),
        ("tail/app.log", {"level": "loud"}),
        ("files", {"x": "1"}),
    ],
)
def test_a_request_that_is_no_use_is_told_which_parameter(
    client: FlaskClient, path: str, parameters: dict[str, str]
):
    answer = get(client, path, **parameters)
    assert answer.status_code == 400
    assert answer.json["error"].startswith(next(iter(parameters)))


HOSTILE = [
    "../secret.log",
    "..%2fsecret.log",
    "%2e%2e/secret.log",
    "sub/../../secret.log",
    "/etc/passwd",
    "//etc/passwd",
    "..\\secret.log",
    "app.log%00.txt",
    "link.log",
    "linked/secret.log",
    "../logsfoo/secret.log",
    "pipe.log",
    "sub",
    ".",
    "",
    "sub/",
    "app.log/",
    "%c0%ae%c0%ae/secret.log",
    "app.log/../../secret.log",
    "/proc/self/environ",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_folder(client: FlaskClient, name: str):
    tail = client.get(f"/api/logs/tail/{name}", headers=TOKEN)
    assert tail.status_code in {404, 308}
    search = get(client, "search", file=name)
    assert (search.status_code, "secret" in search.text.replace("secret.log", "")) in {
        (404, False),
        (200, False),
    }
    assert "root:" not in tail.text + search.text


@pytest.mark.parametrize("path", ["files", "search", "histogram", "tail/app.log"])
def test_nobody_reads_without_the_token(client: FlaskClient, path: str):
    assert client.get(f"/api/logs/{path}").status_code == 401
    assert client.get(f"/api/logs/{path}", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get(f"/api/logs/{path}", headers={"Authorization": "Basic x"}).status_code == 401


def test_the_fleet_s_own_routes_have_its_directory_and_its_token(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    own = create_app().test_client()
    use_environment(monkeypatch, LOG_DIRECTORY=str(folder))
    try:
        assert own.get("/api/logs/files", headers=TOKEN).status_code == 403
        use_environment(monkeypatch, LOG_DIRECTORY=str(folder), API_TOKEN="sesame")
        assert len(own.get("/api/logs/files", headers=TOKEN).json["files"]) == 3
        use_environment(monkeypatch, LOG_DIRECTORY="", API_TOKEN="sesame")
        assert own.get("/api/logs/search", headers=TOKEN).status_code == 404
    finally:
        forget_environment()


def test_an_answer_holds_nothing_that_a_page_or_a_terminal_would_obey(client: FlaskClient):
    answer = get(client, "search", text="one")
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"<", ">", "\x1b", "\x9b"} & set(answer.text)
    assert answer.json["records"][0]["text"].endswith("<b>one</b> \x1b[31m")


def test_tail_gives_the_last_records(client: FlaskClient):
    found = get(client, "tail/app.log", lines=1).json["records"]
    assert [one["text"] for one in found] == ["2026-11-25 10:01:00 ERROR shop: two\nTraceback"]
    assert get(client, "tail/sub/deep.log").json["records"][0]["level"] == "INFO"
    assert [one["level"] for one in get(client, "tail/app.log.1.gz").json["records"]] == ["WARNING"]


def events(response: TestResponse) -> Iterator[tuple[str, dict[str, object]]]:
    held = ""
    for chunk in response.iter_encoded():
        held += chunk.decode()
        while "\n\n" in held:
            event, _, held = held.partition("\n\n")
            fields = dict(part.split(": ", 1) for part in event.split("\n"))
            if "data" in fields:
                yield fields["id"], json.loads(fields["data"])
            elif event.startswith(": "):
                yield "heartbeat", {}


def test_following_goes_on_across_a_rotation_and_after_a_lost_connection(client: FlaskClient, folder: Path):
    response = get(client, "tail/app.log", follow=1, lines=1, level="error")
    stream = events(response)
    assert next(stream)[1]["text"].endswith("Traceback")
    with (folder / "app.log").open("a") as file:
        file.write("2026-11-25 10:02:00 INFO shop: no\n2026-11-25 10:03:00 ERROR shop: three\n")
    identity, facts = next(stream)
    assert facts["text"].endswith("three")
    response.close()
    with (folder / "app.log").open("a") as file:
        file.write("2026-11-25 10:04:00 ERROR shop: four\n")
    (folder / "app.log").rename(folder / "app.log.20261125T100500.000000Z")
    (folder / "app.log").write_text("2026-11-25 10:05:00 ERROR shop: five\n")
    again = client.get(
        "/api/logs/tail/app.log", query_string={"follow": 1}, headers={**TOKEN, "Last-Event-ID": identity}
    )
    stream = events(again)
    assert [str(next(stream)[1]["text"]).split(": ")[1] for _ in range(2)] == ["four", "five"]
    (folder / "app.log").write_text("2026-11-25 10:06:00 ERROR x: 6\n")  # shorter: it was truncated
    assert str(next(stream)[1]["text"]).endswith("x: 6")
    again.close()


def test_a_stream_says_that_it_is_alive(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(web_logs, "HEARTBEAT", 0.0)
    response = get(client, "tail/app.log", follow=1, lines=0)
    assert next(events(response))[0] == "heartbeat"
    response.close()


def test_streams_are_few_and_a_closed_one_makes_room(client: FlaskClient):
    streams = [get(client, "tail/app.log", follow=1) for _ in range(web_logs.MOST_STREAMS)]
    refused = get(client, "tail/app.log", follow=1)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    for stream in streams:
        stream.close()
    again = get(client, "tail/app.log", follow=1)
    assert again.status_code == 200
    again.close()


def test_what_is_wrong_with_a_stream_is_an_error_and_takes_no_place(client: FlaskClient):
    for _ in range(web_logs.MOST_STREAMS + 1):
        assert get(client, "tail/none.log", follow=1).status_code == 404
    bad = client.get("/api/logs/tail/app.log?follow=1", headers={**TOKEN, "Last-Event-ID": "../x"})
    assert bad.status_code == 400
    threads = threading.active_count()
    wait_until(lambda: threading.active_count() <= threads)
