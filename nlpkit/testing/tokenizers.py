"""Checks of tokenizers; they need no torch."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from nlpkit.plugins.base import Tokenizer
from nlpkit.testing.components import files_of
from nlpkit.testing.discovery import Subject
from nlpkit.testing.elsewhere import ask
from nlpkit.testing.kit import CheckError, NotChecked, describe
from nlpkit.testing.samples import LONG, PLAIN, list_odd_texts

SHORT = 4  # characters of a text that may have no tokens: shorter than what some cut


def files(subject: Subject) -> None:
    """See that files are bytes by relative names, and that an instance of config and files cuts as the first did."""
    first = subject.tokenizer
    for name, data in first.files.items():
        if not isinstance(name, str) or not isinstance(data, bytes) or not _is_plain(name):
            raise CheckError(
                f"files has {name!r}: {type(data).__name__}, where the bytes of a file by a relative name were expected"
            )
    if first.files and not subject.component.takes_files:
        raise CheckError("it keeps files, but its factory has no parameter files: add files: dict[str, bytes] | None")
    second = subject.remake(first.config, **files_of(subject, first))
    if second.files != first.files:
        raise CheckError("rebuilt from config and files it has other files: keep there what it was made of")
    for text in [*PLAIN, *list_odd_texts()]:
        if (again := second.tokenize(text)) != (tokens := first.tokenize(text)):
            raise CheckError(
                f"rebuilt from config and files it says {_show(again)} of {_show(text)}, not {_show(tokens)}: keep "
                "there all that it was made of"
            )


def surroundings(subject: Subject) -> None:
    """Make one, and cut texts."""
    tokenizer = subject.make()
    for text in [*PLAIN, *list_odd_texts()]:
        tokenizer.tokenize(text)


def odd_text(subject: Subject) -> None:
    """See that every text is answered by a list of strings that are not empty."""
    tokenizer = subject.tokenizer
    for text in [*PLAIN, *list_odd_texts()]:
        try:
            tokens = tokenizer.tokenize(text)
        except Exception as error:  # a stranger's code
            raise CheckError(f"tokenize({_show(text)}) raised {describe(error)}: any text must be answered") from error
        if not isinstance(tokens, list) or not all(isinstance(token, str) and token for token in tokens):
            raise CheckError(
                f"tokenize({_show(text)}) is {_show(tokens)}, where a list of strings was expected, none empty"
            )
    for text in PLAIN:
        if len(text) > SHORT and not tokenizer.tokenize(text):
            raise CheckError(f"tokenize({_show(text)}) is [], so that nothing could be told of it: keep some tokens")
    if tokens := tokenizer.tokenize(""):
        raise CheckError(f"tokenize('') is {_show(tokens)}, where [] was expected")


def determinism(subject: Subject) -> None:
    """Read texts again in another order: what was read before changes nothing."""
    tokenizer, texts = subject.make(), [*PLAIN, *list_odd_texts()]  # one that has read nothing
    before = [list(tokenizer.tokenize(text)) for text in texts]
    for text, tokens in reversed(list(zip(texts, before, strict=True))):
        if tokenizer.tokenize(text) != tokens:
            raise CheckError(f"tokenize({_show(text)}) is something else the second time: depend on the text alone")


def batch(subject: Subject) -> None:
    """Compare the vectorised path, if there is one, with the other."""
    tokenizer = subject.tokenizer
    if type(tokenizer).batch is Tokenizer.batch:
        raise NotChecked("it has no batch(texts) of its own, and need not")
    texts = [*list_odd_texts(), *PLAIN]
    for some in ([], [""], texts, texts[::-1]):
        rows = tokenizer.batch(some).lists()
        if len(rows) != len(some):
            raise CheckError(f"batch of {len(some)} texts has tokens of {len(rows)}: starts wants the total at its end")
        for text, tokens in zip(some, rows, strict=True):
            if tokens != tokenizer.tokenize(text):
                raise CheckError(
                    f"batch says {_show(tokens)} of {_show(text)}, tokenize {_show(tokenizer.tokenize(text))}"
                )


def longest(subject: Subject) -> None:
    """See that what says that it cuts texts does so."""
    tokenizer = subject.tokenizer
    most = tokenizer.longest
    if most is None:
        raise NotChecked("it cuts no text: it has no longest")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise CheckError(f"longest is {most!r}, where a number of tokens or None was expected")
    for text in (LONG, *list_odd_texts()):
        if (count := len(tokenizer.tokenize(text))) > most:
            raise CheckError(f"longest is {most}, but {_show(text)} has {count} tokens: cut it, or leave longest out")


def inference(subject: Subject) -> None:
    """Ask a fresh interpreter: it gives the same tokens, and imports no torch, as scoring is done without."""
    tokenizer = subject.tokenizer
    texts = [*PLAIN, *list_odd_texts()]
    answer = ask(subject, "tokens", config=tokenizer.config, files=tokenizer.files, texts=texts)
    if answer["heavy"]:
        raise CheckError(f"cutting a text imports {', '.join(answer['heavy'])}, which whoever scores need not have")
    for text, tokens in zip(texts, answer["tokens"], strict=True):
        if tokenizer.tokenize(text) != tokens:
            raise CheckError(f"tokenize({_show(text)}) is something else in another process: depend on the text alone")


def _is_plain(name: str) -> bool:
    """Whether it is a file's name below a folder, on any system."""
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and ".." not in path.parts
        and "\\" not in name
        and not (path.is_absolute() or PureWindowsPath(name).drive)
    )


def _show(value: object) -> str:
    """Cut a text or its tokens to what fits into a sentence."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…"
