"""How the command line speaks: live on a terminal, plain lines everywhere else."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from watchfleet.embedded.interruption import SignalReceivedError
from watchfleet.redact import redact

_WIDE = 200


def make_console(*, stderr: bool = False) -> Console:
    """A console that cuts no line when its output goes into a file or a pipe."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


class ConsoleStep:
    """A step on the screen.

    Args:
        status: The live line, if the output is a terminal.
        title: What is being done.
    """

    def __init__(self, status: Status | None, title: str) -> None:
        self._status, self._title, self.detail = status, title, ""

    def say(self, detail: str) -> None:
        """Show how it stands."""
        self.detail = redact(detail)
        if self._status is not None:
            self._status.update(f"{escape(self._title)} {escape(self.detail)}")


class ConsoleProgress:
    """Shows each step while it is made, and one line when it is done.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[ConsoleStep]:
        """Enter a step; it failed if the block raises."""
        began = time.monotonic()
        live = self._console.status(escape(title)) if self._console.is_terminal else None
        step = ConsoleStep(live, title)
        try:
            if live is None:
                yield step
            else:
                with live:
                    yield step
        except SignalReceivedError:
            raise
        except BaseException:
            self._line("red", "failed", step, title, began)
            raise
        self._line("green", "ok", step, title, began)

    def _line(self, colour: str, mark: str, step: ConsoleStep, title: str, began: float) -> None:
        seconds = time.monotonic() - began
        detail = f" {escape(step.detail)}" if step.detail else ""
        self._console.print(
            f"[{colour}]{mark:>6}[/]  {escape(title)}:{detail} [dim]({seconds:.1f} s)[/]", soft_wrap=True
        )


def print_table(
    console: Console, columns: list[str], lines: list[list[str]], *, right: Collection[str] = ()
) -> None:
    """A table without rules, as `docker ps` and `kubectl get` have it, and an empty line before it.

    Args:
        console: Where.
        columns: The headings; all empty for a table without.
        lines: The cells, in rich's markup.
        right: The headings of columns that hold numbers.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.show_header = any(columns)
    for column in columns:
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in right)
    for line in lines:
        table.add_row(*line)
    with console.capture() as captured:
        console.print(table)
    # Without the blanks up to the edge, which only disturb in a file.
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    console.file.write(f"\n{text}\n")
