"""`python -m tests.promqltest FILE...`: run Prometheus's query scripts against our engine."""

import sys
from pathlib import Path

from tests.promqltest.runner import run


def main(paths: list[str]) -> int:
    """Run the scripts, print each failure and at last the totals; 1 if anything failed."""
    passed = failed = native = 0
    for path in paths:
        try:
            outcome = run(Path(path))
        except OSError as error:
            sys.stdout.write(f"{error}\n")
            failed += 1
            continue
        for failure in outcome.failures:
            sys.stdout.write(f"{failure}\n")
        passed += outcome.passed
        failed += len(outcome.failures)
        native += len(outcome.native)
    sys.stdout.write(f"{native} not applicable: they need native histograms, which are not supported\n")
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
