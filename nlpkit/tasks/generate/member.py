"""Training a language model: characters → ids on disk → composed → fitted → its step exported."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from nlpkit.errors import SettingError
from nlpkit.files import write_synced
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import softmax
from nlpkit.tasks.generate.characters import END
from nlpkit.tasks.generate.members import NetworkMember, TorchSteps, open_member
from nlpkit.tasks.generate.network import LanguageModel, restore
from nlpkit.tasks.generate.objective import Documents, TokenPrediction
from nlpkit.tasks.generate.sampling import Sampling
from nlpkit.tasks.generate.settings import LanguageModelSettings
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import UNKNOWN, TableVocabulary, dump_vocabulary, load_vocabulary
from nlpkit.training.checkpoint import Checkpoint
from nlpkit.training.composition import ENTRY, check_shapes, dump_weights, fitted, make
from nlpkit.training.events import Event, MemberExported, MemberStarted, Sampled, Working
from nlpkit.training.export import check_agreement, export_graph
from nlpkit.training.history import History
from nlpkit.training.loop import Epoch, fit
from nlpkit.training.runs import outcome, recorded
from nlpkit.training.settings import NETWORK
from nlpkit.training.storage import StoredCorpus, StoredTokens, completed, map_array, store_ids
from nlpkit.training.stored_member import StoredMember, read_member, write_member

CHECKED, STREAMS = 512, 8  # tokens by which an export is compared with torch, and streams of them
SHOWN = 60  # tokens of the sample that is drawn after an epoch


def train_language_model(
    run: Path,
    settings: LanguageModelSettings,
    tokens: Mapping[str, StoredTokens],
    corpus: StoredCorpus,
    history: History,
    *,
    seed: int,
    every: float,
    most_ids: int,
    normaliser: Normaliser | None = None,
) -> Generator[Event, None, tuple[StoredMember, TableVocabulary]]:
    """Train in the folder of a run; what an earlier attempt finished there is not done again.

    :param tokens: of the rows of training and validation, each with the mark of its end.
    :param corpus: of these rows.
    :param every: seconds between saves of the loop's state.
    :param most_ids: that the other members can hold.
    :param normaliser: of the texts.
    """
    folder, done = run / "members" / NETWORK, run / "trained" / NETWORK
    if not folder.exists():
        yield from _prepare(folder, settings, tokens, seed, most_ids, normaliser)
    network, entry, vocabulary = _reopen(folder)
    shown = " → ".join(entry[kind]["name"] for kind in ("embedding", "encoder", "output"))
    yield MemberStarted(NETWORK, shown, sum(p.numel() for p in network.parameters()), len(vocabulary))
    documents = {place: _documents(folder / NETWORK, place, corpus) for place in tokens}
    seen = tokens["train"].counts()
    rare = np.array([False, False, *(seen[token] == 1 for token in vocabulary.tokens)])
    objective = TokenPrediction(network, documents["train"], documents["validation"], settings.training, rare)
    fitting = fit(objective, settings.training, seed, Checkpoint(run / f"{NETWORK}.safetensors", every))
    diverged = yield from _with_samples(recorded(NETWORK, fitting, history), network, vocabulary, seed)
    if not done.exists():
        yield Working(f"{NETWORK}: exporting", 0, None)
        member, report = _export(network, entry, vocabulary, documents["validation"], settings.weights)
        entry = {**member.entry, **outcome(history.epochs[NETWORK], diverged)}
        with completed(done) as new:
            write_member(new, replace(member, entry=entry), report=asdict(report))
    member, facts = read_member(done)
    yield MemberExported(**facts["report"])
    return member, vocabulary


def _prepare(
    folder: Path,
    settings: LanguageModelSettings,
    tokens: Mapping[str, StoredTokens],
    seed: int,
    most_ids: int,
    normaliser: Normaliser | None,
) -> Iterator[Event]:
    """Choose the vocabulary, make the weights at the start, encode the rows, and write all of it down."""
    torch.manual_seed(seed)
    yield Working(f"{NETWORK}: vocabulary", 0, None)
    embedding = make("embedding", settings.embedding, normaliser=normaliser)
    documents = tokens["train"]
    vocabulary = fitted(embedding, documents, np.zeros(len(documents), dtype=np.int64).tolist())
    if not isinstance(vocabulary, TableVocabulary):
        raise SettingError(f"the embedding {embedding.component.name!r} has no table of tokens: choose trainable")
    if END not in vocabulary.tokens:
        raise SettingError(
            "the end of a text is too rare for the vocabulary: set embedding.min_count=1, or give more texts"
        )
    if len(vocabulary) > most_ids:
        raise SettingError(
            f"{len(vocabulary):,} tokens are more than the {most_ids:,} that n-grams can hold: set a lower "
            "embedding.max_size, or ngrams.order=0"
        )
    encoder = make("encoder", settings.encoder, input_dim=embedding.part.dim)
    check_shapes(embedding, encoder)
    output = make("output", settings.output)
    network = LanguageModel(embedding.part, encoder.part, output.part, dropout=settings.dropout, size=len(vocabulary))
    seen = documents.counts()
    known = np.array([seen[token] for token in vocabulary.tokens], dtype=np.int64)
    counts = np.concatenate([[max(1, int((known == 1).sum()) // 2)], known])
    vectors = embedding.part.vectors().detach()[UNKNOWN:]
    network.output.fit(["", *vocabulary.tokens], counts, np.ones(len(counts)), vectors)
    entry: dict[str, Any] = {"name": NETWORK, "kind": NETWORK, "dropout": settings.dropout}
    entry |= {made.component.kind: made.record for made in (embedding, encoder, output)}
    with completed(folder) as new:
        part = new / NETWORK
        part.mkdir()
        for place, stored in tokens.items():
            for count in store_ids(stored.blocks(), vocabulary, 0, part / place):
                yield Working(f"{NETWORK}: {place} ids", count, len(stored))
        write_synced(part / bundle.VOCABULARY, dump_vocabulary(vocabulary))
        write_synced(part / bundle.WEIGHTS, dump_weights(network))
        write_synced(part / ENTRY, bundle.dump_json(entry))


def _reopen(folder: Path) -> tuple[LanguageModel, dict[str, Any], TableVocabulary]:
    """A network as `_prepare` left it."""
    entry = json.loads((folder / NETWORK / ENTRY).read_text("utf-8"))
    vocabulary = load_vocabulary((folder / NETWORK / bundle.VOCABULARY).read_bytes())
    assert isinstance(vocabulary, TableVocabulary)
    return restore(Bundle.part(folder), entry, vocabulary), entry, vocabulary


def _documents(folder: Path, place: str, corpus: StoredCorpus) -> Documents:
    ids, starts = (
        map_array(folder / f"{place}.{part}", kind) for part, kind in (("ids", np.int32), ("starts", np.int64))
    )
    return Documents(ids, np.asarray(starts), corpus.corpus_of(place), corpus.ordered(place))


def _with_samples(
    events: Generator[Event, None, Any], network: LanguageModel, vocabulary: TableVocabulary, seed: int
) -> Generator[Event, None, Any]:
    """The same events, and after each epoch a text as the network would write it now."""
    with closing(events):  # whoever ends this run early ends them, and hears what they then say
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                return stop.value
            yield event
            if isinstance(event, Epoch):
                draw = np.random.default_rng((seed, event.epoch))
                yield Sampled(NETWORK, event.epoch, _sample(network, vocabulary, draw))


def _sample(network: LanguageModel, vocabulary: TableVocabulary, draw: np.random.Generator) -> str:
    """A text as the network would write it from nothing."""
    member, sampling = NetworkMember(vocabulary, TorchSteps(network), network.decoder()), Sampling(temperature=0.8)
    state, written = member.begin(1), [vocabulary.tokens.index(END) + UNKNOWN + 1]
    while len(written) <= SHOWN:
        logits, state = member.read(np.array([written[-1:]]), state)
        logits[:, 0] = -np.inf
        column = int(sampling.draw(logits, draw.random(1), np.zeros((1, 0), dtype=np.int64))[0])
        written.append(column + UNKNOWN)
        if vocabulary.tokens[column - 1] == END:
            break
    return "".join(vocabulary.tokens[i - UNKNOWN - 1] for i in written[1:]).strip()


def _export(
    network: LanguageModel,
    entry: Mapping[str, Any],
    vocabulary: TableVocabulary,
    validation: Documents,
    weights: str,
) -> tuple[StoredMember, MemberExported]:
    """Export the step, and compare it with torch on validation rows.

    :raises NlpkitError: if they differ by more than rounding explains.
    """
    network.eval()
    state = network.begin(2)
    names = [f"state{position}" for position in range(len(state))]
    inputs = {"ids": torch.ones(2, 7, dtype=torch.int64), **dict(zip(names, state, strict=True))}
    runtime, files = export_graph(
        network,
        inputs,
        ["outputs", *(f"{name}_after" for name in names)],
        weights,
        free={"ids": [0, 1], **{name: [axis] for name, axis in zip(names, network.axes(), strict=True)}},
    )
    arrays = {name: np.asarray(array, order="C") for name, array in network.output.arrays().items()}
    files |= {bundle.ARRAYS: save(arrays), bundle.WEIGHTS: dump_weights(network)}
    shapes = [
        [-1 if i == axis else size for i, size in enumerate(tensor.shape)]
        for tensor, axis in zip(state, network.axes(), strict=True)
    ]
    member = StoredMember({**entry, "runtime": runtime, "state": shapes}, files)
    ids = np.asarray(validation.ids[: CHECKED // STREAMS * STREAMS], dtype=np.int64)
    streams = min(STREAMS, len(ids))
    ids = ids[: len(ids) // streams * streams].reshape(streams, -1)
    difference = _difference(network, member, vocabulary, ids)
    check_agreement(NETWORK, difference, weights)
    size = sum(len(data) for path, data in files.items() if path != bundle.WEIGHTS)
    return member, MemberExported(NETWORK, runtime, size, difference, ids.size, "characters")


def _difference(
    network: LanguageModel, member: StoredMember, vocabulary: TableVocabulary, ids: NDArray[np.int64]
) -> float:
    """Greatest difference of a probability between torch and the files, over ids ``(streams, time)``."""
    expected = NetworkMember(vocabulary, TorchSteps(network), network.decoder())
    stored = Bundle(NETWORK, {f"{NETWORK}/{path}": data for path, data in member.files.items()})
    found = open_member(stored, member.entry, vocabulary)
    chances = [
        softmax(one.read(ids[:, :time], one.begin(len(ids)))[0])
        for time in (1, ids.shape[1])
        for one in (expected, found)
    ]
    return float(max(np.abs(a - b).max() for a, b in (chances[:2], chances[2:])))
