from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

from nlpkit.errors import SettingError
from nlpkit.plugins.options import Count, Option, Positive, Range, Share, Size, Weight, check, find_fault, options_of

if TYPE_CHECKING:
    from nowhere import Unknown

NUMBERS = "wants a list of numbers, found"


@pytest.mark.parametrize(
    ("value", "annotation", "sentence"),
    [
        (0, Size, "must be at least 1, was: 0"),
        (1.5, Size, "wants a whole number, found 1.5"),
        (2.0, Size, "wants a whole number, found 2.0"),
        (True, Size, "wants a whole number, found True"),
        ("abc", Size, "wants a whole number, found 'abc'"),
        (None, Size, "wants a whole number, found None"),
        (-1, Count, "must not be negative, was: -1"),
        (-0.5, Weight, "must not be negative, was: -0.5"),
        (float("inf"), Weight, "wants a number, found inf"),
        (float("nan"), Share, "wants a number, found nan"),
        (True, float, "wants a number, found True"),
        (1, Share, "must be in [0, 1), was: 1"),
        (-0.1, Share, "must be in [0, 1), was: -0.1"),
        (0, Positive, "must be above 0, was: 0"),
        (1, Annotated[int, Range(low=0, high=1, low_open=True, high_open=True)], "must be in (0, 1), was: 1"),
        (5, Annotated[int, Range(high=5, high_open=True)], "must be below 5, was: 5"),
        (1025, Annotated[Size, Range(high=1024)], "must be at most 1024, was: 1025"),
        (0, Annotated[Size, Range(high=1024)], "must be at least 1, was: 0"),
        ("no", bool, "wants true or false, found 'no'"),
        (1, bool, "wants true or false, found 1"),
        (7, str, "wants a text, found 7"),
        (7, Path, "wants a path, found 7"),
        ("bach", Literal["none", "batch"], "cannot be 'bach'; did you mean 'batch'? There is: none, batch"),
        (True, Literal[1, 2], "cannot be True; there is: 1, 2"),
        ("x", Size | None, "wants a whole number, found 'x'"),
        (0, Size | None, "must be at least 1, was: 0"),
        (1.5, int | str, "wants a whole number or a text, found 1.5"),
        (-1, Count | Literal["all"], "must not be negative, was: -1"),
        ("x", Count | Literal["all"], "wants a whole number or 'all', found 'x'"),
        ("y", Literal["x"] | None, "cannot be 'y'; there is: x"),
        ([2, 0], Sequence[Size], "must be at least 1, was: 0"),
        (["2"], Sequence[Size], f"{NUMBERS} ['2']"),
        (3, Sequence[Size], f"{NUMBERS} 3"),
        ("12", Sequence[int], f"{NUMBERS} '12'"),
        ([0.5, float("nan")], tuple[float, ...], f"{NUMBERS} [0.5, nan]"),
        ([1], list[str], "wants a list of texts, found [1]"),
        (3, Mapping[str, Any], "wants a table, found 3"),
        ({"a": 1}, Mapping[str, bool], "wants a table in which every value is true or false, found {'a': 1}"),
    ],
)
def test_what_does_not_fit_is_said(value, annotation, sentence):
    assert find_fault(value, annotation) == sentence


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, Size),
        (0, Count),
        (0, Weight),
        (1, float),
        (0.999, Share),
        (None, Size | None),
        ("all", Count | Literal["all"]),
        ([], Sequence[int]),
        ((1, 2), Sequence[Size]),
        ([1, 2.5], tuple[float, ...]),
        ({"a": True}, Mapping[str, bool]),
        ({}, dict[str, int]),
        ("words.txt", Path),
        (Path("words.txt"), Path | None),
        (object(), Any),
        (object(), "Unknown"),
    ],
)
def test_what_fits_passes(value, annotation):
    assert find_fault(value, annotation) is None


def vectors(
    *,
    dim: Size = 64,
    start: Literal["normal", "ppmi"] = "normal",
    other: Unknown | None = None,
    path: str = None,  # noqa: RUF013 - as many write it
    needed: int,
    free=3,
) -> Unknown:
    """Vectors.

    :param dim: numbers in
        a vector.
    :param start: how.

    And more.

    :raises ValueError: never.
    """


def test_options_of_a_function_are_its_keyword_only_parameters():
    found = options_of(vectors)
    assert list(found) == ["dim", "start", "other", "path", "needed", "free"]
    assert found["dim"] == Option("dim", Size, 64, "numbers in a vector.")
    assert found["start"].help == "how."
    assert (found["needed"].default, found["needed"].help) == (..., "")
    assert found["other"].annotation == "Unknown | None"
    assert found["free"].find_fault("anything") is None
    assert found["path"].find_fault(None) is None
    assert found["path"].find_fault(3) == "wants a text, found 3"


@dataclass(frozen=True)
class Base:
    """What all have.

    :param epochs: passes.
    :param rate: of learning.
    """

    epochs: Size = 20
    rate: Positive = 0.1


@dataclass(frozen=True)
class Training(Base):
    """What some have.

    :param epochs: passes over the texts.
    :param shares: of what.
    """

    epochs: Size = 3
    shares: Sequence[float] = field(default_factory=list)


def test_options_of_a_dataclass_are_its_fields():
    found = options_of(Training)
    assert {name: (option.default, option.help) for name, option in found.items()} == {
        "epochs": (3, "passes over the texts."),
        "rate": (0.1, "of learning."),
        "shares": ([], "of what."),
    }
    assert found["rate"].find_fault(0) == "must be above 0, was: 0"


def test_what_is_checked_is_one_sentence():
    options = options_of(vectors)
    check("the embedding 'vectors'", options, {"dim": 3, "start": "ppmi"})
    with pytest.raises(SettingError, match=r"^the embedding 'vectors': dim wants a whole number, found 1\.5$"):
        check("the embedding 'vectors'", options, {"dim": 1.5})
    with pytest.raises(SettingError, match=r"^the embedding 'vectors' has no option 'dmi'; did you mean 'dim'\?"):
        check("the embedding 'vectors'", options, {"dmi": 1})


def test_of_a_size_or_a_word_both_are_said():
    order = Literal[0] | Annotated[int, Range(2, 8)]
    assert find_fault(0, order) is None
    assert find_fault(1, order) == "must be 0 or in [2, 8], was: 1"
