"""Coverage-guided fuzzing of what users write: `python -m tests.fuzz TARGET [LIBFUZZER_FLAG...]`.

Example: `python -m tests.fuzz expression -max_total_time=60`. Ends with 0 when every text had an answer or an
error with its place; the first that did not is told, and kept as `crash-...` in the working directory.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["watchfleet.promql", "watchfleet.rules"]):
    from support import fuzzing

    from watchfleet.promql.signatures import AGGREGATIONS, FUNCTIONS
    from watchfleet.rules.files import parse_rules
    from watchfleet.rules.template.functions import NAMES

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "src/watchfleet/rules/builtin").glob("*.yml"))
TESTS = sorted((ROOT / "tests/rules").glob("*.yml"))
LONGEST = 4096


def main(target: str, flags: list[str]) -> None:
    """Fuzz one of the targets."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        for number, text in enumerate(seeds(target)):
            (corpus / str(number)).write_text(text)
        quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in vocabulary(target))
        words.write_text("".join(f'"{word}"\n' for word in quoted))
        check = checks(Path(folder))[target]
        options = [f"-dict={words}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=2048"]
        atheris.Setup(
            [sys.argv[0], *options, *flags, str(corpus)], lambda data: check(data.decode("utf-8", "replace"))
        )
        atheris.Fuzz()


def checks(folder: Path) -> dict[str, Callable[[str], object]]:
    """What is done with a text, by target."""
    source = fuzzing.memory()
    groups = parse_rules(RULES[0].read_text(), RULES[0]).file.groups
    return {
        "expression": lambda text: fuzzing.outcome(source, text),
        "template": fuzzing.check_any_template,
        "rules": fuzzing.check_any_rules,
        "tests": lambda text: fuzzing.check_any_tests(folder / "test.yml", text, groups),
    }


def seeds(target: str) -> Iterator[str]:
    """Good texts to begin from, short enough to be kept."""
    groups = [group for path in RULES for group in parse_rules(path.read_text(), path).file.groups]
    rules = [rule for group in groups for rule in group.rules]
    match target:
        case "expression":
            yield from (str(rule.expr) for rule in rules)
        case "template":
            yield from (text for rule in rules for text in rule.annotations.values())
        case "rules":
            yield from (
                f"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: {rule.expr}\n" for rule in rules
            )
        case "tests":
            yield from (path.read_text()[:LONGEST] for path in TESTS)


def vocabulary(target: str) -> list[str]:
    """Words that the language of a target has."""
    if target == "expression":
        return [
            *FUNCTIONS,
            *AGGREGATIONS,
            "offset",
            "group_left",
            "ignoring",
            "bool",
            "unless",
            "=~",
            "[5m:1m]",
        ]
    words = ["groups:", "rules:", "alert:", "record:", "expr:", "for:", "labels:", "annotations:"]
    words += ["tests:", "input_series:", "alert_rule_test:", "promql_expr_test:", "eval_time:", "exp_alerts:"]
    return [*NAMES, "{{", "}}", "range", "else", "define", "$labels", "$value", *words]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
