"""A process that calls through a breaker: waits for the word, says whether it was let through, then calls."""

import os
import signal
import sys

from redis import Redis

from watchfleet.breaker import Breaker, CallNotPermittedError, Policy

PATIENT = 20.0


def main(url: str, permits: str, lease: str) -> None:
    """Ask the breaker of each name in the input; the next line ends the call, and `die` the process."""
    redis = Redis.from_url(url, socket_timeout=PATIENT, socket_connect_timeout=PATIENT)
    redis.ping()
    policy = Policy(permitted_number_of_calls_in_half_open_state=int(permits), trial_lease=float(lease))
    say("ready")
    for line in sys.stdin:
        try:
            call = Breaker(line.strip(), policy, redis=redis).begin()
        except CallNotPermittedError:
            say("refused")
            sys.stdin.readline()
            continue
        say("passed")
        if sys.stdin.readline().strip() == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        call.returned()


def say(word: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
