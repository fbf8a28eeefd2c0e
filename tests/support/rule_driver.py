"""An evaluator to be killed: evaluates a group at one time after the other, and says which is done."""

import sys
from datetime import datetime, timedelta

from support.policies import policy_for
from support.ruled import LOG, group_of

from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, try_lock
from watchfleet.rules.evaluate import lock_shard
from watchfleet.rules.group import evaluate_group

STEP = 15
RULES = """
- record: job:load:max
  expr: max by (job) (load)
- alert: Held
  expr: job:load:max > 5
  for: 60s
- alert: Kept
  expr: load > 5
  keep_firing_for: 60s
- alert: Plain
  expr: load > 7
  labels: {severity: warning}
"""


def main(start: datetime, first: int, last: int) -> None:
    """Evaluate from one place of the grid to another."""
    group = group_of(RULES)
    for place in range(first, last + 1):
        with transaction() as connection:
            if not try_lock(connection, Lock.RULES, lock_shard(group.key)):
                raise SystemExit("another one is at it")
            evaluate_group(connection, group, start + timedelta(seconds=STEP * place), policy_for(LOG))
        sys.stdout.write(f"{place}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
