"""What training a cloze network minimises: how rows are cut, dealt out, asked about, and judged."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END  # noqa: E402
from nlpkit.tasks.cloze.objective import (  # noqa: E402
    FIRST,
    NONE,
    Pieces,
    WordPrediction,
    make_batches,
)
from nlpkit.tasks.cloze.settings import ClozeHead, ClozeTraining  # noqa: E402
from nlpkit.text.vocabulary import PAD, UNKNOWN  # noqa: E402
from nlpkit.training.loop import Epoch, fit  # noqa: E402
from tests.tasks.cloze.networks import ANSWERS, OUTPUTS, TOKENS, described, encoders, network  # noqa: E402

pytestmark = pytest.mark.train
SETTINGS = ClozeTraining(epochs=4, batch_tokens=64, learning_rate=0.02)


def pieces(rows, longest=64, corpora=None):
    """Rows of ids of `TOKENS`, of which the first are answers, as pieces."""
    flat = np.array([i for row in rows for i in row], dtype=np.int32)
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    answers = np.where(flat < len(ANSWERS) + FIRST, flat, UNKNOWN).astype(np.int32)
    corpora = np.zeros(len(rows), np.int32) if corpora is None else np.array(corpora, np.int32)
    return Pieces.cut(flat, answers, starts, corpora, longest)


ids = st.integers(UNKNOWN, len(TOKENS) + 1)
rows = st.lists(st.lists(ids, max_size=12), min_size=1, max_size=8)


# Pieces


@given(rows, st.integers(2, 5))
def test_every_word_is_a_target_once_and_sees_what_stands_beside_it(found, longest):
    cut = pieces(found, longest)
    marked = [[BEGIN, *row, END] for row in found]
    targets = Counter()
    for begin, end, row in cut.spans.tolist():
        assert 0 < end - begin <= longest
        ((shown, mask, answers),) = [tuple(t[0].tolist() for t in cut.batch(np.array([len(targets)]))) for _ in "x"]
        first = begin - int(cut.rows[row])
        assert shown == marked[row][first : first + end - begin + 2]  # with the words, or marks, on both sides
        assert all(mask)
        expected = [i - FIRST if FIRST <= i < FIRST + len(ANSWERS) else NONE for i in shown]
        assert answers == [NONE, *expected[1:-1], NONE]
        targets[begin, end] += 1
    assert set(targets.values()) <= {1}
    asked = Counter(at for begin, end in targets for at in range(begin, end))
    flat = [i for row in found for i in row]
    assert set(asked.values()) <= {1}
    assert all(at in asked for at, i in enumerate(flat) if FIRST <= i < FIRST + len(ANSWERS))


@given(rows.filter(lambda found: any(i >= FIRST and i < FIRST + len(ANSWERS) for row in found for i in row)))
def test_a_batch_is_its_pieces_padded(found):
    cut = pieces(found, 4)
    shown, mask, answers = cut.batch(np.arange(len(cut.spans)))
    assert mask.sum(1).tolist() == (cut.lengths + 2).tolist()
    assert shown[~mask].eq(PAD).all()
    assert answers[~mask].eq(NONE).all()
    for number in range(len(cut.spans)):
        alone = cut.batch(np.array([number]))
        for whole, part in zip((shown, mask, answers), alone, strict=True):
            assert torch.equal(whole[number, : part.shape[1]], part[0])


def test_what_no_answer_stands_in_teaches_nothing_and_is_left_out():
    cut = pieces([[8, 9], [], [2, 8, 9, 9, 8, 3], [UNKNOWN]], longest=2)
    assert cut.spans.tolist() == [[2, 4, 2], [6, 8, 2]]
    assert pieces([[8], []]).spans.tolist() == []
    assert pieces([[]]).spans.tolist() == []


def test_pieces_of_the_first_corpus():
    cut = pieces([[2, 3], [4], [2, 2, 2]], longest=2, corpora=[0, 1, 0])
    assert cut.of_first_corpus().spans[:, 2].tolist() == [0, 2, 2]


# Batches


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 80), st.integers(0, 9), st.data())
def test_every_piece_that_is_chosen_comes_once_in_batches_that_are_full(lengths, size, seed, data):
    lengths = np.array(lengths)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=90)))
    found = make_batches(lengths, chosen, size, np.random.default_rng(seed))
    assert sorted(itertools.chain.from_iterable(found)) == sorted(chosen)
    sizes = [len(batch) * (int(lengths[batch].max()) + 2) for batch in found]
    assert all(len(batch) == 1 or whole <= size for batch, whole in zip(found, sizes, strict=True))
    again = make_batches(lengths, chosen, size, np.random.default_rng(seed))
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in found]


def test_pieces_of_one_length_stand_together():
    lengths = np.random.default_rng(0).integers(1, 30, 2000)
    found = make_batches(lengths, np.arange(2000), 512, np.random.default_rng(1))
    padding = sum(int((lengths[batch].max() - lengths[batch]).sum()) for batch in found)
    assert padding < 0.05 * lengths.sum()
    widths = [int(lengths[batch].max()) for batch in found]
    assert widths != sorted(widths)  # but the batches come in any order


def test_the_share_goes_from_the_first_to_the_last():
    train = pieces([[2, 3, 4]] * 100, corpora=[0] * 20 + [1] * 80)
    objective = WordPrediction(network(), train, train, replace(SETTINGS, epochs=3, focus=(0.1, 0.9)), np.ones(5))
    shares = [
        np.mean([i < 20 for batch in objective.batches(epoch, np.random.default_rng(epoch)) for i in batch])
        for epoch in (1, 2, 3)
    ]
    assert shares == pytest.approx([0.1, 0.5, 0.9])


# Losses

DRAW = np.random.default_rng(0)
PAIRS = [[2 + a, 2 + (a + 1) % 4, 7 + int(DRAW.integers(3))] for a in DRAW.integers(0, 4, 120)]  # a word tells the next


def objective(*arguments, settings=SETTINGS, kept=None, **options):
    made = network(*arguments, head=ClozeHead(hidden=(12,), dropout=0, neighbours=False), **options)
    return WordPrediction(
        made, pieces(PAIRS[:100]), pieces(PAIRS[100:]), settings, np.ones(5) if kept is None else kept
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoder",
    [
        ("lstm", {"hidden": 8, "bidirectional": False}),
        ("gru", {"hidden": 8, "bidirectional": True}),
        ("cnn", {"filters": 16, "widths": [3]}),
        ("none", {}),
    ],
    ids=described,
)
def test_words_are_learnt_from_those_around_them(encoder):
    learning = objective(*encoder, settings=replace(SETTINGS, epochs=25, learning_rate=0.05, blanked=0.0))
    found = [e for e in fit(learning, learning._settings, 0) if isinstance(e, Epoch)]
    assert found[0].validation_loss > 2 * found[-1].validation_loss
    assert found[-1].validation_accuracy > 0.95


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("encoder", encoders(), ids=described)
def test_bfloat16_is_nearly_the_same(encoder, output):
    gradients = []
    for precision in ("float32", "bfloat16"):
        made = objective(*encoder, output=output, settings=replace(SETTINGS, precision=precision))
        made.batches(SETTINGS.epochs, np.random.default_rng(0))
        torch.manual_seed(2)
        loss, _ = made.loss(np.arange(20))
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in made.module.parameters() if p.grad is not None]))
    whole, rounded = gradients
    assert torch.linalg.norm(whole - rounded) < 0.05 * torch.linalg.norm(whole)


def test_the_last_epochs_are_over_all_words():
    made = objective(settings=replace(SETTINGS, exact_epochs=2, blanked=0.0))
    losses = {}
    for epoch in (2, 3, 4):
        made.batches(epoch, np.random.default_rng(0))
        losses[epoch] = {round(made.loss(np.arange(20))[0].item(), 6) for _ in range(4)}
    assert [len(losses[epoch]) > 1 for epoch in (2, 3, 4)] == [True, False, False]  # what is drawn differs


def test_an_answer_that_is_not_kept_is_not_asked_for():
    kept = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    made = objective(settings=replace(SETTINGS, exact_epochs=4, blanked=0.0), kept=kept)
    made.batches(4, np.random.default_rng(0))
    chosen = np.arange(20)
    ids_, mask, answers = made._train.batch(chosen)
    with torch.no_grad():
        features = made.module.features(ids_, mask, answers == 0)
        expected = made.module.output.loss(features, answers[answers == 0], exact=True)
        assert made.loss(chosen)[0].item() == pytest.approx(expected.item(), abs=1e-6)
        none = objective(settings=replace(SETTINGS, exact_epochs=4), kept=np.zeros(5))
        assert np.isfinite(none.loss(chosen)[0].item())  # then all are


def test_words_of_the_context_may_be_blanks_but_never_marks():
    seen = []
    made = objective("none", {}, settings=replace(SETTINGS, blanked=0.5))
    features = made.module.features
    made.module.features = lambda *shown: seen.append(shown[0]) or features(*shown)
    made.batches(1, np.random.default_rng(0))
    for _ in range(20):
        made.loss(np.arange(20))
    shown = torch.stack(seen)
    assert shown[:, :, 0].eq(BEGIN).all()
    assert shown[:, :, -1].eq(END).all()
    assert shown[:, :, 1:-1].eq(BLANK).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_validation_is_what_the_decoder_says():
    made = objective(output="binary-codes")
    found = made.validate()
    logits, answers = (np.concatenate(parts) for parts in zip(*made.predict(10**6), strict=True))
    assert len(answers) == sum(2 <= i < 7 for row in PAIRS[100:] for i in row)
    assert logits.shape == (len(answers), 5)
    likely = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(answers)).item()
    assert found.loss == pytest.approx(likely, abs=1e-5)
    assert found.accuracy == np.mean(logits.argmax(1) == answers)
    assert sum(len(some) for _, some in made.predict(1)) < len(answers) // 2


@pytest.mark.parametrize("limit", [20, 55, 70, 119, 1000])
def test_what_is_judged_lies_evenly_between_the_rows(limit):
    rows = [[FIRST + at // 6] * 4 for at in range(6 * len(ANSWERS))]  # as corpora follow each other
    made = WordPrediction(objective().module, pieces(rows), pieces(rows), SETTINGS, np.ones(len(ANSWERS)))
    found = np.concatenate([answers for _, answers in made.predict(limit)])
    assert min(limit, 120) <= len(found) < limit + 4
    times = np.bincount(found, minlength=len(ANSWERS))
    assert times.max() - times.min() <= 4


@pytest.mark.parametrize("factor", [3, 11])
def test_validation_does_not_mind_how_sure_a_network_is(factor):
    made = objective(output="binary-codes")
    expected = made.validate()
    with torch.no_grad():
        for part in made.module.output.projection.parameters():
            part *= factor
        made.module.output.bias *= factor
    found = made.validate()
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss, rel=0.01)
