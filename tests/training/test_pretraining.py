import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit.errors import SettingError  # noqa: E402
from nlpkit.registry import registry  # noqa: E402
from nlpkit.training.loop import Rows, divergence  # noqa: E402
from nlpkit.training.network import Head, HeadSettings, Network  # noqa: E402
from nlpkit.training.pretraining import PretrainingEpoch, pretrain  # noqa: E402
from nlpkit.training.settings import TrainingSettings  # noqa: E402

pytestmark = pytest.mark.train
DOCUMENTS = [list("甲乙丙丁戊己"), list("丙丁戊己甲乙"), list("戊己甲乙丙丁")] * 20


def network(encoder="lstm", **options):
    torch.manual_seed(0)
    embedding = registry().get("embedding", "trainable").create({"dim": 8})
    vocabulary = embedding.fit(DOCUMENTS, [0] * len(DOCUMENTS))
    made = registry().get("encoder", encoder).create(options, input_dim=8)
    ids = [np.array([vocabulary.tokens.index(t) + 2 for t in d], dtype=np.int32) for d in DOCUMENTS]
    head = Head(HeadSettings(), input_dim=made.output_dim, labels=2)
    return Network(embedding, made, head), Rows(ids, np.zeros(len(ids), dtype=np.int64))


def losses(settings, seed=0):
    made, rows = network(hidden=8)
    return [e.loss for e in pretrain(made, rows, settings, seed) if isinstance(e, PretrainingEpoch)]


def test_what_follows_what_is_learnt():
    found = losses(TrainingSettings(pretrain=6, batch_size=8, pretrain_rate=0.02))
    assert len(found) == 6
    assert found[-1] < found[0] / 2


def test_a_seed_makes_it_the_same():
    settings = TrainingSettings(pretrain=1, batch_size=8)
    assert losses(settings, 1) == losses(settings, 1) != losses(settings, 2)


@pytest.mark.parametrize(
    ("encoder", "options"),
    [("none", {}), ("cnn", {}), ("lstm", {"layers": 2}), ("lstm", {"bidirectional": False})],
)
def test_an_encoder_that_would_see_the_answer_is_refused(encoder, options):
    made, rows = network(encoder, **options)
    with pytest.raises(SettingError, match=r"pretrain wants the encoder lstm with layers=1"):
        next(pretrain(made, rows, TrainingSettings(pretrain=1), 0))


def test_divergence_is_none_between_equals_and_symmetric():
    one, other = torch.randn(5, 3), torch.randn(5, 3)
    assert divergence(one, one).item() == pytest.approx(0)
    assert divergence(one, other).item() == pytest.approx(divergence(other, one).item())
    expected = torch.nn.functional.kl_div(
        one.log_softmax(1), other.log_softmax(1), log_target=True, reduction="batchmean"
    )
    expected += torch.nn.functional.kl_div(
        other.log_softmax(1), one.log_softmax(1), log_target=True, reduction="batchmean"
    )
    assert divergence(one, other).item() == pytest.approx(expected.item() / 2, rel=1e-5)
