"""Training the network of a cloze model: words → ids on disk → composed → fitted → exported."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor, nn

from nlpkit.components.ppmi import corpus_vectors
from nlpkit.errors import SettingError
from nlpkit.files import write_synced
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import softmax
from nlpkit.plugins.base import Embedding, StaticEmbedding
from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END, Blank
from nlpkit.tasks.cloze.members import NetworkMember, open_member
from nlpkit.tasks.cloze.network import ClozeNetwork, TorchOutputs, both_ways, ids_of, restore
from nlpkit.tasks.cloze.objective import Pieces, WordPrediction
from nlpkit.tasks.cloze.settings import NetworkSettings
from nlpkit.tasks.cloze.words import PLACES, Words
from nlpkit.tasks.sentiment.member import CHECKED
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import TableVocabulary, Vocabulary, dump_vocabulary, load_vocabulary
from nlpkit.training.checkpoint import Checkpoint
from nlpkit.training.composition import ENTRY, check_shapes, dump_weights, fitted, make
from nlpkit.training.events import Event, MemberExported, MemberStarted, Working
from nlpkit.training.export import check_agreement, export_graph
from nlpkit.training.history import History
from nlpkit.training.loop import fit
from nlpkit.training.runs import outcome, recorded
from nlpkit.training.settings import NETWORK, check_judges
from nlpkit.training.storage import completed, map_array, store_ids
from nlpkit.training.stored_member import StoredMember, read_member, write_member

CONTEXT_WORDS = 100_000  # the most frequent tokens, which say of the words near them what they mean


def train_network(
    run: Path,
    settings: NetworkSettings,
    words: Words,
    history: History,
    *,
    seed: int,
    every: float,
    normaliser: Normaliser,
) -> Generator[Event, None, StoredMember]:
    """Train in the folder of a run; what an earlier attempt finished there is not done again.

    :param every: seconds between saves of the loop's state.
    """
    folder, done = run / "members" / NETWORK, run / "trained" / NETWORK
    if not folder.exists():
        yield from _prepare(folder, settings, words, seed, normaliser)
    network, entry, vocabulary = _reopen(folder, words.answers)
    yield _started(entry, network, vocabulary)
    pieces = {place: _pieces(folder, place, words.corpora[place], settings.max_length) for place in PLACES}
    if settings.training.focus:
        pieces["validation"] = pieces["validation"].of_first_corpus()
    check_judges(len(pieces["validation"].spans) > 0, settings.training.focus, "has a word that can be answered")
    objective = WordPrediction(network, pieces["train"], pieces["validation"], settings.training, kept(words, settings))
    fitting = fit(objective, settings.training, seed, Checkpoint(run / f"{NETWORK}.safetensors", every))
    diverged = yield from recorded(NETWORK, fitting, history)
    if not done.exists():
        yield Working(f"{NETWORK}: exporting", 0, None)
        member, report = _export(network, entry, vocabulary, words, settings.weights, objective.temperature())
        entry = {**member.entry, **outcome(history.epochs[NETWORK], diverged)}
        with completed(done) as new:
            write_member(new, replace(member, entry=entry), report=asdict(report))
    member, facts = read_member(done)
    yield MemberExported(**facts["report"])
    return member


def kept(words: Words, settings: NetworkSettings) -> NDArray[np.float64]:
    """The probability that an occurrence of each answer is asked for ``(answers,)``."""
    limit = settings.training.subsample
    share = words.counts / words.counts.sum()
    return np.minimum(1.0, np.sqrt(limit / share)) if limit else np.ones(len(share))


def compose(
    settings: NetworkSettings,
    documents: Any,
    answers: Sequence[str],
    counts: NDArray[np.int64],
    share: NDArray[Any],
    normaliser: Normaliser,
) -> tuple[ClozeNetwork, dict[str, Any], Vocabulary]:
    """Make the network, fit its embedding and its output; return it, its entry, and the vocabulary of its inputs.

    :param documents: the tokens of each training row; may be read several times.
    :param share: see `kept`.
    """
    embedding = make("embedding", settings.embedding, normaliser=normaliser)
    vocabulary = fitted(embedding, documents, np.zeros(len(documents), dtype=np.int64).tolist())
    static = check_embedding(embedding.part, settings)
    encoder, output = make("encoder", settings.encoder, input_dim=embedding.part.dim), make("output", settings.output)
    check_shapes(embedding, encoder)
    encoders = both_ways(lambda: make("encoder", settings.encoder, input_dim=embedding.part.dim).part)
    ids = ids_of(answers, vocabulary)
    network = ClozeNetwork(embedding.part, encoders, settings.head, output.part, ids)
    vectors = None
    if output.part.needs_vectors and embedding.part.pretrained:
        vectors = static.vectors().detach()[torch.from_numpy(ids)]
    elif output.part.needs_vectors:
        vectors = _cooccurrence_vectors(documents, answers, embedding.part.dim)
    network.output.fit(answers, counts, share, vectors)
    entry: dict[str, Any] = {"name": NETWORK, "kind": NETWORK, "max_length": settings.max_length}
    entry |= {made.component.kind: made.record for made in (embedding, encoder, output)}
    entry |= {"head": asdict(settings.head)}
    if (collisions := network.output.collisions) is not None:
        entry["collisions"] = collisions
    return network, entry, vocabulary


def _cooccurrence_vectors(documents: Any, answers: Sequence[str], dim: int) -> Tensor:
    """Vectors ``(answers, dim)`` of the answers from the training rows: see `nlpkit.components.ppmi`."""
    frequent = TableVocabulary.count(documents, min_count=2, max_size=CONTEXT_WORDS).tokens
    vocabulary = TableVocabulary(list(dict.fromkeys([*answers, *frequent])))
    return corpus_vectors(documents, vocabulary, dim)[torch.from_numpy(ids_of(answers, vocabulary))]


def check_embedding(embedding: Embedding, settings: NetworkSettings) -> StaticEmbedding:
    """Refuse an embedding whose vector of a word has seen the words beside it: the blank would be among these."""
    if not isinstance(embedding, StaticEmbedding) or not embedding.ordered:
        raise SettingError(
            f"the embedding {settings.embedding['name']} has no vector that depends on its word alone, so a cloze "
            "network cannot use it: choose trainable, spelled or word2vec"
        )
    return embedding


def _prepare(
    folder: Path, settings: NetworkSettings, words: Words, seed: int, normaliser: Normaliser
) -> Iterator[Event]:
    """Choose the vocabulary, make the weights at the start, encode the rows, and write all of it down."""
    torch.manual_seed(seed)
    yield Working(f"{NETWORK}: vocabulary", 0, None)
    share = kept(words, settings)
    network, entry, vocabulary = compose(
        settings, words.tokens["train"], words.answers, words.counts, share, normaliser
    )
    with completed(folder) as new:
        part = new / NETWORK
        part.mkdir()
        for place, tokens in words.tokens.items():
            for name, coded in ((place, vocabulary), (f"{place}-answers", TableVocabulary(words.answers))):
                for count in store_ids(tokens.blocks(), coded, 0, part / name):
                    yield Working(f"{NETWORK}: {place} ids", count, len(tokens))
        write_synced(part / bundle.VOCABULARY, dump_vocabulary(vocabulary))
        write_synced(part / bundle.WEIGHTS, dump_weights(network))
        write_synced(part / ENTRY, bundle.dump_json(entry))


def _reopen(folder: Path, answers: Sequence[str]) -> tuple[ClozeNetwork, dict[str, Any], Vocabulary]:
    """A network as `_prepare` left it."""
    entry = json.loads((folder / NETWORK / ENTRY).read_text("utf-8"))
    vocabulary = load_vocabulary((folder / NETWORK / bundle.VOCABULARY).read_bytes())
    return restore(Bundle.part(folder), entry, vocabulary, answers), entry, vocabulary


def _pieces(folder: Path, place: str, corpora: NDArray[np.int32], longest: int) -> Pieces:
    part = folder / NETWORK
    ids, answers = (map_array(part / f"{name}.ids", np.int32) for name in (place, f"{place}-answers"))
    return Pieces.cut(ids, answers, np.asarray(map_array(part / f"{place}.starts", np.int64)), corpora, longest)


def _started(entry: Mapping[str, Any], network: ClozeNetwork, vocabulary: Vocabulary) -> MemberStarted:
    shown = " → ".join(entry[kind]["name"] for kind in ("embedding", "encoder", "output"))
    ways = "masked" if network.masked else "both ways"
    parameters = sum(p.numel() for p in network.parameters())
    shared = f"; {entry['collisions']:,} answers share a code" if "collisions" in entry else ""
    return MemberStarted(NETWORK, f"{shown} ({ways}{shared})", parameters, len(vocabulary))


def _export(
    network: ClozeNetwork,
    entry: Mapping[str, Any],
    vocabulary: Vocabulary,
    words: Words,
    weights: str,
    temperature: float,
) -> tuple[StoredMember, MemberExported]:
    """Export, and compare with torch on validation rows.

    :param temperature: by which logits are divided before they are compared as probabilities.
    :raises NlpkitError: if they differ by more than rounding explains.
    """
    network.eval()
    with _folded(network):
        runtime, files = export_graph(network, _example(), ["outputs"], weights)
    arrays = {name: np.asarray(array, order="C") for name, array in network.output.arrays().items()}  # save wants that
    files |= {bundle.ARRAYS: save(arrays), bundle.VOCABULARY: dump_vocabulary(vocabulary)}
    files[bundle.WEIGHTS] = dump_weights(network)
    member = StoredMember({**entry, "runtime": runtime}, files)
    blanks = _some_blanks(words)
    difference = _difference(network, member, vocabulary, words.answers, blanks, temperature)
    check_agreement(NETWORK, difference, weights)
    size = sum(len(data) for path, data in files.items() if path != bundle.WEIGHTS)
    return member, MemberExported(NETWORK, runtime, size, difference, len(blanks))


def _example() -> dict[str, Tensor]:
    ids = torch.ones(2, 7, dtype=torch.int64)
    ids[0, 0], ids[0, 3], ids[0, 6] = BEGIN, BLANK, END
    ids[1, 4:] = 0
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    return {"ids": ids, "mask": mask, "at": torch.tensor([3, 2])}


class _Folded(nn.Module):
    """A static embedding as the table that inference needs of it."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", vectors)
        self.table: Tensor

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002
        return self.table[ids]


@contextmanager
def _folded(network: ClozeNetwork) -> Iterator[None]:
    """The network with a table in place of its embedding."""
    embedding: Any = network.embedding
    network.embedding = cast(Any, _Folded(embedding.vectors().detach()))
    try:
        yield
    finally:
        network.embedding = embedding


def _some_blanks(words: Words) -> list[Blank]:
    """The middle word of some validation rows as a blank."""
    rows = (row for block in words.tokens["validation"].blocks() for row in block.lists() if row)
    found = [
        Blank(row[: len(row) // 2], row[len(row) // 2 + 1 :]) for row, _ in zip(rows, range(CHECKED), strict=False)
    ]
    return found or [Blank([], [])]


def _difference(
    network: ClozeNetwork,
    member: StoredMember,
    vocabulary: Vocabulary,
    answers: Sequence[str],
    blanks: Sequence[Blank],
    temperature: float,
) -> float:
    """Greatest difference of a probability between torch and the files."""
    expected = NetworkMember(vocabulary, TorchOutputs(network), network.decoder(), member.entry["max_length"])
    stored = Bundle(NETWORK, {f"{NETWORK}/{path}": data for path, data in member.files.items()})
    found = open_member(stored, member.entry, vocabulary, answers)
    blocks = [blanks[at : at + 64] for at in range(0, len(blanks), 64)]
    pairs = ((softmax(member.logits(block) / temperature) for member in (expected, found)) for block in blocks)
    return max(float(np.abs(a - b).max()) for a, b in pairs)
