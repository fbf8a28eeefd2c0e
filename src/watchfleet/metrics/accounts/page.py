"""Which accounts a question is about, and which part of the answer is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 10_000
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts; each field narrows them down if it is given."""

    platform: str | None = None
    account: str | None = None
    group: str | None = None

    def condition(self) -> tuple[str, dict[str, Any]]:
        """The SQL condition for rows of `account` and `daily_stats`, and its parameters."""
        given = {"platform": self.platform, "account": self.account, "account_group": self.group}
        asked = {column: value for column, value in given.items() if value is not None}
        conditions = [f"{column} = :only_{column}" for column in asked]
        return " AND ".join(conditions) or "true", {f"only_{name}": asked[name] for name in asked}


@dataclass(frozen=True, slots=True)
class Page:
    """A part of rows that are ordered by a key.

    Attributes:
        most: How many rows.
        after: The key of the row before the first, by column; empty for the first page.
    """

    most: int
    after: Mapping[str, Any]

    def condition(self) -> tuple[str, dict[str, Any]]:
        """The SQL condition, and its parameters, `most` among them."""
        values = {f"after_{name}": value for name, value in self.after.items()}
        if not self.after:
            return "true", {"most": self.most}
        columns, parameters = ", ".join(self.after), ", ".join(f":{name}" for name in values)
        return f"({columns}) > ({parameters})", values | {"most": self.most}
