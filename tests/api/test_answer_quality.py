"""The first answers make sense, at the settings of a request that gives none: the short form of
tests/conformance/answer_quality.py, whose seeds fix every answer."""
import sys

import pytest
from conftest import ROOT, SLOW

sys.path.insert(0, str(ROOT / "tests/conformance"))
import answer_quality  # noqa: E402


def test_the_references_example_says_paris(pulse):
    share, missed = answer_quality.capital(pulse.client(timeout=300 * SLOW), "infe-pulse", range(1, 26))
    assert share >= 0.98, missed


def test_simple_questions_are_answered(pulse):
    share, missed = answer_quality.questions(pulse.client(timeout=600 * SLOW), "infe-pulse", [1])
    assert share >= 0.7, missed


@pytest.mark.titan
def test_the_larger_model_says_paris_too(both):
    share, missed = answer_quality.capital(both.client(timeout=300 * SLOW), "infe-titan", range(1, 11))
    assert share >= 0.98, missed
