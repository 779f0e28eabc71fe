"""What a task may say of itself."""

import pytest

from nlpkit.tasks import Rows


def test_an_answer_that_nobody_could_read_is_refused_at_once():
    with pytest.raises(ValueError, match=r"one of 'label', 'number', 'json', None, was: 'mood'; columns say"):
        Rows(answer="mood", columns=("mood",))


def test_texts_alone_have_no_answer():
    assert Rows().answer is None
