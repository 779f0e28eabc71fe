"""The members of a model that generates while they are trained: a network whose step is exported, and n-grams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from nlpkit.components.ppmi import draw_evenly
from nlpkit.errors import Sentence, SettingError
from nlpkit.model.bundle import ARRAYS, WEIGHTS, Bundle
from nlpkit.model.mixing import softmax
from nlpkit.plugins.base import StaticEmbedding
from nlpkit.tasks.generate.characters import END
from nlpkit.tasks.generate.inference import TorchSteps, WritingNetwork, open_member
from nlpkit.tasks.generate.kneser_ney import count_ngrams
from nlpkit.tasks.generate.network import LanguageModel, restore
from nlpkit.tasks.generate.ngrams import MOST_IDS
from nlpkit.tasks.generate.objective import Documents, TokenPrediction
from nlpkit.tasks.generate.sampling import Sampling
from nlpkit.tasks.generate.settings import LanguageModelSettings, NgramSettings
from nlpkit.text.vocabulary import UNKNOWN, TableVocabulary
from nlpkit.training.components import check_causal, check_shapes, remarks_of
from nlpkit.training.events import Event, Note, Working
from nlpkit.training.export import export_graph
from nlpkit.training.loop import Diverged, Epoch
from nlpkit.training.member import Comparison, Layer, Member, Minimise, NetworkMember, StoredMember, record_parts
from nlpkit.training.settings import MemberSettings
from nlpkit.training.storage import StoredCorpus, StoredTokens, map_array, store_ids

CHECKED, STREAMS = 512, 8  # tokens by which an export is compared with torch, and streams of them
SHOWN = 60  # tokens of the sample that is drawn after an epoch


@dataclass
class Characters:
    """The characters of the rows of training and validation, each row with the mark of its end.

    :param vocabulary: that the network chose, and all members share; known once it is open.
    """

    corpus: StoredCorpus
    tokens: Mapping[str, StoredTokens]
    vocabulary: TableVocabulary | None = None

    @property
    def known(self) -> TableVocabulary:
        """The vocabulary.

        :raises SettingError: if no network has chosen one.
        """
        if self.vocabulary is None:
            raise SettingError("n-grams stand behind a network, which chooses the characters: put it first in members")
        return self.vocabulary


class LanguageModelMember(NetworkMember):
    """A network that reads characters on and on."""

    settings_class: ClassVar[type[MemberSettings]] = LanguageModelSettings
    data: Characters
    network: LanguageModel

    @property
    def weights(self) -> str:
        """As its settings say."""
        weights: str = self.settings.weights
        return weights

    def rehearse(self) -> list[str]:
        """Make every part once; see `Member.rehearse`."""
        part = self.make_component("embedding")
        embedding: Any = part.instance
        if not isinstance(part.instance, StaticEmbedding) or not embedding.ordered:
            name = self.settings.embedding["name"]
            raise SettingError(
                "the embedding {name} has no vector that depends on its token alone: choose trainable", name=name
            )
        encoder = self.make_component("encoder", input_dim=embedding.dim or 2)
        check_causal(encoder, embedding.dim or 2)
        output = self.make_component("output").instance
        if embedding.dim:
            embedding.build(TableVocabulary([END]))
            LanguageModel(embedding, encoder.instance, output, dropout=0.0, size=UNKNOWN + 2).begin(1)
        return remarks_of(part)

    def prepare(self, folder: Path) -> Iterator[Event]:
        """Choose the vocabulary, make the weights at the start, encode the rows, and write all of it down."""
        settings, tokens = self.settings, self.data.tokens
        yield Working(Sentence("{name}: vocabulary", name=self.name), 0, None)
        embedding = self.make_component("embedding")
        documents = tokens["train"]
        vocabulary = self.fit_embedding(embedding, documents, np.zeros(len(documents), dtype=np.int64).tolist())
        vocabulary = _check_vocabulary(vocabulary, embedding.component.name)
        encoder = self.make_component("encoder", input_dim=embedding.instance.dim)
        check_shapes(embedding, encoder)
        output = self.make_component("output")
        parts = embedding.instance, encoder.instance, output.instance
        network = LanguageModel(*parts, dropout=settings.dropout, size=len(vocabulary))
        counts = Counter(documents.counts())  # a saved vocabulary may have tokens that do not stand there
        known = np.array([counts[token] for token in vocabulary.tokens], dtype=np.int64)
        occurrences = np.concatenate([[max(1, int((known == 1).sum()) // 2)], known])
        vectors = embedding.instance.vectors().detach()[UNKNOWN:]
        network.output.fit(["", *vocabulary.tokens], occurrences, np.ones(len(occurrences)), vectors)
        for place, stored in tokens.items():
            for count in store_ids(stored.blocks(), vocabulary, 0, folder / place):
                yield Working(
                    Sentence("{name}: {place} ids", name=self.name, place=Sentence(place)), count, len(stored)
                )
        entry = {"name": self.name, "kind": "network", "dropout": settings.dropout}
        self.keep(folder, network, vocabulary, entry | record_parts(embedding, encoder, output))

    def restore(self, stored: Bundle) -> nn.Module:
        """Make a language model."""
        return restore(stored, self.entry, self.vocabulary)

    def open(self, folder: Path) -> None:
        """Take up network and documents."""
        super().open(folder)
        self.data.vocabulary = self.vocabulary
        self._documents = {place: self._read(folder, place) for place in self.data.tokens}

    def layers(self) -> list[Layer]:
        """Show each part with the shape of what it makes of a batch of two rows."""
        network, ids = self.network, torch.ones(2, 7, dtype=torch.int64)
        with torch.inference_mode():
            vectors, states = network.vectors(ids), network.eval().read(ids, None)[0]
            outputs = network.output(states.flatten(0, 1))
        return [
            Layer.of("embedding", self.entry, vectors.shape, network.embedding),
            Layer.of("encoder", self.entry, states.shape, network.encoder),
            Layer.of("output", self.entry, (*ids.shape, outputs.shape[1]), network.output),
        ]

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:
        """Predict tokens; after each epoch show a text as the network would write it now."""
        counts = Counter(self.data.tokens["train"].counts())
        rare = np.array([False, False, *(counts[token] == 1 for token in self.vocabulary.tokens)])
        documents, training = self._documents, self.settings.training
        objective = TokenPrediction(self.network, documents["train"], documents["validation"], training, rare)
        diverged = None
        with closing(minimise(objective, training)) as events:  # so that it hears when this run is ended early
            for event in events:
                yield event
                if isinstance(event, Epoch):
                    yield Note(
                        "           {sample}", sample=self._sample(np.random.default_rng((self.seed, event.epoch)))
                    )
                elif isinstance(event, Diverged):
                    diverged = event
        return diverged

    def export(self) -> StoredMember:
        """Export one step as a graph whose state goes in and comes out, and what reads its outputs."""
        network = self.network.eval()
        state, axes = network.begin(2), network.axes()
        names = [f"state{position}" for position in range(len(state))]
        inputs = {"ids": torch.ones(2, 7, dtype=torch.int64), **dict(zip(names, state, strict=True))}
        outputs = ["outputs", *(f"{name}_after" for name in names)]
        free = {"ids": [0, 1], **{name: [axis] for name, axis in zip(names, axes, strict=True)}}
        runtime, files = export_graph(network, inputs, outputs, self.settings.weights, free=free)
        arrays = {name: np.asarray(array, order="C") for name, array in network.output.arrays().items()}
        shapes = [
            [-1 if i == axis else size for i, size in enumerate(tensor.shape)]
            for tensor, axis in zip(state, axes, strict=True)
        ]
        weights = {WEIGHTS: self.files()[WEIGHTS]}  # the vocabulary is the model's
        entry = {**self.entry, "runtime": runtime, "state": shapes}
        return StoredMember(entry, files | {ARRAYS: save(arrays)} | weights)

    def compare(self, stored: StoredMember) -> Comparison:
        """Compare probabilities of tokens of validation rows, read one by one and together."""
        ids = np.asarray(self._documents["validation"].ids[: CHECKED // STREAMS * STREAMS], dtype=np.int64)
        streams = min(STREAMS, len(ids))
        ids = ids[: len(ids) // streams * streams].reshape(streams, -1)
        expected = WritingNetwork(self.vocabulary, TorchSteps(self.network), self.network.decoder())
        exported = open_member(stored.bundle, stored.entry, self.vocabulary)
        chances = [
            softmax(one.read(ids[:, :time], one.begin(len(ids)))[0])
            for time in (1, ids.shape[1])
            for one in (expected, exported)
        ]
        difference = max(float(np.abs(a - b).max()) for a, b in (chances[:2], chances[2:]))
        return Comparison(difference, ids.size, "characters")

    def _read(self, folder: Path, place: str) -> Documents:
        ids, starts = map_array(folder / f"{place}.ids", np.int32), map_array(folder / f"{place}.starts", np.int64)
        corpus = self.data.corpus
        return Documents(ids, np.asarray(starts), corpus.corpus_of(place), corpus.continuity_of(place))

    def _sample(self, draw: np.random.Generator) -> str:
        """Write a text as the network would from nothing."""
        tokens = self.vocabulary.tokens
        member = WritingNetwork(self.vocabulary, TorchSteps(self.network), self.network.decoder())
        sampling = Sampling(temperature=0.8)
        state, written = member.begin(1), [tokens.index(END) + UNKNOWN + 1]
        while len(written) <= SHOWN:
            logits, state = member.read(np.array([written[-1:]]), state)
            logits[:, 0] = -np.inf
            column = int(sampling.draw(logits, draw.random(1), np.zeros((1, 0), dtype=np.int64))[0])
            written.append(column + UNKNOWN)
            if tokens[column - 1] == END:
                break
        return " ".join("".join(tokens[i - UNKNOWN - 1] for i in written[1:]).split())


class NgramsMember(Member):
    """N-grams, which are counted."""

    settings_class: ClassVar[type[MemberSettings]] = NgramSettings
    data: Characters

    def export(self) -> StoredMember:
        """Count the n-grams of the training rows."""
        settings, vocabulary = self.settings, self.data.known
        ids: list[NDArray[Any]] = [*draw_evenly(self.data.tokens["train"], vocabulary, settings.most)]
        arrays = count_ngrams(np.concatenate([*ids, np.zeros(0, dtype=np.int32)]), len(vocabulary), settings)
        config = {name: value for name, value in asdict(settings).items() if name not in ("name", "kind")}
        entry = {"name": self.name, "kind": "ngrams", "runtime": "ngrams", "config": config}
        return StoredMember(entry, {ARRAYS: save(arrays)})


def _check_vocabulary(vocabulary: Any, embedding: str) -> TableVocabulary:
    """Refuse a vocabulary that is none of characters, or more than n-grams can hold.

    :raises SettingError: saying what to set.
    """
    if not isinstance(vocabulary, TableVocabulary):
        raise SettingError("the embedding {embedding!r} has no table of tokens: choose trainable", embedding=embedding)
    if END not in vocabulary.tokens:
        raise SettingError(
            "the end of a text is too rare for the vocabulary: set embedding.min_count=1, or give more texts"
        )
    if len(vocabulary) > MOST_IDS:
        raise SettingError(
            "{count:,} tokens are more than the {most_ids:,} that n-grams can hold: set a lower "
            "embedding.max_size, or ngrams.order=0",
            count=len(vocabulary),
            most_ids=MOST_IDS,
        )
    return vocabulary
