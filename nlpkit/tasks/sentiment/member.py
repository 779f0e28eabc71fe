"""Training one member: tokens → ids on disk → composed → fitted → exported, each part kept where it is done."""

from __future__ import annotations

import io
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nlpkit.files import write_synced
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.members import Floats, Member, open_member, tokenize
from nlpkit.model.network import Network, VectorNetwork
from nlpkit.tasks.sentiment.objective import Classification, logits_of
from nlpkit.tasks.sentiment.pretraining import LanguageModel, pretraining_settings
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import Tokens
from nlpkit.training.batching import Rows
from nlpkit.training.calibration import tune_stage
from nlpkit.training.checkpoint import Checkpoint
from nlpkit.training.composition import Composition, compose, make, reopen, write_down
from nlpkit.training.events import Event, MemberExported, MemberStarted, Working
from nlpkit.training.export import check_agreement, export
from nlpkit.training.fixed_vectors import map_vectors, store_vectors
from nlpkit.training.history import History
from nlpkit.training.loop import fit
from nlpkit.training.runs import outcome, recorded
from nlpkit.training.settings import MemberSettings
from nlpkit.training.storage import StoredCorpus, StoredTokens, completed, map_rows, store_ids, store_tokens
from nlpkit.training.stored_member import StoredMember, read_member, write_member

CALIBRATED = 50_000  # validation rows that are enough to tune weights and temperature on
CHECKED = 512  # validation rows on which an exported member must agree with torch
LOGITS = "logits.npy"


@dataclass(frozen=True)
class Trained(StoredMember):
    """A member with its validation logits as inference computes them, and how it went."""

    logits: Floats
    report: MemberExported


def train_member(
    run: Path,
    member: MemberSettings,
    corpus: StoredCorpus,
    normaliser: Normaliser,
    history: History,
    *,
    seed: int,
    every: float,
) -> Generator[Event, None, Trained]:
    """Train in the folder of a run; what an earlier attempt finished there is not done again.

    :param every: seconds between saves of the loop's state.
    """
    done = run / "trained" / member.name
    composition, rows = yield from composed(run, member, corpus, normaliser, seed)
    yield _started(composition)
    network, training = composition.network, member.training
    if training.pretrain:
        torch.manual_seed(seed)  # for the model's own weights, which no earlier attempt wrote down
        model = LanguageModel(network, rows["train"], training.batch_size)
        checkpoint = Checkpoint(run / f"{member.name}.pretraining.safetensors", every)
        fitting = fit(model, pretraining_settings(training), seed, checkpoint)
        yield from recorded(f"{member.name}: language model", fitting, history)
    module, shown = yield from learning(run, network, rows, member.name)
    classification = Classification(module, shown["train"], shown["validation"], training, len(corpus.labels))
    fitting = fit(classification, training, seed, Checkpoint(run / f"{member.name}.safetensors", every))
    diverged = yield from recorded(member.name, fitting, history)
    if not done.exists():
        yield Working(f"{member.name}: exporting", 0, None)
        tested = rows["validation"].first(CALIBRATED)
        logits = logits_of(network, tested).double().numpy()
        texts = [t for block in corpus.texts("validation", CALIBRATED) for t in normaliser.batch(block)]
        trained = _export(composition, member.weights, logits, texts, tested.targets, normaliser)
        with completed(done) as new:
            entry = {**trained.entry, **outcome(history.epochs[member.name], diverged)}
            _write(new, replace(trained, entry=entry))
    trained = _read(done)
    yield trained.report
    return trained


def learning(
    run: Path, network: Network, rows: Mapping[str, Rows], name: str
) -> Generator[Event, None, tuple[nn.Module, Mapping[str, Rows]]]:
    """What of a network learns, and the rows as it is shown them: as vectors, where the embedding does not learn."""
    if not network.embedding.fixed:
        return network, rows
    found = {}
    for place, encoded in rows.items():
        path = run / "members" / name / f"{place}.vectors"
        yield from store_vectors(path, network.embedding, encoded, f"{name}: {place} vectors")
        found[place] = map_vectors(path, network.embedding.dim, encoded)
    return VectorNetwork(network.encoder, network.head), found


def composed(
    run: Path, member: MemberSettings, corpus: StoredCorpus, normaliser: Normaliser, seed: int
) -> Generator[Event, None, tuple[Composition, dict[str, Rows]]]:
    """A member with the weights at its start, and the encoded rows of training and validation."""
    folder = run / "members" / member.name
    if not folder.exists():
        yield from _prepare(folder, member, corpus, normaliser, seed)
    rows = {place: map_rows(folder / place, corpus.targets(place)) for place in ("train", "validation")}
    return reopen(folder, len(corpus.labels)), rows


def _prepare(
    folder: Path, member: MemberSettings, corpus: StoredCorpus, normaliser: Normaliser, seed: int
) -> Iterator[Event]:
    """Tokenise, choose the vocabulary, make the weights at the start, and write all of it down."""
    torch.manual_seed(seed)
    tokenizer = make("tokenizer", member.tokenizer, normaliser=normaliser)
    total = {place: len(corpus.rows(place)) for place in ("train", "validation")}

    longer = 0

    def tokens(place: str) -> Iterator[Tokens]:
        nonlocal longer
        for texts in corpus.texts(place):
            found = tokenize(tokenizer.part, normaliser.batch(texts))
            longer += int((np.diff(found.starts) > (member.max_length or np.inf)).sum())
            yield found

    with completed(folder) as new:
        scratch = new / "tokens"
        scratch.mkdir()
        for count in store_tokens(tokens("train"), scratch):
            yield Working(f"{member.name}: tokens", count, total["train"])
        documents = StoredTokens(scratch)
        yield Working(f"{member.name}: vocabulary", 0, None)
        targets, labels = corpus.targets("train").tolist(), len(corpus.labels)
        composition = compose(member, tokenizer, documents, targets, labels, normaliser)
        for place, blocks in (("train", documents.blocks()), ("validation", tokens("validation"))):
            for count in store_ids(blocks, composition.vocabulary, member.max_length, new / place):
                yield Working(f"{member.name}: {place} ids", count, total[place])
        shutil.rmtree(scratch)
        if cut := max(longer, tokenizer.part.cut):  # the tokenizer's are among them
            composition.entry["cut"] = {"rows": cut, "of": sum(total.values())}
        write_down(composition, new)


def _started(composition: Composition) -> MemberStarted:
    entry = composition.entry
    names = [entry[kind]["name"] for kind in ("tokenizer", "embedding", "encoder")]
    parameters = sum(p.numel() for p in composition.network.parameters())
    shown = " → ".join([*names, entry["head"]["pooling"]])
    return MemberStarted(
        entry["name"], shown, parameters, len(composition.vocabulary), entry.get("vectors"), entry.get("cut")
    )


def _export(
    composition: Composition,
    weights: str,
    expected: Floats,
    texts: Sequence[str],
    labels: Any,
    normaliser: Normaliser,
) -> Trained:
    """Export, and compare with torch on validation rows.

    :param texts: these rows, normalised.

    :raises NlpkitError: if they differ by more than rounding explains.
    """
    network = composition.network
    runtime, files = export(network, weights)
    files |= composition.files(weights=True)
    size = sum(len(data) for path, data in files.items() if path != bundle.WEIGHTS)
    entry = {"name": composition.entry["name"], "runtime": runtime, **composition.entry}
    stored = Bundle(entry["name"], {f"{entry['name']}/{path}": data for path, data in files.items()})
    found = _logits(open_member(stored, entry, expected.shape[1], normaliser), texts)
    difference = _difference(expected, found, labels)
    check_agreement(entry["name"], difference, weights)
    report = MemberExported(entry["name"], runtime, size, difference, min(CHECKED, len(expected)))
    return Trained(entry, files, found, report)


def _logits(member: Member, texts: Sequence[str]) -> Floats:
    """Logits ``(rows, labels)`` of many texts, a block at a time."""
    return np.concatenate([member.logits(texts[at : at + 1024]) for at in range(0, len(texts), 1024)])


def _difference(expected: Floats, found: Floats, labels: Any) -> float:
    """Greatest difference of a probability, both calibrated as the expected logits want it."""
    calibrated = tune_stage([expected], labels, None)
    pair = (calibrated.probabilities([logits[:CHECKED]]) for logits in (expected, found))
    return float(np.abs(np.subtract(*pair)).max())


def _write(folder: Path, trained: Trained) -> None:
    write_member(folder, trained, report=asdict(trained.report))
    logits = io.BytesIO()
    np.save(logits, trained.logits)
    write_synced(folder / LOGITS, logits.getvalue())


def _read(folder: Path) -> Trained:
    member, facts = read_member(folder)
    logits = np.load(io.BytesIO(member.files.pop(LOGITS)), allow_pickle=False)
    return Trained(member.entry, member.files, logits, MemberExported(**facts["report"]))
