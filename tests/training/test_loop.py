import copy
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.errors import NlpkitError  # noqa: E402
from nlpkit.training.loop import Epoch, Rows, Step, batches, evaluate, fit, logits_of, rate  # noqa: E402
from nlpkit.training.settings import TrainingSettings  # noqa: E402

pytestmark = pytest.mark.train


class Bag(torch.nn.Module):
    """A mean of vectors as logits."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(10, 2)

    def forward(self, ids, mask):
        vectors = self.table(ids) * mask[:, :, None]
        return vectors.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def rows(seed, flipped=False, count=80):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, count)
    ids = [draw.integers(2, 6, draw.integers(1, 9)) + 4 * label for label in labels]
    return Rows(ids, (1 - labels if flipped else labels).astype(np.int64))


def bag():
    torch.manual_seed(3)
    return Bag()


SETTINGS = TrainingSettings(epochs=6, batch_size=16, learning_rate=0.1, patience=2)


def test_a_run_learns_and_reports():
    network = bag()
    events = list(fit(network, rows(1), rows(2), SETTINGS, seed=0))
    epochs = [e for e in events if isinstance(e, Epoch)]
    steps = [e for e in events if isinstance(e, Step)]
    assert [s.step for s in steps[:5]] == [1, 2, 3, 4, 5]
    assert sum(s.rows for s in steps if s.epoch == 1) == 80
    assert epochs[-1].validation_loss < epochs[0].validation_loss
    assert evaluate(network, rows(2), 16)[1] == 1.0


def test_early_stopping_keeps_the_best_weights():
    network, best = bag(), None
    epochs = []
    for event in fit(network, rows(1), rows(2, flipped=True), SETTINGS, seed=0):
        if isinstance(event, Epoch):
            epochs.append(event)
            if event.best:
                best = copy.deepcopy(network.state_dict())
    assert [e.best for e in epochs] == [True, False, False]  # the validation rows contradict: each epoch is worse
    assert torch.equal(network.state_dict()["table.weight"], best["table.weight"])
    assert evaluate(network, rows(2, flipped=True), 16)[0] == pytest.approx(epochs[0].validation_loss)


def test_a_seed_gives_the_same_weights_and_another_gives_others():
    found = []
    for seed in (0, 0, 1):
        network = bag()
        list(fit(network, rows(1), rows(2), SETTINGS, seed=seed))
        found.append(network.table.weight.detach().numpy().tobytes())
    assert found[0] == found[1] != found[2]


def test_a_loss_that_is_no_number_stops_with_a_remedy():
    network = bag()
    with torch.no_grad():
        network.table.weight[2:] = float("inf")
    with pytest.raises(NlpkitError, match=r"epoch 1, step 1: lower training\.learning_rate"):
        list(fit(network, rows(1), rows(2), SETTINGS, seed=0))


lengths = st.lists(st.integers(0, 30), max_size=200)


@given(lengths, st.integers(1, 17), st.integers())
def test_each_row_is_in_one_batch(found, size, seed):
    made = list(batches([np.zeros(n, dtype=np.int64) for n in found], size, random.Random(seed)))
    assert sorted(row for batch in made for row in batch) == list(range(len(found)))
    assert all(0 < len(batch) <= size for batch in made)


def test_rows_of_a_batch_are_alike_in_length_and_epochs_differ():
    ids = [np.zeros(n % 50, dtype=np.int64) for n in range(500)]
    shuffle = random.Random(0)
    first, second = list(batches(ids, 10, shuffle)), list(batches(ids, 10, shuffle))
    assert first != second
    spread = [max(len(ids[r]) for r in batch) - min(len(ids[r]) for r in batch) for batch in first]
    assert sum(spread) / len(spread) < 5


def test_logits_stand_in_the_order_of_the_rows():
    network, found = bag().train(), rows(1)
    together = logits_of(network, found, 7)
    alone = torch.cat([logits_of(network, Rows([ids], found.labels[:1])) for ids in found.ids])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_rates_rise_then_fall(schedule):
    factor = rate(TrainingSettings(schedule=schedule, warmup=0.1), 100)
    rising = [factor(step) for step in range(10)]
    falling = [factor(step) for step in range(10, 101)]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 1
    assert falling[-1] == pytest.approx(1 if schedule == "constant" else 0)
