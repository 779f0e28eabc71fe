"""A model that generates beside its rivals: bits a character, characters a CPU-second in training and in writing.

`characters.py CORPORA [MODEL] [--only bits|training|writing]`. Bits are those of the test rows of goods, which no model
that was trained with the default shares has seen; the rival, modified Kneser-Ney of order 6 that keeps every n-gram, is
counted on the model's own training rows and on those of goods alone. Training runs beside the way of the tutorials: one
text at a time, one-hot characters, the loss on the last character of a piece. Writing runs beside a plain loop in torch
over a network of the same sizes; there, and for the model with all of its members, for one text and for 64.
"""

import argparse
import itertools
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch start their own

import numpy as np
import torch
from reviews import parts, training_texts
from safetensors.numpy import save
from torch import nn
from torch.nn import functional

from nlpkit import __version__
from nlpkit.model.bundle import ARRAYS, CONFIG, GRAPH, VOCABULARY, Bundle, dump_json
from nlpkit.plugins.registry import registry
from nlpkit.tasks.generate.characters import characters_of
from nlpkit.tasks.generate.kneser_ney import count_ngrams
from nlpkit.tasks.generate.metrics import measure_texts
from nlpkit.tasks.generate.model import GenerationModel
from nlpkit.tasks.generate.network import LanguageModel
from nlpkit.tasks.generate.ngrams import NgramMember
from nlpkit.tasks.generate.objective import Documents, TokenPrediction
from nlpkit.tasks.generate.settings import NgramSettings, StreamTraining
from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary
from nlpkit.training.export import export_graph
from nlpkit.training.optimizer import optimizer_of

HIDDEN, DIM = 320, 128  # of the networks whose speed is compared
TUTORIAL = 256
TOGETHER = 64  # texts that are written side by side, a tenth as long as one alone


def encoded(texts: Sequence[str], vocabulary: TableVocabulary) -> np.ndarray:
    """Ids of all characters of some texts and of their ends."""
    found = vocabulary.encode(characters_of([text.replace("\n", " ") for text in texts]))
    return found.grid[0].astype(np.int64)


def bits(corpora: Path, model: GenerationModel) -> None:
    """Bits a character on goods' test rows."""
    rows = parts(corpora)
    test = [row.text for row in rows.test if row.group == "goods"]
    found = measure_texts(model, test)
    print(f"goods, {found.characters:,} test characters, {found.unknown} unknown to the model")
    print(f"  {'the model':<44}{found.bits:.4f} bits a character, perplexity {found.perplexity}")
    goods = [row for row in rows.train if row.group == "goods"]
    for name, own in (("all rows", training_texts(corpora)), ("goods alone", goods)):
        texts = [row.text for row in own]
        vocabulary = TableVocabulary.count(characters_of(texts).lists(), min_count=1, max_size=1 << 15)
        ids = encoded(texts, vocabulary)
        member = NgramMember(count_ngrams(ids, len(vocabulary), NgramSettings(name="ngrams", min_count=1)), vocabulary)
        asked = np.concatenate([ids[-6:], encoded(test, vocabulary)])[None]
        chances, _ = member.score(asked, member.begin(1))
        print(f"  {'modified Kneser-Ney, order 6, ' + name:<44}{-np.log2(chances[0, 5:]).mean():.4f}")


def training(corpora: Path, seconds: float) -> None:
    """Characters a CPU-second in training."""
    texts = [row.text for row in parts(corpora).train if row.group == "goods"]
    vocabulary = TableVocabulary.count(characters_of(texts).lists(), min_count=1, max_size=1 << 15)
    ids = encoded(texts, vocabulary)
    ours = rate(streams(ids, texts, vocabulary), seconds)
    theirs = rate(pieces(torch.from_numpy(ids), len(vocabulary)), seconds)
    print(f"training: {ours:,.0f} characters a CPU-second; the tutorials' way {theirs:,.0f}; {ours / theirs:.1f} times")


def rate(step: Callable[[], int], seconds: float) -> float:
    """Characters a CPU-second of a step that says how many it has read."""
    step()
    began, done = time.process_time(), 0
    while time.process_time() - began < seconds:
        done += step()
    return done / (time.process_time() - began)


def streams(ids: np.ndarray, texts: Sequence[str], vocabulary: TableVocabulary) -> Callable[[], int]:
    """Steps as nlpkit makes them: the default recipe's sizes, in float32."""
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)])
    documents = Documents(ids.astype(np.int32), starts, np.zeros(len(texts), np.int32))
    settings = StreamTraining(streams=32, span=64)
    rare = np.zeros(len(vocabulary), np.bool_)
    network = language_model(vocabulary).train()
    objective = TokenPrediction(network, documents, documents, settings, rare)
    draw = np.random.default_rng(0)
    spans = itertools.chain.from_iterable(objective.batches(epoch, draw) for epoch in itertools.count(1))
    optimizer = optimizer_of(network, settings)

    def step() -> int:
        loss, _ = objective.loss(next(spans))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return settings.streams * settings.span

    return step


def pieces(ids: torch.Tensor, size: int) -> Callable[[], int]:
    """Steps as the tutorials make them."""
    lstm, out = nn.LSTM(size, TUTORIAL, batch_first=True), nn.Linear(TUTORIAL, size)
    optimizer = torch.optim.Adam([*lstm.parameters(), *out.parameters()], amsgrad=True, lr=1e-3)
    draw, at, state = random.Random(0), 0, None

    def step() -> int:
        nonlocal at, state
        length = draw.randint(10, 40)
        at = 0 if at >= len(ids) - 41 else at
        read, state = lstm(functional.one_hot(ids[at : at + length], size).float()[None], state)
        state = tuple(part.detach() for part in state)
        loss = functional.cross_entropy(out(read[0])[-1:], ids[at + length : at + length + 1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        at += length
        return length

    return step


def language_model(vocabulary: TableVocabulary) -> LanguageModel:
    """An untrained network."""
    embedding = registry().get("embedding", "trainable").create({"dim": DIM})
    embedding.build(vocabulary)
    encoder = registry().get("encoder", "lstm").create({"hidden": HIDDEN, "bidirectional": False}, input_dim=DIM)
    coding = registry().get("output", "softmax").create({"dim": DIM, "tied": True, "negatives": 0})
    return LanguageModel(embedding, encoder, coding, dropout=0.2, size=len(vocabulary)).eval()


def untrained(vocabulary: TableVocabulary) -> GenerationModel:
    """The same as a model that runs without torch."""
    network = language_model(vocabulary)
    state = {f"state{i}": part for i, part in enumerate(network.begin(2))}
    free = {"ids": [0, 1], **{name: [axis] for name, axis in zip(state, network.axes(), strict=True)}}
    inputs = {"ids": torch.ones(2, 7, dtype=torch.int64), **state}
    runtime, files = export_graph(network, inputs, ["outputs", *(f"{name}_after" for name in state)], "int8", free)
    shapes = [[-1 if i == 1 else size for i, size in enumerate(part.shape)] for part in state.values()]
    coding = {"name": "softmax", "distribution": "nlpkit-zh", "version": __version__, "config": network.coding.config}
    entry = {"name": "network", "kind": "network", "runtime": runtime, "state": shapes, "output": coding}
    as_it_is = {"nfkc": False, "lower": False, "simplify": False, "zero": False}
    config = {"format": 1, "task": "generate", "normalisation": as_it_is, "members": [entry]}
    config["stages"] = [{"weights": [1.0], "temperature": 1.0, "exit": None}]
    arrays = {name: np.ascontiguousarray(array) for name, array in network.output.arrays().items()}
    return GenerationModel(
        Bundle(
            "untrained",
            {
                CONFIG: dump_json(config),
                VOCABULARY: dump_vocabulary(vocabulary),
                f"network/{GRAPH}": files[GRAPH],
                f"network/{ARRAYS}": save(arrays),
            },
        )
    )


def writing(model: GenerationModel, alone: int) -> None:
    """Characters a CPU-second in writing."""
    vocabulary = TableVocabulary([*map(chr, range(0x4E00, 0x4E00 + 3900)), "\n"])
    ours, loop = untrained(vocabulary), Loop(len(vocabulary)).eval()
    for side_by_side, length in ((1, alone), (TOGETHER, max(alone // 10, 1))):
        count = side_by_side * length
        spent = {
            "nlpkit, LSTM 320": cost(lambda n, k=side_by_side: ours.generate([""] * k, length=n, through=True), length),
            "a loop in torch, LSTM 320": cost(lambda n, k=side_by_side: loop.write(k, n), length),
        }
        spent["the model, all members"] = cost(
            lambda n, k=side_by_side: model.generate([""] * k, length=n, through=True), length
        )
        slowest = count / spent["a loop in torch, LSTM 320"]
        print(f"writing {side_by_side} side by side, characters a CPU-second:")
        for name, seconds in spent.items():
            print(f"  {name:<30}{count / seconds:>10,.0f}{count / seconds / slowest:>8.1f} times")


def cost(write: Callable[[int], object], length: int) -> float:
    """CPU seconds of writing so many characters, after a few that are not counted."""
    write(20)
    began = time.process_time()
    write(length)
    return time.process_time() - began


class Loop(nn.Module):
    """A network of the same sizes, as one would write it down."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding, self.down = nn.Embedding(size, DIM), nn.Linear(HIDDEN, DIM)
        self.lstm = nn.LSTM(DIM, HIDDEN, batch_first=True)

    @torch.inference_mode()
    def write(self, texts: int, length: int) -> None:
        ids, state = torch.zeros(texts, 1, dtype=torch.int64), None
        for _ in range(length):
            states, state = self.lstm(self.embedding(ids), state)
            logits = self.down(states[:, 0]) @ self.embedding.weight.T
            ids = torch.multinomial(logits.softmax(1), 1)


def main(argv: Sequence[str] | None = None) -> None:
    """Print all of it, or one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("model", nargs="?", default="reviews-chars")
    parser.add_argument("--only", choices=["bits", "training", "writing"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of CPU, for each way of training")
    parser.add_argument("--length", type=int, default=1500, help="characters of a text that is written alone")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    wanted = [arguments.only] if arguments.only else ["bits", "training", "writing"]
    if "bits" in wanted:
        bits(arguments.corpora, GenerationModel.load(arguments.model))
    if "training" in wanted:
        training(arguments.corpora, arguments.seconds)
    if "writing" in wanted:
        writing(GenerationModel.load(arguments.model), arguments.length)


if __name__ == "__main__":
    main()
