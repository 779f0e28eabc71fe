"""The embedding: what it learns of documents, takes of a file, and knows of words beyond the training texts."""

import itertools
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit import DataError, SettingError, StaticEmbedding, registry  # noqa: E402
from nlpkit.tasks.sentiment import SENTIMENT, SentimentRun  # noqa: E402
from nlpkit.text import PAD, UNKNOWN, Example, Normaliser, Tokens  # noqa: E402
from nlpkit.training import train  # noqa: E402

from nlpkit_word2vec.files import write_vectors  # noqa: E402

pytestmark = pytest.mark.train

DOCUMENTS = [f"{thing} {how} 。".split() for thing in ("手机", "衣服", "酒店") for how in ("很好", "太差", "不错")] * 20
FILE = {"很好": [1, 0, 0], "手机": [0, 1, 0], "出色": [0.9, 0, 0.1], "太差": [-1, 0, 0], "糟糕": [-0.9, 0, 0]}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "vectors.bin"
    write_vectors(path, list(FILE), np.array(list(FILE.values()), dtype=np.float32), binary=True)
    return str(path)


def embedding(**options):
    return registry().get("embedding", "word2vec").create(options)


def fitted(documents=DOCUMENTS, **options):
    made = embedding(**options)
    return made, made.fit(documents, [0] * len(documents))


def vector(made, vocabulary, word):
    at = vocabulary.encode(Tokens.of([[word]])).grid[0, 0]
    return made.vectors()[at].tolist()


def test_words_of_the_file_are_taken_in_the_spelling_of_texts_of_which_the_first_counts(tmp_path):
    words = ["很\u200b好", "很好", "Ｔ恤", "T恤", "没有"]
    path = tmp_path / "spelled.bin"
    write_vectors(path, words, np.arange(10, dtype=np.float32).reshape(5, 2), binary=True)
    made = registry().get("embedding", "word2vec").create({"vectors": str(path)}, normaliser=Normaliser())
    vocabulary = made.fit([["很好", "t恤", "手机"]], [0])
    assert (made.found, made.repeated) == ((2, 3), 2)
    assert vector(made, vocabulary, "很好") == [0, 1]
    assert vector(made, vocabulary, "t恤") == [4, 5]


def test_it_is_fitted_on_the_documents_with_a_vector_for_each_frequent_word():
    made, vocabulary = fitted([*DOCUMENTS, ["一次"]], dim=8)
    assert set(vocabulary.tokens) == {word for document in DOCUMENTS for word in document}
    assert made.vectors().shape == (len(vocabulary), 8)
    assert made.vectors()[PAD].abs().sum() == 0
    assert not made.table.weight.requires_grad
    assert isinstance(made, StaticEmbedding)


def test_there_are_200_numbers_unless_said():
    assert embedding().dim == embedding().config["dim"] == 200


def test_an_unknown_word_is_like_the_rarest():
    made, vocabulary = fitted(dim=8)
    tenth = max(1, len(vocabulary.tokens) // 10)
    torch.testing.assert_close(made.vectors()[UNKNOWN], made.vectors()[-tenth:].mean(0))


def test_words_in_like_places_are_near():
    made, vocabulary = fitted(DOCUMENTS * 10, dim=16, epochs=10)
    good, fine, thing = (torch.tensor(vector(made, vocabulary, word)) for word in ("很好", "不错", "手机"))
    assert torch.cosine_similarity(good, fine, 0) > torch.cosine_similarity(good, thing, 0)


def test_documents_are_streamed():
    class Streamed:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(DOCUMENTS)

    documents = Streamed()
    made = embedding(dim=4, epochs=3)
    made.fit(documents, [])
    assert documents.passes == 4  # one that counts


def test_long_documents_are_read_to_their_end():
    _, vocabulary = fitted([["好"] * 20_000 + ["尾"] * 9], dim=4)
    assert vocabulary.tokens == ["好", "尾"]


@pytest.mark.slow
def test_the_same_vectors_come_of_every_process():
    program = (
        "import sys, json, torch\nfrom nlpkit_word2vec import word2vec\n"
        "torch.manual_seed(3)\nmade = word2vec(dim=8)\n"
        "made.fit(json.loads(sys.argv[1]), [])\nprint(made.vectors().tolist())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program, json.dumps(DOCUMENTS)],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("0", "17")
    }
    assert len(found) == 1


def test_the_seed_is_that_of_the_run_unless_said():
    def drawn(run, **options):
        torch.manual_seed(run)
        return fitted(dim=4, **options)[0].vectors()

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert torch.equal(drawn(1, seed=7), drawn(2, seed=7))


def test_a_file_gives_the_vectors_of_the_words_it_has(file):
    made, vocabulary = fitted(vectors=file)
    assert (made.dim, made.found) == (3, (3, 7))
    assert sorted(vocabulary.tokens) == sorted(["很好", "太差", "手机"])
    assert vector(made, vocabulary, "很好") == FILE["很好"]
    assert vector(made, vocabulary, "出色") == vector(made, vocabulary, "。") == made.vectors()[UNKNOWN].tolist()


@pytest.mark.parametrize(("extra", "known"), [(0, []), (1, ["出色"]), (9, ["出色", "糟糕"]), ("all", ["出色", "糟糕"])])
def test_words_that_the_documents_lack_are_kept_on_request(file, extra, known):
    made, vocabulary = fitted(vectors=file, extra=extra)
    assert vocabulary.tokens[3:] == known
    for word in known:
        np.testing.assert_allclose(vector(made, vocabulary, word), FILE[word])


def test_of_two_vectors_for_a_word_the_first_counts(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("很好 1 2\n出色 3 4\n很好 9 9\n出色 9 9\n", encoding="utf-8")
    made, vocabulary = fitted(vectors=str(path), extra="all")
    assert (vector(made, vocabulary, "很好"), vector(made, vocabulary, "出色")) == ([1, 2], [3, 4])


def test_where_a_file_is_tuned_frequent_words_that_it_lacks_are_learnt(file):
    made, vocabulary = fitted([*DOCUMENTS, ["一次"]], vectors=file, frozen=False, extra=1)
    assert set(vocabulary.tokens) == {word for document in DOCUMENTS for word in document} | {"出色"}
    assert vector(made, vocabulary, "不错") == made.vectors()[UNKNOWN].tolist()
    assert made.table.weight.requires_grad


def test_counts_that_documents_bring_are_used(file):
    class Counted(list):
        def counts(self):
            return Counter(word for document in self for word in document)

        def __iter__(self):
            return list.__iter__(self)

    made, vocabulary = fitted(Counted(DOCUMENTS), vectors=file)
    assert vocabulary.tokens == fitted(vectors=file)[1].tokens
    assert made.found == (3, 7)


def test_config_rebuilds_it_and_names_no_path(file):
    made, vocabulary = fitted(vectors=file, extra="all", dropout=0.1)
    json.dumps(made.config)
    assert file not in str(made.config)
    again = embedding(**made.config)
    again.build(vocabulary)
    again.load_state_dict(made.state_dict())
    assert again.config == made.config
    ids = torch.tensor([[2, 3, PAD]])
    torch.testing.assert_close(again.eval()(ids, ids != PAD), made.eval()(ids, ids != PAD))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dim": 0}, "dim must be at least 1"),
        ({"window": 0}, "window must be at least 1"),
        ({"extra": "some"}, "extra wants a whole number or 'all', found 'some'"),
        ({"extra": -1}, "extra must not be negative"),
        ({"frozen": "no"}, "frozen wants true or false"),
        ({"sg": 1}, "sg wants true or false"),
        ({"seed": -1}, "seed must not be negative"),
        ({"dropout": 1.0}, "dropout must be"),
    ],
)
def test_wrong_values_are_refused(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        embedding(**options)


def test_extra_words_want_a_file():
    with pytest.raises(SettingError, match="extra keeps words of a file"):
        fitted(extra=5)


def test_another_dimension_than_the_file_has_is_named(file):
    with pytest.raises(SettingError, match=r"dim is 200, but .* has vectors of 3 numbers: set dim=3"):
        embedding(vectors=file, dim=200)


def test_documents_without_a_frequent_word_and_files_without_their_words_are_refused(file):
    with pytest.raises(DataError, match="no word stands 5 times in the texts"):
        fitted([["好"]])
    with pytest.raises(DataError, match="has none of the 1 words of the training texts"):
        fitted([["好"]], vectors=file)


# What pretrained vectors are for: a classifier of few texts that has never seen a word knows what it is like.
SEEN = {"positive": ("很好", "喜欢", "满意"), "negative": ("太差", "失望", "糟糕")}
UNSEEN = {"positive": ("出色", "优秀", "完美"), "negative": ("垃圾", "劣质", "差劲")}
THINGS = ("手机", "衣服", "酒店", "外卖", "耳机", "水果", "键盘", "台灯", "背包", "沙发", "电脑", "雨伞")


def neighbourhood():
    """A file in which words of one meaning lie together, as in vectors of a large corpus."""
    draw = np.random.default_rng(0)
    centres = {"positive": draw.normal(size=16), "negative": draw.normal(size=16)}
    words = {
        word: centres[label] + draw.normal(size=16) / 4
        for kind in (SEEN, UNSEEN)
        for label, found in kind.items()
        for word in found
    }
    return words | {word: draw.normal(size=16) for word in (*THINGS, "这个")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train on words seen, with and without the words of the file that are not."""
    folder = tmp_path_factory.mktemp("helps")
    words = neighbourhood()
    write_vectors(folder / "v.txt", list(words), np.array(list(words.values()), dtype=np.float32), binary=False)
    rows = [
        Example(f"这个{thing}{how}", label, "c")
        for (label, found), thing in itertools.product(SEEN.items(), THINGS)
        for how in found
    ]

    def make(extra):
        member = {
            "name": "words",
            "tokenizer": {"name": "rjieba"},
            "embedding": {"name": "word2vec", "vectors": str(folder / "v.txt"), "extra": extra},
            "encoder": {"name": "lstm", "hidden": 8},
            "training": {"epochs": 12, "batch_size": 8, "learning_rate": 0.01},
        }
        target = folder / f"model-{extra}"
        chosen = SentimentRun.shape().make_settings({"members": [member], "test": 0.0})
        for _ in train(SENTIMENT, iter(rows), chosen, target):
            pass
        return nlpkit.load(target)

    return make


def right(model):
    """The share of texts with unseen words that are labelled rightly."""
    texts = [(f"这个{thing}{how}", label) for label, found in UNSEEN.items() for how in found for thing in THINGS]
    return np.mean(
        [score.label == label for score, (_, label) in zip(model.score(t for t, _ in texts), texts, strict=True)]
    )


@pytest.mark.slow
def test_words_unseen_in_training_work_if_the_file_has_them(trained):
    assert right(trained("all")) == 1.0
    assert right(trained(0)) <= 0.6  # all unseen words are one, so at best one label is right


def test_its_vectors_can_be_others():
    made, _ = fitted()
    vectors = torch.randn(made.vectors().shape)
    assert made.take(vectors)
    assert torch.equal(made.vectors(), vectors)
