"""Code that a chapter shows: it says what it is."""

from __future__ import annotations

from types import ModuleType

import pytest

from midspan.experiments import cluster_trials, upgraded_streams


@pytest.mark.parametrize("module", [cluster_trials, upgraded_streams], ids=lambda module: module.__name__)
def test_code_that_a_chapter_shows_says_what_it_is(module: ModuleType) -> None:
    assert module.__doc__
