"""Generation: a prompt → normalised → characters → ids → logits of what comes next → drawn → characters, on and on."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np

from nlpkit.errors import SettingError
from nlpkit.model.base import SavedModel
from nlpkit.model.bundle import CONFIG, VOCABULARY, Bundle
from nlpkit.model.members import Floats
from nlpkit.model.mixing import softmax
from nlpkit.model.stopping import check_stop
from nlpkit.tasks.generate.characters import END, characters_of
from nlpkit.tasks.generate.inference import open_member
from nlpkit.tasks.generate.rows import Written, make_streamer, make_writer
from nlpkit.tasks.generate.sampling import RECENT, Sampling, WrittenRuns, is_count
from nlpkit.tasks.generate.task import TextOptions
from nlpkit.tasks.generate.writing import Logits, State, WritingMember, choose_texts, join_texts
from nlpkit.text.row import Row
from nlpkit.text.vocabulary import UNKNOWN, Ints, TableVocabulary, load_vocabulary

__all__ = ["GenerationModel", "Text"]
Progress: TypeAlias = Callable[[int, int], None]  # so many of so many
NUMBERS = 1024  # random numbers that are drawn for a text at a time
MOST_SEEDS = 1 << 32
SAMPLE = 24  # characters of a sample
SPAN = 64  # characters that are scored at a time
BLOCK = 2048  # characters of a prompt that are read at a time: logits are made behind each, and wanted behind the last
TOLERANCE = 0.02  # bits a character between a sample's recorded and its present cost


@dataclass
class Text:
    """A text that is being written.

    :param prompt: what it goes on from, as said.
    :param written: the characters written so far, without the prompt.
    :param ended: None while it is written; then why it ended: end (the model ended it), stop, or length.
    """

    prompt: str
    written: list[str] = field(default_factory=list, repr=False)
    ended: str | None = None

    @property
    def text(self) -> str:
        """What was written so far, without the prompt."""
        return "".join(self.written)


class GenerationModel(SavedModel):
    """A model that goes on writing, read from a bundle.

    >>> import nlpkit
    >>> nlpkit.GenerationModel.load("reviews-chars").generate(["衣服"], seed=1)[0].text  # doctest: +SKIP
    '质量不错，穿着很舒服'

    :raises BundleError: if the bundle is damaged or was made for another task.
    """

    task = "generate"
    default = "reviews-chars"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        with bundle.report_damage(CONFIG):
            (stage,) = self.stages
            self._weights = stage.weights
            if len(self._weights) != len(self.entries) or min(self._weights) < 0 or not sum(self._weights) > 0:
                raise ValueError(f"{len(self.entries)} members and weights {self._weights} do not fit each other")

    @property
    def reading(self) -> Mapping[str, Any]:
        """Read blank lines, where it learnt texts that follow each other, as lines of a novel do."""
        settings = self.bundle.config.get("settings", {})
        members = settings.get("members", [settings.get("network", {})])
        return {"blank_lines": any(not member.get("training", {}).get("shuffle", True) for member in members)}

    @property
    def characters(self) -> list[str]:
        """The characters that it can write, most frequent first."""
        return self.vocabulary.tokens

    def generate(
        self,
        prompts: Sequence[str] = ("",),
        *,
        length: int = 200,
        stop: str | None = None,
        through: bool = False,
        sampling: Sampling | None = None,
        seed: int | None = None,
        first: int = 0,
        progress: Progress | None = None,
    ) -> list[Text]:
        """Go on from each prompt, all of them side by side.

        :param length: characters at most.
        :param stop: a text ends before this.
        :param through: go on behind the end of a text, with the next; it stands in the text as a line break.
        :param seed: the same one gives the same texts; None draws one.
        :param first: the number of the first text: texts of one seed differ by their numbers.
        :param progress: is told, while prompts are read, how many characters have been, and of how many.
        :raises SettingError: if a number is out of its range, or prompts come as one string.
        """
        options: dict[str, Any] = {"length": length, "stop": stop, "through": through, "sampling": sampling}
        return deque(self.write(prompts, seed=seed, first=first, progress=progress, **options), maxlen=1)[0]

    def write(
        self,
        prompts: Sequence[str] = ("",),
        *,
        length: int = 200,
        stop: str | None = None,
        through: bool = False,
        sampling: Sampling | None = None,
        seed: int | None = None,
        first: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[list[Text]]:
        """Go on as `generate` does, yielding all texts after each character, the same objects each time."""
        _check(prompts, length, stop, seed, first)
        texts = [Text(prompt) for prompt in prompts]
        sampling = sampling or Sampling()
        seed = secrets.randbelow(MOST_SEEDS) if seed is None else seed
        draws = [np.random.default_rng((seed, first + number)) for number in range(len(texts))]
        going = list(range(len(texts)))
        runs = [WrittenRuns(sampling.no_repeat) for _ in texts] if sampling.no_repeat else []
        logits, states, recent = self._begin(prompts, progress or (lambda _so_far, _in_all: None))
        numbers = np.zeros((len(texts), 0))
        yield texts
        for step in range(length):
            check_stop()
            if not step % NUMBERS:
                numbers = np.array([draws[number].random(min(NUMBERS, length - step)) for number in going])
            logits[:, 0] = -np.inf  # what is unknown cannot be written
            for row, number in enumerate(going if runs else ()):
                runs[number].forbid(logits[row])
            columns = sampling.draw(logits, numbers[:, step % NUMBERS], recent)
            for number, column in zip(going, columns.tolist(), strict=True):
                if runs:
                    runs[number].add(column)
                _put(texts[number], self.characters[column - 1], stop or "", through=through)
            rows = np.flatnonzero([texts[number].ended is None for number in going])
            if step + 1 == length or not len(rows):
                break
            yield texts
            if len(rows) < len(going):
                going = [going[row] for row in rows]
                columns, numbers, recent = columns[rows], numbers[rows], recent[rows]
                states = [choose_texts(member, state, rows) for member, state in zip(self.members, states, strict=True)]
            recent = np.concatenate([recent[:, 1:], columns[:, None]], 1)
            logits, states = self._read(columns[:, None] + UNKNOWN, states)
        for number in going:
            texts[number].ended = texts[number].ended or "length"
        yield texts

    def stream(self, prompt: str = "", **options: Any) -> Generator[str, None, Text]:
        """As `generate` for one prompt: what is written, piece by piece, as soon as it is sure to stay.

        :returns: the text, when it has ended.
        """
        length = 0
        for (text,) in self.write([prompt], **options):
            open_end = 0 if text.ended else _count_open(text.written, options.get("stop") or "")
            if piece := "".join(text.written[length : len(text.written) - open_end]):
                length += len(piece)
                yield piece
        return text

    def writer(self, **options: Any) -> Callable[[Sequence[Row]], list[Written]]:
        """Return what goes on from rows of a file; the options are `nlpkit.tasks.generate.task.TextOptions`."""
        return make_writer(self, TextOptions(**options))

    def streamer(self, **options: Any) -> Callable[[Row], Generator[str, None, Written]]:
        """Return what goes on from a row, piece by piece; the options are those of `writer`."""
        return make_streamer(self, TextOptions(**options))

    def log_probabilities(self, ids: Ints) -> Floats:
        """Return the natural log-probability of each of ids ``(batch, time)`` given those before it in its text.

        Ids that are unknown are one token.
        """
        return np.asarray(np.log(np.tensordot(self._weights, self.chances(ids), 1)))

    def chances(self, ids: Ints) -> Floats:
        """Return what each member gives each of ids ``(batch, time)``: probabilities ``(members, batch, time)``."""
        result = np.zeros((len(self.members), *ids.shape))
        for i, member in enumerate(self.members):
            state, before = member.begin(len(ids)), np.full((len(ids), 1), self.end)
            for at in range(0, ids.shape[1], SPAN):
                piece = np.concatenate([before, ids[:, at : at + SPAN]], 1)
                before = piece[:, -1:]
                with self._reading(i):
                    result[i, :, at : at + SPAN], state = member.score(piece, state)
        return result

    def encode(self, texts: Sequence[str]) -> Ints:
        """Return ids of all characters of some texts and of their ends, one after the other ``(total,)``."""
        tokens = characters_of(self.normaliser.batch(texts))
        return np.asarray(self.vocabulary.encode(tokens).grid[0], dtype=np.int64)

    def warm(self) -> None:
        """Open every part and answer once, so that no later answer has to wait for a part to be opened."""
        self._bits("好")

    def sample(self, text: str) -> dict[str, Any]:
        """Answer a prompt as samples.json holds it: what is likeliest to follow, and what all of it costs."""
        (written,) = self.generate([text], length=SAMPLE, sampling=Sampling(temperature=0))
        return {"prompt": text, "text": written.text, "bits": self._bits(text + written.text)}

    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Read one of the bundle's samples again."""
        text, expected = sample["prompt"] + sample["text"], float(sample["bits"])
        bits = self._bits(text)
        if abs(bits - expected) <= TOLERANCE:
            return None
        return f"{text!r}: expected {expected} bits a character, found {bits}"

    @cached_property
    def vocabulary(self) -> TableVocabulary:
        """Of all members."""
        with self.bundle.report_damage(VOCABULARY):
            vocabulary = load_vocabulary(self.bundle.read(VOCABULARY))
            if not isinstance(vocabulary, TableVocabulary):
                raise ValueError("a model that generates wants a vocabulary that is a table")
            if odd := [token for token in vocabulary.tokens if len(token) != 1 or "\ud800" <= token <= "\udfff"]:
                raise ValueError(f"a token is one character, found {odd[0]!r}")
            if END not in vocabulary.tokens:
                raise ValueError("the end of a text is no token")
            return vocabulary

    @property
    def members(self) -> list[WritingMember]:
        """A network, and n-grams if there are some."""
        return self.open_part(0, lambda: [open_member(self.bundle, entry, self.vocabulary) for entry in self.entries])

    @cached_property
    def end(self) -> int:
        """The id of the mark at the end of each text."""
        return int(self.vocabulary.encode(characters_of([""])).grid[0, 0])

    def _reading(self, position: int) -> AbstractContextManager[None]:
        return self.bundle.report_damage(str(self.entries[position]["name"]))

    def _read(self, ids: Ints, states: Sequence[State]) -> tuple[Logits, list[State]]:
        """Map ids ``(batch, time)`` to the mixed logits ``(batch, tokens)`` of what follows the last, and the states.

        Probabilities are mixed, not logits (Jelinek and Mercer 1980): what one member has never seen, another may.
        """
        logits, after = [], []
        for i, (member, state) in enumerate(zip(self.members, states, strict=True)):
            with self._reading(i):
                part, behind = member.read(ids, state)
            logits.append(part)
            after.append(behind)
        if len(logits) == 1:
            return logits[0], after
        mixed = sum(weight * softmax(part) for weight, part in zip(self._weights, logits, strict=True))
        return np.log(np.asarray(mixed, dtype=np.float32)), after

    def _bits(self, text: str) -> float:
        """Return the bits a character of a text and its end."""
        return round(-float(self.log_probabilities(self.encode([text])[None]).mean()) / float(np.log(2)), 4)

    def _begin(self, prompts: Sequence[str], progress: Progress) -> tuple[Logits, list[State], Ints]:
        """Logits ``(batch, tokens)`` of what follows each prompt, the states, and the columns of its last characters
        ``(batch, RECENT)``; a prompt is read once.
        """
        beginnings = {}
        whole = {prompt: np.concatenate([[self.end], self._ids(prompt)])[None] for prompt in dict.fromkeys(prompts)}
        done, total = 0, sum(ids.shape[1] for ids in whole.values())
        for prompt, ids in whole.items():
            states = [member.begin(1) for member in self.members]
            for at in range(0, ids.shape[1], BLOCK):
                check_stop()
                logits, states = self._read(ids[:, at : at + BLOCK], states)
                done += ids[:, at : at + BLOCK].shape[1]
                progress(done, total)
            beginnings[prompt] = logits, states, _last_of(ids[0, 1:] - UNKNOWN)
        logits = np.concatenate([beginnings[prompt][0] for prompt in prompts])
        parts = zip(*(beginnings[prompt][1] for prompt in prompts), strict=True)
        states = [join_texts(member, part) for member, part in zip(self.members, parts, strict=True)]
        return logits, states, np.array([beginnings[prompt][2] for prompt in prompts])

    def _ids(self, prompt: str) -> Ints:
        """Return the ids of a prompt, whose line breaks are ends of texts."""
        lines = self.normaliser.batch(prompt.splitlines() + [""] * prompt.endswith("\n")) if prompt else [""]
        ids = self.vocabulary.encode(characters_of([END.join(lines)])).grid[0, :-1]
        return np.asarray(ids, dtype=np.int64)


def _last_of(columns: Ints) -> Ints:
    """Return the last columns of a text ``(RECENT,)``, -1 for none and for what is unknown."""
    last = columns[-RECENT:]
    return np.pad(np.where(last > 0, last, -1), (RECENT - len(last), 0), constant_values=-1)


def _put(text: Text, character: str, stop: str, *, through: bool) -> None:
    """Write a character, or end the text."""
    if character == END and not through:
        text.ended = "end"
        return
    text.written.append(character)
    if stop and text.written[-len(stop) :] == list(stop):
        del text.written[-len(stop) :]
        text.ended = "stop"


def _count_open(written: list[str], stop: str) -> int:
    """Count the characters at the end that may be the beginning of what a text stops at, so that they may yet go."""
    lengths = range(min(len(stop) - 1, len(written)), 0, -1)
    return next((n for n in lengths if written[-n:] == list(stop[:n])), 0)


def _check(prompts: object, length: object, stop: object, seed: object, first: object) -> None:
    if isinstance(prompts, str | bytes) or not isinstance(prompts, Sequence) or not prompts:
        raise SettingError("prompts come in a list, of at least one; the empty prompt is ''")
    if odd := [prompt for prompt in prompts if not isinstance(prompt, str)]:
        raise SettingError("a prompt is a text, found {kind}", kind=type(odd[0]).__name__)
    if not is_count(length):
        raise SettingError("length must be a whole number that is not negative, was: {length!r}", length=length)
    if stop is not None and (not isinstance(stop, str) or not stop):
        raise SettingError("stop is a text that is not empty, was: {stop!r}", stop=stop)
    if seed is not None and not (is_count(seed) and cast(int, seed) < MOST_SEEDS):
        raise SettingError(
            "seed must be a whole number from 0 to {most_seeds}, was: {seed!r}", most_seeds=MOST_SEEDS - 1, seed=seed
        )
    if not is_count(first):
        raise SettingError("first must be a whole number that is not negative, was: {first!r}", first=first)
