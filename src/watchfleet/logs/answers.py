"""Answers about logs as JSON objects, the same over HTTP and on the command line."""

from collections import Counter
from typing import Any

from watchfleet.logs import levels
from watchfleet.logs.files import LogFile
from watchfleet.logs.histogram import Histogram
from watchfleet.logs.query import Answer, Record
from watchfleet.logs.when import iso
from watchfleet.redact import redact


def answer_facts(answer: Answer) -> dict[str, Any]:
    """What a search found."""
    return {
        "records": [record_facts(record) for record in answer.records],
        "truncated": answer.truncated is not None,
        "truncated_by": answer.truncated,
        "cursor": answer.cursor.encode() if answer.cursor else None,
        "scanned_bytes": answer.scanned_bytes,
        "covered_from": iso(answer.covered_from),
        "covered_to": iso(answer.covered_to),
        "files": answer.files,
        "notes": list(answer.notes),
    }


def record_facts(record: Record) -> dict[str, Any]:
    """A record; secrets that are known by now are masked in its text, whoever wrote it."""
    return {
        "file": record.file,
        "offset": record.offset,
        "time": iso(record.time),
        "time_raw": record.time_raw,
        "level": record.level,
        "level_raw": record.level_raw,
        "logger": record.logger,
        "message": None if record.message is None else redact(record.message),
        "correlation_id": record.correlation_id,
        "text": redact(record.text),
        "cut": record.cut,
        "before": [redact(line) for line in record.before],
        "after": [redact(line) for line in record.after],
    }


def file_facts(file: LogFile) -> dict[str, Any]:
    """A log file."""
    return {
        "name": file.name,
        "bytes": file.size,
        "modified": iso(int(file.modified * 1_000_000)),
        "compressed": file.packed,
    }


def histogram_facts(found: Histogram) -> dict[str, Any]:
    """Counts over time."""
    total: Counter[str] = Counter()
    for counts in found.buckets.values():
        total.update(counts)
    return {
        "bucket_seconds": found.width // 1_000_000,
        "buckets": [
            {"time": iso(at), "counts": _ordered(counts)} for at, counts in sorted(found.buckets.items())
        ],
        "counts": _ordered(total),
        "untimed": found.untimed,
        "truncated": found.truncated is not None,
        "truncated_by": found.truncated,
        "scanned_bytes": found.scanned_bytes,
        "covered_from": iso(found.covered_from),
        "covered_to": iso(found.covered_to),
    }


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """By level, the worst first."""
    return {name: counts[name] for name in (*reversed(levels.NAMES), "NONE") if counts[name]}
