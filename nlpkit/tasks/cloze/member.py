"""The member of a cloze model while it is trained: words → ids on disk → a network → exported."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor, nn

from nlpkit.components.ppmi import corpus_vectors
from nlpkit.errors import Sentence, SettingError
from nlpkit.model.bundle import ARRAYS, Bundle
from nlpkit.model.mixing import softmax
from nlpkit.plugins.base import Embedding, SharedEmbedding, StaticEmbedding
from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END, Blank
from nlpkit.tasks.cloze.inference import FillingNetwork, open_member
from nlpkit.tasks.cloze.network import ClozeNetwork, ids_of, make_encoders, restore
from nlpkit.tasks.cloze.objective import Pieces, WordPrediction
from nlpkit.tasks.cloze.settings import ClozeNetworkSettings
from nlpkit.tasks.cloze.words import PLACES, Words
from nlpkit.text.vocabulary import TableVocabulary
from nlpkit.training.components import check_pair, check_shapes, remarks_of
from nlpkit.training.events import Event, MemberStarted, Remark, Working
from nlpkit.training.export import export_graph, fold_embedding
from nlpkit.training.loop import Diverged
from nlpkit.training.member import (
    CHECK_ROWS,
    Comparison,
    Layer,
    Minimise,
    NetworkMember,
    StoredMember,
    count_parameters,
    record_parts,
)
from nlpkit.training.settings import MemberSettings, check_judges
from nlpkit.training.storage import map_array, store_ids

MOST_ALIKE = 0.01  # share of the answers that may have the code of another without a word
CONTEXT_WORDS = 100_000  # the most frequent tokens, which say of the words near them what they mean


class ClozeMember(NetworkMember):
    """A network that is trained on words; `nlpkit.tasks.cloze.words.Words` are its data."""

    settings_class: ClassVar[type[MemberSettings]] = ClozeNetworkSettings
    data: Words

    @property
    def weights(self) -> str:
        """As its settings say."""
        weights: str = self.settings.weights
        return weights

    def rehearse(self) -> list[str]:
        """Make every part once; see `Member.rehearse`."""
        tokenizer, part = self.make_component("tokenizer"), self.make_component("embedding")
        check_pair(tokenizer, part)
        embedding = part.instance
        check_embedding(embedding, self.settings)
        encoder = self.make_component("encoder", input_dim=embedding.dim or 2).instance
        output = self.make_component("output").instance
        shared = torch.zeros(2, embedding.dim or 2)
        inputs = shared.__getitem__ if isinstance(embedding, SharedEmbedding) else None
        output.layer(input_dim=encoder.output_dim, words=2, inputs=inputs)
        if embedding.dim:
            output.check_dim(embedding.dim)
        return remarks_of(tokenizer, part)

    def prepare(self, folder: Path) -> Iterator[Event]:
        """Choose the vocabulary, make the weights at the start, encode the rows, and write all of it down."""
        settings, words = self.settings, self.data
        yield Working(Sentence("{name}: vocabulary", name=self.name), 0, None)
        documents = words.tokens["train"]
        embedding = self.make_component("embedding")
        vocabulary = self.fit_embedding(embedding, documents, np.zeros(len(documents), dtype=np.int64).tolist())
        static = check_embedding(embedding.instance, settings)
        dim = embedding.instance.dim
        encoder, output = self.make_component("encoder", input_dim=dim), self.make_component("output")
        check_shapes(embedding, encoder)
        encoders = make_encoders(lambda: self.make_component("encoder", input_dim=dim).instance)
        ids = ids_of(words.answers, vocabulary)
        network = ClozeNetwork(embedding.instance, encoders, settings.head, output.instance, ids)
        vectors = None
        if output.instance.needs_vectors and self.base is not None:
            vectors = torch.randn(len(ids), dim)  # of the codes that come of it none stays
        elif output.instance.needs_vectors:
            vectors = (
                static.vectors().detach()[torch.from_numpy(ids)]
                if embedding.instance.pretrained
                else self._cooccurrence_vectors(dim)
            )
        network.output.fit(words.answers, words.counts, self._chances, vectors)
        for place, tokens in words.tokens.items():
            for name, known in ((place, vocabulary), (f"{place}-answers", TableVocabulary(words.answers))):
                for count in store_ids(tokens.blocks(), known, 0, folder / name):
                    yield Working(
                        Sentence("{name}: {place} ids", name=self.name, place=Sentence(place)), count, len(tokens)
                    )
        entry = {"name": self.name, "kind": "network", "max_length": settings.max_length}
        entry |= {**record_parts(embedding, encoder, output), "head": asdict(settings.head)}
        if (collisions := network.output.collisions) is not None:
            entry["collisions"] = collisions
            yield from self._remark_on_collisions(collisions, len(ids))
        self.keep(folder, network, vocabulary, entry)

    def _remark_on_collisions(self, collisions: int, answers: int) -> Iterator[Event]:
        if collisions > MOST_ALIKE * answers:
            yield Remark(
                "{name}: {collisions:,} of {answers:,} answers share a code with a more frequent one, and no context "
                "tells them from it: set more bits (--set {name}.output.bits=...), or --set {name}.output.source=itq",
                name=self.name,
                collisions=collisions,
                answers=answers,
            )

    def restore(self, stored: Bundle) -> nn.Module:
        """Make a network of the answers."""
        return restore(stored, self.entry, self.vocabulary, self.data.answers)

    def open(self, folder: Path) -> None:
        """Take up network and pieces of the rows."""
        super().open(folder)
        pieces = {place: self._pieces(folder, place) for place in PLACES}
        focus = self.settings.training.focus
        if focus:
            pieces["validation"] = pieces["validation"].of_first_corpus()
        check_judges(len(pieces["validation"].spans) > 0, focus, "has a word that can be answered")
        self._objective = WordPrediction(
            self.network, pieces["train"], pieces["validation"], self.settings.training, self._chances
        )

    def describe(self) -> MemberStarted:
        """Say of what it is composed, and from which sides it reads."""
        started = super().describe()
        shared = (
            Sentence("; {collisions:,} answers share a code", collisions=self.entry["collisions"])
            if "collisions" in self.entry
            else ""
        )
        ways = "masked" if self.network.masked else "both ways"
        composition = f"{started.composition} ({ways}{shared})"
        return MemberStarted(started.name, composition, started.parameters, started.vocabulary)

    def layers(self) -> list[Layer]:
        """Show each part with the shape of what it makes of a batch of two rows."""
        network, entry, example = self.network, self.entry, _make_example()
        ids, mask = example["ids"].clamp(min=0), example["mask"]
        with torch.inference_mode():
            vectors = network.embedding(ids, mask)
            states, _ = network.encoders[0](vectors, mask)
            outputs = network(*example.values())
        return [
            Layer.of("embedding", entry, vectors.shape, network.embedding),
            Layer("marks", "", {}, tuple(network.marks.shape), network.marks.numel()),  # beginning, end, blank
            Layer.of("encoder", entry, states.shape, network.encoders),
            Layer("head", "", entry["head"], (len(ids), count_width(network.head)), count_parameters(network.head)),
            Layer.of("output", entry, outputs.shape, network.output),
        ]

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:
        """Predict words."""
        return (yield from minimise(self._objective, self.settings.training))

    def export(self) -> StoredMember:
        """Export the network as a graph, in which a table stands for the embedding, and what reads its outputs."""
        network = self.network.eval()
        with fold_embedding(network):
            runtime, files = export_graph(network, _make_example(), ["outputs"], self.settings.weights)
        arrays = {name: np.asarray(a, order="C") for name, a in network.output.arrays().items()}  # save wants that
        return StoredMember({**self.entry, "runtime": runtime}, files | {ARRAYS: save(arrays)} | self.files())

    def compare(self, stored: StoredMember) -> Comparison:
        """Compare probabilities at blanks of validation rows."""
        network, entry, temperature = self.network, stored.entry, self._objective.temperature()
        expected = FillingNetwork(self.vocabulary, network.run, network.decoder(), entry["max_length"])
        exported = open_member(stored.bundle, entry, self.vocabulary, self.data.answers)
        blanks = self._some_blanks()
        blocks = [blanks[at : at + 64] for at in range(0, len(blanks), 64)]
        pairs = ((softmax(one.logits(block) / temperature) for one in (expected, exported)) for block in blocks)
        return Comparison(max(float(np.abs(a - b).max()) for a, b in pairs), len(blanks))

    @property
    def _chances(self) -> NDArray[np.float64]:
        """The probability that an occurrence of each answer is asked for ``(answers,)``."""
        limit = self.settings.training.subsample
        share = self.data.counts / self.data.counts.sum()
        return np.minimum(1.0, np.sqrt(limit / share)) if limit else np.ones(len(share))

    def _cooccurrence_vectors(self, dim: int) -> Tensor:
        """Make vectors ``(answers, dim)`` of the answers from the training rows: see `nlpkit.components.ppmi`."""
        documents, answers = self.data.tokens["train"], self.data.answers
        frequent = TableVocabulary.count(documents, min_count=2, max_size=CONTEXT_WORDS).tokens
        vocabulary = TableVocabulary(list(dict.fromkeys([*answers, *frequent])))
        return corpus_vectors(documents, vocabulary, dim)[torch.from_numpy(ids_of(answers, vocabulary))]

    def _pieces(self, folder: Path, place: str) -> Pieces:
        ids, answers = (map_array(folder / f"{name}.ids", np.int32) for name in (place, f"{place}-answers"))
        starts = np.asarray(map_array(folder / f"{place}.starts", np.int64))
        return Pieces.cut(ids, answers, starts, self.data.corpora[place], self.settings.max_length)

    def _some_blanks(self) -> list[Blank]:
        """Return the middle word of some validation rows as a blank."""
        rows = (row for block in self.data.tokens["validation"].blocks() for row in block.lists() if row)
        some = [row for row, _ in zip(rows, range(CHECK_ROWS), strict=False)]
        return [Blank(row[: len(row) // 2], row[len(row) // 2 + 1 :]) for row in some] or [Blank([], [])]


def check_embedding(embedding: Embedding, settings: ClozeNetworkSettings) -> StaticEmbedding:
    """Refuse an embedding whose vector of a word has seen the words beside it: the blank would be among these."""
    if not isinstance(embedding, StaticEmbedding) or not embedding.ordered:
        raise SettingError(
            "the embedding {name} has no vector that depends on its word alone, so a cloze "
            "network cannot use it: choose trainable, spelled or word2vec",
            name=settings.embedding["name"],
        )
    return embedding


def count_width(head: nn.Sequential) -> int:
    """Return how many features a head makes; 0 if it has no layer."""
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    return linear[-1].out_features if linear else 0


def _make_example() -> dict[str, Tensor]:
    ids = torch.ones(2, 7, dtype=torch.int64)
    ids[0, 0], ids[0, 3], ids[0, 6] = BEGIN, BLANK, END
    ids[1, 4:] = 0
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    return {"ids": ids, "mask": mask, "at": torch.tensor([3, 2])}
