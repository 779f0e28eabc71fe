"""The words of corpora, cut once and kept on disk for the passes of word2vec."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nlpkit import Tokenizer, registry
from nlpkit.text import Faults, Normaliser, Tokens, examples_of
from nlpkit.training import BLOCK, StoredTokens, store_tokens


@dataclass(frozen=True)
class Source:
    """Texts behind arguments of the shell, and what cuts them into words.

    :param corpora: files, folders or names of the catalogue; see `nlpkit.text.examples_of`.
    :param tokenizer: its name.
    :param faults: how many rows were left out, and why.
    """

    corpora: Sequence[str]
    tokenizer: str = "rjieba"
    column: str | None = None
    encoding: str | None = None
    faults: Faults = field(default_factory=Faults)

    def words(self, folder: Path, report: Callable[[int], None] = lambda _: None) -> StoredTokens:
        """Normalise and cut the texts, once, into an empty folder; return their words, to be read again and again.

        Words that hold white space go: a file of vectors could not say them.

        :param report: is told now and then how many texts are done.
        :raises DataError: if a corpus cannot be read.
        :raises SettingError: if there is no such tokenizer.
        """
        tokenizer: Tokenizer = registry().get("tokenizer", self.tokenizer).create({})
        normaliser = Normaliser()
        blocks = (_drop_spaced(tokenizer.batch(normaliser.batch(texts))) for texts in _split_blocks(self._texts()))
        for done in store_tokens(blocks, folder):
            report(done)
        return StoredTokens(folder)

    def _texts(self) -> Iterator[str]:
        for corpus in self.corpora:
            found = examples_of(corpus, answer=None, column=self.column, encoding=self.encoding, faults=self.faults)
            yield from (example.text for example in found)


def _split_blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while block := list(itertools.islice(source, BLOCK)):
        yield block


def _drop_spaced(tokens: Tokens) -> Tokens:
    return Tokens.of([[token for token in document if token.split() == [token]] for document in tokens.lists()])
