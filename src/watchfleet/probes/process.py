"""`process`: do as many processes run as should, and what do they use?"""

from collections.abc import Iterator

import psutil
from pydantic import Field

from watchfleet.model import Measurement, ProbeResult
from watchfleet.patterns import compile_pattern
from watchfleet.probes.fields import Pattern
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason


class ProcessOptions(Options):
    """The settings of `process`."""

    command: Pattern = Field(
        description="A pattern (RE2) that a process's command line holds, such as `gunicorn.*shop`."
    )
    user: str | None = Field(None, description="Whose processes count. Not set: everybody's.")
    at_least: int = Field(1, ge=0, description="With fewer processes, the target is down.")
    at_most: int | None = Field(
        None, ge=0, description="With more processes, it is degraded. Not set: never."
    )


def probe(target: Target, options: ProcessOptions, deadline: Deadline) -> ProbeResult:
    """Look through the machine's processes."""
    attempt = Attempt(target)
    found = list(_matching(options, deadline))
    count = len(found)
    values = [
        Measurement("process_count", float(count)),
        Measurement("process_resident_bytes", float(sum(rss for rss, _ in found))),
        Measurement("process_threads", float(sum(threads for _, threads in found))),
    ]
    if count < options.at_least:
        detail = f"{count} processes match, expected {options.at_least} at least"
        return attempt.down(Reason.PROCESS_MISSING, detail, values)
    if options.at_most is not None and count > options.at_most:
        detail = f"{count} processes match, expected {options.at_most} at most"
        return attempt.degraded(Reason.TOO_MANY_PROCESSES, detail, values)
    return attempt.up(values)


def _matching(options: ProcessOptions, deadline: Deadline) -> Iterator[tuple[int, int]]:
    """Resident bytes and threads of each process that matches; one that ends meanwhile is passed over."""
    compiled = compile_pattern(options.command)
    for process in psutil.process_iter():
        if deadline.remaining() <= 0.001:
            raise TimeoutError("there are too many processes to look through in time")
        try:
            with process.oneshot():
                command = " ".join(process.cmdline()) or process.name()
                if compiled.search(command) and options.user in {None, process.username()}:
                    yield process.memory_info().rss, process.num_threads()
        except psutil.Error:
            continue
