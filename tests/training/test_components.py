"""Which components go together: what does is trained, saved, scored and exported; what does not is told why.

All components of ours take part, those of plugins where these are installed. Each tokenizer, embedding and encoder are
trained together for a step. Whole runs, of which the export takes longest, are of each tokenizer with each embedding,
of each encoder, and of each embedding with one: an encoder sees nothing of an embedding but vectors, and that nothing
of a tokenizer but ids. Those of recurrent encoders that fill blanks or write are in `test_cloze` and `test_generation`.
"""

import importlib.util
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import PluginError, SettingError  # noqa: E402
from nlpkit.model.head_settings import HeadSettings  # noqa: E402
from nlpkit.plugins.registry import ELSEWHERE, registry  # noqa: E402
from nlpkit.tasks.cloze.run import ClozeRun  # noqa: E402
from nlpkit.tasks.cloze.task import CLOZE  # noqa: E402
from nlpkit.tasks.generate.run import GenerationRun  # noqa: E402
from nlpkit.tasks.generate.task import GENERATE  # noqa: E402
from nlpkit.tasks.sentiment.run import SentimentRun  # noqa: E402
from nlpkit.tasks.sentiment.task import SENTIMENT  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.training.components import check_causal, check_encoder, make_component  # noqa: E402
from nlpkit.training.dry_run import drain  # noqa: E402
from nlpkit.training.events import MemberExported, MemberStarted  # noqa: E402
from nlpkit.training.loop import Step  # noqa: E402
from nlpkit.training.member import prepare_member  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from nlpkit.training.storage import StoredCorpus, store_corpus  # noqa: E402
from tests.training.runs import the  # noqa: E402

pytestmark = pytest.mark.train
TINY_BERT = Path(__file__).resolve().parents[2] / "plugins" / "nlpkit-zh-bert" / "tests" / "tiny_bert.py"
SMALL = {"dim": 8, "hidden": 4, "filters": 2, "heads": 2, "window": 4, "min_count": 1, "layers": 1, "epochs": 1}
SLOW = ("jieba",)  # half a second each time that one is made, and a run makes five
RECURRENT = ("rnn", "lstm", "gru")
TRAINING = {"epochs": 1, "learning_rate": 0.02}
MADE_OF_A_MODEL = {"wordpiece": {"longest": 64}, "bert": {}}
PIECES = {"wordpiece": "bert", "e5-pieces": "e5"}  # tokenizers, and the embedding that each is of
ODD = ["这 手机 很好 。", "", "🎧"]


def ours(kind):
    """Names of a kind that come with nlpkit and its plugins, be these installed or not."""
    here = {name for name in registry().names(kind) if registry().get(kind, name).distribution.startswith("nlpkit-zh")}
    return sorted(here | {name for of, name in ELSEWHERE if of == kind})


def go_together(tokenizer, embedding, encoder="none"):
    """Whether a composition makes sense."""
    if embedding == "ngrams":
        return tokenizer not in PIECES and encoder == "none"
    if tokenizer in PIECES:
        return embedding in (PIECES[tokenizer], "trainable")
    return embedding not in PIECES.values()


TOKENIZERS, EMBEDDINGS, ENCODERS = (ours(kind) for kind in ("tokenizer", "embedding", "encoder"))
PAIRS = [(tokenizer, embedding) for tokenizer in TOKENIZERS for embedding in EMBEDDINGS]
ALL = [(*pair, encoder) for pair in PAIRS for encoder in ENCODERS]
GOOD = [chosen for chosen in ALL if go_together(*chosen)]
BAD = [
    *((*pair, "gru") for pair in PAIRS if not go_together(*pair)),
    *(("char", "ngrams", encoder) for encoder in ENCODERS if encoder != "none"),
]
WHOLE = [
    *((*pair, "none") for pair in PAIRS if go_together(*pair) and pair[0] not in SLOW),
    *((tokenizer, "trainable", "none") for tokenizer in SLOW),
    *(("char", "trainable", encoder) for encoder in ENCODERS if encoder != "none"),
    *(
        ("char", embedding, "gru")
        for embedding in EMBEDDINGS
        if embedding not in ("trainable", "ngrams", *PIECES.values())
    ),
    ("wordpiece", "bert", "gru"),
    ("e5-pieces", "e5", "gru"),
]
together = "-".join  # of which a test's name is made


@pytest.fixture(scope="module")
def rows():
    """48 short reviews, half of each label, with spaces between their words."""
    things, good, bad = ("手机", "衣服", "酒店", "外卖"), ("很好", "不错", "喜欢"), ("太差", "失望", "慢")
    words = ((thing, word, label) for thing in things for words, label in ((good, "1"), (bad, "0")) for word in words)
    return [Example(f"{whose} {t} {w} 。", label, "shop") for t, w, label in words for whose in ("这", "我 的")]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Drawing one would take longer than the training."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a tiny BERT, as the tests of its plugin make it."""
    pytest.importorskip("transformers")
    spec = importlib.util.spec_from_file_location("tiny_bert", TINY_BERT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_bert(tmp_path_factory.mktemp("bert") / "tiny")


def small(kind, name, folder):
    """A component with few numbers, whatever it calls them; the test is skipped where its plugin is not installed."""
    if name not in registry().names(kind):
        pytest.skip(f"{ELSEWHERE[kind, name]} is not installed")
    known = registry().get(kind, name).options()
    made = {"name": name} | {option: value for option, value in SMALL.items() if option in known}
    return made | MADE_OF_A_MODEL[name] | {"model": str(folder())} if name in MADE_OF_A_MODEL else made


@pytest.fixture
def composed(request):
    """Settings of a model of one composition."""

    def make_settings(tokenizer, embedding, encoder):
        parts = {"tokenizer": tokenizer, "embedding": embedding, "encoder": encoder}
        chosen = {kind: small(kind, name, partial(request.getfixturevalue, "bert")) for kind, name in parts.items()}
        made = {"name": "m", "head": {"pooling": "mean"}, "training": TRAINING | {"batch_size": 16}, **chosen}
        return SentimentRun.shape().make_settings({"members": [made]})

    return make_settings


@pytest.fixture(scope="module")
def stored(rows, tmp_path_factory):
    """The rows, stored and split."""
    folder = tmp_path_factory.mktemp("rows") / "corpus"
    for _ in store_corpus(rows, folder, test=0.2, validation=0.2):
        pass
    return StoredCorpus(folder)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", GOOD, ids=together)
def test_what_goes_together_is_trained_and_comes_back_from_its_files(tmp_path, stored, composed, chosen):
    made = composed(*chosen)

    def opened():
        member = SentimentRun(SENTIMENT, made).make_member(0, stored)
        drain(prepare_member(member, tmp_path), [])
        return member

    member = opened()
    ids, mask, targets = member.rows["train"].batch(np.arange(16))
    network = member.network.train()
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.SGD((p for p in network.parameters() if p.requires_grad), 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(ids, mask), targets).backward()
        optimizer.step()
    for part in ("embedding", "encoder", "head"):
        own = {name: p for name, p in network.named_parameters() if name.startswith(part)}
        learns = any(p.requires_grad for p in own.values())
        assert any(not torch.equal(before[name], p) for name, p in own.items()) == learns
    member.keep(tmp_path / "members" / member.name, network, member.vocabulary, member.entry)
    again = opened().network
    with torch.inference_mode():
        assert torch.equal(again.eval()(ids, mask), network.eval()(ids, mask))


@pytest.mark.slow
@pytest.mark.parametrize("chosen", WHOLE, ids=together)
def test_a_whole_run_saves_a_model_that_scores_without_torch(tmp_path, rows, composed, chosen):
    events = list(train(SENTIMENT, rows, composed(*chosen), tmp_path / "m"))
    assert len(the(Step, events)) == 3
    (exported,) = the(MemberExported, events)
    assert exported.runtime == ("table" if chosen[2] == "none" and chosen[1] not in PIECES.values() else "graph")
    assert exported.difference < 1e-4
    model = nlpkit.load(tmp_path / "m")
    assert model.check() == []
    assert [score.label for score in model.score(ODD)] == [model.score([text])[0].label for text in ODD]


@pytest.mark.parametrize("chosen", BAD, ids=together)
def test_what_does_not_go_together_is_refused_by_a_sentence_that_says_what_does(composed, chosen):
    made, (tokenizer, embedding, encoder) = composed(*chosen), chosen
    with pytest.raises(SettingError) as refused:
        SentimentRun(SENTIMENT, made).rehearse()
    (sentence,) = str(refused.value).splitlines()
    wrong = ["ngrams", encoder, "none"] if go_together(tokenizer, embedding) else [tokenizer, embedding]
    assert all(name in sentence for name in wrong)
    assert wrong == ["ngrams", encoder, "none"] or any(t in sentence and e in sentence for t, e in PIECES.items())


MENDED_BY = {
    **dict.fromkeys(RECURRENT, "set encoder.bidirectional=false"),
    "transformer": "set encoder.causal=true",
    "cnn": r"choose another, such as lstm \(or say causal = True, if it is\)",
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_that_sees_what_comes_after_is_told_how_it_would_not(encoder):
    made = make_component("encoder", small("encoder", encoder, None), input_dim=8)
    if encoder not in MENDED_BY:
        assert check_causal(made, 8) is None
        return
    with pytest.raises(SettingError, match=f"^the encoder {encoder} sees what comes after.*: {MENDED_BY[encoder]}$"):
        check_causal(made, 8)
    if MENDED_BY[encoder].startswith("set "):
        option, value = MENDED_BY[encoder].removeprefix("set encoder.").split("=")
        told = {option: value == "true"}
        check_causal(make_component("encoder", small("encoder", encoder, None) | told, input_dim=8), 8)


def test_an_encoder_is_not_believed_that_it_is_causal():
    made = make_component("encoder", {"name": "cnn", "widths": [3]}, input_dim=3)
    made.instance.causal = True  # half of what it reads is yet to come
    with pytest.raises(PluginError, match=r"the encoder 'cnn' of .* says causal = True, but its first state changes"):
        check_causal(made, 3)


def test_states_that_are_no_numbers_are_told_before_anything_is_learnt():
    made = make_component("encoder", {"name": "gru", "hidden": 4}, input_dim=3)
    torch.nn.init.constant_(made.instance.forwards[0].bias_hh_l0, torch.nan)
    with pytest.raises(PluginError, match=r"the encoder 'gru' of .* returns states that are no numbers"):
        check_encoder(made, torch.zeros(2, 3, 3))


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_a_head_that_normalises_its_units_is_exported(tmp_path, rows, composed, norm):
    made = composed("char", "trainable", "none")
    (member,) = made.members
    chosen = replace(made, members=(replace(member, head=HeadSettings(pooling="mean", hidden=4, norm=norm)),))
    events = list(train(SENTIMENT, rows, chosen, tmp_path / "m"))
    (exported,) = the(MemberExported, events)
    assert (exported.runtime, exported.difference < 1e-4) == ("graph", True)
    assert nlpkit.load(tmp_path / "m").check() == []


FILLING = {
    "tokenizer": {"name": "whitespace"},
    "answers": {"min_count": 1},
    "validation": 0.2,
    "network": {
        "embedding": {"name": "trainable", "dim": 8, "min_count": 1},
        "encoder": {"name": "none"},
        "output": {"name": "softmax", "dim": 8},
        "head": {"hidden": [8]},
        "training": TRAINING | {"batch_tokens": 96},
    },
}
WRITING = {
    "validation": 0.2,
    "ngrams": {"order": 0},
    "network": {
        "embedding": {"name": "trainable", "dim": 8, "min_count": 1},
        "encoder": {"name": "none"},
        "output": {"name": "softmax", "dim": 8},
        "training": TRAINING | {"streams": 8, "span": 8},
    },
}
BOTH_WAYS = ("none", "transformer", "srn")  # they fill blanks so; others see a mark


def one_way(run, tables, encoder, *assignments):
    """Settings with a small encoder, chosen as ``--encoder`` chooses it."""
    shape = run.shape()
    more = [f"encoder.{k}={v}" for k, v in small("encoder", encoder, None).items() if k != "name"]
    return shape.make_settings(shape.assign(shape.choose(tables, {"encoder": encoder}), [*more, *assignments]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        *((name, []) for name in ENCODERS if name not in RECURRENT),
        ("transformer", ["encoder.causal=false"]),
    ],
    ids=str,
)
def test_blanks_are_filled_with_any_encoder(tmp_path, rows, encoder, told):
    made = one_way(ClozeRun, FILLING, encoder, *told)
    events = list(train(CLOZE, rows, made, tmp_path / "m", samples=["这 __ 很好"]))
    (started,), (exported,) = the(MemberStarted, events), the(MemberExported, events)
    assert ("both ways" if encoder in BOTH_WAYS and not told else "masked") in started.composition
    assert (exported.runtime, exported.difference < 1e-4) == ("graph", True)
    assert nlpkit.load(tmp_path / "m").check() == []


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [name for name in BOTH_WAYS if name != "none"])
def test_text_is_written_with_an_encoder_that_carries_a_state(tmp_path, rows, encoder):
    made = one_way(GenerationRun, WRITING, encoder)
    events = list(train(GENERATE, rows, made, tmp_path / "m", samples=["这"]))
    (exported,) = the(MemberExported, events)
    assert (exported.runtime, exported.difference < 1e-4) == ("graph", True)
    assert nlpkit.load(tmp_path / "m").check() == []


@pytest.mark.parametrize(
    ("encoder", "told", "sentence"),
    [
        ("none", [], "carries no state from one step to the next: choose lstm, gru, rnn or transformer"),
        ("cnn", [], "the encoder cnn sees what comes after"),
        ("gru", ["encoder.bidirectional=true"], "the encoder gru sees what comes after"),
        ("transformer", ["encoder.causal=false"], "the encoder transformer sees what comes after"),
    ],
    ids=str,
)
def test_no_text_is_written_with_another(tmp_path, rows, encoder, told, sentence):
    made = one_way(GenerationRun, WRITING, encoder, *told)
    with pytest.raises(SettingError, match=sentence):
        list(train(GENERATE, rows, made, tmp_path / "m"))


@pytest.mark.parametrize("embedding", ["ngrams", "bert"])
def test_neither_goes_with_vectors_that_depend_on_more_than_their_token(tmp_path, rows, embedding, request):
    chosen = {"embedding": small("embedding", embedding, partial(request.getfixturevalue, "bert"))}
    for task, kind, tables in ((CLOZE, ClozeRun, FILLING), (GENERATE, GenerationRun, WRITING)):
        made = kind.shape().make_settings(tables | {"network": tables["network"] | chosen})
        with pytest.raises(SettingError, match=f"the embedding {embedding} (has no vector|goes with)"):
            list(train(task, rows, made, tmp_path / "m"))
