import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.training.batching import BLOCK, POOL, Rows, draw_batches, draw_with_focus, sort_batches  # noqa: E402

pytestmark = pytest.mark.train
lengths = st.lists(st.integers(0, 30), max_size=200).map(np.array)
documents = st.lists(st.lists(st.integers(1, 99), max_size=9), min_size=1, max_size=12)


def drawn(seed):
    return np.random.default_rng(seed)


@given(lengths, st.integers(1, 17), st.integers(0, 1 << 32))
def test_each_row_is_in_one_batch(found, size, seed):
    for made in (draw_batches(found, size, drawn(seed)), sort_batches(found, size)):
        assert sorted(row for batch in made for row in batch.tolist()) == list(range(len(found)))
        assert all(0 < len(batch) <= size for batch in made)


@given(lengths, st.integers(1, 17), st.integers(0, 1 << 32))
def test_one_seed_gives_one_order(found, size, seed):
    first, second = draw_batches(found, size, drawn(seed)), draw_batches(found, size, drawn(seed))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


def test_rows_of_a_batch_are_alike_in_length_and_epochs_differ():
    found = np.arange(500) % 50
    first, second = draw_batches(found, 10, drawn((7, 1))), draw_batches(found, 10, drawn((7, 2)))
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in second]
    assert np.mean([np.ptp(found[batch]) for batch in first]) < 5
    longest = [found[batch].max() for batch in first]
    assert longest != sorted(longest)  # long rows do not come at the end of every epoch


def test_beyond_a_pool_rows_are_still_mixed():
    found = np.arange(4 * POOL) % 50
    made = draw_batches(found, 2, drawn(0))
    assert sorted(np.concatenate(made).tolist()) == list(range(4 * POOL))
    assert {found[batch].max() for batch in made[:POOL]} >= {10, 20, 30, 40}


def test_batches_in_order_begin_with_the_longest_rows():
    found = np.array([3, 0, 7, 3, 1])
    assert [batch.tolist() for batch in sort_batches(found, 2)] == [[2, 0], [3, 4], [1]]


def rows_of(found):
    return Rows.of([np.array(row, dtype=np.int32) for row in found], np.arange(len(found)) % 3)


@given(documents, st.data())
def test_a_batch_is_its_rows_padded(found, data):
    chosen = data.draw(st.lists(st.integers(0, len(found) - 1), min_size=1, max_size=6))
    ids, mask, labels = rows_of(found).batch(np.array(chosen))
    width = max(1, *(len(found[row]) for row in chosen))
    assert ids.dtype == labels.dtype == torch.int64
    assert ids.tolist() == [found[row] + [0] * (width - len(found[row])) for row in chosen]
    assert mask.tolist() == [[True] * len(found[row]) + [False] * (width - len(found[row])) for row in chosen]
    assert labels.tolist() == [row % 3 for row in chosen]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.integers(1, 3), st.data())
def test_a_batch_of_vectors_is_its_rows_padded_with_zeros(lengths, dim, data):
    chosen = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6)))
    found = [drawn(i).random((length, dim)) + 1 for i, length in enumerate(lengths)]  # numbers of float64, none zero
    asked = drawn(9).random((len(lengths), 2)).astype(np.float32)
    inputs, mask, targets = Rows.of(found, asked).batch(chosen)
    width = max(1, *(lengths[row] for row in chosen))
    padded = [np.pad(found[row], ((0, width - lengths[row]), (0, 0))) for row in chosen]
    assert (inputs.dtype, mask.dtype, targets.dtype) == (torch.float32, torch.bool, torch.float32)
    assert inputs.shape == (len(chosen), width, dim)
    assert inputs.tolist() == np.float32(padded).tolist()
    assert mask.tolist() == [[True] * lengths[row] + [False] * (width - lengths[row]) for row in chosen]
    assert targets.tolist() == asked[chosen].tolist()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.data())
def test_a_batch_of_tokens_with_several_ids_is_no_wider_than_need_be(lengths, data):
    draw = np.random.default_rng(0)
    pieces = [draw.integers(1, 5) for _ in lengths]
    found = [np.pad(draw.integers(1, 9, (n, p)), ((0, 0), (0, 5 - p))) for n, p in zip(lengths, pieces, strict=True)]
    rows = Rows.of(found, np.zeros(len(lengths), dtype=np.int64))
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=5))
    ids, mask, _ = rows.batch(np.array(chosen))
    widest = max([1, *(pieces[at] for at in chosen if lengths[at])])
    assert ids.dtype == torch.int64
    assert ids.shape == (*mask.shape, widest)
    assert [ids[i, : lengths[at]].tolist() for i, at in enumerate(chosen)] == [
        found[at][:, :widest].tolist() for at in chosen
    ]
    counts = np.bincount(np.concatenate([row.ravel() for row in found]), minlength=9)
    assert rows.count_ids(9).tolist() == counts.tolist()


def test_there_may_be_no_rows():
    rows = Rows.of([], np.zeros(0, dtype=np.int64))
    assert (len(rows), rows.lengths.tolist(), rows.count_ids(3).tolist()) == (0, [], [0, 0, 0])
    assert [part.shape for part in rows.batch(np.zeros(0, dtype=np.int64))] == [(0, 1), (0, 1), (0,)]
    assert sort_batches(rows.lengths, 4) == draw_batches(rows.lengths, 4, drawn(0)) == []


@given(documents, st.integers(0, 15))
def test_the_first_rows_are_rows_of_their_own(found, count):
    first, again = rows_of(found).take(count), rows_of(found[:count])
    assert len(first) == len(again) == min(count, len(found))
    assert first.lengths.tolist() == again.lengths.tolist()
    assert first.count_ids(100).tolist() == again.count_ids(100).tolist()
    for row in range(len(first)):
        assert [part.tolist() for part in first.batch(np.array([row]))] == [
            part.tolist() for part in again.batch(np.array([row]))
        ]


@given(documents)
def test_ids_are_counted(found):
    expected = np.bincount([i for row in found for i in row], minlength=100)
    assert rows_of(found).count_ids(100).tolist() == expected.tolist()


def test_ids_are_counted_over_blocks():
    ids = np.arange(BLOCK + 5, dtype=np.int32) % 7
    rows = Rows(ids, np.array([0, 3, BLOCK + 5]), np.zeros(2, dtype=np.int64))
    assert rows.count_ids(8).tolist() == np.bincount(ids, minlength=8).tolist()


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0, 0.5, 1]))
def test_so_large_a_share_is_of_the_first_corpus(ours, others, begin, end, done):
    first = np.random.default_rng(0).permutation(np.repeat([True, False], [ours, others]))
    found = draw_with_focus(first, (begin, end), done, np.random.default_rng(1))
    assert len(found) == len(first)
    assert first[found].sum() == round((begin + done * (end - begin)) * len(first))
    for kind in (first, ~first):
        times = np.bincount(found, minlength=len(first))[kind]
        assert times.max() - times.min() <= 1  # none again before all have come


@pytest.mark.parametrize("first", [[True, True], [False, False, False], []])
def test_one_corpus_alone_is_all_of_an_epoch(first):
    found = draw_with_focus(np.array(first, dtype=np.bool_), (0.3, 0.3), 0, np.random.default_rng(1))
    assert found.tolist() == list(range(len(first)))


def test_without_a_focus_an_epoch_is_every_row_once():
    assert draw_with_focus(np.array([True, False, False]), (), 0, np.random.default_rng(1)).tolist() == [0, 1, 2]
