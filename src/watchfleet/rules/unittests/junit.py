"""Results of rule tests as JUnit XML, which build servers show."""

import re
from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from watchfleet.rules.unittests.suite import FileResult, GroupResult

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_report(results: Iterable[FileResult]) -> str:
    """The report: a suite for each file, a case for each of its tests."""
    root = Element("testsuites")
    for result in results:
        _suite(root, result)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, result: FileResult) -> None:
    failed = sum(bool(group.failures) for group in result.groups)
    suite = SubElement(root, "testsuite", name=_clean(str(result.path)))
    suite.set("tests", str(len(result.groups)))
    suite.set("failures", str(failed))
    suite.set("errors", str(len(result.problems)))
    for problem in result.problems:
        case = SubElement(suite, "testcase", name="the file", classname=_clean(str(result.path)))
        SubElement(case, "error", message=_clean(str(problem)))
    for place, group in enumerate(result.groups, 1):
        _case(suite, group, group.test.name or f"test {place}")


def _case(suite: Element, group: GroupResult, name: str) -> None:
    case = SubElement(suite, "testcase", name=_clean(name), classname=_clean(str(group.test.at.path)))
    case.set("time", f"{group.seconds:.3f}")
    for failure in group.failures:
        found = SubElement(case, "failure", message=_clean(f"{failure.at}: {failure.heading}"))
        found.text = _clean(
            f"exp: {failure.expected}\ngot: {failure.got}" if failure.expected else failure.got
        )


def _clean(text: str) -> str:
    """The text without what XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)
