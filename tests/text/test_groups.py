from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.corpus import Example
from nlpkit.text.groups import corpus_names, groups


def test_corpora_are_called_by_their_last_part_where_that_is_enough():
    assert corpus_names(["d/a.csv"]) == corpus_names([]) == {}
    assert corpus_names(["d/a.csv", "b.csv", "d/a.csv"]) == {"d/a.csv": "a.csv", "b.csv": "b.csv"}
    assert corpus_names(["d/a.csv", "e/a.csv"]) == {"d/a.csv": "d/a.csv", "e/a.csv": "e/a.csv"}
    assert corpus_names(["all", "b"]) == {"all": "corpus all", "b": "b"}


@given(st.lists(st.sampled_from(["all", "a", "d/a", "d/all", "corpus all", "d/corpus all", "b"]), max_size=7))
def test_no_two_corpora_are_called_the_same(corpora):
    found = corpus_names(corpora)
    assert found.keys() == (set(corpora) if len(set(corpora)) > 1 else set())
    assert len({*found.values(), "all"}) == len(found) + 1


def grouped(*rows):
    """Groups of rows given as corpus or (corpus, group)."""
    return groups([Example("好", "a", *((row,) if isinstance(row, str) else row)) for row in rows])


def test_one_corpus_has_no_group_of_its_own():
    assert grouped("d/a.csv", "d/a.csv") == {"all": [0, 1]}
    assert grouped() == {"all": []}


def test_corpora_go_by_their_last_part():
    assert grouped("d/a.csv", "b.csv", "d/a.csv") == {"all": [0, 1, 2], "a.csv": [0, 2], "b.csv": [1]}


def test_corpora_of_one_name_go_by_their_paths():
    found = grouped("d/a.csv", "e/a.csv", "b.csv")
    assert found == {"all": [0, 1, 2], "d/a.csv": [0], "e/a.csv": [1], "b.csv": [2]}


def test_a_corpus_called_all_is_not_all_rows():
    assert grouped("d/all", "b") == {"all": [0, 1], "d/all": [0], "b": [1]}


def test_groups_of_rows():
    assert grouped(("a", "x"), ("a", "y"), ("a", ""), ("a", "x")) == {"all": [0, 1, 2, 3], "x": [0, 3], "y": [1]}


def test_groups_called_like_something_else_say_that_they_are_groups():
    found = grouped(("d/a", "all"), ("d/b", "a"), ("d/b", "x"))
    assert found == {"all": [0, 1, 2], "a": [0], "b": [1, 2], "group all": [0], "group a": [1], "x": [2]}


names = st.sampled_from(["all", "a", "b", "d/a", "d/all", "group a", "group all", ""])


@given(st.lists(st.tuples(names, names), max_size=8))
def test_no_row_is_counted_twice_in_a_group(rows):
    found = grouped(*rows)
    assert found["all"] == list(range(len(rows)))
    assert all(len(set(positions)) == len(positions) for positions in found.values())
    corpora = {corpus for corpus, _ in rows}
    kinds = {group for _, group in rows if group}
    assert len(found) == 1 + (len(corpora) if len(corpora) > 1 else 0) + len(kinds)
