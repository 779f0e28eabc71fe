"""An embedding by which a token has several ids: the example of the documentation, trained, saved and scored."""

import itertools
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import PluginError, SettingError  # noqa: E402
from nlpkit.plugins.component import Component  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.vocabulary import SubwordVocabulary, TableVocabulary  # noqa: E402
from nlpkit.training.components import Part, fit_embedding  # noqa: E402
from nlpkit.training.inheritance import measure_unknown  # noqa: E402
from tests.testing.sound_layers import Table  # noqa: E402
from tests.training.runs import TABLE, TINY, Tiny  # noqa: E402

pytestmark = pytest.mark.train
PAGE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
GOOD = ["舒服", "好看", "好用", "漂亮", "新鲜", "干净", "合身", "结实"]
WORDS = ["不舒适", "很舒适"]  # which stand in no row
SEVERAL = "my-vectors gives a token several ids, where tokens are foretold by the one that each has"
SCORE = """
import sys, nlpkit
print([score.label for score in nlpkit.load(sys.argv[1]).score(sys.argv[2:])], "torch" in sys.modules)
"""


def reviews():
    """Words, of which those that begin with 不 are bad; 舒适 is known as a part of none."""
    places = [f"第{i}家" for i in range(6)]
    return [
        Example(f"{place} {manner}{word} {last}", str(int(manner == "很")), "one.csv")
        for place, word, manner, last in itertools.product(places, GOOD, "不很", ["真的", "呢"])
    ]


def refused_rows():
    raise AssertionError("a row was read")
    yield


MEMBER = TABLE | {
    "tokenizer": {"name": "whitespace"},
    "embedding": {"name": "my-vectors", "dim": 8},
    "training": {"epochs": 8, "learning_rate": 0.03, "batch_size": 16},
}
RUN = Tiny({"members": [MEMBER]}, reviews, WORDS, ("members.table.embedding.dim", "8", "4"), "sentiment")


@pytest.fixture(autouse=True)
def example(monkeypatch, tmp_path):
    source = re.search(r"^```python nlpkit_my_vectors.py\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S).group(1)
    (tmp_path / "nlpkit_my_vectors.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nlpkit_my_vectors", raising=False)
    from nlpkit_my_vectors import my_vectors

    component = Component("embedding", "my-vectors", my_vectors, "theirs", "1.2", "x")
    monkeypatch.setitem(registry().components, ("embedding", "my-vectors"), component)


def trained(tmp_path, *changes):
    list(RUN.train(tmp_path / "m", *changes))
    return nlpkit.load(tmp_path / "m")


def check_unseen(model):
    """See that words which no text held have different answers, and the right ones."""
    vocabulary = model.member(0).text_ids.vocabulary
    assert not set(WORDS) & set(vocabulary.tokens)
    assert [score.label for score in model.score(WORDS)] == ["0", "1"]


@pytest.mark.slow
def test_a_sum_of_words_knows_those_that_no_text_held(tmp_path):
    model = trained(tmp_path)
    assert model.entries[0]["runtime"] == "table"
    check_unseen(model)
    done = subprocess.run(
        [sys.executable, "-c", SCORE, tmp_path / "m", *WORDS], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split("] ") == ["['0', '1'", "False\n"]  # without torch, and without the plugin


@pytest.mark.slow
def test_a_network_of_words_knows_those_that_no_text_held(tmp_path):
    rounded = ["table.weights=int8", "table.arithmetic=int8", "table.max_length=3"]  # though no matrix is large
    model = trained(tmp_path, "table.encoder.name=cnn", "table.head.pooling=max", *rounded)
    assert model.entries[0]["runtime"] == "graph"
    check_unseen(model)
    alone = [model.score([text])[0].probability for text in WORDS]
    among = [score.probability for score in model.score([*WORDS, "第1家 很好看 真的 呢 呢", "不"])[:2]]
    np.testing.assert_allclose(alone, among, atol=1e-6)


@pytest.mark.parametrize("name", ["cloze", "generate"])
def test_a_task_that_needs_one_id_a_token_says_so_before_any_row_is_read(tmp_path, name):
    tiny = TINY[name]
    network = tiny.tables["network"] | {"embedding": {"name": "my-vectors"}, "encoder": {"name": "lstm"}}
    tiny = replace(tiny, tables=tiny.tables | {"network": network})
    with pytest.raises(SettingError, match=SEVERAL):
        list(tiny.train(tmp_path / "m", rows=refused_rows()))


def test_a_language_model_that_would_foretell_tokens_is_refused(tmp_path):
    lstm = ["table.encoder.name=lstm", "table.encoder.hidden=4", "table.head.pooling=max"]
    with pytest.raises(SettingError, match=SEVERAL):
        list(RUN.train(tmp_path / "m", *lstm, "table.training.pretrain=1", rows=refused_rows()))


def test_what_an_embedding_says_of_its_ids_must_be_true():
    class Silent(Table):
        def fit(self, documents, labels):  # noqa: ARG002
            return SubwordVocabulary.count(documents, min_count=1, max_size=9)

    component = Component("embedding", "silent", Silent, "theirs", "1.2", "x")
    with pytest.raises(PluginError, match=r"'silent' of theirs.* says subwords = False, .* a SubwordVocabulary"):
        fit_embedding(Part(component, component.create({})), [["好"]], [0])


def test_a_word_with_known_characters_is_not_unknown():
    documents = [["舒适", "不适"], ["龘"]]
    known = TableVocabulary(["舒适"])
    assert measure_unknown(documents, known) == round(2 / 3, 4)
    assert measure_unknown(documents, SubwordVocabulary(["舒适"], characters="舒适")) == round(1 / 3, 4)
