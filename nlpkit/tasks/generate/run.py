"""Training a model that generates: texts → deduplicated, split → characters → a network → exported → tested → saved.

A generator, as `nlpkit.tasks.sentiment.run` is: it yields what happens, and what is done in the run's folder is
not done again.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from nlpkit.components.ppmi import evenly_drawn
from nlpkit.errors import SettingError
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle
from nlpkit.model.mixing import Stage
from nlpkit.plugins.base import Embedding, Encoder, StaticEmbedding
from nlpkit.tasks.generate.characters import END, characters
from nlpkit.tasks.generate.kneser_ney import NgramSettings, ngram_arrays
from nlpkit.tasks.generate.member import train_language_model
from nlpkit.tasks.generate.metrics import GenerationMetrics, measure_texts
from nlpkit.tasks.generate.model import GenerationModel
from nlpkit.tasks.generate.network import LanguageModel
from nlpkit.tasks.generate.ngrams import MOST_IDS
from nlpkit.tasks.generate.settings import GenerationSettings
from nlpkit.tasks.sentiment.metrics import corpus_names
from nlpkit.text.corpus import Example
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import UNKNOWN, TableVocabulary, dump_vocabulary
from nlpkit.training.composition import check_causal, make, remarks_of
from nlpkit.training.events import Event, Remark, Working
from nlpkit.training.history import History
from nlpkit.training.run_folder import CORPUS
from nlpkit.training.runs import Model, network_config, prepared, save_run, stored_lines
from nlpkit.training.settings import check_focused
from nlpkit.training.storage import StoredCorpus, StoredTokens, completed, store_tokens
from nlpkit.training.stored_member import StoredMember, read_member, write_member

PLACES = ("train", "validation")
Ints = NDArray[np.int64]
NGRAMS = "ngrams"
MIXED, MIXED_STREAMS = 200_000, 16  # validation characters by which members are weighed, and texts of them
ROUNDS = 50
TESTED = 1_000_000  # test characters of each corpus
PROMPTS = ("", "这", "质量", "快递")  # of the model's test of itself, unless others are given


def train(
    texts: Iterable[Example],
    settings: GenerationSettings,
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
    :param samples: prompts for the folder's test of itself.
    :param keep_weights: also save the weights as trained, which inference does not need.
    :param force: replace a model, or an unfinished run, that is there.
    :param every: seconds between saves of the state from which a killed run goes on.
    :param origin: JSON that says which texts these are; a resumed run must be of the same.
    :raises DataError: if the rows that are left are too few for the split.
    :raises BundleError: if the folder may not be replaced, or a run is in it.
    """
    if not resume:
        yield from map(Remark, rehearse(settings))
    request: dict[str, Any] = {"settings": asdict(settings), "samples": samples, "keep_weights": keep_weights}
    request |= {"threads": torch.get_num_threads(), "origin": origin}

    def make_model(run: Path, history: History) -> Generator[Event, None, Model]:
        shares = {"test": settings.test, "validation": settings.validation}
        in_order = not settings.network.training.shuffle
        corpus = yield from stored_lines(run / CORPUS, texts, **shares, in_order=in_order)
        yield prepared(corpus)
        check_focused(settings.network.training.focus, len(corpus.corpora))
        normaliser = Normaliser(**settings.normalisation)
        tokens = yield from _tokens(run / "characters", corpus, normaliser)
        member, vocabulary = yield from train_language_model(
            run,
            settings.network,
            tokens,
            corpus,
            history,
            seed=settings.seed,
            every=every,
            most_ids=MOST_IDS,
            normaliser=normaliser,
        )
        members = [member]
        if settings.ngrams.order:
            done = run / "trained" / NGRAMS
            members.append((yield from _counted(done, tokens["train"], vocabulary, settings.ngrams)))
        learnt = _Learnt(corpus, tokens, vocabulary, members)
        return (yield from _model(learnt, settings, folder, samples, keep_weights=keep_weights))

    yield from save_run(folder, request, make_model, resume=resume, force=force)


@dataclass(frozen=True)
class _Learnt:
    """All that came of the training and validation rows."""

    corpus: StoredCorpus
    tokens: Mapping[str, StoredTokens]
    vocabulary: TableVocabulary
    members: Sequence[StoredMember]


def rehearse(settings: GenerationSettings) -> list[str]:
    """Make every part once, before any text is read.

    :returns: what a user should know of the files that parts were given, a sentence each.
    :raises SettingError: for a value that a part refuses, or parts that do not go together.
    :raises DataError: for a file that a part needs and cannot read.
    """
    network = settings.network
    of_tokens = make("embedding", network.embedding, normaliser=Normaliser(**settings.normalisation))
    embedding: Embedding = of_tokens.part
    if not isinstance(embedding, StaticEmbedding) or not embedding.ordered:
        raise SettingError(
            f"the embedding {network.embedding['name']} has no vector that depends on its token alone: choose trainable"
        )
    made = make("encoder", network.encoder, input_dim=embedding.dim or 2)
    check_causal(made, embedding.dim or 2)
    encoder: Encoder = made.part
    output = make("output", network.output).part
    if embedding.dim:
        embedding.build(TableVocabulary([END]))
        LanguageModel(embedding, encoder, output, dropout=0.0, size=UNKNOWN + 2).begin(1)
    return remarks_of(of_tokens)


def _tokens(
    folder: Path, corpus: StoredCorpus, normaliser: Normaliser
) -> Generator[Event, None, dict[str, StoredTokens]]:
    """The characters of the rows of training and validation, each row with the mark of its end."""
    if not folder.exists():
        with completed(folder) as new:
            for place in PLACES:
                (new / place).mkdir()
                blocks = (characters(normaliser.batch(texts)) for texts in corpus.texts(place))
                for count in store_tokens(blocks, new / place):
                    yield Working(f"{place} characters", count, len(corpus.rows(place)))
    return {place: StoredTokens(folder / place) for place in PLACES}


def _counted(
    folder: Path, tokens: StoredTokens, vocabulary: TableVocabulary, settings: NgramSettings
) -> Generator[Event, None, StoredMember]:
    """The member of n-grams, or what an earlier attempt left of it."""
    if not folder.exists():
        yield Working("counting", 0, None)
        ids = np.concatenate([*evenly_drawn(tokens, vocabulary, settings.most), np.zeros(0, dtype=np.int32)])
        arrays = ngram_arrays(ids, len(vocabulary), settings)
        entry = {"name": NGRAMS, "kind": NGRAMS, "runtime": NGRAMS, "config": asdict(settings)}
        with completed(folder) as new:
            write_member(new, StoredMember(entry, {bundle.ARRAYS: save(arrays)}))
    return read_member(folder)[0]


def _model(
    learnt: _Learnt, settings: GenerationSettings, folder: Path, samples: Sequence[str] | None, *, keep_weights: bool
) -> Generator[Event, None, Model]:
    """Mix the members; the model, and its figures on the test rows, measured on these very files."""
    files = {bundle.VOCABULARY: dump_vocabulary(learnt.vocabulary)}
    for member in learnt.members:
        files |= member.stored(keep_weights=keep_weights)
    config = network_config("generate", learnt.corpus, settings, learnt.members)

    def opened(stage: Stage) -> GenerationModel:
        staged = bundle.dump_json({**config, "stages": [asdict(stage)]})
        return GenerationModel(Bundle(str(folder), {**files, bundle.CONFIG: staged}))

    yield Working("mixing", 0, None)
    equal = Stage((1 / len(learnt.members),) * len(learnt.members))
    stage = _mixed(opened(equal), learnt, focus=bool(settings.network.training.focus))
    model = opened(stage)
    measured = yield from _test(model, learnt.corpus)
    figures = {name: found.to_json() for name, found in measured.items()}
    files[bundle.CONFIG] = bundle.dump_json({**config, "stages": [asdict(stage)], "metrics": figures})
    files[bundle.SAMPLES] = bundle.dump_json([model.sample(prompt) for prompt in samples or PROMPTS])
    return Model(files, [stage], measured)


def _mixed(model: GenerationModel, learnt: _Learnt, *, focus: bool) -> Stage:
    """The weights that make validation characters most likely, found by expectation and maximisation.

    :param focus: judge by the first corpus alone.
    """
    corpus = learnt.corpus
    judges = np.flatnonzero((corpus.corpus_of("validation") == 0) | (not focus))
    lengths = np.array([len(ids) for ids in _ids(learnt.tokens["validation"], learnt.vocabulary)])
    taken = set(_some(judges, lengths, corpus.ordered("validation"), MIXED).tolist())
    rows = enumerate(_ids(learnt.tokens["validation"], learnt.vocabulary))
    ids = np.concatenate([ids for row, ids in rows if row in taken]).astype(np.int64)
    streams = max(1, min(MIXED_STREAMS, len(ids) // MIXED_STREAMS))
    chances = model.chances(ids[: len(ids) // streams * streams].reshape(streams, -1))
    weights = np.full(len(chances), 1 / len(chances))
    for _ in range(ROUNDS):
        shares = weights[:, None, None] * chances
        weights = (shares / shares.sum(0)).mean((1, 2))
    return Stage(tuple(round(float(weight), 4) for weight in weights))


def _some(numbers: Ints, lengths: Ints, ordered: NDArray[np.bool_], limit: int) -> Ints:
    """Rows of about so many characters together, some that lie evenly between them; the first, if they follow each
    other.

    :param numbers: of the rows to choose from.
    :param lengths: of all rows ``(rows,)``, as is ``ordered``.
    """
    if ordered[numbers].all():
        return numbers[: 1 + int(np.searchsorted(np.cumsum(lengths[numbers]), limit))]
    return numbers[:: max(1, int(lengths[numbers].sum()) // limit)]


def _ids(tokens: StoredTokens, vocabulary: TableVocabulary) -> Iterator[NDArray[np.int32]]:
    for block in tokens.blocks():
        yield from vocabulary.encode(block).rows()


def _test(model: GenerationModel, corpus: StoredCorpus) -> Generator[Event, None, dict[str, GenerationMetrics]]:
    """Figures on the test rows, of all and of each corpus; of many, on some that lie evenly between them."""
    of = corpus.corpus_of("test")
    if not len(of):
        return {}
    names = corpus_names(corpus.corpora)
    wanted: dict[str, int | None] = {"all": None}
    wanted |= {names[path]: position for position, path in enumerate(corpus.corpora) if path in names}
    lengths = np.array([len(text) for block in corpus.texts("test") for text in block])
    measured = {}
    for done, (name, position) in enumerate(wanted.items()):
        yield Working("testing", done, len(wanted))
        numbers = np.flatnonzero((of == position) | (position is None))
        taken = np.isin(np.arange(len(of)), _some(numbers, lengths, corpus.ordered("test"), TESTED))
        if len(numbers):
            rows = (text for block in corpus.texts("test") for text in block)
            measured[name] = measure_texts(model, itertools.compress(rows, taken.tolist()))
    return measured
