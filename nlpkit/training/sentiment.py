"""Training a sentiment bundle: corpora → deduplicated → split → members trained, exported → mixed → tested → saved.

A generator: it yields what happens, and the caller draws it.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_tensors

import nlpkit
from nlpkit import bundle
from nlpkit.bundle import Bundle
from nlpkit.corpus import Example, renamed
from nlpkit.errors import DataError, NlpkitError
from nlpkit.evaluation import Metrics, groups, measure
from nlpkit.evidence import Evidence
from nlpkit.inference.members import Floats, open_member, tokenize
from nlpkit.inference.sentiment import DECIMALS, SentimentModel, Stage
from nlpkit.normalisation import Normaliser
from nlpkit.split import Deduplicated, Split, deduplicate, fingerprint, split
from nlpkit.training.calibration import tune_stage, tune_stages
from nlpkit.training.card import card
from nlpkit.training.composition import make, rehearse
from nlpkit.training.export import export
from nlpkit.training.loop import Epoch, Rows, Step, fit, logits_of
from nlpkit.training.network import Head, Network
from nlpkit.training.pretraining import PretrainingEpoch, pretrain
from nlpkit.training.settings import MemberSettings, Settings
from nlpkit.vocabulary import Tokens, Vocabulary, dump_vocabulary

CHECKED = 512  # validation rows on which an exported member must agree with torch
AGREEMENT = {"float32": 1e-4, "int8": 0.05}  # greatest difference of a calibrated probability; int8 rounds
SAMPLES = 12


@dataclass(frozen=True)
class Prepared:
    """The corpora are read. Counts of rows; ``labels`` maps each label to its training rows."""

    rows: int
    duplicates: int
    conflicts: int
    empty: int
    train: int
    validation: int
    test: int
    labels: Mapping[str, int]


@dataclass(frozen=True)
class MemberStarted:
    """A member is composed and about to train."""

    name: str
    composition: str
    parameters: int
    vocabulary: int
    epochs: int


@dataclass(frozen=True)
class MemberExported:
    """A member is trained and exported.

    ``difference`` is the greatest from torch's calibrated probabilities over ``checked`` validation rows.
    """

    name: str
    runtime: str
    size: int
    difference: float
    checked: int


@dataclass(frozen=True)
class Saved:
    """The bundle is written. ``metrics`` are on the test rows, by corpus, "all" among them."""

    folder: Path
    size: int
    stages: Sequence[Stage]
    metrics: Mapping[str, Metrics]


Event = Prepared | MemberStarted | PretrainingEpoch | Step | Epoch | MemberExported | Saved


def train(
    examples: Sequence[Example],
    settings: Settings,
    folder: Path,
    *,
    samples: Sequence[str] | None = None,
    keep_weights: bool = True,
    force: bool = False,
) -> Iterator[Event]:
    """Train and save; the same examples, settings and number of threads give the same model.

    :param samples: texts for the folder's test of itself; None takes some validation rows.
    :param keep_weights: also save the weights as trained, from which training can go on.
    :raises DataError: if the rows that are left have one label or are too few for the split.
    """
    rehearse(settings)
    bundle.writable(folder, force=force)
    unique = deduplicate(renamed(examples, settings.labels))
    parts = split(unique.examples, test=settings.test, validation=settings.validation)
    labels = _labels(parts)
    prepared = _prepared(examples, unique, parts)
    yield prepared

    normaliser = Normaliser(**settings.normalisation)
    texts = {name: normaliser.batch([e.text for e in getattr(parts, name)]) for name in ("train", "validation")}
    targets = {name: np.array([labels.index(e.label) for e in getattr(parts, name)]) for name in texts}
    trained: list[_Trained] = []
    for position, member in enumerate(settings.members):
        trained.append((yield from _train_member(member, texts, targets, labels, settings.seed + position)))
    stages = tune_stages([made.logits for made in trained], targets["validation"], settings.exits)

    config = _config(settings, labels, trained, stages)
    config["data"] = {k: v for k, v in asdict(prepared).items() if k != "labels"}
    config["data"] |= {
        "corpora": Counter(Path(e.corpus).name for e in examples),
        "fingerprint": fingerprint(parts.train),
    }
    config["statistics"] = _statistics(texts["train"])
    files = {bundle.EVIDENCE: bundle.dump_json(Evidence.fit(texts["train"]).to_json())}
    for made in trained:
        files |= made.stored(keep_weights=keep_weights)
    model = SentimentModel(Bundle(str(folder), {**files, bundle.CONFIG: bundle.dump_json(config)}))
    metrics = _test(model, parts.test)
    config["metrics"] = {name: found.to_json() for name, found in metrics.items()}
    files[bundle.CONFIG] = bundle.dump_json(config)
    files[bundle.SAMPLES] = bundle.dump_json(_samples(model, samples or [e.text for e in parts.validation[:SAMPLES]]))
    files[bundle.CARD] = card(folder.name, config, files).encode()
    bundle.save(folder, files, force=force)
    yield Saved(folder, sum(map(len, files.values())), stages, metrics)


@dataclass(frozen=True)
class _Trained:
    """A member's entry in config.json, its files, and its validation logits as inference computes them."""

    entry: dict[str, Any]
    files: dict[str, bytes]
    logits: Floats

    def stored(self, *, keep_weights: bool) -> dict[str, bytes]:
        """The files by their paths in the bundle, without the weights as trained where nothing needs them."""
        keep = keep_weights or self.entry["runtime"] == "torch"
        kept = {path: data for path, data in self.files.items() if keep or path != bundle.WEIGHTS}
        return {f"{self.entry['name']}/{path}": data for path, data in kept.items()}


def _prepared(examples: Sequence[Example], unique: Deduplicated, parts: Split) -> Prepared:
    return Prepared(
        rows=len(examples),
        duplicates=unique.duplicates,
        conflicts=unique.conflicts,
        empty=unique.empty,
        train=len(parts.train),
        validation=len(parts.validation),
        test=len(parts.test),
        labels=Counter(e.label for e in parts.train),
    )


def _config(
    settings: Settings, labels: Sequence[str], members: Sequence[_Trained], stages: Sequence[Stage]
) -> dict[str, Any]:
    """What config.json says of the model, but for its data and figures."""
    return {
        "format": bundle.FORMAT,
        "nlpkit": nlpkit.__version__,
        "task": "sentiment",
        "labels": list(labels),
        "aliases": dict(settings.labels),
        "normalisation": Normaliser(**settings.normalisation).config,
        "members": [member.entry for member in members],
        "stages": [asdict(stage) for stage in stages],
        "settings": _without_paths(settings),
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
            "threads": torch.get_num_threads(),
        },
    }


def _train_member(
    member: MemberSettings,
    texts: Mapping[str, Sequence[str]],
    targets: Mapping[str, Any],
    labels: Sequence[str],
    seed: int,
) -> Generator[Event, None, _Trained]:
    torch.manual_seed(seed)
    used = [make("tokenizer", member.tokenizer), make("embedding", member.embedding)]
    tokenizer, embedding = (made.part for made in used)
    tokens = {name: tokenize(tokenizer, found) for name, found in texts.items()}
    vocabulary = embedding.fit(tokens["train"].lists(), targets["train"].tolist())
    used.append(make("encoder", member.encoder, input_dim=embedding.dim))
    encoder = used[-1].part
    head = Head(member.head, input_dim=encoder.output_dim, labels=len(labels))
    network = Network(embedding, encoder, head)
    rows = {name: Rows(_ids(tokens[name], vocabulary, member.max_length), targets[name]) for name in texts}
    parameters = sum(p.numel() for p in network.parameters())
    composition = " → ".join(made.component.name for made in used) + f" → {head.config['pooling']}"
    yield MemberStarted(member.name, composition, parameters, len(vocabulary), member.training.epochs)
    if member.training.pretrain:
        yield from pretrain(network, rows["train"], member.training, seed)
    history = []
    for event in fit(network, rows["train"], rows["validation"], member.training, seed):
        if isinstance(event, Epoch):
            history.append(event)
        yield event

    runtime, files = export(network, member.weights)
    files[bundle.VOCABULARY] = dump_vocabulary(vocabulary)
    files[bundle.WEIGHTS] = save_tensors({k: v.contiguous() for k, v in network.state_dict().items()})
    files |= {f"{bundle.TOKENIZER}/{path}": data for path, data in tokenizer.files.items()}
    entry: dict[str, Any] = {"name": member.name, "runtime": runtime, "max_length": member.max_length}
    entry |= {made.component.kind: made.record for made in used}
    entry["head"] = head.config
    entry["history"] = [{k: v for k, v in asdict(epoch).items() if k != "seconds"} for epoch in history]
    found = _exported_logits(entry, files, texts["validation"], len(labels))
    expected = logits_of(network, rows["validation"]).double().numpy()
    difference = _difference(expected, found, targets["validation"])
    if difference > AGREEMENT[member.weights]:
        raise NlpkitError(
            f"the export of {member.name} differs from torch by {difference:.3g} in a probability; not saved"
        )
    size = sum(len(data) for path, data in files.items() if path != bundle.WEIGHTS)
    yield MemberExported(member.name, runtime, size, difference, min(CHECKED, len(expected)))
    return _Trained(entry, files, found)


def _ids(tokens: Tokens, vocabulary: Vocabulary, max_length: int) -> list[Any]:
    ids = vocabulary.encode(tokens)
    return (ids.truncated(max_length) if max_length else ids).rows()


def _exported_logits(entry: dict[str, Any], files: Mapping[str, bytes], texts: Sequence[str], labels: int) -> Floats:
    """Logits ``(rows, labels)`` by the very files that are saved."""
    stored = Bundle(entry["name"], {f"{entry['name']}/{path}": data for path, data in files.items()})
    member = open_member(stored, entry, labels)
    return np.concatenate([member.logits(texts[at : at + 1024]) for at in range(0, len(texts), 1024)])


def _difference(expected: Floats, found: Floats, labels: Any) -> float:
    """Greatest difference of a probability, both calibrated as the expected logits want it."""
    calibrated = tune_stage([expected], labels, None)
    pair = (calibrated.probabilities([logits[:CHECKED]]) for logits in (expected, found))
    return float(np.abs(np.subtract(*pair)).max())


def _without_paths(settings: Settings) -> dict[str, Any]:
    """Settings as JSON; a dictionary's contents are among the member's files, its path is nobody's business."""
    found = asdict(settings)
    for member in found["members"]:
        member["tokenizer"] = {k: v for k, v in member["tokenizer"].items() if k != "dictionary"}
    return found


def _labels(parts: Split) -> list[str]:
    labels = sorted({e.label for e in parts.train})
    if len(labels) < 2:
        raise DataError(f"training needs at least two labels, found: {', '.join(labels) or 'no labelled rows'}")
    for name in ("validation", "test"):
        if unknown := sorted({e.label for e in getattr(parts, name)} - set(labels)):
            raise DataError(f"the label {unknown[0]!r} stands in the {name} rows only: it needs more rows")
    if not parts.validation:
        raise DataError(f"{len(parts.train)} rows are too few: none fell into validation; give more, or a larger share")
    return labels


def _test(model: SentimentModel, examples: Sequence[Example]) -> dict[str, Metrics]:
    scores = model.score(e.text for e in examples)
    return {
        name: measure([examples[i].label for i in rows], [scores[i] for i in rows], model.labels)
        for name, rows in groups(examples).items()
        if rows
    }


def _samples(model: SentimentModel, texts: Sequence[str]) -> list[dict[str, Any]]:
    pairs = zip(texts, model.score(texts), strict=True)
    return [{"text": text, "label": score.label, "probabilities": score.probabilities} for text, score in pairs]


def _statistics(texts: Sequence[str]) -> dict[str, Any]:
    """How long the training texts are and how rare their characters, to tell later when an input is unlike them."""
    lengths = np.array([len(text) for text in texts])
    counts = Counter(c for text in texts for c in text)
    total = sum(counts.values())
    quantiles = np.quantile(lengths, [0.05, 0.5, 0.95, 0.99]).astype(int).tolist()
    rare = sum(n for n in counts.values() if n < 5) / max(total, 1)
    return {
        "length": dict(zip(("q05", "median", "q95", "q99"), quantiles, strict=True)),
        "characters": len(counts),
        "rare_character_share": round(rare, DECIMALS),
    }
