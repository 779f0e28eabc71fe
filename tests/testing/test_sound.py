"""A plugin that keeps every promise passes every check."""

import pytest

from nlpkit.testing import FAILED, OK, SKIPPED, CheckError, list_checks, list_subjects, of_module, run
from tests.testing import sound


@pytest.fixture(scope="module")
def results():
    return list(run(list_subjects([of_module(sound)])))


@pytest.mark.slow
def test_whatever_it_brings_is_tried(results):
    pytest.importorskip("torch")
    assert {str(result.subject) for result in results} == {
        "plugin tests.testing.sound",
        "tokenizer sound-runs",
        "embedding sound-table",
        "encoder sound-forwards",
        "output sound-words",
        "command sound",
        "command sound hello",
    }


@pytest.mark.slow
def test_nothing_fails(results):
    assert [f"{r.subject}: {r.check.name}: {r.sentence}" for r in results if r.outcome == FAILED] == []


@pytest.mark.slow
def test_whatever_can_be_said_is(results):
    pytest.importorskip("torch")
    silent = {(r.subject.kind, r.check.name) for r in results if r.outcome == SKIPPED}
    assert silent == {("tokenizer", "longest"), ("embedding", "fixed")}
    assert all(r.sentence for r in results if r.outcome == SKIPPED)
    assert not any(r.sentence for r in results if r.outcome == OK)


def test_every_check_has_a_name_of_its_own():
    named = [(check.kind, check.name) for check in list_checks()]
    assert len(set(named)) == len(named)
    assert all(check.says for check in list_checks())


def test_a_failed_check_is_a_failed_assertion():
    assert issubclass(CheckError, AssertionError)
