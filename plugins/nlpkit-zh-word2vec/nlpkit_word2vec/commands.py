"""``nlpkit vectors``: train, near, similar, analogy, get."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from nlpkit.commands import COLUMN, ENCODING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nlpkit_word2vec.neighbours import Neighbour
    from nlpkit_word2vec.settings import Fitting
    from nlpkit_word2vec.training import Source

FILE = click.Path(path_type=Path, readable=False)  # that it cannot be read is a fault of the file


@click.group()
def vectors() -> None:
    """Word vectors: fit them to texts of your own, and ask which words are near."""


@vectors.command(short_help="Fit vectors to the words of texts, by word2vec.")
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@click.option("--output", "-o", type=FILE, required=True, help="The file: .txt, .vec or .bin, packed if .gz follows.")
@click.option("--dim", type=click.IntRange(1), default=200, show_default=True, help="Numbers in a vector.")
@click.option("--window", type=click.IntRange(1), default=5, show_default=True, help="Words to each side that count.")
@click.option("--min-count", type=click.IntRange(1), default=5, show_default=True, help="Leave rarer words out.")
@click.option("--sg/--cbow", default=False, help="Skip-gram, or CBOW.  [default: CBOW]")
@click.option("--negative", type=click.IntRange(1), default=5, show_default=True, help="Random words against each.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True, help="Passes over the texts.")
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, show_default=True, help="Of all chance.")
@click.option("--tokenizer", default="rjieba", show_default=True, help="What cuts texts into words.")
@click.option("--format", "kind", type=click.Choice(["text", "binary"]), help="Of the file.  [default: by its name]")
@COLUMN
@ENCODING
@click.option("--force", is_flag=True, help="Let --output replace a file.")
def train(
    corpora: tuple[str, ...],
    output: Path,
    kind: str | None,
    tokenizer: str,
    column: str | None,
    encoding: str | None,
    force: bool,
    **fitting: Any,
) -> None:
    """Fit vectors to the words of texts, by word2vec, and write them to a file.

    A CORPUS is a file of texts, labelled or a line each, a folder, or the name of a corpus that `nlpkit corpus list`
    shows. Texts are normalised as for training. The same texts and options make the same file.

    \b
    nlpkit vectors train reviews.txt -o reviews.bin
    nlpkit vectors train goods.csv waimai_10k -o both.vec.gz --dim 100 --sg --min-count 2
    nlpkit sentiment train labelled.csv -o mine --recipe word2vec --set embedding.vectors=reviews.bin
    """
    from nlpkit import DataError
    from nlpkit.commands import say

    from nlpkit_word2vec.files import format_of, write_vectors
    from nlpkit_word2vec.settings import Fitting
    from nlpkit_word2vec.training import Source

    if (kind := kind or format_of(output)) is None:
        raise click.UsageError(f"{output} ends neither in .txt or .vec nor in .bin: say by --format text or binary")
    if output.exists() and not force:
        raise DataError("{output} exists: choose another name, or say --force to replace it", output=output)
    how, source = Fitting(**fitting), Source(corpora, tokenizer, column, encoding)
    words, found = _fit(source, how)
    write_vectors(output, words, found, binary=kind == "binary")
    say(f"{len(words):,} words with {how.dim} numbers each: {output}")


def _fit(source: Source, how: Fitting) -> tuple[list[str], NDArray[np.float32]]:
    """Draw how it goes: a live line on a terminal, and a line for each part that is done."""
    from tempfile import TemporaryDirectory

    from nlpkit.commands import make_console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from nlpkit_word2vec.fitting import fit_vectors

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    screen = make_console(stderr=True)
    with (
        TemporaryDirectory(prefix="nlpkit-") as scratch,
        Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty()) as progress,
    ):
        task = progress.add_task("reading", total=None)
        documents = source.words(Path(scratch), lambda n: progress.update(task, description=f"{n:,} texts"))
        screen.print(f"{len(documents):,} texts")
        if source.faults:
            screen.print(f"{source.faults.total():,} rows were left out: {source.faults}")
        progress.update(task, description="word2vec")
        return fit_vectors(documents, how, lambda done: screen.print(f"epoch {done} of {how.epochs}"))


VECTORS = click.option("--vectors", "path", required=True, metavar="FILE", help="A file of vectors, text or binary.")
TOP = click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Words to show for each.")
KIND = click.option("--format", "-f", "kind", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)


@vectors.command(short_help="Show the words whose vectors are nearest to a word's.")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@VECTORS
@TOP
@KIND
def near(words: tuple[str, ...], path: str, top: int, kind: str) -> None:
    """Show the words whose vectors are nearest to a word's, by the cosine between them.

    The file may be in word2vec's text or binary format, GloVe's or fastText's text; packed by gzip, bzip2, xz or not.

    \b
    nlpkit vectors near 质量 --vectors reviews.bin
    nlpkit vectors near 好 差 --vectors both.vec.gz --top 5 --format jsonl
    """
    from nlpkit import DataError
    from nlpkit.commands import fail

    from nlpkit_word2vec.neighbours import Neighbours

    known = Neighbours.read(path)
    failed = False
    for word in words:
        try:
            found = known.near(word, top)
        except DataError as error:  # a word that is not known keeps no other back
            fail(error)
            failed = True
        else:
            _show(word, found, kind)
    if failed:
        raise click.exceptions.Exit(1)


@vectors.command(short_help="Say how alike two words are.")
@click.argument("word")
@click.argument("other")
@VECTORS
def similar(word: str, other: str, path: str) -> None:
    """Say how alike two words are: the cosine of the angle between their vectors, 1 for the same direction.

    \b
    nlpkit vectors similar 质量 品质 --vectors reviews.bin
    """
    from nlpkit_word2vec.neighbours import Neighbours

    click.echo(f"{Neighbours.read(path).similarity(word, other):.4f}")


@vectors.command(short_help="Show what is to a word as another is to a third.")
@click.argument("first")
@click.argument("second")
@click.argument("third")
@VECTORS
@TOP
@KIND
def analogy(first: str, second: str, third: str, path: str, top: int, kind: str) -> None:
    """Show the words that are to THIRD as SECOND is to FIRST: those nearest to SECOND - FIRST + THIRD.

    None of the three is among them. Vectors of few texts know few such relations.

    \b
    nlpkit vectors analogy 男 爸爸 女 --vectors reviews.bin
    """
    from nlpkit_word2vec.neighbours import Neighbours

    found = Neighbours.read(path).complete(first, second, third, top)
    _show(f"{first} : {second} = {third} : ?", found, kind, f"{first} : {second} = {third} :")


@vectors.command(short_help="Print the vector of a word.")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@VECTORS
@click.option("--format", "-f", "kind", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
def get(words: tuple[str, ...], path: str, kind: str) -> None:
    """Print the vector of a word, as the file has it: the word, then its numbers.

    \b
    nlpkit vectors get 质量 --vectors reviews.bin
    nlpkit vectors get 质量 品质 --vectors reviews.bin --format jsonl | jq '.vector | length'
    """
    import orjson

    from nlpkit_word2vec.neighbours import Neighbours

    known = Neighbours.read(path)
    for word in words:
        numbers = known.vector(word)
        if kind == "jsonl":
            click.echo(orjson.dumps({"word": word, "vector": numbers}, option=orjson.OPT_SERIALIZE_NUMPY))
        else:
            click.echo(" ".join([word, *(f"{number:g}" for number in numbers.tolist())]))


def _show(word: str, found: list[Neighbour], kind: str, title: str = "") -> None:
    import orjson
    from nlpkit.commands import make_console, make_table

    if kind == "jsonl":
        near = [{"word": neighbour.word, "similarity": round(neighbour.similarity, 6)} for neighbour in found]
        click.echo(orjson.dumps({"word": word, "near": near}))
        return
    shown = make_table(title or f"near {word}", ">similarity")
    for neighbour in found:
        shown.add_row(neighbour.word, f"{neighbour.similarity:.4f}")
    make_console().print(shown)
