"""Each conclusion has a control, is drawn in one notebook, and names an implementation."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import distribution

import pytest

from midspan.conclusions import HOMES
from midspan.conclusions.verdicts import CLAIMS, Conclusion
from tests.controls import CONTROLS, all_conclusions
from tests.course import ROOT, calls, found, words

NAMES = all_conclusions()
ELSEWHERE = {"a first draft, simulated", "socket.io-client 4.8.4 (recorded)"}  # what is no package of this environment

for test_module in (ROOT / "tests").glob("test_conclusions_*.py"):
    import_module(f"tests.{test_module.stem}")


def test_no_conclusion_without_a_control() -> None:
    """Each is seen to be false in a world in which it is false: its test can fail."""
    without = {name for name, one in NAMES.items() if one not in [conclusion for conclusion, _ in CONTROLS]}
    assert without == set()


def test_each_is_drawn_in_one_notebook() -> None:
    """In a chapter, by its name; and notebooks draw no conclusion that is not here."""
    drawn = [
        words(call.args[0])
        for notebook in found("notebooks")
        for cell in notebook.code
        for call in calls(cell, "verdict")
    ]
    assert sorted(drawn) == sorted(name.partition(".")[2] for name in NAMES)


def test_notebooks_find_each_by_its_name() -> None:
    """The package names them all, and says in which module each is."""
    assert {f"{module}.{name}" for name, module in HOMES.items() if module != "verdicts"} == {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_implementations(name: str) -> None:
    """Packages that are installed here, so that the ledger shows their versions; or what runs elsewhere."""
    for of in filter(None, NAMES[name].of.split(", ")) if NAMES[name].of not in ELSEWHERE else ():
        assert of in ELSEWHERE or distribution(of).version


def test_each_row_of_a_claim_has_one_conclusion() -> None:
    """The ledger keeps one verdict for each."""
    rows = [(one.claim, one.row) for one in NAMES.values()]
    assert len(rows) == len({*rows})


def test_each_claim_of_the_chapters_has_a_conclusion() -> None:
    """W1, W2 and W4 are for the last chapter."""
    assert {one.claim for one in NAMES.values()} == CLAIMS.keys() - {"W1", "W2", "W4"}


def test_a_relation_has_no_number() -> None:
    """The numbers are what was seen."""
    assert not [
        one.relation for one in NAMES.values() if isinstance(one, Conclusion) and any(map(str.isdigit, one.relation))
    ]
