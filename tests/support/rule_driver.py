"""An evaluator to be killed: evaluates a group at one time after the other, and says which is done."""

import sys
import time
from datetime import datetime, timedelta

from support.ruled import evaluate_group, group_of

from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, try_lock
from watchfleet.rules.evaluate import lock_shard
from watchfleet.rules.group import Due
from watchfleet.rules.prepared import PreparedGroup

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


def evaluate(group: PreparedGroup, at: datetime) -> bool:
    """Evaluate the group once; false if another one is at it."""
    with transaction() as connection:
        if not try_lock(connection, Lock.RULES, lock_shard(group.key)):
            return False
        evaluate_group(connection, Due(group, at))
        return True


def main(start: datetime, first: int, last: int) -> None:
    """Evaluate from one place of the grid to another."""
    group = group_of(RULES)
    for place in range(first, last + 1):
        while not evaluate(group, start + timedelta(seconds=STEP * place)):
            time.sleep(0.05)  # PostgreSQL has yet to notice that the one before was killed
        sys.stdout.write(f"{place}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
