"""Scrape jobs of the configuration: as Prometheus takes them, and what is wrong with one said by its line."""

from pathlib import Path

import pytest

from watchfleet.probes.scrape.config import Job, Jobs, load_jobs
from watchfleet.probes.scrape.discovery import Discovery, Target, target_of
from watchfleet.redact import redact
from watchfleet.settings import from_file
from watchfleet.yamlfile import Document

GOOD = "scrape:\n  - job_name: good\n    static_configs:\n      - targets: ['127.0.0.1:1']\n"


def load(text: str) -> Jobs:
    document = Document.parse(text, Path("watchfleet.yml"))
    return load_jobs(from_file(document), document)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("  - nonsense\n", 5, "not a mapping"),
        ("  - scrape_interval: 5s\n", 5, "job_name"),
        ("  - job_name: good\n", 5, "taken"),
        ("  - job_name: x\n    scrape_intervall: 5s\n", 6, "did you mean scrape_interval"),
        ("  - job_name: x\n    scrape_interval: 5 parsecs\n", 6, "5 parsecs"),
        ("  - job_name: x\n    scrape_interval: 5s\n    scrape_timeout: 6s\n", None, "scrape_timeout 6s"),
        (
            "  - job_name: x\n    relabel_configs:\n      - regex: '('\n        target_label: a\n",
            7,
            "regular expression",
        ),
        ("  - job_name: x\n    relabel_configs:\n      - action: replace\n", 7, "target_label"),
        ("  - job_name: x\n    file_sd_configs:\n      - files: [targets.txt]\n", 7, "targets.txt"),
        ("  - job_name: x\n    body_size_limit: 10 elephants\n", 6, "10 elephants"),
        ("  - job_name: x\n    bearer_token: a\n    basic_auth: {username: b}\n", None, "exclude"),
        ("  - job_name: x\n    kubernetes_sd_configs: []\n", 6, "kubernetes_sd_configs"),
        ("  - job_name: x\n    job_name: y\n", 6, "twice"),
    ],
)
def test_a_job_that_cannot_be_is_named_by_its_line_and_the_others_run(text: str, line: int | None, what: str):
    jobs = load(GOOD + text)
    assert list(jobs.by_name) == ["good"]
    assert len(jobs.problems) == 1, jobs.problems
    problem = jobs.problems[0]
    assert what in str(problem)
    assert problem.line == line or (line is None and problem.path is not None)


def test_a_secret_is_never_shown():
    jobs = load(GOOD + "  - {job_name: x, bearer_token: very-secret-indeed, sample_limit: -1}\n")
    assert "very-secret-indeed" not in str(jobs.problems[0])
    load(GOOD + "  - {job_name: x, authorization: {credentials: very-secret-indeed}}\n")
    assert redact("it was very-secret-indeed") == "it was ***"


def target(job: str, address: str, **labels: str) -> Target:
    found = target_of(
        load(f"scrape:\n  - {{job_name: x, {job}}}\n").by_name["x"], {"__address__": address, **labels}
    )
    assert found is not None
    return found


def test_a_target_has_a_page_and_labels():
    found = target("scheme: https, metrics_path: /a, params: {m: [1 2, '3']}", "host:1", env="test")
    assert found.url == "https://host:1/a?m=1+2&m=3"
    assert found.labels == {"env": "test", "instance": "host:1", "job": "x"}


def test_relabelling_may_change_everything_about_a_target():
    rules = [
        "{target_label: __address__, replacement: 'proxy:9'}",
        "{source_labels: [__address__], target_label: __param_target}",
        "{target_label: __metrics_path__, replacement: /probe}",
        "{target_label: __scrape_interval__, replacement: 3s}",
        "{target_label: __scrape_timeout__, replacement: 2s}",
        "{target_label: job, replacement: other}",
        "{target_label: instance, replacement: me}",
    ]
    found = target(f"relabel_configs: [{', '.join(rules)}]", "host:1", __meta_x="y")
    assert (found.url, found.labels) == (
        "http://proxy:9/probe?target=proxy%3A9",
        {"instance": "me", "job": "other"},
    )
    assert (found.job, found.interval.total_seconds(), found.timeout.total_seconds()) == ("x", 3, 2)


def test_a_target_that_is_dropped_is_none():
    job = Job.model_validate({"job_name": "x", "relabel_configs": [{"action": "drop", "regex": ".*"}]})
    assert target_of(job, {"__address__": "host:1"}) is None


@pytest.mark.parametrize("address", ["", "host:port", "user:password@host", "host:1 /x", "a b", "host:0"])
def test_an_address_that_cannot_be_is_refused(address: str):
    with pytest.raises(ValueError, match=r"\w"):
        target("scheme: http", address)


def test_files_are_read_again_when_they_change_and_kept_while_they_are_broken(tmp_path: Path):
    job = Job.model_validate({"job_name": "x", "file_sd_configs": [{"files": ["*.yml", "b.json"]}]})
    discovery = Discovery(Jobs({"x": job}, directory=tmp_path))
    assert discovery.targets() == {}
    (tmp_path / "a.yml").write_text("- targets: ['h:1', 'h:2']\n  labels: {env: a}\n")
    (tmp_path / "b.json").write_text('[{"targets": ["h:3"]}]')

    def instances() -> list[str]:
        return sorted(one.labels["instance"] for one in discovery.targets().values())

    assert instances() == ["h:1", "h:2", "h:3"]
    assert discovery.targets() is discovery.targets()
    (tmp_path / "a.yml").write_text("- targets: [")
    (tmp_path / "b.json").unlink()
    assert instances() == ["h:1", "h:2"]
    (tmp_path / "a.yml").write_text("[]")
    assert instances() == []
