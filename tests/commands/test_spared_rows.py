"""Rows on which a stranger's code fails, among others and in several processes."""

import pytest

from nlpkit.commands.spared_rows import MOST_FAILED, SparingAnswer
from nlpkit.errors import PluginError
from nlpkit.text.rows import Row


def answer(rows):
    if any(row.text == "bad" and not row.fault for row in rows):
        raise PluginError("theirs cannot")
    return [row.fault for row in rows]


def test_rows_that_fail_first_end_it_unless_others_are_answered_elsewhere():
    rows = [Row("bad")] * (MOST_FAILED + 4)
    with pytest.raises(PluginError, match="theirs cannot"):
        SparingAnswer(None, answer)(rows)
    spared = SparingAnswer(None, answer)
    spared.trust()
    assert spared(rows) == ["theirs cannot"] * len(rows)
