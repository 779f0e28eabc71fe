"""The grammar as a whole, and one row drawn from it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from itertools import accumulate
from pathlib import Path

from notation import ROWS, Choice, GrammarError, Section, Slot, Template, read_sections
from words import (
    ASPECT_FIELDS,
    DOMAIN_FIELDS,
    Aspect,
    Domain,
    Words,
    held_out,
    read_domains,
    read_words,
)

POOLS = ("all", "train", "template", "words", "both")  # all words and templates; those for training; what is held out
NEW_WORDS, NEW_TEMPLATES = ("words", "both"), ("template", "both")
OPEN_WORDS, OPEN_ASPECTS = 0.8, 0.1  # share of slots, and of aspects, that are filled from the dictionary
OPEN_ALONE = 0.7  # share of such rows that are a core alone: what is beside it would tell the label
TRIES = 6  # how often a word or an aspect that stands in the row already is drawn anew
CLAUSES = {"clause": "clause", "statement": "states"}  # slots, and the flags of the kinds that fill them
OWN_SLOTS = ("aspect", "this", "thing", "core", *CLAUSES)


class DeadEndError(Exception):
    """A draw that cannot be finished: no template or no word fits."""


class Grammar:
    """Everything that rows are made of.

    :param folder: holds `words.txt`, `domains/` and `templates/`.
    :raises GrammarError: with the file and the line, if one cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        lists = read_words(folder / "words.txt")
        ambiguous = lists.pop("ambiguous")
        self.words = lists
        self.domains = read_domains(folder / "domains", ambiguous.all if isinstance(ambiguous, Words) else ())
        self.sections = read_sections(folder / "templates")
        self._refuse_unknown_slots()
        self._suits = cache(self._find_suits)
        self.homes = cache(self._homes)
        self.fitting = cache(self._fitting)
        self.clauses = cache(self._clauses)
        self.kinds = cache(self._kinds)

    def _refuse_unknown_slots(self) -> None:
        pieces = [section.name for section in self.sections.values() if not section.kind]
        known = {*self.words, *pieces, *ASPECT_FIELDS, *DOMAIN_FIELDS, *OWN_SLOTS}
        for section in self.sections.values():
            for template in section.templates:
                if odd := [slot.name for slot in template.slots if slot.name not in known]:
                    near = get_close_matches(odd[0], sorted(known), n=3)
                    raise GrammarError(
                        f"the template {template.text!r} has the slot {odd[0]!r}, which no list and no section fills; "
                        f"did you mean {' or '.join(near) if near else 'one of the README'}?"
                    )

    def suits(self, template: Template, side: str, domain: Domain, pool: str) -> dict[int, list[Aspect]] | None:
        """Find the aspects that a template may speak of, by number; None if the domain lacks what it needs."""
        return self._suits(template, side, domain, pool in ("train", "template"))

    def _find_suits(
        self, template: Template, side: str, domain: Domain, trained: bool
    ) -> dict[int, list[Aspect]] | None:
        if any(slot.name in DOMAIN_FIELDS and slot.name not in domain.words for slot in template.slots):
            return None
        needs: dict[int, set[tuple[str, str]]] = {index: set() for index in template.named}
        for slot in template.slots:
            if slot.name in ASPECT_FIELDS:
                needs.setdefault(slot.index, set()).add((slot.name, slot.side(side)))
        suit = {
            index: [
                aspect
                for aspect in domain.aspects
                if _has(aspect, fields, index in template.named, trained)
                and not (aspect.shared and template.of_things and index not in template.named)
            ]
            for index, fields in needs.items()
        }
        return suit if all(len(aspects) >= len(needs) for aspects in suit.values()) else None

    def _homes(self, template: Template, side: str, pool: str) -> list[Domain]:
        """Find the domains in which a template can be used."""
        return [domain for domain in self.domains if self.suits(template, side, domain, pool) is not None]

    def _fitting(self, name: str, sign: str, domain: Domain, pool: str) -> tuple[list[Template], list[int]]:
        """Find a section's templates for a sign in a domain, and their weights, accumulated."""
        section = self.sections[name]
        found = [
            template
            for template in section.templates
            if template.serves(sign)
            and not (section.kind and pool in ("train", "words") and held_out(template.text))
            and self.suits(template, "+" if sign == "0" else sign, domain, pool) is not None
        ]
        return found, list(accumulate(template.weight for template in found))

    def _clauses(self, flag: str, side: str, domain: Domain, pool: str) -> tuple[list[str], list[int]]:
        """Find the kinds with a flag, and their weights, accumulated."""
        kinds = [section for section in self.sections.values() if section.kind and flag in section.flags]
        found = [section for section in kinds if self.fitting(section.name, side, domain, pool)[0]]
        return [section.name for section in found], list(accumulate(section.weight for section in found))

    def _kinds(self, sign: str, pool: str) -> tuple[list[tuple[Section, list[Template]]], list[int]]:
        """Find the kinds that a row of a sign may be of, each with its cores, and their weights, accumulated."""
        found = [
            (section, cores)
            for section in self.sections.values()
            if section.kind
            and (cores := [core for core in section.templates if core.serves(sign) and _may_be_core(core, pool)])
        ]
        return found, list(accumulate(section.weight for section, _ in found))


def _has(aspect: Aspect, fields: set[tuple[str, str]], named: bool, trained: bool) -> bool:
    lists = aspect.words if named else aspect.clear
    return all((words := lists.get(each)) and (words.train if trained else words.all) for each in fields)


def _may_be_core(template: Template, pool: str) -> bool:
    return pool == "all" or held_out(template.text) == (pool in NEW_TEMPLATES)


@dataclass(eq=False)
class Scope:
    """What is settled within one use of a template: its side, its aspects, and the words that must not change."""

    template: Template
    side: str
    aspects: dict[int, Aspect]
    bound: dict[tuple[str, str, int], str] = field(default_factory=dict)


class Draw:
    """One row while it is drawn.

    :param pool: one of `POOLS`.
    :param dictionary: words by field that take the place of an aspect's own; may be empty.
    """

    def __init__(
        self, grammar: Grammar, chance: random.Random, domain: Domain, *, pool: str, dictionary: Mapping[str, Words]
    ) -> None:
        self._grammar, self._chance, self._domain, self._pool = grammar, chance, domain, pool
        self._dictionary = dictionary
        self._used: list[Aspect] = []
        self._core: tuple[Template, str] | None = None
        self.fresh = False  # a word stands in it that training does not see
        self.opened = False  # a word of the dictionary stands in it

    def row(self, section: Section, core: Template, sign: str, side: str) -> str:
        """Write a row around a core.

        :param sign: ``+``, ``-`` or ``0``.
        :param side: ``+`` or ``-``: that of words without a side of their own.
        :raises DeadEndError: if it cannot be finished.
        """
        self._core = (core, side)
        if self._dictionary and self._chance.random() < OPEN_ALONE:
            return self._expand(core, side)
        around = next((f"row_{flag}" for flag in ROWS if flag in section.flags), "row")
        return self._expand(self._pick(around, sign), side)

    def _pick(self, name: str, sign: str) -> Template:
        templates, weights = self._grammar.fitting(name, sign, self._domain, self._pool)
        if not templates:
            raise DeadEndError(name)
        return self._chance.choices(templates, cum_weights=weights)[0]

    def _expand(self, template: Template, side: str) -> str:
        suit = self._grammar.suits(template, side, self._domain, self._pool)
        if suit is None:
            raise DeadEndError(template.text)
        scope = Scope(template, side, {index: self._aspect(aspects) for index, aspects in suit.items()})
        return self._write(template.sequence, scope)

    def _aspect(self, aspects: Sequence[Aspect]) -> Aspect:
        """Choose an aspect that the row has not spoken of, lest it contradict itself."""
        for _ in range(TRIES):
            aspect = self._chance.choice(aspects)
            if not any(aspect.names[0] in used.names for used in self._used):
                self._used.append(aspect)
                return aspect
        raise DeadEndError("aspect")

    def _write(self, sequence: Sequence[str | Slot | Choice], scope: Scope) -> str:
        written = []
        for part in sequence:
            if isinstance(part, str):
                written.append(part)
            elif isinstance(part, Slot):
                written.append(self._fill(part, scope))
            elif not part.optional or self._chance.random() < 0.5:
                written.append(self._write(self._chance.choice(part.alternatives), scope))
        return "".join(written)

    def _fill(self, slot: Slot, scope: Scope) -> str:
        if slot.sign == "?":
            return ""
        side = slot.side(scope.side)
        if slot.name == "core" and self._core:
            return self._expand(*self._core)
        if slot.name in CLAUSES:
            return self._clause(CLAUSES[slot.name], side)
        if slot.name in ("aspect", "this", "thing"):
            return self._noun(slot, scope)
        if isinstance(self._grammar.words.get(slot.name), Words):  # digits and the like change from place to place
            return self._of(self._list(slot, side, scope))
        key = (slot.name, side, slot.index)
        if key not in scope.bound:
            scope.bound[key] = self._new(slot, side, scope)
        return _inflect(scope.bound[key], slot.form)

    def _clause(self, flag: str, side: str) -> str:
        names, weights = self._grammar.clauses(flag, side, self._domain, self._pool)
        return self._expand(self._pick(self._chance.choices(names, cum_weights=weights)[0], side), side)

    def _noun(self, slot: Slot, scope: Scope) -> str:
        if slot.name == "aspect":
            if self._dictionary and self._chance.random() < OPEN_ASPECTS:
                return self._of(self._dictionary["has"])
            return self._chance.choice(scope.aspects[slot.index].names)
        classifier, noun = self._chance.choice(self._domain.things)
        if slot.name == "thing":
            return noun
        return self._chance.choice(
            (f"这{classifier}{noun}", f"这{classifier}{noun}", f"这{noun}", f"这{classifier}", noun)
        )

    def _new(self, slot: Slot, side: str, scope: Scope) -> str:
        """Draw a word, or a piece, that does not stand in the template under another number."""
        taken = [word for (name, _, index), word in scope.bound.items() if name == slot.name and index != slot.index]
        for _ in range(TRIES):
            if slot.name in self._grammar.sections:
                word = self._expand(self._pick(slot.name, side), side)
            else:
                word = self._of(self._list(slot, side, scope))
            if word not in taken:
                return word
        raise DeadEndError(slot.name)

    def _list(self, slot: Slot, side: str, scope: Scope) -> Words:
        if slot.name in ASPECT_FIELDS:
            if self._dictionary and self._chance.random() < OPEN_WORDS:
                self.opened = True
                return self._dictionary[slot.name]
            aspect = scope.aspects[slot.index]
            return (aspect.words if slot.index in scope.template.named else aspect.clear)[slot.name, side]
        words = self._domain.words[slot.name] if slot.name in DOMAIN_FIELDS else self._grammar.words[slot.name]
        return words if isinstance(words, Words) else words[side]

    def _of(self, words: Words) -> str:
        if self._pool == "all":
            return self._chance.choice(words.all)
        if self._pool in NEW_WORDS and words.held and (not words.train or self._chance.random() < 0.8):
            self.fresh = True
            return self._chance.choice(words.held)
        if not words.train:
            raise DeadEndError("words")
        return self._chance.choice(words.train)


def _inflect(word: str, form: str) -> str:
    """Put a word into a form: none, ``or`` (清不清晰) or ``guo`` (掉过色)."""
    if form == "or":
        return f"{word[0]}不{word}"
    if form == "guo":
        return word.replace("·", "过") if "·" in word else f"{word}过"
    return word.replace("·", "")
