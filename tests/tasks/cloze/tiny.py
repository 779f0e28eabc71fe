"""Tiny cloze models made by hand: each token before and behind a blank adds to the logit of each word."""

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from safetensors.numpy import save

from nlpkit.tasks.cloze.blanks import Blank
from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary
from tests.tiny import component, stage

ANSWERS = ["好", "不错", "快", "推荐", "值得", "舒服", "速度", "差"]
COUNTS = [90, 50, 30, 20, 10, 5, 5, 1]
CONTEXT = ["衣服", "质量", "鞋子", "发货", "很", "哦", ",", "!", *ANSWERS]
BITS = 12
_draw = np.random.default_rng(5)
BEFORE, BEHIND = (np.round(_draw.normal(size=(len(CONTEXT) + 5, len(ANSWERS))), 3) for _ in range(2))  # by id + 3
BEFORE[:4] = BEHIND[:4] = 0  # END at 1 and BEGIN at 2 count for nothing, as do BLANK at 0 and padding at 3


def logits(blank: Blank) -> np.ndarray:
    """What the tiny network puts out, by arithmetic ``(answers,)``."""
    row = {token: i for i, token in enumerate(CONTEXT, start=5)} | {None: 0}
    sides = ((blank.left, BEFORE), (blank.right, BEHIND))
    return sum((table[row.get(token, 4)] for side, table in sides for token in side), np.zeros(len(ANSWERS)))


def graph(before: np.ndarray, behind: np.ndarray) -> bytes:
    """ONNX that does so with two tables, as a network is exported."""
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node
    constants = {
        "three": np.array(3),
        "zero": np.array(0),
        "one": np.array(1),
        "axis": np.array([1]),
        "before": before.astype(np.float32),
        "behind": behind.astype(np.float32),
    }
    nodes = [
        node("Add", ["ids", "three"], ["rows"]),
        node("Shape", ["ids"], ["shape"]),
        node("Gather", ["shape", "one"], ["time"]),
        node("Range", ["zero", "time", "one"], ["places"]),
        node("Unsqueeze", ["at", "axis"], ["there"]),
        *(
            part
            for side, compare in (("before", "Less"), ("behind", "Greater"))
            for part in (
                node(compare, ["places", "there"], [f"is_{side}"]),
                node("And", [f"is_{side}", "mask"], [f"seen_{side}"]),
                node("Cast", [f"seen_{side}"], [f"weight_{side}"], to=onnx.TensorProto.FLOAT),
                node("Unsqueeze", [f"weight_{side}", "last"], [f"wide_{side}"]),
                node("Gather", [side, "rows"], [f"vectors_{side}"]),
                node("Mul", [f"vectors_{side}", f"wide_{side}"], [f"kept_{side}"]),
                node("ReduceSum", [f"kept_{side}", "axis"], [f"sum_{side}"], keepdims=0),
            )
        ),
        node("Add", ["sum_before", "sum_behind"], ["outputs"]),
    ]
    constants["last"] = np.array([2])
    value, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    inputs = [
        value("ids", kinds.INT64, ["b", "t"]),
        value("mask", kinds.BOOL, ["b", "t"]),
        value("at", kinds.INT64, ["b"]),
    ]
    outputs = [value("outputs", kinds.FLOAT, ["b", before.shape[1]])]
    tables = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    made = onnx.helper.make_graph(nodes, "tiny", inputs, outputs, tables)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model.SerializeToString()


@cache
def drawn() -> bytes:
    """ONNX of `logits`."""
    return graph(BEFORE, BEHIND)


def network_member(
    *, max_length: int = 64, runtime: str = "graph", network: bytes | None = None, words: Sequence[str] = CONTEXT
) -> tuple[dict, dict[str, bytes]]:
    """A member, and its files: the one whose logits are `logits`, unless another network and its words are given."""
    answers = len(words if network else ANSWERS)
    entry = {
        "name": "network",
        "kind": "network",
        "runtime": runtime,
        "max_length": max_length,
        "embedding": component("trainable"),
        "encoder": component("none"),
        "output": component("softmax", dim=answers),
        "head": {},
    }
    arrays = {"table": np.eye(answers, dtype=np.float32), "bias": np.zeros(answers, dtype=np.float32)}
    files = {
        "network/vocabulary.json": dump_vocabulary(TableVocabulary(words)),
        "network/arrays.safetensors": save(arrays),
        "network/model.onnx": network or drawn(),
    }
    return entry, files


def cloze_files(
    *members: tuple[dict, dict[str, bytes]], samples: Sequence[dict] = (), **config: object
) -> dict[str, bytes]:
    """All files of a model by their paths; ``config`` replaces entries of config.json."""
    made = members or (network_member(),)
    whole = {
        "format": 1,
        "nlpkit": "0.1.0",
        "task": "cloze",
        "normalisation": {"nfkc": True, "lower": True, "simplify": True},
        "tokenizer": component("whitespace"),
        "members": [entry for entry, _ in made],
        "stages": [stage(*[1.0] * len(made))],
        "metrics": {},
        **config,
    }
    files = {
        "config.json": json.dumps(whole).encode(),
        "answers.json": json.dumps({"words": ANSWERS, "counts": COUNTS}).encode(),
        "samples.json": json.dumps(list(samples)).encode(),
        "README.md": b"# tiny cloze\n",
    }
    for _, written in made:
        files |= written
    return files


TEXTS = [
    "衣服质量不错，值得购买",
    "衣服质量很好，值得推荐",
    "鞋子质量不错，很舒服",
    "鞋子质量很差，不推荐",
    "发货速度很快，值得推荐",
    "发货很快，质量不错",
]


@cache
def read_texts() -> tuple[tuple[str, ...], tuple[int, ...], bytes]:
    """Words of `TEXTS`, how often each stands there, and ONNX of a network that has counted which stand together."""
    documents = [rjieba().tokenize(Normaliser()(text)) for text in TEXTS]
    times = Counter(word for document in documents for word in document if word.isalpha())
    words = [word for word, _ in times.most_common()]
    row = {word: at for at, word in enumerate(words)}
    together = np.zeros((len(words), len(words)))  # how often one stands anywhere before the other
    for document in documents:
        for first, second in itertools.combinations(filter(str.isalpha, document), 2):
            together[row[first], row[second]] += 1
    counts = [times[word] for word in words]
    expected = np.outer(counts, counts) / len(TEXTS)
    before, behind = (np.zeros((len(words) + 5, len(words))) for _ in range(2))
    before[5:], behind[5:] = (np.log((seen + 1) / (expected + 1)) for seen in (together, together.T))
    return tuple(words), tuple(counts), graph(before, behind)


def counted_files(**config: object) -> dict[str, bytes]:
    """All files of a model that has read a few sentences."""
    words, counts, network = read_texts()
    tokenizer = {"tokenizer": component("rjieba", hmm=True)}
    files = cloze_files(network_member(network=network, words=words), **tokenizer, **config)
    return files | {"answers.json": json.dumps({"words": words, "counts": counts}).encode()}
