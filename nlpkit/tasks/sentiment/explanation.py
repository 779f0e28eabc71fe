"""Why a text has its label: what each of its words adds to the answer.

Of a member that is a sum, a word's weight is what its n-grams add, exactly; of a network, by how much the logits change
where the word is left out (occlusion: Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901). Of a cascade only the
members count that were asked about the text, each with its weight in the mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nlpkit.components.tokenizers import CharTokenizer
from nlpkit.model.members import Contributions, Floats, Member, TableMember
from nlpkit.model.mixing import SigmoidStage, Stage
from nlpkit.text.spans import Places, Span, find_origins, find_shifted, locate, spans_before

if TYPE_CHECKING:
    from nlpkit.plugins.base import Tokenizer

EXPLAINED_DECIMALS = 4
NOTHING: Mapping[str, Any] = MappingProxyType({})
MOST_WORDS = 128  # that are left out one by one; in a longer text neighbours are left out together
VARIANTS = 1024  # texts with a word left out that a network is given at once
SUM, OCCLUSION = "sum", "occlusion"
RED, GREEN, AMBER, BLUE, GREY = "220,38,38", "22,163,74", "217,119,6", "37,99,235", "107,114,128"
COLOURS = {"negative": (RED, GREEN), "positive": (GREEN, RED), "neutral": (AMBER, GREY)}  # for a label, and against it


class Token(NamedTuple):
    """A word of a text.

    :param start: its first character in the text as given, ``end`` the one behind its last.
    :param weight: what it adds to the answer's logit above the mean of the others': positive speaks for the answer.
    """

    token: str
    start: int
    end: int
    weight: float


class Explanation(NamedTuple):
    """A score, and why.

    :param spans: of the words of ``text``, in order.
    :param weights: what each adds to the answer's logit above the mean of the others': positive speaks for the answer.
    :param bias: None where there is no answer.
    :param method: ``sum``: weights and ``bias`` add up to the answer's logit above the mean of the others'.
        ``occlusion``: a weight is what is lost if the word is left out. ``sum, occlusion``: of members of both kinds.
    """

    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    reason: str | None
    warning: str | None
    text: str
    spans: Sequence[Span] = ()
    weights: Sequence[float] = ()
    bias: float | None = None
    method: str | None = None

    @property
    def tokens(self) -> list[Token]:
        """Its words with their places and weights, in order."""
        return [self._token(place) for place in range(len(self.spans))]

    def _token(self, place: int) -> Token:
        start, end = self.spans[place]
        return Token(self.text[start:end], start, end, self.weights[place])

    def shortened(self, most: int) -> Explanation:
        """Return the same of the first characters alone, with a sign that there are more."""
        if len(self.text) <= most:
            return self
        inside = [place for place, (_, end) in enumerate(self.spans) if end < most]
        spans, weights = [self.spans[place] for place in inside], [self.weights[place] for place in inside]
        return self._replace(text=self.text[: most - 1] + "…", spans=spans, weights=weights)

    def strongest(self, most: int = 5) -> list[Token]:
        """Return the words that count most, those with the greatest weight either way first."""
        strengths = list(map(abs, self.weights))
        places = sorted(range(len(strengths)), key=strengths.__getitem__, reverse=True)[:most]
        return [self._token(place) for place in places if strengths[place]]

    def describe(self) -> str:
        """Write the words that count most with their weights: ``很好 +2.10, 不 -0.50``."""
        return ", ".join(f"{token.token} {token.weight:+.2f}" for token in self.strongest())

    def strengths(self) -> list[float]:
        """Return each word's weight as a share of the greatest of the text, from -1 to 1."""
        greatest = max(map(abs, self.weights), default=0) or 1
        return [weight / greatest for weight in self.weights]

    def to_html(self) -> str:
        """Return the text, what speaks for the answer and against it in two colours, the stronger the deeper."""
        colours = COLOURS.get(self.label or "", (BLUE, GREY))
        parts: list[str] = []
        end = 0
        for token, strength in zip(self.tokens, self.strengths(), strict=True):
            style = f"background:rgba({colours[strength < 0]},{abs(strength) * 0.55:.2f})"
            shown = escape(self.text[max(end, token.start) : token.end])
            parts.append(escape(self.text[end : token.start]))
            parts.append(f'<span style="{style}" title="{token.weight:+.2f}">{shown}</span>')
            end = max(end, token.end)
        return f"<bdi>{''.join(parts)}{escape(self.text[end:])}</bdi>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        said = f"<b>{escape(self.label)}</b> {self.probability:.3f}" if self.label else escape(self.reason or "")
        return f"<div>{said}&ensp;{self.to_html()}</div>"


class SeveralExplanation(NamedTuple):
    """The scores of a text that may have several labels, and why it has those that it has.

    :param weights: by label, what each word adds to that label's own logit; ``bias``: what no word does. See
        `Explanation`.
    """

    labels: list[str] | None
    probabilities: dict[str, float] | None
    reason: str | None
    warning: str | None
    text: str
    spans: Sequence[Span] = ()
    weights: Mapping[str, Sequence[float]] = NOTHING
    bias: Mapping[str, float] = NOTHING
    method: str | None = None

    def of(self, label: str) -> Explanation:
        """Return why the text has a label."""
        probability = (self.probabilities or {}).get(label)
        score = (label, probability, self.probabilities, self.reason, self.warning)
        return Explanation(*score, self.text, self.spans, self.weights[label], self.bias[label], self.method)

    def describe(self) -> str:
        """Write of each label the words that count most."""
        return "; ".join(f"{label}: {self.of(label).describe()}" for label in self.weights)

    def to_html(self) -> str:
        """Return the text once for each of its labels, coloured."""
        if not self.weights:
            return f"<bdi>{escape(self.text)}</bdi>"
        lines = (f"<b>{escape(label)}</b>&ensp;{self.of(label).to_html()}" for label in self.weights)
        return "<br>".join(lines)

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        return f"<div>{escape(self.reason) + ' ' if self.reason else ''}{self.to_html()}</div>"


class Departure(NamedTuple):
    """Texts that left a cascade at one of its stages.

    :param rows: which of the texts these are ``(n,)``.
    :param logits: of each member that was asked ``(n, labels)``.
    :param probabilities: ``(n, labels)``.
    """

    stage: Stage
    rows: NDArray[np.intp]
    logits: Sequence[Floats]
    probabilities: Floats

    def take(self, place: int) -> Departure:
        """Return one of the texts alone, as the only row."""
        part = slice(place, place + 1)
        return Departure(self.stage, np.arange(1), [own[part] for own in self.logits], self.probabilities[part])


class Placed(NamedTuple):
    """What tokens contribute, and where they stand."""

    contributions: Contributions
    places: Places


class Weighing(NamedTuple):
    """What the words of a text do to each answer that is asked about; see `Explanation`."""

    spans: Sequence[Span]
    weights: Sequence[Sequence[float]]
    bias: Sequence[float]
    method: str


def weigh_words(
    texts: Sequence[str],
    departures: Sequence[Departure],
    signs: Floats,
    members: Sequence[Member],
    tokenizers: Sequence[Tokenizer],
) -> list[Weighing]:
    """Say what each word of normalised texts does to answers.

    :param signs: what each logit of a text is worth to each answer ``(answers, texts, labels)``.
    :param members: the first of the model, as many as any text was asked about.
    :param tokenizers: cut texts into words; the first whose tokens stand in a text as they are is taken.
    """
    weighings: dict[int, Weighing] = {}
    for departure in departures:
        rows = departure.rows.tolist()
        own = [texts[row] for row in rows]
        sums = [_contributions_of(member, own) for member, _ in zip(members, departure.logits, strict=False)]
        tables = [isinstance(member, TableMember) for member in members[: len(sums)]]
        if len(rows) > 1 and any(t and part is None for t, part in zip(tables, sums, strict=True)):
            for place, row in enumerate(rows):  # each alone, lest one text decide how others are weighed
                own_signs = signs[:, [row]]
                weighings[row] = weigh_words([texts[row]], [departure.take(place)], own_signs, members, tokenizers)[0]
            continue
        words = _cut(own, tokenizers)
        if None in sums:
            words = words.merged(MOST_WORDS)
        weighed = _weigh(own, words, departure, signs[:, departure.rows], sums, members)
        weighings.update(zip(rows, weighed, strict=True))
    return [weighings[row] for row in range(len(texts))]


def _contributions_of(member: Member, texts: Sequence[str]) -> Placed | None:
    """Return what tokens contribute, and where they stand; None where a member is no sum of what stands there."""
    contributions = member.contributions(texts) if isinstance(member, TableMember) else None
    places = None if contributions is None else locate(contributions.tokens, texts)
    return None if contributions is None or places is None else Placed(contributions, places)


def _weigh(
    texts: Sequence[str],
    words: Places,
    departure: Departure,
    signs: Floats,
    sums: Sequence[Placed | None],
    members: Sequence[Member],
) -> list[Weighing]:
    """Weigh the words of texts that left at the same stage."""
    values = np.zeros((len(signs), len(words.starts)))
    bias = np.zeros((len(signs), len(texts)))
    spans = words.spans(texts)
    methods = []
    for weight, logits, member, placed in zip(departure.stage.weights, departure.logits, members, sums, strict=False):
        methods.append(OCCLUSION if placed is None else SUM)
        scale = weight / departure.stage.temperature
        if placed is None:
            of_words, of_texts = _leave_out(texts, spans, signs, member, logits)
        else:
            of_words, of_texts = _add_up(placed, texts, words, signs)
        values += of_words * scale
        bias += of_texts * scale
    numbers = np.round(values, EXPLAINED_DECIMALS).tolist()
    method = ", ".join(dict.fromkeys(methods))
    weights = ([own[first:last] for own in numbers] for first, last in pairwise(words.bounds.tolist()))
    return [Weighing(*one, method) for one in zip(spans, weights, bias.T.tolist(), strict=True)]


def _add_up(placed: Placed, texts: Sequence[str], words: Places, signs: Floats) -> tuple[Floats, Floats]:
    """Add up what tokens contribute within words ``(answers, words)``, and what no word does ``(answers, texts)``."""
    contributions, (starts, ends, bounds) = placed
    owners = np.repeat(np.arange(len(texts)), np.diff(bounds))
    of_tokens = (contributions.values * signs[:, owners]).sum(2)
    sizes = ends - starts
    places = np.repeat(starts - sizes.cumsum() + sizes, sizes) + np.arange(sizes.sum())  # of each token's characters
    totals = np.zeros((len(signs), sum(map(len, texts)) + 1))
    totals[:, places + 1] = np.repeat(of_tokens / sizes, sizes, axis=1)
    np.cumsum(totals, axis=1, out=totals)
    return totals[:, words.ends] - totals[:, words.starts], (contributions.bias * signs).sum(2)


def _leave_out(
    texts: Sequence[str], spans: Sequence[Sequence[Span]], signs: Floats, member: Member, logits: Floats
) -> tuple[Floats, Floats]:
    """Return what is lost where a word is left out ``(answers, words)``, and what remains ``(answers, texts)``."""
    variants = [text[:start] + text[end:] for text, words in zip(texts, spans, strict=True) for start, end in words]
    answers = [member.logits(variants[at : at + VARIANTS]) for at in range(0, len(variants), VARIANTS)]
    rows = np.repeat(np.arange(len(texts)), [len(words) for words in spans])
    losses = ((logits[rows] - np.concatenate([*answers, logits[:0]])) * signs[:, rows]).sum(2)
    lost = np.stack([np.bincount(rows, of_answer, len(texts)) for of_answer in losses])
    return losses, (logits * signs).sum(2) - lost


def _cut(texts: Sequence[str], tokenizers: Sequence[Tokenizer]) -> Places:
    """Cut texts into words, each by the first tokenizer that leaves it as it is; into characters, if none does."""
    for tokenizer in (*tokenizers, CharTokenizer()):
        places = locate(tokenizer.batch(texts), texts)
        if places is not None:
            return places
        if len(texts) > 1:
            return Places.joined([_cut([text], tokenizers) for text in texts], texts)
    raise AssertionError("characters stand where they are")


def sign_logits(answers: NDArray[np.intp], columns: Sequence[int], labels: int) -> Floats:
    """Say what each logit is worth to the answer of a text: its own 1, the others' together -1 ``(1, texts, labels)``.

    :param answers: which of the columns is the answer ``(texts,)``.
    :param columns: of the labels among which the choice was.
    """
    signs = np.zeros((len(answers), labels))
    signs[:, columns] = -1 / max(1, len(columns) - 1)
    signs[np.arange(len(answers)), np.asarray(columns)[answers]] = 1
    return signs[None]


def sign_each(departures: Sequence[Departure], texts: int, columns: Sequence[int]) -> tuple[Floats, Floats]:
    """Say what each logit is worth to each of some labels ``(answers, texts, labels)``, and what is added.

    :param departures: at stages whose labels do not exclude each other.
    :returns: what is added ``(texts, answers)``, too.
    """
    labels = departures[0].probabilities.shape[1] if departures else 0
    signs, shifts = np.zeros((len(columns), texts, labels)), np.zeros((texts, len(columns)))
    for stage, rows, _, _ in departures:
        assert isinstance(stage, SigmoidStage)
        for place, column in enumerate(columns):
            signs[place, rows, column] = stage.scales[column]
            shifts[rows, place] = stage.shifts[column]
    return signs, shifts


def move_back(
    weighings: Sequence[Weighing], texts: Sequence[str], normalised: Sequence[str], normalise: Callable[[str], str]
) -> list[Weighing]:
    """Let spans be those of the texts as given, and not of their normalised forms."""
    result = list(weighings)
    for row in find_shifted(texts, normalised, normalise):
        origins = find_origins(texts[row], normalised[row], normalise)
        spans = spans_before(result[row].spans, origins)
        result[row] = _join_same(result[row]._replace(spans=spans))
    return result


def _join_same(weighing: Weighing) -> Weighing:
    """Let words that came of one character be one."""
    spans: list[Span] = []
    weights: list[list[float]] = [[] for _ in weighing.weights]
    for place, (start, end) in enumerate(weighing.spans):
        if spans and start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
            for own, of_answer in zip(weights, weighing.weights, strict=True):
                own[-1] = round(own[-1] + of_answer[place], EXPLAINED_DECIMALS)
        else:
            spans.append((start, end))
            for own, of_answer in zip(weights, weighing.weights, strict=True):
                own.append(of_answer[place])
    return weighing._replace(spans=spans, weights=weights)
