"""A report as JUnit XML, which continuous integration and many a learning platform read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from midspan.checks.judge import Report
from midspan.checks.verdicts import Result

# XML 1.0, section 2.2: what is no character of a document, however it is escaped
NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The XML text: one suite, one case a step, a failure with its words for whatever has not passed."""
    failures = sum(not result.passed for result in report.results)
    counts = {"tests": str(len(report.results)), "failures": str(failures), "errors": "0", "skipped": "0"}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": report.lab.name, **counts})
    for result in report.results:
        _case(suite, result)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: ElementTree.Element, result: Result) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": result.lab, "name": result.step})
    if not result.passed:
        message = _clean(result.message.partition("\n")[0] or result.verdict)
        failure = ElementTree.SubElement(case, "failure", {"type": result.verdict, "message": message})
        failure.text = _clean(str(result))


def _clean(text: str) -> str:
    return NO_CHARACTER.sub("?", text)
