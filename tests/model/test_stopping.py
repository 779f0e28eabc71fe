"""Work that is stopped between its steps."""

import pytest

import nlpkit
from nlpkit.model import check_stop, stoppable


class Stopped(Exception):  # noqa: N818
    pass


def stop_after(calls):
    """Let so many steps be done."""
    left = iter(range(calls))

    def check():
        if next(left, None) is None:
            raise Stopped

    return check


def test_nothing_is_stopped_unless_asked():
    check_stop()
    with pytest.raises(Stopped), stoppable(stop_after(0)):
        check_stop()
    check_stop()


def test_a_text_is_not_written_to_its_end():
    model, written = nlpkit.load("reviews-chars"), []
    with pytest.raises(Stopped), stoppable(stop_after(6)):
        written.extend(model.stream("衣服", length=10_000, through=True, seed=1))
    assert 0 < len(written) <= 6
    assert model.generate(["衣服"], length=3, seed=1)[0].ended == "length"


def test_blanks_are_not_filled_to_their_end():
    model = nlpkit.load("reviews-cloze")
    with pytest.raises(Stopped), stoppable(stop_after(0)):
        model.fill(["衣服质量__哦"])
