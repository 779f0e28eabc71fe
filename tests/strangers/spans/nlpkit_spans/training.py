"""How spans are learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nlpkit.model import WEIGHTS, load_weights, remake
from nlpkit.text import Tokens, parse_json
from nlpkit.training import (
    Comparison,
    MemberSettings,
    NetworkMember,
    RowTraining,
    Run,
    StoredMember,
    Validation,
    check_shapes,
    draw_batches,
    export_graph,
    record_parts,
    sort_batches,
)
from nlpkit_spans.model import tags_of


@dataclass(frozen=True, kw_only=True)
class TaggerSettings(MemberSettings):
    """What the network is told."""

    embedding: Mapping[str, Any]
    encoder: Mapping[str, Any]
    training: RowTraining = field(default_factory=RowTraining)
    components: ClassVar[tuple[str, ...]] = ("embedding", "encoder")


class Tagger(nn.Module):
    """Ids and mask ``(batch, time)`` to a logit a tag ``(batch, time, tags)``."""

    def __init__(self, embedding, encoder, tags: int) -> None:
        super().__init__()
        self.embedding, self.encoder = embedding, encoder
        self.linear = nn.Linear(encoder.output_dim, tags)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.linear(self.encoder(self.embedding(ids, mask), mask)[0])


class Tagging:
    """The loss of a tag a character, and the share of characters that are right."""

    rate_setting = "training.learning_rate"

    def __init__(self, module, rows, size: int) -> None:
        self.module, self._rows, self._size = module, rows, size

    def batches(self, epoch: int, draw: np.random.Generator) -> Sequence[np.ndarray]:
        return draw_batches(self._lengths("train"), self._size, draw)

    def loss(self, chosen) -> tuple[Tensor, None]:
        ids, mask, tags = self._batch("train", chosen)
        return nn.functional.cross_entropy(self.module(ids, mask)[mask], tags[mask]), None

    def validate(self) -> Validation:
        self.module.eval()
        losses = right = count = 0.0
        with torch.inference_mode():
            for chosen in sort_batches(self._lengths("validation"), 64):
                ids, mask, tags = self._batch("validation", chosen)
                logits = self.module(ids, mask)[mask]
                losses += float(nn.functional.cross_entropy(logits, tags[mask], reduction="sum"))
                right += float((logits.argmax(1) == tags[mask]).sum())
                count += len(logits)
        return Validation(losses / count, right / count)

    def _lengths(self, place: str) -> np.ndarray:
        return np.array([len(ids) for ids, _ in self._rows[place]])

    def _batch(self, place: str, chosen) -> list[Tensor]:
        rows = [self._rows[place][row] for row in chosen.tolist()]
        pad = nn.utils.rnn.pad_sequence
        ids = pad([torch.from_numpy(ids.astype(np.int64)) for ids, _ in rows], batch_first=True)
        mask = pad([torch.ones(len(ids), dtype=torch.bool) for ids, _ in rows], batch_first=True)
        return [ids, mask, pad([torch.from_numpy(tags) for _, tags in rows], batch_first=True)]


class TaggerMember(NetworkMember):
    """A network that tags characters."""

    settings_class = TaggerSettings
    chain = ("embedding", "encoder")

    def prepare(self, folder):
        embedding = self.make_component("embedding")
        documents = [list(text) for text in self._texts("train")]
        vocabulary = self.fit_embedding(embedding, documents, [0] * len(documents))
        encoder = self.make_component("encoder", input_dim=embedding.instance.dim)
        check_shapes(embedding, encoder)
        network = Tagger(embedding.instance, encoder.instance, self._tags)
        self.keep(folder, network, vocabulary, {"name": self.name, **record_parts(embedding, encoder)})
        return iter(())

    def restore(self, stored) -> nn.Module:
        embedding = remake("embedding", self.entry)
        embedding.build(self.vocabulary)
        network = Tagger(embedding, remake("encoder", self.entry, input_dim=embedding.dim), self._tags)
        load_weights(network, stored.read(f"{self.name}/{WEIGHTS}"))
        return network.eval()

    def train(self, minimise):
        rows = {place: list(self._rows(place)) for place in ("train", "validation")}
        training = self.settings.training
        return (yield from minimise(Tagging(self.network, rows, training.batch_size), training))

    def export(self) -> StoredMember:
        runtime, files = export_graph(self.network.eval(), self._example(), ["tags"], "float32")
        return StoredMember({**self.entry, "runtime": runtime}, files | self.files())

    def compare(self, stored: StoredMember) -> Comparison:
        from nlpkit.model import open_graph

        example = self._example()
        with torch.inference_mode():
            expected = self.network(*example.values()).softmax(2).numpy()
        graph = open_graph(stored.bundle, self.name)
        logits = torch.from_numpy(graph.run("tags", **{name: tensor.numpy() for name, tensor in example.items()}))
        there = example["mask"].numpy()
        return Comparison(float(np.abs(logits.softmax(2).numpy() - expected)[there].max()), len(there))

    @property
    def answers(self) -> list[str]:
        return ["", *(kind + place for kind in self.data.kinds for place in ("begin", "inside"))]

    @property
    def base_answers(self) -> list[str]:
        kinds = self.base.model.bundle.config["kinds"] if self.base else []
        return ["", *(kind + place for kind in kinds for place in ("begin", "inside"))]

    def find_answering(self, network) -> dict[str, int]:
        return {"linear.weight": 0, "linear.bias": 0}

    @property
    def _tags(self) -> int:
        return 1 + 2 * len(self.data.kinds)

    def _texts(self, place: str):
        return (text for block in self.data.corpus.texts(place) for text in block)

    def _rows(self, place: str):
        for text, answer in zip(self._texts(place), self.data.corpus.answers(place), strict=True):
            ids = self.vocabulary.encode(Tokens.of([list(text)])).rows()[0]
            yield ids, tags_of(text, parse_json(answer), self.data.kinds)

    def _example(self) -> dict[str, Tensor]:
        mask = torch.ones(2, 7, dtype=torch.bool)
        mask[1, 4:] = False
        return {"ids": torch.ones(2, 7, dtype=torch.int64), "mask": mask}


@dataclass
class Texts:
    """The stored rows and the kinds of their spans."""

    corpus: Any
    kinds: list[str]


class SpanRun(Run):
    """A run of one network; texts stay as they are, or spans would lie elsewhere."""

    kinds = {"tagger": TaggerMember}
    card = "nlpkit.training:base_card.md"

    def prepare(self, run, corpus):
        yield from ()
        kinds = {span[2] for answer in corpus.answers("train") for span in parse_json(answer)}
        return Texts(corpus, sorted(kinds))

    def config(self, data: Texts) -> dict[str, Any]:
        return {"kinds": data.kinds}

    def samples(self, model, corpus):
        return [text for block in corpus.texts("validation", 3) for text in block]
