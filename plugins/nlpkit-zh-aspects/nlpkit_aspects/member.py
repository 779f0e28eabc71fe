"""The member of an opinion model while it is trained: rows of tokens and marks → a network → exported."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from nlpkit import SettingError
from nlpkit.files import replace_file
from nlpkit.model import TOKENIZER, Bundle
from nlpkit.text import Tokens
from nlpkit.training import (
    Comparison,
    Diverged,
    Event,
    Layer,
    MemberSettings,
    MemberStarted,
    Minimise,
    NetworkMember,
    StoredCorpus,
    StoredMember,
    StoredTokens,
    Working,
    check_pair,
    check_shapes,
    export_graph,
    record_parts,
    remarks_of,
    sort_batches,
    store_tokens,
)
from torch import Tensor, nn

from nlpkit_aspects.inference import open_member
from nlpkit_aspects.marks import OPINION, Decoding, decode, log_softmax
from nlpkit_aspects.metrics import Tally
from nlpkit_aspects.network import make_network, restore
from nlpkit_aspects.objective import JUDGED, TOGETHER, Marking, opinions_of
from nlpkit_aspects.rows import MarkedRows, mark_rows
from nlpkit_aspects.settings import AspectsSettings

PLACES = ("train", "validation")
CHECKED = 512  # validation rows on which the export must agree with torch
OUTSIDES, PAIRS = (0.5, 0.0, -0.5, -1.0, -1.5, -2.0), (-2.0, -1.0, 0.0, 1.0)  # of which `Decoding` is chosen


class AspectsNetworkMember(NetworkMember):
    """A network that marks opinions; `StoredCorpus` is its data."""

    settings_class: ClassVar[type[MemberSettings]] = AspectsSettings
    chain = ("tokenizer", "embedding", "encoder")
    data: StoredCorpus

    @property
    def weights(self) -> str:
        """As its settings say."""
        weights: str = self.settings.weights
        return weights

    def rehearse(self) -> list[str]:
        """Make every part once; see `Member.rehearse`."""
        tokenizer, embedding = self.make_component("tokenizer"), self.make_component("embedding")
        check_pair(tokenizer, embedding)
        if not embedding.instance.ordered:
            raise SettingError(
                "the embedding {name} keeps no order, so it cannot tell where opinions stand: choose trainable, "
                "spelled, word2vec or e5",
                name=self.settings.embedding["name"],
            )
        longest, most = embedding.instance.longest, self.settings.max_length
        if longest and most > longest:
            raise SettingError(
                "the embedding {name} takes rows of at most {longest} tokens: set max_length={longest}",
                name=self.settings.embedding["name"],
                longest=longest,
            )
        self.make_component("encoder", input_dim=embedding.instance.dim or 2)
        return remarks_of(tokenizer, embedding)

    def prepare(self, folder: Path) -> Iterator[Event]:
        """Tokenise, choose the vocabulary, make the weights at the start, mark the rows, and write all of it down."""
        settings, normaliser = self.settings, self.run.normaliser
        tokenizer, embedding = self.make_component("tokenizer"), self.make_component("embedding")
        scratch = folder / "tokens"
        scratch.mkdir()
        for count in store_tokens(self._tokens(tokenizer.instance), scratch):
            yield Working(f"{self.name}: tokens", count, len(self.data.rows("train")))
        yield Working(f"{self.name}: vocabulary", 0, None)
        documents = StoredTokens(scratch)
        vocabulary = self.fit_embedding(embedding, documents, np.zeros(len(documents), dtype=np.int64).tolist())
        encoder = self.make_component("encoder", input_dim=embedding.instance.dim)
        check_shapes(embedding, encoder)
        for done, place in enumerate(PLACES):
            yield Working(f"{self.name}: marks", done, len(PLACES))
            rows = mark_rows(self.data, place, tokenizer.instance, normaliser, vocabulary, settings.max_length)
            rows.save(folder / f"{place}.safetensors")
        for path, data in tokenizer.instance.files.items():
            (folder / TOKENIZER).mkdir(exist_ok=True)
            replace_file(folder / TOKENIZER / path, data)
        head = {"dropout": settings.dropout, "pair_dim": settings.pair_dim}
        entry = {"name": self.name, "kind": "network", "max_length": settings.max_length, "head": head}
        entry |= record_parts(tokenizer, embedding, encoder)
        self.keep(folder, make_network(embedding.instance, encoder.instance, head), vocabulary, entry)

    def restore(self, stored: Bundle) -> nn.Module:
        """Embedding, encoder and head."""
        self._tokenizer_files = stored.read_folder(f"{self.name}/{TOKENIZER}")
        return restore(stored, self.entry, self.vocabulary)

    def open(self, folder: Path) -> None:
        """Take up network and rows."""
        super().open(folder)
        self.rows = {place: MarkedRows.load(folder / f"{place}.safetensors") for place in PLACES}

    def describe(self) -> MemberStarted:
        """Say of what it is composed, and how many opinions there are to learn from."""
        start = super().describe()
        opinions = f"{len(self.rows['train'].marks):,} opinions in {len(self.rows['train']):,} rows"
        return MemberStarted(start.name, start.composition, start.parameters, start.vocabulary, [opinions])

    def layers(self) -> list[Layer]:
        """Show each part with the shape of what it makes of a batch."""
        network, entry = self.network, self.entry
        example = _make_example()
        with torch.inference_mode():
            vectors = network.embedding(*example.values())
            states, _ = network.encoder(vectors, example["mask"])
            numbers = network(*example.values())
        parameters = sum(map(torch.numel, network.parameters()))
        below = sum(map(torch.numel, [*network.embedding.parameters(), *network.encoder.parameters()]))
        return [
            Layer.of("embedding", entry, vectors.shape, network.embedding),
            Layer.of("encoder", entry, states.shape, network.encoder),
            Layer("head", "marks and pairs", entry["head"], tuple(numbers.shape), parameters - below),
        ]

    def train(self, minimise: Minimise) -> Generator[Event, None, Diverged | None]:
        """Mark opinions."""
        objective = Marking(self.network, self.rows["train"], self.rows["validation"], self.settings.training)
        return (yield from minimise(objective, self.settings.training))

    def export(self) -> StoredMember:
        """Export the network as a graph; on validation rows it is chosen how opinions are read from its numbers."""
        self.network.eval()
        self.network.embedding.finish()
        decoding = self._choose_decoding()
        runtime, files = export_graph(self.network, _make_example(), ["numbers"], self.weights)
        files |= self.files() | {f"{TOKENIZER}/{path}": data for path, data in self._tokenizer_files.items()}
        return StoredMember({**self.entry, "runtime": runtime, "decoding": decoding._asdict()}, files)

    def compare(self, stored: StoredMember) -> Comparison:
        """Compare the probabilities that tokens of validation rows are of an opinion."""
        member = open_member(stored.bundle, stored.entry, self.run.normaliser)
        difference, rows = 0.0, self.rows["validation"]
        for chosen in sort_batches(rows.lengths[:CHECKED], TOGETHER):
            batch = rows.batch(chosen)
            own = self.network.run(batch.ids.numpy(), batch.mask.numpy())
            exported = member.run(ids=batch.ids.numpy(), mask=batch.mask.numpy())
            told, expected = (np.exp(log_softmax(numbers[..., OPINION])) for numbers in (exported, own))
            difference = max(difference, float(np.abs(told - expected)[batch.mask.numpy()].max(initial=0.0)))
        return Comparison(difference, min(CHECKED, len(rows)))

    def _tokens(self, tokenizer: Any) -> Iterator[Tokens]:
        for texts in self.data.texts("train"):
            yield tokenizer.batch(self.run.normaliser.batch(texts))

    def _choose_decoding(self) -> Decoding:
        """Return how most opinions of validation rows come out right, by F1."""
        rows = self.rows["validation"]
        parts = []
        for chosen in sort_batches(rows.lengths[:JUDGED], TOGETHER):
            batch = rows.batch(chosen)
            parts.append((chosen, self.network.run(batch.ids.numpy(), batch.mask.numpy())))
        return max((Decoding(o, p) for o in OUTSIDES for p in PAIRS), key=lambda one: _f1(rows, parts, one))


def _f1(rows: MarkedRows, parts: Iterable[tuple[Any, Any]], decoding: Decoding) -> float:
    tally = Tally()
    for chosen, numbers in parts:
        found = decode(numbers, rows.lengths[chosen], decoding)
        for row, opinions in zip(chosen.tolist(), found, strict=True):
            tally.add(opinions_of(rows, row), opinions)
    return tally.exact.f1


def _make_example() -> dict[str, Tensor]:
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    return {"ids": torch.ones(2, 7, dtype=torch.int64), "mask": mask}
