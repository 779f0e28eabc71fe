"""Strangers' components at work: what one of them makes of a text is looked at, and its fault told as its own.

Components of ours and of our plugins stay as they are. A stranger's encoder or embedding is tried before anything is
trained, see `nlpkit.testing.rehearsal`: inside torch nothing can be watched that shall be exported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nlpkit.errors import MissingExtra, PluginError
from nlpkit.plugins.base import Decoder, Tokenizer
from nlpkit.plugins.installed import is_stranger
from nlpkit.plugins.isolation import describe_error
from nlpkit.plugins.surroundings import watch_work

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nlpkit.plugins.component import Component
    from nlpkit.text.vocabulary import Tokens

THEIRS = (KeyboardInterrupt, MemoryError, MissingExtra)  # of the user and of the machine: no fault of a plugin's
MOST_SILENT = 1 << 14  # texts without tokens that are remembered
Part = TypeVar("Part")


class TokenizerError(PluginError):
    """A stranger's tokenizer fails on some of the texts that it was given.

    :param reasons: why, by text.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        text, reason = next(iter(reasons.items()))
        super().__init__("{reason}; the text was {text!r:.60}", reason=reason, text=text)
        self.args, self.reasons = (reasons,), reasons  # by which a copy is made


class WatchedTokenizer(Tokenizer):
    """What stands before the class of a stranger's tokenizer.

    After `batch`, ``silent`` says of texts with letters of which it made no tokens that it did so.
    """

    owner: str
    silent: dict[str, str]

    def batch(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of all texts.

        :raises TokenizerError: of those on which it fails, whichever they are.
        """
        with watch_work(self.owner):
            tokens = self._try_batch(texts)
            if tokens is None:
                tokens = self._cut_each(texts)
            self._find_silent(texts, tokens)
            return tokens

    def _try_batch(self, texts: Sequence[str]) -> Tokens | None:
        """Cut all texts at once; None if that fails, or what comes is not what it should be."""
        from nlpkit.text.vocabulary import Tokens  # numpy

        try:
            if _has_batch(self):
                tokens = super().batch(texts)
            else:
                lists = [self.tokenize(text) for text in texts]
                if not {*map(type, lists)} <= {list, tuple}:
                    return None
                tokens = Tokens.of(lists)
            return tokens if _is_sound(tokens, len(texts)) else None
        except THEIRS:
            raise
        except BaseException:  # each text says why; SystemExit among it, and what compiled modules raise in a panic
            return None

    def _cut_each(self, texts: Sequence[str]) -> Tokens:
        """Cut one text after the other."""
        from nlpkit.text.vocabulary import Tokens  # numpy

        lists: list[list[str]] = []
        faults: dict[str, str] = {}
        for text in texts:
            try:
                lists.append(self.tokenize(text))
                fault = find_fault(lists[-1])
            except THEIRS:
                raise
            except BaseException as error:  # as above
                fault = f"fails: {describe_error(error)}"
            if fault:
                faults[text] = f"{self.owner} {fault:.300}"
        if faults:
            raise TokenizerError(faults)
        return Tokens.of(lists)

    def _find_silent(self, texts: Sequence[str], tokens: Tokens) -> None:
        if len(self.silent) > MOST_SILENT:
            self.silent = {}
        for number in (tokens.starts[1:] == tokens.starts[:-1]).nonzero()[0].tolist():
            if any(map(str.isalnum, texts[number])):
                self.silent[texts[number]] = f"{self.owner} makes no tokens of it"


class WatchedDecoder(Decoder):
    """A stranger's decoder.

    :param own: the stranger's.
    :param words: of how many there are logits.
    """

    def __init__(self, own: Decoder, owner: str, words: int) -> None:
        self._own, self._owner, self._words = own, owner, words

    def logits(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Map outputs ``(n, width)`` to logits ``(n, words)``.

        :raises PluginError: if it fails, or returns something else.
        """
        import numpy as np

        try:
            with watch_work(self._owner):
                logits = self._own.logits(outputs)
        except THEIRS:
            raise
        except BaseException as error:  # a stranger's code
            raise _make_error(self._owner, f"cannot decode: {describe_error(error)}") from error
        expected = (len(outputs), self._words)
        if not isinstance(logits, np.ndarray) or logits.shape != expected:
            found = f"of shape {logits.shape}" if isinstance(logits, np.ndarray) else f"in a {type(logits).__name__}"
            raise _make_error(self._owner, f"returns logits {found}, where an array {expected} was expected")
        if not _is_finite(logits):
            raise _make_error(self._owner, "returns logits that are no finite numbers")
        return logits


def watch_part(component: Component, part: Part) -> Part:
    """Return a component's instance, watched if it is a stranger's tokenizer."""
    if not isinstance(part, Tokenizer) or isinstance(part, WatchedTokenizer) or not is_stranger(component.distribution):
        return part
    own = type(part)
    joined = type(own.__name__, (WatchedTokenizer, own), {"__module__": own.__module__, "__doc__": own.__doc__})
    try:
        object.__setattr__(part, "__class__", joined)
    except TypeError:
        raise PluginError("{owner} has __slots__, which leave no room: drop them", owner=component.whole_name) from None
    object.__setattr__(part, "owner", component.whole_name)
    object.__setattr__(part, "silent", {})
    return part


def watch_decoder(component: Component, make: Callable[[], Decoder], words: int) -> Decoder:
    """Return a component's decoder, watched if it is a stranger's.

    :param words: of how many there shall be logits.
    :raises PluginError: if a stranger's cannot be made.
    """
    if not is_stranger(component.distribution):
        return make()
    owner = component.whole_name
    try:
        with watch_work(owner):
            decoder = make()
    except THEIRS:
        raise
    except BaseException as error:  # a stranger's code
        raise _make_error(owner, f"makes no decoder of what the model keeps of it: {describe_error(error)}") from error
    if not callable(getattr(decoder, "logits", None)):
        raise _make_error(owner, f"returns a {type(decoder).__name__}, not a decoder with logits")
    return WatchedDecoder(decoder, owner, words)


def find_fault(tokens: object) -> str | None:
    """Say what is wrong with the tokens of a text, to go on from whose they are; None if nothing is."""
    if not isinstance(tokens, list | tuple):
        kind = "None" if tokens is None else f"a {type(tokens).__name__}"
        return f"returns {kind}, where a list of tokens was expected"
    for token in tokens:
        if type(token) is not str and not isinstance(token, str):
            return f"returns {token!r:.40} among its tokens, which is a {type(token).__name__} and no text"
        if not token:
            return "returns an empty token"
    return None


def _has_batch(tokenizer: WatchedTokenizer) -> bool:
    return type(tokenizer).__mro__[2].batch is not Tokenizer.batch  # type: ignore[attr-defined]


def _is_sound(tokens: Any, texts: int) -> bool:
    """Whether a batch of tokens is what it should be."""
    import numpy as np

    units, starts = tokens.units, tokens.starts
    if not isinstance(starts, np.ndarray) or len(starts) != texts + 1 or starts[0] or starts[-1] != len(units):
        return False
    if (np.diff(starts) < 0).any():
        return False
    return isinstance(units, np.ndarray) or ({*map(type, units)} <= {str} and "" not in units)


def _is_finite(logits: NDArray[np.floating[Any]]) -> bool:
    import numpy as np

    return logits.dtype.kind in "fiu" and bool(np.isfinite(logits).all())


def _make_error(owner: str, what: str) -> PluginError:
    return PluginError("{owner} {what:.400}", owner=owner, what=what)
