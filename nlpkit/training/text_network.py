"""A member that reads texts: tokenizer → embedding → encoder → head; what a text is answered by are the head's numbers.

What these numbers are, and what is minimised, is a task's own: a class that inherits from `TextNetwork` says it.
"""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nlpkit.errors import SettingError
from nlpkit.files import write_synced
from nlpkit.model.bundle import TOKENIZER, Bundle
from nlpkit.model.members import Floats, open_member
from nlpkit.model.network import Head, Network, VectorNetwork, restore
from nlpkit.text.vocabulary import Tokens
from nlpkit.training.batching import Rows, logits_of
from nlpkit.training.components import check_pair, check_shapes, fit_embedding, make_component, remarks_of
from nlpkit.training.events import Event, MemberStarted, Working
from nlpkit.training.export import export_network
from nlpkit.training.fixed_vectors import map_vectors, size_of, store_vectors
from nlpkit.training.loop import Diverged, Objective
from nlpkit.training.member import CHECK_ROWS, Comparison, Layer, Minimise, NetworkMember, StoredMember, record_parts
from nlpkit.training.settings import MemberSettings, RunSettings, TextNetworkSettings
from nlpkit.training.storage import StoredCorpus, StoredTokens, map_rows, store_ids, store_tokens

COMPARE_ROWS = 50_000  # validation rows that are enough to compare an export by, and to tune weights and temperature on
MOST = 1 << 30  # bytes of vectors of the lower half of an embedding; with more, it is asked each time
PLACES = ("train", "validation")


class TextNetwork(NetworkMember):
    """A network on texts.

    After `open` there are the encoded ``rows`` of training and validation, too, by place.
    """

    settings_class: ClassVar[type[MemberSettings]] = TextNetworkSettings
    chain = ("tokenizer", "embedding", "encoder")
    folds: ClassVar[bool] = False  # whether only differences between outputs count, so that sums fold into a table

    @property
    def weights(self) -> str:
        """As its settings say."""
        weights: str = self.settings.weights
        return weights

    @property
    def arithmetic(self) -> str:
        """As its settings say."""
        arithmetic: str = self.settings.arithmetic
        return arithmetic

    @property
    def corpus(self) -> StoredCorpus:
        """The stored rows; what a task prepares must hold them, unless it is they."""
        corpus: StoredCorpus = self.data if isinstance(self.data, StoredCorpus) else self.data.corpus
        return corpus

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers answer a text."""

    @abstractmethod
    def targets(self, place: str) -> NDArray[Any]:
        """Return what is asked of each row: the index of a label ``(rows,)``, or numbers ``(rows, outputs)``."""

    @abstractmethod
    def objective(self, module: nn.Module, rows: Mapping[str, Rows]) -> Objective:
        """Make what is minimised.

        :param module: maps the rows' inputs and mask to outputs ``(batch, outputs)``.
        """

    @abstractmethod
    def difference(self, expected: Floats, outputs: Floats) -> float:
        """How much outputs ``(rows, outputs)`` differ from others, as a user sees them: of a probability, say."""

    def classes(self) -> Sequence[int]:
        """Return a label's index for each training row, which some embeddings look at."""
        return np.zeros(len(self.corpus.rows("train")), dtype=np.int64).tolist()

    def pretrain(self, minimise: Minimise) -> Generator[Event, None, None]:  # noqa: ARG002
        """Train before the main loop, if at all."""
        yield from ()

    @classmethod
    def rehearse(cls, settings: Any, run: RunSettings) -> list[str]:
        """Make every part once; see `Member.rehearse`."""
        tokenizer = make_component("tokenizer", settings.tokenizer, normaliser=run.normaliser)
        part = make_component("embedding", settings.embedding, normaliser=run.normaliser)
        check_pair(tokenizer, part)
        embedding = part.instance
        encoder = make_component("encoder", settings.encoder, input_dim=embedding.dim or 2).instance
        ordered, identity = embedding.ordered, encoder.identity
        if not ordered and (not identity or settings.max_length):
            raise SettingError(
                "{name}: the embedding {embedding} keeps no order, so it goes with the encoder none and "
                "max_length 0, not with {encoder} and {max_length}",
                name=settings.name,
                embedding=settings.embedding["name"],
                encoder=settings.encoder["name"],
                max_length=settings.max_length,
            )
        cls.check_encoder(encoder, settings)
        return remarks_of(tokenizer, part)

    @classmethod
    def check_encoder(cls, encoder: Any, settings: Any) -> None:
        """Refuse an encoder with which the training of such a member does not go.

        :raises SettingError: saying what does.
        """

    def prepare(self, folder: Path) -> Iterator[Event]:
        """Tokenise, choose the vocabulary, make the weights at the start, and write all of it down."""
        normaliser, settings, too_long = self.run.normaliser, self.settings, 0
        tokenizer = make_component("tokenizer", settings.tokenizer, normaliser=normaliser)
        total = {place: len(self.corpus.rows(place)) for place in PLACES}

        def tokens(place: str) -> Iterator[Tokens]:
            nonlocal too_long
            for texts in self.corpus.texts(place):
                block = tokenizer.instance.batch(normaliser.batch(texts))
                too_long += int((np.diff(block.starts) > (settings.max_length or np.inf)).sum())
                yield block

        scratch = folder / "tokens"
        scratch.mkdir()
        for count in store_tokens(tokens("train"), scratch):
            yield Working(f"{self.name}: tokens", count, total["train"])
        documents = StoredTokens(scratch)
        yield Working(f"{self.name}: vocabulary", 0, None)
        embedding = make_component("embedding", settings.embedding, normaliser=normaliser)
        vocabulary = fit_embedding(embedding, documents, self.classes())
        encoder = make_component("encoder", settings.encoder, input_dim=embedding.instance.dim)
        check_shapes(embedding, encoder)
        head = Head.of_encoder(encoder.instance, settings.head, labels=self.outputs)
        for place, blocks in (("train", documents.blocks()), ("validation", tokens("validation"))):
            for count in store_ids(blocks, vocabulary, settings.max_length, folder / place):
                yield Working(f"{self.name}: {place} ids", count, total[place])
        shutil.rmtree(scratch)
        entry = {"name": self.name, "max_length": settings.max_length, **record_parts(tokenizer, embedding, encoder)}
        entry |= {"head": head.config, **_describe_vectors(embedding.instance)}
        if cut := max(too_long, tokenizer.instance.cut):  # the tokenizer's are among them
            entry["cut"] = {"rows": cut, "of": sum(total.values())}
        for path, data in tokenizer.instance.files.items():
            write_synced(folder / TOKENIZER / path, data)
        self.keep(folder, Network(embedding.instance, encoder.instance, head), vocabulary, entry)

    def restore(self, stored: Bundle) -> nn.Module:
        """Embedding, encoder and head."""
        self._tokenizer_files = stored.read_folder(f"{self.name}/{TOKENIZER}")
        return restore(stored, self.entry, self.vocabulary, self.outputs)

    def open(self, folder: Path) -> None:
        """Take up network and rows."""
        super().open(folder)
        self._folder = folder
        self.rows = {place: map_rows(folder / place, self.targets(place)) for place in PLACES}

    def describe(self) -> MemberStarted:
        """Say of what it is composed, and how much of the rows it reads."""
        start = super().describe()
        pooling, remarks = self.entry["head"]["pooling"], []
        if vectors := self.entry.get("vectors"):
            remarks.append(f"{vectors['found']:,} of {vectors['of']:,} tokens start from the file of vectors")
            if repeats := vectors.get("repeated"):
                remarks[-1] += (
                    f", the first of each: {repeats:,} more lines are of the same tokens, in this or another spelling"
                )
        if cut := self.entry.get("cut"):
            remarks.append(f"{cut['rows']:,} of {cut['of']:,} rows are longer than what is read, and were cut")
        composition = f"{start.composition} → {pooling}"
        return MemberStarted(start.name, composition, start.parameters, start.vocabulary, remarks)

    def layers(self) -> list[Layer]:
        """Each part with the shape of what it makes of one batch."""
        network, entry = self.network, self.entry
        ids, mask, _ = self.rows["train"].batch(
            np.arange(min(len(self.rows["train"]), self.settings.training.batch_size))
        )
        with torch.inference_mode():
            vectors = network.embedding(ids, mask)
            states, _ = network.encoder(vectors, mask)
            outputs = network.head(states, mask)
        head = {option: value for option, value in entry["head"].items() if option != "pooling"}
        return [
            Layer.of("tokenizer", entry, ids.shape),
            Layer.of("embedding", entry, vectors.shape, network.embedding),
            Layer.of("encoder", entry, states.shape, network.encoder),
            Layer(
                "head",
                entry["head"]["pooling"],
                head,
                tuple(outputs.shape),
                sum(map(torch.numel, network.head.parameters())),
            ),
        ]

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:
        """Train what of the network learns: all, or what lies above vectors that never change."""
        yield from self.pretrain(minimise)
        module, rows = yield from self._select_trainable()
        return (yield from minimise(self.objective(module, rows), self.settings.training))

    def export(self) -> StoredMember:
        """Export as a table, a graph, or for torch."""
        runtime, files = export_network(self.network, self.weights, arithmetic=self.arithmetic, folds=self.folds)
        files |= self.files() | {f"{TOKENIZER}/{path}": data for path, data in self._tokenizer_files.items()}
        return StoredMember({"name": self.name, "runtime": runtime, **self.entry}, files)

    def compare(self, stored: StoredMember) -> Comparison:
        """Compare the outputs on validation rows, as inference computes them, with torch's."""
        rows = self.rows["validation"].take(COMPARE_ROWS)
        expected = logits_of(self.network, rows).double().numpy()
        normaliser = self.run.normaliser
        member = open_member(stored.bundle, stored.entry, self.outputs, normaliser)
        texts = [t for block in self.corpus.texts("validation", COMPARE_ROWS) for t in normaliser.batch(block)]
        parts = [member.logits(texts[at : at + 1024]) for at in range(0, len(texts), 1024)]
        outputs = np.concatenate(parts)
        difference = self.difference(expected, outputs)
        return Comparison(difference, min(CHECK_ROWS, len(expected)), validation=outputs)

    def _select_trainable(self) -> Generator[Event, None, tuple[nn.Module, Mapping[str, Rows]]]:
        """Return what of the network learns, and the rows as it sees them: vectors where the embedding is fixed, or its
        lower half is and there is room for them.
        """
        network, rows = self.network, {}
        embedding = network.embedding
        lower, upper = (embedding, None) if embedding.fixed else embedding.halves() or (None, None)
        if lower is None or (upper and sum(size_of(ids, lower.dim) for ids in self.rows.values()) > MOST):
            return network, self.rows
        for place, ids in self.rows.items():
            path = self._folder / f"{place}.vectors"
            yield from store_vectors(path, lower, ids, f"{self.name}: {place} vectors")
            rows[place] = map_vectors(path, lower.dim, ids)
        return VectorNetwork(network.encoder, network.head, upper), rows


def _describe_vectors(embedding: Any) -> dict[str, Any]:
    """How many tokens start from a file of vectors, if there is one."""
    if not (found := embedding.found):
        return {}
    repeated = embedding.repeated
    return {"vectors": {"found": found[0], "of": found[1], **({"repeated": repeated} if repeated else {})}}
