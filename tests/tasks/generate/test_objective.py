"""What training a language model minimises: streams of documents, a state that is carried, what is judged."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.tasks.generate.objective import Documents, Streams, TokenPrediction, keep_together  # noqa: E402
from nlpkit.tasks.generate.settings import StreamTraining  # noqa: E402
from nlpkit.text.vocabulary import UNKNOWN  # noqa: E402
from nlpkit.training.checkpoint import Checkpoint  # noqa: E402
from nlpkit.training.devices import work_on  # noqa: E402
from nlpkit.training.loop import Epoch, Step, fit  # noqa: E402
from tests.tasks.generate.test_network import SIZE, language_model  # noqa: E402

pytestmark = pytest.mark.train
SETTINGS = StreamTraining(epochs=3, streams=2, span=5, learning_rate=0.02)
ROWS = [[2 + (i + j) % 6 for j in range(3 + i % 4)] + [8] for i in range(40)]  # each token tells the next


def documents(rows, corpora=None):
    flat = np.array([i for row in rows for i in row], dtype=np.int32)
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Documents(flat, starts, np.array(corpora or [0] * len(rows), dtype=np.int32))


def objective(settings=SETTINGS, *, rows=ROWS, corpora=None, rare=(), **network):
    seen_once = np.isin(np.arange(SIZE), list(rare))
    train, validation = documents(rows, corpora), documents(ROWS[:10])
    return TokenPrediction(language_model(**network), train, validation, settings, seen_once)


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
def test_a_step_is_computed_where_the_network_is(monkeypatch, encoder):
    """The device ``meta``, which computes shapes alone and knows no autocast, stands in for a GPU."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    made, meta = objective(rare=[3], encoder=encoder), torch.device("meta")
    made.module.to(meta)
    for begins in made.batches(1, np.random.default_rng(0)):
        with work_on(meta):
            loss, _ = made.loss(begins)
        loss.backward()
    assert loss.device == meta
    assert {p.grad.device for p in made.module.parameters() if p.grad is not None} == {meta}


@given(
    st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=7), min_size=1, max_size=9),
    st.integers(1, 4),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_streams_hold_each_token_once_and_what_follows_it(rows, count, span, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    flat = [i for at in order for i in rows[at]]
    if len(flat) < 2 * count:
        return
    streams = Streams(documents(rows), np.array(order), count, span)
    read = [streams.read(begins) for begins in streams]
    ids, targets = (torch.cat(parts, 1).tolist() for parts in zip(*read, strict=True))
    length = len(flat) // count
    for number in range(count):
        own = flat[number * length : (number + 1) * length]
        assert ids[number] == own[:-1]
        assert targets[number] == own[1:]
    assert [streams.first(begins) for begins in streams] == [step == 0 for step in range(len(streams))]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.sets(st.integers(0, 2)), st.data())
def test_texts_that_follow_each_other_are_not_shuffled(corpora, continuous, data):
    """Nor are they parted, whatever order others are in and however often a focus shows them."""
    corpora = np.array(corpora, dtype=np.int32)
    order = np.array(data.draw(st.lists(st.integers(0, len(corpora) - 1), min_size=1, max_size=30)), dtype=np.int64)
    rows = documents([[2]] * len(corpora), corpora.tolist())
    assert keep_together(order, rows) is order
    found = keep_together(order, replace(rows, ordered=np.isin(corpora, list(continuous))))
    assert sorted(found) == sorted(order)
    loose = ~np.isin(corpora[found], list(continuous))
    assert found[loose].tolist() == order[~np.isin(corpora[order], list(continuous))].tolist()
    for corpus in continuous & set(corpora[order].tolist()):
        own = np.flatnonzero(corpora[found] == corpus)
        assert own.tolist() == list(range(own[0], own[-1] + 1))
        if len(set(found[own].tolist())) == len(own):
            assert found[own].tolist() == sorted(found[own].tolist())


def test_a_state_goes_on_from_span_to_span_and_begins_anew_in_each_epoch():
    made = objective(replace(SETTINGS, shuffle=False))
    made.module.eval()
    spans = made.batches(1, np.random.default_rng(0))
    losses = [made.loss(begins)[0].item() for begins in spans]
    whole, targets = (torch.cat(parts, 1) for parts in zip(*(spans.read(begins) for begins in spans), strict=True))
    network = made.module.network
    with torch.inference_mode():
        features, _ = network.features(whole, None)
        expected = [
            network.output.loss(f.flatten(0, 1), t.flatten() - UNKNOWN, exact=True).item()
            for f, t in zip(features.split(5, 1), targets.split(5, 1), strict=True)
        ]
    assert losses == pytest.approx(expected, abs=1e-5)
    assert made.loss(spans[0])[0].item() == pytest.approx(losses[0], abs=1e-6)


def test_a_network_learns_what_follows():
    found = [
        e for e in fit(objective(replace(SETTINGS, epochs=15)), replace(SETTINGS, epochs=15), 0) if isinstance(e, Epoch)
    ]
    assert found[-1].validation_loss < 0.6 * found[0].validation_loss
    assert found[-1].validation_accuracy > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("broken", [1, 4, 9, 20])
def test_a_run_that_is_broken_off_comes_to_the_same_weights(tmp_path, broken, precision):
    chosen = replace(SETTINGS, focus=(0.3, 0.7), precision=precision)
    corpora = [i % 2 for i in range(len(ROWS))]

    def made():
        return objective(chosen, corpora=corpora, rare=[3])

    whole = made()
    list(fit(whole, chosen, 0))
    first = fit(made(), chosen, 0, Checkpoint(tmp_path / "state"))
    for _ in zip(range(broken), (event for event in first if isinstance(event, Step)), strict=False):
        pass
    first.close()
    again = made()
    list(fit(again, chosen, 0, Checkpoint(tmp_path / "state")))
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name]), name


def test_the_first_corpus_comes_as_often_as_it_is_due_and_judges():
    rows = [[2, 2, 8]] * 30 + [[3, 3, 8]] * 10
    made = objective(replace(SETTINGS, focus=(0.0, 1.0)), rows=rows, corpora=[0] * 30 + [1] * 10)
    seen = {}
    for epoch in (1, 2, 3):
        spans = made.batches(epoch, np.random.default_rng(epoch))
        ids = torch.cat([spans.read(begins)[0].flatten() for begins in spans])
        seen[epoch] = ((ids == 2).sum() / ((ids == 2) | (ids == 3)).sum()).item()
    assert seen[1] == 0
    assert seen[2] == pytest.approx(0.5, abs=0.06)
    assert seen[3] == 1


def test_what_was_seen_once_teaches_what_is_unknown():
    made = objective(rare=[4])
    spans = made.batches(1, np.random.default_rng(0))
    asked = []
    made.module.network.output.loss = lambda features, targets, **_: asked.append(targets) or features.sum()
    for begins in spans:
        made.loss(begins)
    targets = torch.cat(asked) + UNKNOWN
    share = (targets == UNKNOWN).sum() / ((targets == UNKNOWN) | (targets == 4)).sum()
    assert 0.2 < share < 0.8
