from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.model.head_settings import HeadSettings  # noqa: E402
from nlpkit.model.network import Head, Network  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.sentiment.pretraining import Pretraining, pretraining_settings  # noqa: E402
from nlpkit.tasks.sentiment.settings import ClassifierTraining  # noqa: E402
from nlpkit.text.vocabulary import Tokens  # noqa: E402
from nlpkit.training.batching import Rows  # noqa: E402
from nlpkit.training.loop import Epoch, fit  # noqa: E402

pytestmark = pytest.mark.train
DOCUMENTS = [list("甲乙丙丁戊己"), list("丙丁戊己甲乙"), list("戊己甲乙丙丁")] * 20
SETTINGS = ClassifierTraining(pretrain=6, batch_size=8, pretrain_rate=0.02)


def network(encoder="lstm", embedding="trainable", documents=DOCUMENTS, **options):
    """A network over some documents, and these as rows."""
    torch.manual_seed(0)
    chosen = {"dim": 8} if embedding == "trainable" else {"dim": 8, "bits": 8}
    made = registry().get("embedding", embedding).create(chosen)
    targets = [i % 2 for i in range(len(documents))]
    vocabulary = made.fit(documents, targets)
    after = registry().get("encoder", encoder).create(options, input_dim=8)
    head = Head(HeadSettings(), input_dim=after.output_dim, labels=2)
    ids = vocabulary.encode(Tokens.of(documents)).rows()
    return Network(made, after, head), Rows.of(ids, torch.tensor(targets).numpy())


def epochs(settings, seed=0, encoder="lstm", documents=DOCUMENTS):
    made, rows = network(encoder, documents=documents, hidden=8)
    model = Pretraining(made, rows, settings.batch_size)
    return [e for e in fit(model, pretraining_settings(settings), seed) if isinstance(e, Epoch)]


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
def test_what_follows_what_is_learnt(encoder):
    found = epochs(SETTINGS, encoder=encoder)
    assert len(found) == 6
    assert found[-1].train_loss < found[0].train_loss / 2


def test_nothing_judges_a_language_model_so_every_epoch_is_kept():
    found = epochs(SETTINGS)
    assert all(e.best for e in found)
    assert all(e.train_accuracy is e.validation_loss is e.validation_accuracy is None for e in found)


def test_a_seed_makes_it_the_same():
    def losses(seed):
        return [e.train_loss for e in epochs(replace(SETTINGS, pretrain=1), seed)]

    assert losses(1) == losses(1) != losses(2)


def test_the_classifier_starts_from_what_was_learnt():
    made, rows = network(hidden=8)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    list(fit(Pretraining(made, rows, 8), pretraining_settings(SETTINGS), 0))
    changed = {name for name, tensor in made.state_dict().items() if not torch.equal(tensor, before[name])}
    assert any(name.startswith("embedding.") for name in changed)
    assert any(name.startswith("encoder.") for name in changed)
    assert not any(name.startswith("head.") for name in changed)


@pytest.mark.parametrize("documents", [[["甲"], ["乙"], []] * 8, [["甲", "乙"], []] * 8])
def test_documents_too_short_to_tell_anything(documents):
    assert all(0 <= e.train_loss < 100 for e in epochs(replace(SETTINGS, pretrain=1), documents=documents))


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("none", {}),
        ("cnn", {}),
        ("lstm", {"layers": 2}),
        ("lstm", {"bidirectional": False}),
        ("gru", {"norm": "batch"}),
    ],
)
def test_an_encoder_that_would_see_the_answer_is_refused(encoder, options):
    made, rows = network(encoder, **options)
    with pytest.raises(SettingError, match=r"pretrain wants a recurrent encoder with layers=1"):
        Pretraining(made, rows, 8)


def test_its_settings_are_its_own():
    made = pretraining_settings(replace(SETTINGS, epochs=9, learning_rate=0.5, optimizer="sgd", clip=0.3))
    assert (made.epochs, made.learning_rate, made.optimizer, made.clip) == (6, 0.02, "adamw", 0.3)
