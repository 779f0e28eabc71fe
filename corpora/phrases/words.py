"""Lists of words: those that every domain shares, domains with their aspects, a dictionary's words by their tags."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from notation import GrammarError, lines

SIDES = ("+", "-")
ASPECT_FIELDS = ("is", "does", "has", "says")
DOMAIN_FIELDS = (
    "use",
    "get",
    "again",
    "after",
    "lasting",
    "soon",
    "others",
    "who",
    "facts",
    "asks",
    "wants",
    "orders",
    "bought",
)
STRUCTURE = frozenset(
    {"use", "get", "again", "others", "who", "orders"}
)  # of these lists nothing is kept from training
KEPT_FROM = 12  # a list without sides is cut into training and validation only if it has so many words
SHARE = 5  # of words, and of templates, one in so many is for validation only


def held_out(text: str) -> bool:
    """Tell whether a word or a template is kept from training: by its hash, so that it stays where it is."""
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) % SHARE == 0


@dataclass(frozen=True, eq=False)
class Words:
    """A list of words, of which some are kept from training."""

    all: tuple[str, ...]
    cut: bool = True

    @cached_property
    def held(self) -> tuple[str, ...]:
        """The words that only validation sees; characters that stand alone are too common for that."""
        return tuple(word for word in self.all if len(word) > 1 and held_out(word)) if self.cut else ()

    @cached_property
    def train(self) -> tuple[str, ...]:
        """The other ones."""
        held = set(self.held)
        return tuple(word for word in self.all if word not in held)

    def without(self, words: frozenset[str]) -> Self:
        """Return the list without some."""
        return type(self)(tuple(word for word in self.all if word not in words), self.cut)


@dataclass(frozen=True, eq=False)
class Aspect:
    """What an opinion is about, by several names; its words by field and side."""

    names: tuple[str, ...]
    words: dict[tuple[str, str], Words]
    shared: bool = False  # by several domains: said of who sells a thing, not of the thing
    clear: dict[tuple[str, str], Words] = field(default_factory=dict)  # those that say the same of anything


@dataclass(frozen=True, eq=False)
class Domain:
    """A field that people write about."""

    name: str
    things: list[tuple[str, str]]  # classifier, noun
    words: dict[str, Words]
    aspects: list[Aspect]


def read_words(path: Path) -> dict[str, Words | dict[str, Words]]:
    """Read lists: one with a slash has two sides.

    :raises GrammarError: with the line, if one cannot be read.
    """
    found: dict[str, Words | dict[str, Words]] = {}
    for number, line in lines(path):
        name, colon, rest = line.partition(":")
        if not colon:
            raise GrammarError(f"{path.name}, line {number}: a list is a name, a colon and words, was: {line!r}")
        good, slash, bad = rest.partition(" / ")
        if slash:
            found[name] = {"+": Words(tuple(good.split())), "-": Words(tuple(bad.split()))}
        else:
            words = tuple(rest.split())
            found[name] = Words(words, len(words) >= KEPT_FROM)
    return found


def read_domains(folder: Path, ambiguous: Iterable[str]) -> list[Domain]:
    """Read all files of domains.

    :param ambiguous: adjectives that say good of one thing and bad of another.
    :raises GrammarError: with the file and the line, if one cannot be read.
    """
    shared: dict[str, list[Aspect]] = {}
    found: list[Domain] = []
    for path in sorted(folder.glob("*.txt"), key=lambda path: (path.stem != "shared", path.name)):
        for block in _blocks(path):
            _read_block(path, block, shared, found)
    _clear([*found, *(Domain(name, [], {}, aspects) for name, aspects in shared.items())], frozenset(ambiguous))
    return found


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Cut a file at its headings."""
    block: list[tuple[int, str]] = []
    for number, line in lines(path):
        if line.startswith(("= ", "~ ")) and block:
            yield block
            block = []
        block.append((number, line))
    yield block


def _read_block(path: Path, block: list[tuple[int, str]], shared: dict[str, list[Aspect]], found: list[Domain]) -> None:
    (_, heading), *rest = block
    mark, _, name = heading.partition(" ")
    domain = Domain(name, [], {}, [])
    for number, line in rest:
        try:
            _read_line(line, domain, shared)
        except (ValueError, IndexError, KeyError) as error:
            raise GrammarError(f"{path.name}, line {number}: cannot be read: {error}") from None
    if mark == "~":
        shared[name] = [replace(aspect, shared=True) for aspect in domain.aspects]
    else:
        found.append(domain)


def _read_line(line: str, domain: Domain, shared: Mapping[str, list[Aspect]]) -> None:
    name, colon, rest = line.partition(":")
    if line.startswith("  "):
        key, *_ = line.split()
        if key not in ASPECT_FIELDS:
            raise GrammarError(f"an aspect has {', '.join(ASPECT_FIELDS)}, was: {key!r}")
        good, _, bad = f" {line.strip().removeprefix(key)} ".partition(" / ")
        for side, words in zip(SIDES, (good, bad), strict=True):
            if words.split():
                domain.aspects[-1].words[key, side] = Words(tuple(words.split()))
    elif not colon or not name.isascii():
        domain.aspects.append(Aspect(tuple(line.removeprefix("@").split()), {}, line.startswith("@")))
    elif name == "things":
        domain.things.extend((word.split(":")[0], word.split(":")[1]) for word in rest.split())
    elif name == "with":
        for each in rest.split():
            domain.aspects.extend(shared[each])
    elif name in DOMAIN_FIELDS:
        domain.words[name] = Words(tuple(rest.split()), name not in STRUCTURE)
    else:
        raise GrammarError(f"a domain has things, with, {', '.join(DOMAIN_FIELDS)}, was: {name!r}")


def _clear(domains: Iterable[Domain], ambiguous: frozenset[str]) -> None:
    """Find the words that say the same of every aspect: not the ambiguous ones, nor those that stand on both sides."""
    aspects = list({id(aspect): aspect for domain in domains for aspect in domain.aspects}.values())
    sides: dict[tuple[str, str], set[str]] = defaultdict(set)
    for aspect in aspects:
        for (name, side), words in aspect.words.items():
            for word in words.all:
                sides[name, word].add(side)
    both = {key for key, found in sides.items() if len(found) > 1}
    for aspect in aspects:
        for (name, side), words in aspect.words.items():
            odd = frozenset(w for w in words.all if (name, w) in both or (name == "is" and w in ambiguous))
            aspect.clear[name, side] = words.without(odd)


TAGS: Mapping[str, tuple[frozenset[str], range, int]] = {  # by field: tags, numbers of characters, times in the corpus
    "is": (frozenset({"a", "ad", "an"}), range(1, 5), 20),
    "does": (frozenset({"v", "vn", "vi"}), range(2, 5), 60),
    "has": (frozenset({"n", "an", "vn"}), range(2, 5), 100),
    "says": (frozenset({"i", "l", "z"}), range(3, 6), 10),
}


def read_dictionary() -> dict[str, Words]:
    """Read jieba's dictionary: thousands of words by the field that their tags suit.

    The dictionary (https://github.com/fxsjy/jieba) is read where it is installed.

    :raises GrammarError: if jieba is not installed.
    """
    spec = importlib.util.find_spec("jieba")
    if spec is None or spec.origin is None:
        raise GrammarError("jieba is not installed, and its dictionary is where the words come from: pip install jieba")
    found: dict[str, list[str]] = {name: [] for name in TAGS}
    for line in Path(spec.origin).with_name("dict.txt").read_text(encoding="utf-8").splitlines():
        word, times, tag = line.split(" ")
        for name, (tags, lengths, least) in TAGS.items():
            if tag in tags and len(word) in lengths and int(times) >= least and _is_han(word):
                found[name].append(word)
    return {name: Words(tuple(words)) for name, words in found.items()}


def _is_han(word: str) -> bool:
    return all("\u4e00" <= character <= "\u9fff" for character in word)
