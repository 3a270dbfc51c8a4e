"""A report of the judge as JUnit XML, which continuous integration and many learning platforms read."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

from midspan.grading.judging import JudgeReport
from midspan.grading.transcript import Result

# XML 1.0, section 2.2: characters that a document must not contain, even escaped
NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: JudgeReport) -> str:
    """Write the XML text: one case for each step. A wrong answer is a failure; what is to do or borrowed is skipped."""
    verdicts = Counter(result.verdict for result in report.results)
    counts = {"tests": len(report.results), "failures": verdicts["wrong"], "errors": 0}
    counts["skipped"] = verdicts["to do"] + verdicts["borrowed"]
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
    if result.verdict in ("to do", "borrowed"):
        ElementTree.SubElement(case, "skipped", {"message": message})
    elif result.verdict == "wrong":
        failure = ElementTree.SubElement(case, "failure", {"type": result.verdict, "message": message})
        failure.text = _clean(str(result))


def _clean(text: str) -> str:
    return NO_CHARACTER.sub("?", text)
