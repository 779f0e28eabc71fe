"""A member that reads texts: tokenizer → embedding → encoder → head; what a text is answered by are the head's numbers.

What these numbers are, and what is minimised, is a task's own: a class that inherits from `TextNetwork` says it.
"""

from __future__ import annotations

import itertools
import shutil
from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nlpkit.errors import BundleError, Sentence, SettingError
from nlpkit.files import write_synced
from nlpkit.model.bundle import CONFIG, TOKENIZER, Bundle
from nlpkit.model.members import Floats, PaddedMember, TextIds, open_member
from nlpkit.model.network import Head, Network, VectorNetwork, remake_network, restore, run_of
from nlpkit.text.vocabulary import Vocabulary
from nlpkit.training.base_model import BaseMember
from nlpkit.training.batching import Rows, logits_of
from nlpkit.training.components import Part, check_pair, check_shapes, fit_embedding, remarks_of
from nlpkit.training.events import Event, MemberStarted, Working
from nlpkit.training.export import export_network
from nlpkit.training.fixed_vectors import map_vectors, size_of, store_vectors
from nlpkit.training.inheritance import ANSWERING, Answers, Inheritance, name_parts, read_back, read_weights
from nlpkit.training.loop import Diverged, Objective
from nlpkit.training.member import CHECK_ROWS, Comparison, Layer, Minimise, NetworkMember, StoredMember, record_parts
from nlpkit.training.settings import MemberSettings, TextNetworkSettings
from nlpkit.training.storage import StoredCorpus, map_rows, store_ids
from nlpkit.training.tokenising import Tokenised, tokenise

COMPARE_ROWS = 50_000  # validation rows that are enough to compare an export by, and to tune weights and temperature on
STANDARDISED = 2048  # training rows by which the numbers of pooled states are shifted and scaled
SAMPLES = 256  # training rows by which what int8 multiplies is balanced
ROUNDED = 0.2  # how far off outputs may be of a model that multiplies by int8, as a share of the greatest
CHECK_READ_BACK = 32  # training rows on which weights that were read back must answer as the saved model does
MOST = 1 << 30  # bytes of vectors of the lower half of an embedding; with more, it is asked each time
PLACES = ("train", "validation")


class TextNetwork(NetworkMember):
    """A network on texts.

    After `open` there are the encoded ``rows`` of training and validation, too, by place.
    """

    settings_class: ClassVar[type[MemberSettings]] = TextNetworkSettings
    chain = ("tokenizer", "embedding", "encoder")
    folds: ClassVar[bool] = False  # whether sums over tokens fold into a table

    @property
    def takes_pieces(self) -> bool:
        """It asks for nothing but vectors."""
        return True

    @property
    def relative(self) -> bool:
        """As for a softmax, where there are several."""
        return self.outputs > 1

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
    def learnt(self) -> Sequence[str]:
        """Places of the rows to train on, one after the other: what `targets` says of ``train`` is of all of these."""
        return ("train",)

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

    def classes(self) -> Any:
        """Return a label's index for each training row, which some embeddings look at: see `Embedding.fit`."""
        return np.zeros(len(self.corpus.rows("train")), dtype=np.int64).tolist()

    def pretrain(self, minimise: Minimise) -> Generator[Event, None, None]:  # noqa: ARG002
        """Train before the main loop, if at all."""
        yield from ()

    def rehearse(self) -> list[str]:
        """Make every part once; see `Member.rehearse`."""
        settings, tokenizer, part = self.settings, self.make_component("tokenizer"), self.make_component("embedding")
        check_pair(tokenizer, part)
        embedding = part.instance
        encoder = self.make_component("encoder", input_dim=embedding.dim or 2).instance
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
        self.check_encoder(encoder, settings)
        limits = [most for most in (settings.max_length, getattr(tokenizer.instance, "longest", None)) if most]
        if embedding.longest and min(limits, default=np.inf) > embedding.longest:
            raise SettingError(
                "{name}: the embedding {embedding} takes rows of at most {longest} tokens: set max_length={longest}",
                name=settings.name,
                embedding=settings.embedding["name"],
                longest=embedding.longest,
            )
        return remarks_of(tokenizer, part)

    @classmethod
    def check_encoder(cls, encoder: Any, settings: Any) -> None:
        """Refuse an encoder with which the training of such a member does not go.

        :raises SettingError: saying what does.
        """

    def prepare(self, folder: Path) -> Iterator[Event]:
        """Tokenise, choose the vocabulary, make the weights at the start, and write all of it down."""
        settings = self.settings
        tokenizer = self.make_component("tokenizer")
        places = {"train": self.learnt, "validation": ("validation",)}
        total = {name: sum(len(self.corpus.rows(place)) for place in places[name]) for name in PLACES}

        def texts(name: str) -> Iterator[list[str]]:
            return itertools.chain.from_iterable(map(self.corpus.texts, places[name]))

        scratch, tokenised = folder / "tokens", dict[str, Tokenised]()
        for place in PLACES:
            own = partial(texts, place), total[place], tokenizer, self.run.normaliser
            template = "{name}: tokens" if place == "train" else "{name}: {place} tokens"
            what = Sentence(template, name=self.name, place=Sentence(place))
            tokenised[place] = yield from tokenise(*own, scratch / place, what)
        documents = tokenised["train"].tokens
        yield Working(Sentence("{name}: vocabulary", name=self.name), 0, None)
        embedding = self.make_component("embedding")
        vocabulary = self.fit_embedding(embedding, documents, self.classes())
        encoder = self.make_component("encoder", input_dim=embedding.instance.dim)
        check_shapes(embedding, encoder)
        head = Head.of_encoder(encoder.instance, settings.head, labels=self.outputs)
        for place, (tokens, _) in tokenised.items():
            for count in store_ids(tokens.blocks(), vocabulary, settings.max_length, folder / place):
                yield Working(
                    Sentence("{name}: {place} ids", name=self.name, place=Sentence(place)), count, total[place]
                )
        shutil.rmtree(scratch)
        entry = {"name": self.name, "max_length": settings.max_length, **record_parts(tokenizer, embedding, encoder)}
        entry |= {"head": head.config, **_describe_vectors(embedding.instance)}
        too_long = sum(tokens.count_longer(settings.max_length or np.inf) for tokens, _ in tokenised.values())
        if cut := max(too_long, sum(cut for _, cut in tokenised.values())):  # the tokenizer's are among them
            entry["cut"] = {"rows": cut, "of": sum(total.values())}
        for path, data in tokenizer.instance.files.items():
            write_synced(folder / TOKENIZER / path, data)
        self.keep(folder, Network(embedding.instance, encoder.instance, head), vocabulary, entry)

    @property
    def _begins_anew(self) -> bool:
        """Whether all weights of the saved model are those of labels that are gone."""
        if self.base is None or self.settings.head.projection or self.answers is None:
            return False
        return not Answers(self.base_answers or (), self.answers).common

    def make_component(self, kind: str, **fixed: Any) -> Part:
        """Make a component; without a projection, a vector has a number for each output."""
        if self.base is None or self.data is None or kind != "embedding" or self.settings.head.projection:
            return super().make_component(kind, **fixed)
        settings = {**self.settings.embedding, "dim": self.outputs}
        return self.base.make_component(kind, settings, self.run.normaliser, **fixed)

    def fit_embedding(self, embedding: Part, documents: Iterable[Sequence[str]], classes: Any) -> Vocabulary:
        """Fit an embedding, anew if nothing of a saved one can be kept."""
        if self._begins_anew:
            return fit_embedding(embedding, documents, classes)
        return super().fit_embedding(embedding, documents, classes)

    def inherit(self, network: nn.Module, vocabulary: Vocabulary) -> dict[str, Any]:
        """Put in the weights of a saved model, unless nothing of them can be kept."""
        if not self._begins_anew:
            return super().inherit(network, vocabulary)
        answers = Answers(self.base_answers or (), self.answers or ())
        return {"from": Inheritance(new=("embedding", ANSWERING), answers=answers.changes).to_json()}

    def find_answering(self, network: nn.Module) -> Mapping[str, int]:
        """Return the last layer of the head or, where it has none, the vectors of the embedding."""
        head, state = self.settings.head, network.state_dict()
        if head.projection:
            last = max(int(name.split(".")[2]) for name in state if name.startswith("head.layers."))
            return {name: 0 for name in state if name.startswith(f"head.layers.{last}.")}
        tables = [n for n, t in state.items() if n.startswith("embedding.") and t.dim() == 2 and t.shape[1] > 1]
        return {**dict.fromkeys(tables, 1), "head.bias": 0}

    def name_parts(self, network: nn.Module) -> Mapping[str, str]:
        """Tell the pooling and a hidden layer from the head's last layer."""
        parts, answering = dict(name_parts(network)), self.find_answering(network)
        pooling = ("head.attention.", "head.standardisation.")
        lower = {n: "pooling" if n.startswith(pooling) else "hidden layer" for n in parts if n[:5] == "head."}
        return parts | lower | dict.fromkeys(answering, ANSWERING)

    def read_base(self, base: BaseMember, network: nn.Module) -> tuple[dict[str, Any], bool]:  # noqa: ARG002
        """Read saved weights; those of what inference executes must answer as that does."""
        if (weights := read_weights(base)) is not None:
            return weights, False
        outputs = len(self.base_answers or ()) or self.outputs
        with base.model.bundle.report_damage(CONFIG):
            saved = remake_network(base.entry, base.vocabulary, outputs)
        weights = read_back(saved, base)
        self._check_read_back(base, saved.eval(), outputs)
        return weights, True

    def _check_read_back(self, base: BaseMember, network: Network, outputs: int) -> None:
        """Refuse weights that were not understood: some rows must get the answers of the saved model.

        :raises BundleError: if they do not.
        """
        tokenizer = self.make_component("tokenizer").instance
        members = [
            open_member(base.model.bundle, dict(base.entry), outputs, self.run.normaliser, relative=self.relative),
            PaddedMember(TextIds(tokenizer, base.vocabulary, base.entry["max_length"]), run_of(network)),
        ]
        texts = self.run.normaliser.batch(next(self.corpus.texts("train", CHECK_READ_BACK)))
        expected, found = (member.logits(texts) for member in members)
        if self.relative:  # a table holds no more
            expected, found = expected - expected[:, :1], found - found[:, :1]
        own = next(table for table in base.model.tables()["members"] if table["name"] == base.name)
        exact = base.entry["runtime"] != "graph" or own.get("arithmetic", "float32") == "float32"
        most = (1e-3 if exact else ROUNDED) * (1 + np.abs(expected).max())
        if not np.abs(expected - found).max() <= most:  # nor is what is no number
            raise BundleError(
                "{model} comes without the weights of its member {member}, and those in what inference executes are "
                "not understood: go on from a model that was trained with --keep-weights",
                model=base.model.name,
                member=base.name,
            )

    def restore(self, stored: Bundle) -> nn.Module:
        """Embedding, encoder and head."""
        self._tokenizer_files = stored.read_folder(f"{self.name}/{TOKENIZER}")
        return restore(stored, self.entry, self.vocabulary, self.outputs)

    def open(self, folder: Path) -> None:
        """Take up network and rows."""
        super().open(folder)
        self._folder = folder
        pieces = self.vocabulary.pieces
        self.rows = {place: map_rows(folder / place, self.targets(place), pieces) for place in PLACES}

    def describe(self) -> MemberStarted:
        """Say of what it is composed, and how much of the rows it reads."""
        start = super().describe()
        pooling = self.entry["head"]["pooling"]
        remarks: list[str] = []
        if vectors := self.entry.get("vectors"):
            remarks.append(
                Sentence(
                    "{found:,} of {of:,} tokens start from the file of vectors",
                    found=vectors["found"],
                    of=vectors["of"],
                )
            )
            if repeats := vectors.get("repeated"):
                remarks[-1] += Sentence(
                    ", the first of each: {repeats:,} more lines are of the same tokens, in this or another spelling",
                    repeats=repeats,
                )
        if cut := self.entry.get("cut"):
            remarks.append(
                Sentence(
                    "{rows:,} of {of:,} rows are longer than what is read, and were cut", rows=cut["rows"], of=cut["of"]
                )
            )
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

    def prepare_rows(self) -> Iterator[Event]:
        """Compute vectors that never change."""
        yield from self._select_trainable()

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:
        """Train what of the network learns: all, or what lies above vectors that never change."""
        yield from self.pretrain(minimise)
        module, rows = yield from self._select_trainable()
        return (yield from minimise(self.objective(module, rows), self.settings.training))

    def export(self) -> StoredMember:
        """Export as a table, a graph, or for torch."""
        self.network.embedding.finish()
        runtime, files = export_network(
            self.network,
            self.weights,
            arithmetic=self.arithmetic,
            folds=self.folds,
            relative=self.relative,
            samples=self._draw_samples(),
        )
        files |= self.files() | {f"{TOKENIZER}/{path}": data for path, data in self._tokenizer_files.items()}
        return StoredMember({"name": self.name, "runtime": runtime, **self.entry}, files)

    def _draw_samples(self) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield ids and mask of some training rows, each alone."""
        rows = self.rows["train"]
        for row in np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows)), dtype=np.int64):
            ids, mask, _ = rows.batch(row[None])
            yield {"ids": ids.numpy(), "mask": mask.numpy()}

    def compare(self, stored: StoredMember) -> Comparison:
        """Compare the outputs on the rows that judge, as inference computes them, with torch's."""
        rows = self.rows[self.run.judge].take(COMPARE_ROWS)
        expected = logits_of(self.network, rows).double().numpy()
        normaliser = self.run.normaliser
        member = open_member(stored.bundle, stored.entry, self.outputs, normaliser, relative=self.relative)
        texts = [t for block in self.corpus.texts(self.run.judge, COMPARE_ROWS) for t in normaliser.batch(block)]
        parts = [member.logits(texts[at : at + 1024]) for at in range(0, len(texts), 1024)]
        outputs = np.concatenate(parts)
        difference = self.difference(expected, outputs)
        return Comparison(difference, min(CHECK_ROWS, len(expected)), validation=outputs)

    def _select_trainable(self) -> Generator[Event, None, tuple[nn.Module, Mapping[str, Rows]]]:
        """Return what of the network learns, and the rows as it sees them: vectors where the embedding is fixed, or its
        lower half is and there is room for them.
        """
        network, rows = self.network, dict[str, Rows]()
        embedding = network.embedding
        entry = self.entry["embedding"]
        lower, upper = (embedding, None) if embedding.fixed else embedding.halves() or (None, None)
        module: nn.Module = network
        if lower is None or (upper and sum(size_of(ids, lower.dim) for ids in self.rows.values()) > MOST):
            rows = self.rows
        else:
            for place, ids in self.rows.items():
                path = self._folder / f"{place}.vectors"
                yield from store_vectors(
                    path, lower, ids, Sentence("{name}: {place} vectors", name=self.name, place=Sentence(place)), entry
                )
                rows[place] = map_vectors(path, lower.dim, ids)
            module = VectorNetwork(network.encoder, network.head, upper)
        if self.base is None:  # whose head knows other numbers
            _standardise(module, network.head, rows["train"])
        return module, rows


def _standardise(module: nn.Module, head: Head, rows: Rows) -> None:
    """Fit what standardises the pooled states of a head, if it has that, to some rows, as they are now."""
    if head.standardisation is None:
        return
    pooled: list[torch.Tensor] = []
    hook = head.standardisation.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    logits_of(module, rows.take(STANDARDISED))
    hook.remove()
    head.standardisation.fit(torch.cat(pooled))


def _describe_vectors(embedding: Any) -> dict[str, Any]:
    """How many tokens start from a file of vectors, if there is one."""
    if not (found := embedding.found):
        return {}
    repeated = embedding.repeated
    return {"vectors": {"found": found[0], "of": found[1], **({"repeated": repeated} if repeated else {})}}
