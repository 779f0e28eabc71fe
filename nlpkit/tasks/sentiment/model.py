"""Sentiment: text → normalised → tokens → ids → logits of each member → mixed → calibrated probability."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np

from nlpkit.components.tokenizers import CharTokenizer, rjieba
from nlpkit.errors import SettingError
from nlpkit.model.base import SavedModel, is_text_list
from nlpkit.model.bundle import CONFIG, EVIDENCE, Bundle
from nlpkit.model.frames import Frame, answer_frame
from nlpkit.model.members import Floats, Member, open_member
from nlpkit.model.mixing import SigmoidStage, Stage
from nlpkit.plugins.base import Tokenizer
from nlpkit.plugins.watched import TokenizerError, WatchedTokenizer
from nlpkit.tasks.sentiment.choice import Choice, read_labels
from nlpkit.tasks.sentiment.explanation import (
    EXPLAINED_DECIMALS,
    Departure,
    Explanation,
    SeveralExplanation,
    Weighing,
    move_back,
    sign_each,
    sign_logits,
    weigh_words,
)
from nlpkit.text.blocks import blocks_of_texts
from nlpkit.text.characters import Characters
from nlpkit.text.evidence import Evidence
from nlpkit.text.familiarity import Familiarity
from nlpkit.text.row import Row, answer_rows, check_texts, unfit

BLOCK = 4096  # texts scored together, so that the unsure ones among them fill batches of similar length
CHARACTERS = 1 << 20  # of them, at most but for the last
TOLERANCE = 1e-3  # between a sample's recorded and its present probability
DECIMALS = 6


class Score(NamedTuple):
    """What is said of one text.

    ``label`` and both probabilities are None where the text cannot be scored; ``reason`` then says why. Where an answer
    is less sure than was wanted, only ``label`` is None. ``warning`` says of a text that it is unlike those that the
    model was made from, so that its label may mean little, and by what.
    """

    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    reason: str | None = None
    warning: str | None = None


class SeveralScore(NamedTuple):
    """What a model of several labels a text says of one.

    ``labels`` are all whose probability reaches their threshold, in the model's order; there may be none. Each label
    has a probability of its own. Both are None where the text cannot be scored; ``reason`` and ``warning`` are as in
    `Score`.
    """

    labels: list[str] | None
    probabilities: dict[str, float] | None
    reason: str | None = None
    warning: str | None = None


class SentimentModel(SavedModel):
    """A classifier of texts read from a bundle; any set of labels.

    It gives each text one of them, a `Score`; or, as ``several`` says, all that apply, a `SeveralScore`.

    >>> import nlpkit
    >>> nlpkit.load("reviews").score(["质量很好，下次还来", "👍"])  # doctest: +SKIP
    [Score(label='positive', probability=0.99…, …), Score(label=None, …, reason='no evidence: no letters')]

    :raises BundleError: if the bundle is damaged or was made for another task.
    """

    task = "sentiment"
    default = "reviews"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        bundle.require("labels")
        with bundle.report_damage(CONFIG):
            self.labels: list[str] = _check_labels(bundle.config["labels"])
            _check_aliases(bundle.config.get("aliases", {}))
            sizes = [len(stage.weights) for stage in self.stages]
            if not sizes or sizes != sorted(sizes) or sizes[-1] > len(self.entries):
                raise ValueError("labels, members and stages do not fit each other")
            self.thresholds = _check_thresholds(self.stages, self.labels)

    @property
    def several(self) -> bool:
        """Whether a text may have several labels, or none."""
        return self.thresholds is not None

    @property
    def reading(self) -> Mapping[str, Any]:
        """Keep its labels, also those that look like none, and several of a text if it gives them."""
        return {"kept": tuple(self.labels), "several": self.several}

    def score(
        self,
        texts: Iterable[str],
        *,
        labels: Sequence[str] | None = None,
        min_probability: float = 0,
        jobs: int | None = None,
    ) -> list[Score]:
        """Score each text, in order; a model of several labels returns a `SeveralScore` each.

        :param labels: the choice is forced among these, and their probabilities add up to 1; of several labels only
            these are looked at. None: all.
        :param min_probability: an answer that is less sure is none: its label is None, the reason ``unsure (0.61)``.
        :param jobs: processes that score; 0: one a core. Each takes a while to begin, so it is for many texts; and a
            program that says so at its top level does that below ``if __name__ == "__main__":``.
        :raises SettingError: if it is given one text, or nothing that holds texts; or for labels that it does not know.
        """
        return list(self.stream(texts, labels=labels, min_probability=min_probability, jobs=jobs))

    def stream(
        self,
        texts: Iterable[str],
        *,
        labels: Sequence[str] | None = None,
        min_probability: float = 0,
        jobs: int | None = None,
    ) -> Iterator[Score]:
        """Score texts as they come, a block at a time, so that memory does not grow with their number."""
        check_texts(texts, "score")
        choice = self.choose_among(labels, least=min_probability)
        score = partial(SentimentModel._score_block, choice=choice)
        for _, scores in self.map(score, blocks_of_texts(texts, CHARACTERS, BLOCK), jobs=jobs):
            yield from scores

    def explain(
        self,
        texts: Iterable[str],
        *,
        labels: Sequence[str] | None = None,
        min_probability: float = 0,
        jobs: int | None = None,
    ) -> list[Explanation]:
        """Score each text, in order, and say what each of its words adds to the answer.

        A model of several labels returns a `SeveralExplanation` each, which says it of each label that applies.

        Where members are sums, their own numbers tell; a network is asked once more for each word.

        :raises SettingError: as `score`.
        """
        check_texts(texts, "explain")
        choice = self.choose_among(labels, least=min_probability)
        explain = partial(SentimentModel._explain_block, choice=choice)
        explained = self.map(explain, blocks_of_texts(texts, CHARACTERS, BLOCK), jobs=jobs)
        return [explanation for _, explanations in explained for explanation in explanations]

    def scorer(
        self, *, labels: str | None = None, explain: bool = False, min_probability: float = 0
    ) -> Callable[[Sequence[Row]], Sequence[Score | Explanation]]:
        """Return what scores rows of a file, or explains their scores; the labels as ``--labels`` has them."""
        chosen = None if labels is None else read_labels(labels)
        choice = self.choose_among(chosen, least=min_probability)  # refused before any row is read
        if explain:
            method = partial(self.explain, labels=chosen, min_probability=min_probability)
            return lambda rows: answer_rows(rows, method, partial(self._refuse_explained, choice))
        return partial(self.score_rows, labels=chosen, min_probability=min_probability)

    def score_rows(
        self, rows: Sequence[Row], *, labels: Sequence[str] | None = None, min_probability: float = 0
    ) -> list[Score]:
        """Score rows of a file; a row that could not be read has no label, and its fault as the reason."""
        return answer_rows(rows, partial(self.score, labels=labels, min_probability=min_probability), self._refuse)

    def score_frame(
        self, frame: Frame, *, column: str, labels: Sequence[str] | None = None, min_probability: float = 0
    ) -> Frame:
        """Score the texts in a column of a data frame of pandas, polars or pyarrow.

        :returns: a frame of the same kind, with ``label``, ``probability``, ``reason`` and ``warning`` as its last
            columns; of a model of several labels ``labels``, an array in JSON, ``reason`` and ``warning``; see
            `nlpkit.model.frames.answer_frame`, which says what is raised, too.
        """
        answer = partial(self.score_rows, labels=labels, min_probability=min_probability)
        if self.several:
            joined = lambda rows: [_join_labels(cast(SeveralScore, score)) for score in answer(rows)]  # noqa: E731
            return answer_frame(frame, column, joined, {"labels": str, "reason": str, "warning": str})
        return answer_frame(frame, column, answer, {"label": str, "probability": float, "reason": str, "warning": str})

    def choose_among(self, labels: Sequence[str] | None, *, least: float = 0) -> Choice:
        """Return what is chosen among; None: all labels.

        :param least: probability of an answer.
        :raises SettingError: for labels that it does not know, or too few; for a ``least`` where there are several.
        """
        if least and self.several:
            raise SettingError(
                "labels of which a text may have several have thresholds of their own: leave out min_probability"
            )
        return Choice.among(self.labels, labels, least=least, several=self.several)

    def answer(self, texts: Sequence[Any]) -> tuple[list[str | None], Floats]:
        """Answer a block of texts.

        :returns: why each has no answer, None where it has one; probabilities ``(answered, labels)`` of the others.
        """
        reasons, known, _ = self._read(texts)
        departures = self._ask_spared(reasons, known)
        return reasons, self._collect(departures, len(known))

    def probabilities(self, normalised: Sequence[str]) -> Floats:
        """Map normalised texts to probabilities ``(batch, labels)``, whether or not they hold evidence."""
        return self._collect(self._ask_members(normalised), len(normalised))

    def _collect(self, departures: Iterable[Departure], size: int) -> Floats:
        """Put probabilities ``(size, labels)`` back in order."""
        result = np.zeros((size, len(self.labels)))
        for departure in departures:
            result[departure.rows] = departure.probabilities
        return result

    def _ask_spared(self, reasons: list[str | None], known: list[str]) -> list[Departure]:
        """Ask members about normalised texts but those that a stranger's tokenizer cannot cut: they get a reason.

        :param reasons: of all texts, None of those that are known.
        """
        try:
            departures = list(self._ask_members(known))
            faults = self._silent
            if faults.keys().isdisjoint(known):
                return departures
        except TokenizerError as error:
            faults = error.reasons
        at = [number for number, reason in enumerate(reasons) if reason is None]
        for number, text in zip(at, known, strict=True):
            reasons[number] = faults.get(text)
        known[:] = [text for text in known if text not in faults]
        return self._ask_spared(reasons, known)

    @property
    def _silent(self) -> Mapping[str, str]:
        """Texts of which a stranger's tokenizer makes no tokens, and a sentence that says so."""
        opened: list[Member] = list(self._parts.values())
        tokenizers = [member.text_ids.tokenizer for member in opened]
        strange = [tokenizer.silent for tokenizer in tokenizers if isinstance(tokenizer, WatchedTokenizer)]
        return {text: reason for silent in strange for text, reason in silent.items()}

    def _ask_members(self, normalised: Sequence[str]) -> Iterator[Departure]:
        """Ask members about normalised texts, stage by stage; yield those that are answered."""
        rows = np.arange(len(normalised))
        logits: list[Floats] = []
        for position, stage in enumerate(self.stages):
            if not len(rows):
                return
            texts = [normalised[row] for row in rows.tolist()]
            logits += [self.member(i).logits(texts) for i in range(len(logits), len(stage.weights))]
            probabilities = stage.probabilities(logits)
            if stage.exit is None or position == len(self.stages) - 1:
                yield Departure(stage, rows, logits, probabilities)
                return
            unsure = stage.sureness(probabilities) < stage.exit
            if not unsure.all():
                sure = ~unsure
                yield Departure(stage, rows[sure], [member[sure] for member in logits], probabilities[sure])
            rows, logits = rows[unsure], [member[unsure] for member in logits]

    def member(self, position: int) -> Member:
        """Return a member, opened when first asked: a sure answer of the first never loads the others."""
        entry, labels = self.entries[position], len(self.labels)
        return self.open_part(
            position, lambda: open_member(self.bundle, entry, labels, self.normaliser, relative=not self.several)
        )

    def warm(self) -> None:
        """Open every part and answer once, so that no later answer has to wait for a part to be opened."""
        for position in range(len(self.entries)):
            self.member(position).logits(self.normaliser.batch(["好"]))
        self.score(["好"])  # by all that it knows of texts, too

    def sample(self, text: str) -> dict[str, Any]:
        """Answer a text as samples.json holds it, for `check`."""
        (score,) = self.score([text])
        answer = {name: value for name, value in score._asdict().items() if name in ("label", "labels")}
        return {"text": text, **answer, "probabilities": score.probabilities}

    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Score one of the bundle's samples again."""
        text, expected = sample["text"], sample["probabilities"] or {}
        shares = self.score([text])[0].probabilities or {}
        same = expected.keys() == shares.keys() and all(abs(expected[k] - shares[k]) <= TOLERANCE for k in expected)
        return None if same else f"{text!r}: expected {expected or None}, found {shares or None}"

    def _score_block(self, texts: Sequence[Any], choice: Choice) -> list[Score]:
        reasons, known, characters = self._read(texts)
        departures = self._ask_spared(reasons, known)
        shares = choice.probabilities(self._collect(departures, len(known)))
        return self._make_scores(reasons, characters, choice, shares)

    def _explain_block(self, texts: Sequence[Any], choice: Choice) -> list[Explanation]:
        reasons, known, characters = self._read(texts)
        departures = self._ask_spared(reasons, known)
        shares = choice.probabilities(self._collect(departures, len(known)))
        columns = choice.columns or range(len(self.labels))
        if self.several:
            signs, shifts = sign_each(departures, len(known), columns)
        else:
            signs, shifts = sign_logits(shares.argmax(1), columns, len(self.labels)), np.zeros((len(known), 1))
        members = [self.member(position) for position in range(max((len(d.logits) for d in departures), default=0))]
        weighings = weigh_words(known, departures, signs, members, self._word_tokenizers)
        given = [text for text, reason in zip(texts, reasons, strict=True) if reason is None]
        answered = iter(zip(move_back(weighings, given, known, self.normaliser), shifts.tolist(), strict=True))
        scores = self._make_scores(reasons, characters, choice, shares)
        return [
            self._explain(score, text, *(next(answered) if reason is None else ()), choice=choice)
            for text, reason, score in zip(texts, reasons, scores, strict=True)
        ]

    def _explain(
        self, score: Score, text: Any, weighing: Weighing | None = None, shifts: Sequence[float] = (), *, choice: Choice
    ) -> Explanation:
        """Say why a text has its score, or its scores."""
        text = text if isinstance(text, str) else ""
        if weighing is None and self.several:
            return cast(Explanation, SeveralExplanation(*cast(SeveralScore, score), text))
        if weighing is None:
            return Explanation(*score, text)
        spans, weights, rests, method = weighing
        bias = [round(rest + shift, EXPLAINED_DECIMALS) for rest, shift in zip(rests, shifts, strict=True)]
        if not self.several:
            return Explanation(*score, text, spans, weights[0], bias[0], method)
        several = cast(SeveralScore, score)
        places = [place for place, label in enumerate(choice.labels) if label in (several.labels or ())]
        of_label = {choice.labels[place]: weights[place] for place in places}
        rest_of_label = {choice.labels[place]: bias[place] for place in places}
        return cast(Explanation, SeveralExplanation(*several, text, spans, of_label, rest_of_label, method))

    def _refuse_explained(self, choice: Choice, reason: str) -> Explanation:
        return self._explain(self._refuse(reason), "", choice=choice)

    def _make_scores(
        self, reasons: Sequence[str | None], characters: Characters, choice: Choice, probabilities: Floats
    ) -> list[Score]:
        """Make a score for each text, with a label where there is no reason why not.

        :param probabilities: of these texts, and of the labels of the choice ``(answered, labels)``.
        """
        scored = self._name(np.round(probabilities, DECIMALS), choice)
        for row in np.flatnonzero(probabilities.max(1, initial=0) < choice.least).tolist():
            scored[row] = scored[row]._replace(label=None, reason=f"unsure ({scored[row].probability:.2f})")
        if len(scored) < len(reasons):
            answers = iter(scored)
            scored = [next(answers) if reason is None else self._refuse(reason) for reason in reasons]
        for number, warning in (self._familiarity.warnings(characters) if self._familiarity else {}).items():
            if reasons[number] is None:
                scored[number] = scored[number]._replace(warning=warning)
        return scored

    def _name(self, probabilities: Floats, choice: Choice) -> list[Score]:
        """Make answers of probabilities ``(texts, labels chosen among)``."""
        labels, values = choice.labels, probabilities.tolist()
        named = [dict(zip(labels, row, strict=True)) for row in values]
        if self.thresholds is None:
            best = probabilities.argmax(1).tolist()
            return [Score(labels[i], row[i], own) for i, row, own in zip(best, values, named, strict=True)]
        passed = (probabilities >= choice.of(self.thresholds)).tolist()
        several = [
            SeveralScore([label for label, passes in zip(labels, row, strict=True) if passes], own)
            for row, own in zip(passed, named, strict=True)
        ]
        return cast(list[Score], several)

    def _refuse(self, reason: str) -> Score:
        if self.several:
            return cast(Score, SeveralScore(None, None, reason))
        return Score(None, None, None, reason)

    def _read(self, texts: Sequence[Any]) -> tuple[list[str | None], list[str], Characters]:
        """Return why a text has no answer, None where it has one; those, normalised, that have; characters of all."""
        faults = [unfit(text) for text in texts]
        readable = ["" if fault else text for text, fault in zip(texts, faults, strict=True)]
        normalised = self.normaliser.batch(readable)
        characters = Characters.of(normalised)
        unknown = self._evidence.reasons(normalised, characters)
        reasons = [fault or reason for fault, reason in zip(faults, unknown, strict=True)]
        return reasons, [text for text, reason in zip(normalised, reasons, strict=True) if reason is None], characters

    @cached_property
    def _word_tokenizers(self) -> list[Tokenizer]:
        """Tokenizers that cut a text whose answer is explained: those of members, but for characters, then words."""
        tokenizers = [self.member(position).text_ids.tokenizer for position in range(len(self.entries))]
        words = [tokenizer for tokenizer in tokenizers if not isinstance(tokenizer, CharTokenizer)]
        return [*words, rjieba(normaliser=self.normaliser)]

    @cached_property
    def _familiarity(self) -> Familiarity | None:
        """What the training texts were like; None in a model that was made before this was recorded, or of few rows."""
        with self.bundle.report_damage(CONFIG):
            statistics = self.bundle.config.get("statistics", {})
            return Familiarity.from_json(statistics["familiarity"]) if "familiarity" in statistics else None

    @cached_property
    def _evidence(self) -> Evidence:
        with self.bundle.report_damage(EVIDENCE):
            content = self.bundle.read_json(EVIDENCE)
            if not isinstance(content["characters"], str) or not is_text_list(content["words"]):
                raise ValueError("evidence is a text of characters and a list of words")
            return Evidence(**content)


def _join_labels(score: SeveralScore) -> SeveralScore:
    """Let the labels be one text."""
    labels = None if score.labels is None else json.dumps(list(score.labels), ensure_ascii=False)
    return score._replace(labels=cast(Any, labels))


def _check_thresholds(stages: Sequence[Stage], labels: Sequence[str]) -> Floats | None:
    """Return the threshold of each label ``(labels,)``; None where a text has but one."""
    several = [stage for stage in stages if isinstance(stage, SigmoidStage)]
    if not several:
        return None
    if len(several) < len(stages) or any(len(stage.thresholds) != len(labels) for stage in several):
        raise ValueError("all stages have a scale, a shift and a threshold for each label, or none has")
    return np.array(several[-1].thresholds)


def _check_labels(labels: object) -> list[str]:
    if not isinstance(labels, list) or not labels or not is_text_list(labels) or len(set(labels)) != len(labels):
        raise ValueError(f"labels are a list of different texts, found: {labels!r:.200}")
    return labels


def _check_aliases(aliases: object) -> None:
    if not isinstance(aliases, dict) or not is_text_list(list(aliases.values())):
        raise ValueError(f"aliases are labels by other labels, found: {aliases!r:.60}")
