"""Training a cloze bundle: texts → deduplicated, split → words → members trained, exported → mixed → tested → saved.

A generator, as `nlpkit.tasks.sentiment.run` is: it yields what happens, and what is done in the run's folder is
not done again.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from nlpkit.errors import DataError, SettingError
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import Stage
from nlpkit.plugins.base import SharedEmbedding, Tokenizer
from nlpkit.tasks.cloze.blanks import MARK, split_at_blanks
from nlpkit.tasks.cloze.counting import CountSettings, context_vocabulary, count_ngrams
from nlpkit.tasks.cloze.items import Item, blanked
from nlpkit.tasks.cloze.member import check_embedding, train_network
from nlpkit.tasks.cloze.metrics import ClozeMetrics, item_blanks, measure_items
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.tasks.cloze.settings import ClozeSettings
from nlpkit.tasks.cloze.words import Words, read_words, store_words
from nlpkit.tasks.sentiment.metrics import corpus_names
from nlpkit.text.corpus import Example
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import dump_vocabulary
from nlpkit.training.calibration import tune_stage
from nlpkit.training.composition import Made, check_pair, make, remarks_of
from nlpkit.training.events import Event, Remark, Working
from nlpkit.training.history import History
from nlpkit.training.run_folder import CORPUS
from nlpkit.training.runs import Model, network_config, prepared, save_run, stored_texts
from nlpkit.training.settings import check_focused
from nlpkit.training.storage import StoredCorpus, completed
from nlpkit.training.stored_member import StoredMember, read_member, write_member

COUNTS = "counts"
MIXED, ENOUGH = 1_000, 100  # validation items to tune the mixture on: at most, and at least
NUMBERS = 1 << 24  # logits of a member that are held for it, if these allow enough items
FREQUENT = 50  # words that are never blanked, or a tenth if there are few
TESTED = 3_000  # test items of each corpus
SAMPLES = 12
SPARE = 3  # times the texts that there are items: not every text has a word to blank


def train(
    texts: Iterable[Example],
    settings: ClozeSettings,
    folder: Path,
    *,
    samples: Sequence[str] | None = None,
    keep_weights: bool = True,
    force: bool = False,
    resume: bool = False,
    every: float = 30.0,
    origin: Mapping[str, Any] | None = None,
) -> Generator[Event, None, None]:
    """Train and save; the same texts, settings and number of threads give the same model.

    An interrupted run is resumed by the same call with ``resume``: the weights are those that it would have come to.

    :param texts: read once, to the end; not at all where an earlier attempt has stored them.
    :param samples: texts with blanks for the folder's test of itself; None takes some rows.
    :param keep_weights: also save the weights as trained, which inference does not need.
    :param force: replace a model, or an unfinished run, that is there.
    :param every: seconds between saves of the state from which a killed run goes on.
    :param origin: JSON that says which texts these are; a resumed run must be of the same.
    :raises DataError: if the rows that are left are too few for the split, or hold too few words.
    :raises BundleError: if the folder may not be replaced, or a run is in it.
    """
    if not resume:
        yield from map(Remark, rehearse(settings))  # what an earlier attempt composed needs no file of the user's again
    if samples is not None and not any(len(split_at_blanks(text)) > 1 for text in samples):
        raise DataError(f"of {len(samples)} samples none has a blank: mark it by two underscores, as in 衣服质量__哦")
    request: dict[str, Any] = {"settings": asdict(settings), "samples": samples, "keep_weights": keep_weights}
    request |= {"threads": torch.get_num_threads(), "origin": origin}

    def make_model(run: Path, history: History) -> Generator[Event, None, Model]:
        corpus = yield from stored_texts(run / CORPUS, texts, test=settings.test, validation=settings.validation)
        yield prepared(corpus)
        _check_corpora(settings, len(corpus.corpora))
        normaliser = Normaliser(**settings.normalisation)
        tokenizer = make("tokenizer", settings.tokenizer, normaliser=normaliser)
        words = yield from _words(run / "words", corpus, tokenizer.part, normaliser, settings)
        members = yield from _members(run, settings, words, history, every)
        learnt = _Learnt(corpus, words, tokenizer, members)
        return (yield from _model(learnt, settings, folder, samples, keep_weights=keep_weights))

    yield from save_run(folder, request, make_model, resume=resume, force=force)


@dataclass(frozen=True)
class _Learnt:
    """All that came of the training and validation rows."""

    corpus: StoredCorpus
    words: Words
    tokenizer: Made
    members: Sequence[StoredMember]


def rehearse(settings: ClozeSettings) -> list[str]:
    """Make every part once, before any text is read.

    :returns: what a user should know of the files that parts were given, a sentence each.
    :raises SettingError: for a value that a part refuses, or parts that do not go together.
    :raises DataError: for a file that a part needs and cannot read.
    """
    network, normaliser = settings.network, Normaliser(**settings.normalisation)
    tokenizer = make("tokenizer", settings.tokenizer, normaliser=normaliser)
    of_words = make("embedding", network.embedding, normaliser=normaliser)
    check_pair(tokenizer, of_words)
    embedding = of_words.part
    check_embedding(embedding, network)
    encoder = make("encoder", network.encoder, input_dim=embedding.dim or 2).part
    output = make("output", network.output).part
    shared = torch.zeros(2, embedding.dim or 2)
    inputs = shared.__getitem__ if isinstance(embedding, SharedEmbedding) else None
    output.layer(input_dim=encoder.output_dim, words=2, inputs=inputs)
    if embedding.dim:
        output.check_dim(embedding.dim)
    return remarks_of(tokenizer, of_words)


def _check_corpora(settings: ClozeSettings, corpora: int) -> None:
    """Refuse what is said of corpora that are not there."""
    check_focused(settings.network.training.focus, corpora)
    if len(settings.counts.corpora) > corpora:
        raise SettingError(f"counts.corpora has {len(settings.counts.corpora)} weights for {corpora} corpora")


def _words(
    folder: Path, corpus: StoredCorpus, tokenizer: Tokenizer, normaliser: Normaliser, settings: ClozeSettings
) -> Generator[Event, None, Words]:
    if not folder.exists():
        yield from store_words(folder, corpus, tokenizer, normaliser, settings.answers)
    return read_words(folder, corpus)


def _members(
    run: Path, settings: ClozeSettings, words: Words, history: History, every: float
) -> Generator[Event, None, list[StoredMember]]:
    how: dict[str, Any] = {"seed": settings.seed, "every": every, "normaliser": Normaliser(**settings.normalisation)}
    members = [(yield from train_network(run, settings.network, words, history, **how))]
    if settings.counts.order:
        done = run / "trained" / COUNTS
        if not done.exists():
            yield Working("counting", 0, None)
            counted = _counted(words, settings.counts)
            with completed(done) as new:
                write_member(new, counted)
        members.append(read_member(done)[0])
    return members


def _counted(words: Words, settings: CountSettings) -> StoredMember:
    documents = words.tokens["train"]
    vocabulary = context_vocabulary(documents)
    of = words.corpora["train"]
    weights = [*settings.corpora, *(1.0 for _ in range(len(settings.corpora), int(of.max(initial=0)) + 1))]
    arrays = count_ngrams(documents, np.array(weights)[of].tolist(), vocabulary, words.answers, settings)
    entry = {"name": COUNTS, "kind": COUNTS, "runtime": COUNTS, "config": asdict(settings)}
    return StoredMember(entry, {bundle.ARRAYS: save(arrays), bundle.VOCABULARY: dump_vocabulary(vocabulary)})


def _model(
    learnt: _Learnt, settings: ClozeSettings, folder: Path, samples: Sequence[str] | None, *, keep_weights: bool
) -> Generator[Event, None, Model]:
    """Mix the members; the model, and its figures on the test rows, measured on these very files."""
    files = {f"{bundle.TOKENIZER}/{path}": data for path, data in learnt.tokenizer.part.files.items()}
    files[bundle.ANSWERS] = bundle.dump_json(
        {"words": list(learnt.words.answers), "counts": learnt.words.counts.tolist()}
    )
    for member in learnt.members:
        files |= member.stored(keep_weights=keep_weights)
    config = network_config("cloze", learnt.corpus, settings, learnt.members, learnt.tokenizer)

    def opened(stage: Stage) -> ClozeModel:
        staged = bundle.dump_json({**config, "stages": [asdict(stage)]})
        return ClozeModel(Bundle(str(folder), {**files, bundle.CONFIG: staged}))

    yield Working("mixing", 0, None)
    equal = Stage((1.0,) * len(learnt.members))
    stage = _mixed(opened(equal), learnt.corpus, focus=bool(settings.network.training.focus))
    model = opened(stage)
    measured = yield from _test(model, learnt.corpus)
    figures = {name: found.to_json() for name, found in measured.items()}
    files[bundle.CONFIG] = bundle.dump_json({**config, "stages": [asdict(stage)], "metrics": figures})
    texts = samples or _sample_texts(model, learnt.corpus)
    files[bundle.SAMPLES] = bundle.dump_json([model.sample(text) for text in texts])
    return Model(files, [stage], measured)


def _sample_texts(model: ClozeModel, corpus: StoredCorpus) -> list[str]:
    """Validation rows with a blank for a word, or, where there are none, training rows with one behind them."""
    if items := _items(model, corpus, "validation", slice(None), SAMPLES):
        return [item.text for item in items]
    return [f"{text}{MARK}" for block in corpus.texts("train", SAMPLES) for text in block]


def _mixed(model: ClozeModel, corpus: StoredCorpus, *, focus: bool) -> Stage:
    """Weights and temperature that make the words of validation items most likely.

    :param focus: take the items from the first corpus alone, if it has enough.
    """
    most = min(MIXED, max(ENOUGH, NUMBERS // len(model.words)))
    items = _items(model, corpus, "validation", 0 if focus else slice(None), most)
    if len(items) < ENOUGH:
        items = _items(model, corpus, "validation", slice(None), most)
    members = [model.member(position) for position in range(len(model.stage.weights))]
    if not items:
        return Stage((1 / len(members),) * len(members))
    place = {word: position for position, word in enumerate(model.words)}
    blanks = item_blanks(model, items)
    logits = [member.logits(blanks) for member in members]
    logits = [found - found.max(1, keepdims=True) for found in logits]  # on which no mixture depends
    return tune_stage(logits, np.array([place[item.answer] for item in items]), None)


def _test(model: ClozeModel, corpus: StoredCorpus) -> Generator[Event, None, dict[str, ClozeMetrics]]:
    """Figures on items of the test rows, of all and of each corpus."""
    if not len(corpus.rows("test")):
        return {}
    wanted: dict[str, Any] = {"all": slice(None)}
    names = corpus_names(corpus.corpora)
    wanted |= {names[path]: position for position, path in enumerate(corpus.corpora) if path in names}
    measured = {}
    for done, (name, position) in enumerate(wanted.items()):
        yield Working("testing", done, len(wanted))
        if items := _items(model, corpus, "test", position, TESTED):
            measured[name] = measure_items(model, items)
    return measured


def _items(model: ClozeModel, corpus: StoredCorpus, place: str, of: int | slice, limit: int) -> list[Item]:
    """Items of the rows of a place, of all corpora or of one; of many rows, of some that lie evenly between them."""
    numbers = np.arange(len(corpus.rows(place)))
    chosen = numbers if isinstance(of, slice) else np.flatnonzero(corpus.corpus_of(place) == of)
    taken = np.isin(numbers, chosen[:: max(1, len(chosen) // (SPARE * limit))])
    texts = (text for block in corpus.texts(place) for text in block)
    normalised = model.normaliser.batch(list(itertools.compress(texts, taken)))
    frequent = min(FREQUENT, len(model.words) // 10)
    return blanked(normalised, model.tokenizer, model.words, limit=limit, skip_frequent=frequent)
