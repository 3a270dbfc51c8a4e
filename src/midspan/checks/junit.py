"""A report as JUnit XML, which continuous integration and many a learning platform read."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

from midspan.checks.judge import Report
from midspan.checks.verdicts import Result

# XML 1.0, section 2.2: what is no character of a document, however it is escaped
NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The XML text: one suite, one case a step; a failure with its words for a wrong answer, skipped for one to do."""
    verdicts = Counter(result.verdict for result in report.results)
    counts = {"tests": len(report.results), "failures": verdicts["wrong"], "errors": 0, "skipped": verdicts["to do"]}
    numbers = {name: str(count) for name, count in counts.items()}
    suites = ElementTree.Element("testsuites", numbers)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": report.lab.name, **numbers})
    for result in report.results:
        _case(suite, result)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: ElementTree.Element, result: Result) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": result.lab, "name": result.step})
    message = _clean(result.message.partition("\n")[0] or result.verdict)
    if result.verdict == "to do":
        ElementTree.SubElement(case, "skipped", {"message": message})
    elif result.verdict == "wrong":
        failure = ElementTree.SubElement(case, "failure", {"type": result.verdict, "message": message})
        failure.text = _clean(str(result))


def _clean(text: str) -> str:
    return NO_CHARACTER.sub("?", text)
