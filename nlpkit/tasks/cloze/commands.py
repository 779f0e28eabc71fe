"""``nlpkit cloze``: fill, evaluate; without a command's name, fill."""

from __future__ import annotations

import gc
import itertools
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nlpkit.commands import FILE, INPUT, say, tell_json
from nlpkit.commands.groups import DefaultGroup
from nlpkit.commands.labelled import COLUMN, ENCODING, counted, read_rows, say_left_out
from nlpkit.errors import DataError
from nlpkit.tasks.cloze.training_command import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nlpkit.tasks.cloze.filling import Candidates
    from nlpkit.tasks.cloze.items import Item
    from nlpkit.tasks.cloze.metrics import ClozeMetrics
    from nlpkit.tasks.cloze.model import ClozeModel
    from nlpkit.text.normalisation import Normaliser
    from nlpkit.text.rows import Row, Source

MODEL = click.option("--model", "-m", default="reviews-cloze", show_default=True, help="A model's name or folder.")
EXAMPLE = "衣服质量__哦"
STEP = 1024  # rows that are read before any is answered


@click.group(cls=DefaultGroup, default="fill")
def cloze() -> None:
    """Which words fit the blanks of a text.

    \b
    nlpkit cloze "衣服质量__哦"           the ten best words for the blank
    nlpkit cloze fill "衣服质量__哦"      the same
    nlpkit cloze fill --help            several blanks, files, words that must match
    """


@cloze.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--column", "-c", help="The column of a table, or field of JSON, with the text.")
@click.option("--file", "files", multiple=True, type=INPUT, help="Fill its rows; - is stdin.")
@click.option("--top", "-k", default=10, show_default=True, help="How many answers.")
@click.option("--beam", type=int, help="Of several blanks: how many ways are tried further, 1000 at most.")
@click.option("--pattern", metavar="REGEX", help="Only words that match it as a whole.")
@click.option("--lexicon", type=FILE, help="Only words of this file: one a line, or a JSON list.")
@click.option("--length", type=int, help="Only words of so many characters.")
@MODEL
@click.option("--format", "-f", "kind", type=click.Choice(["table", "jsonl"]), help="Default: see below.")
@click.option("--output", "-o", type=FILE, help="Write here instead of to stdout.")
@click.option("--force", is_flag=True, help="Let --output replace a file.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any row could not be filled.")
@ENCODING
def fill(
    texts: tuple[str, ...],
    files: tuple[str, ...],
    column: str | None,
    top: int,
    beam: int | None,
    pattern: str | None,
    lexicon: Path | None,
    length: int | None,
    model: str,
    kind: str | None,
    output: Path | None,
    force: bool,
    strict: bool,
    encoding: str | None,
) -> None:
    """Say which words fit the blanks of a TEXT, best first; two underscores are a blank.

    Several blanks of a text are filled jointly. Without TEXT and --file, stdin is read, a text a line; rows come out as
    they went in, and one that cannot be filled has a reason. What restricts the words leaves their probabilities as
    they are: shares among all words.

    The format is a table on a terminal, else JSON lines.

    \b
    nlpkit cloze fill "衣服质量__哦"
    nlpkit cloze fill "鞋子__，好穿，值得__。" --top 5
    nlpkit cloze fill "发货__很赞" --length 2 --pattern ".*度"
    cat texts.txt | nlpkit cloze fill | jq -r ".fillings[0].text"
    """
    from nlpkit.commands.streams import bar, blocks, headers, opened
    from nlpkit.tasks.cloze.filling import Filler
    from nlpkit.tasks.cloze.fillings import choose, writer
    from nlpkit.tasks.cloze.model import ClozeModel

    gc.disable()  # a row makes many objects, and none of them a cycle
    _check_input(texts, files, said=bool(column or (encoding and not lexicon)))
    output = None if str(output) == "-" else output
    terminal = sys.stdout.isatty()
    write = writer(choose(kind, output, terminal=terminal))
    opened_model = ClozeModel.load(model)
    headers(files, column=column, encoding=encoding)
    candidates = _candidates(opened_model, lexicon, encoding, pattern=pattern, length=length)
    filler = Filler(opened_model, top=top, beam=beam, candidates=candidates)
    source_blocks = blocks(files, texts, "TEXT", column=column, encoding=encoding)
    faults: Counter[str] = Counter()
    rows = 0
    with opened(output, force=force) as out, bar(show=output is not None or not terminal) as advance:
        for source, first, block in _parts(source_blocks):
            filled = filler.fill_rows(block)
            if len(texts) == 1 and filled[0].reason:
                raise DataError(_sentence(block[0].text, filled[0].reason))
            out.write(write(source, first, block, filled))
            if terminal or source.name == "-":
                out.flush()
            faults.update(found.reason.split(":")[0] for found in filled if found.reason)
            rows += len(block)
            advance(rows, source.progress())
    if faults:
        say(f"{faults.total():,} of {rows:,} rows could not be filled: {counted(faults)}")
        if strict:
            raise click.exceptions.Exit(1)


@cloze.command()
@click.argument("file", metavar="FILE")
@MODEL
@click.option("--lexicon", type=FILE, help="Rank among these words only: one a line, or a JSON list.")
@click.option("--seed", default=0, show_default=True, help="By which words are drawn to be blanked.")
@click.option(
    "--skip-frequent",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    help="Never blank so many of the most frequent words.",
)
@click.option(
    "--min-words",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Leave texts with fewer Chinese words out.",
)
@click.option("--all", "every", is_flag=True, help="Blank every word that the model knows, not one a text.")
@click.option("--limit", type=click.IntRange(min=1), help="Measure on so many blanks, drawn by the seed.")
@COLUMN
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
@ENCODING
def evaluate(
    file: str,
    model: str,
    lexicon: Path | None,
    seed: int,
    skip_frequent: int,
    min_words: int,
    every: bool,
    limit: int | None,
    column: str | None,
    kind: str,
    encoding: str | None,
) -> None:
    """Measure a model: how often the right word is the first, among the first five, the first ten.

    FILE holds lines {"text": "衣服质量__哦", "answer": "不错"}, or is any corpus, labelled or not, by its path or its
    name in the catalogue: in each of its texts a word is blanked. An answer that the model does not know counts as
    wrong.

    \b
    nlpkit cloze evaluate items.jsonl --lexicon words.txt
    nlpkit cloze evaluate reviews.txt --seed 1 --limit 3000
    nlpkit cloze evaluate test.csv --model mine --all --format json
    """
    from nlpkit.tasks.cloze.items import blank_words, drawn, holds_items, read_words
    from nlpkit.tasks.cloze.metrics import measure_items
    from nlpkit.tasks.cloze.model import ClozeModel

    opened_model = ClozeModel.load(model)
    words = None if lexicon is None else read_words(lexicon, encoding=encoding)
    if holds_items(file, encoding=encoding):
        items = _items(file, encoding)
    else:
        rows = read_rows([file], answer=None, column=column, encoding=encoding)
        items = blank_words(
            _normalised(opened_model.normaliser, (row.text for row in rows)),
            opened_model.tokenizer,
            opened_model.words,
            seed=seed,
            skip_frequent=skip_frequent,
            min_words=min_words,
            every=every,
        )
    metrics = measure_items(opened_model, items if limit is None else drawn(items, limit, seed), words)
    if not metrics.items:
        raise DataError(
            f"{file}: no text of at least {min_words} Chinese words (--min-words) with one to blank that the model can "
            f"say and is not among the {skip_frequent} most frequent (--skip-frequent); items of your own are "
            'lines {"text": "…__…", "answer": "…"}, each with one blank'
        )
    if kind == "json":
        tell_json(metrics.to_json())
    else:
        show_metrics({Path(file).name: metrics})


cloze.add_command(train)


def show_metrics(metrics: Mapping[str, ClozeMetrics]) -> None:
    """Print figures by group, and below them those of bits where there are any."""
    from nlpkit.commands import console, table

    shown = table("items of", ">items", ">words", ">unknown", ">top-1 %", ">top-5 %", ">top-10 %", ">MRR@10")
    for name, m in metrics.items():
        shown.add_row(
            *(name, f"{m.items:,}", f"{m.candidates:,}", f"{m.unknown:,}"),
            *(f"{share:.1f}" for share in (m.top1, m.top5, m.top10)),
            f"{m.mrr10:.4f}",
        )
    screen = console()
    screen.print(shown)
    for name, m in metrics.items():
        if bits := m.bits:
            screen.print(f"bits, {name}: {bits.accuracy:.4f} of {bits.bits} right; by majority {bits.majority:.4f}")


def _check_input(texts: Sequence[str], files: Sequence[str], *, said: bool) -> None:
    if texts and files:
        raise click.UsageError("give TEXT or --file, not both")
    if texts and said:
        raise click.UsageError("--column and --encoding are those of a file: give --file, or leave them out")
    if not texts and not files and sys.stdin.isatty():
        raise click.UsageError(f'no input: give a text such as "{EXAMPLE}", --file, or pipe something in; see --help')


def _candidates(
    model: ClozeModel, lexicon: Path | None, encoding: str | None, *, pattern: str | None, length: int | None
) -> Candidates:
    from nlpkit.tasks.cloze.items import read_words

    words = None if lexicon is None else read_words(lexicon, encoding=encoding)
    found = model.candidates(lexicon=words, pattern=pattern, length=length)
    if found.unknown:
        some = ", ".join(found.unknown[:3]) + ", ..." * (len(found.unknown) > 3)
        say(f"{len(found.unknown):,} of {len(words or ()):,} words of {lexicon} are unknown to the model: {some}")
    return found


def _parts(blocks: Iterator[tuple[Source, int, Sequence[Row]]]) -> Iterator[tuple[Source, int, Sequence[Row]]]:
    """The same rows, so few at a time that answers come soon."""
    for source, first, block in blocks:
        for at in range(0, len(block), STEP):
            yield source, first + at, block[at : at + STEP]


def _sentence(text: str, reason: str) -> str:
    """What is wrong with the one text of the command line, and what to do."""
    from nlpkit.commands.screen import shown

    quoted = f'"{shown(text)}"'
    what, _, advice = reason.partition(": ")
    if what not in ("empty", "no blank"):
        return f"{quoted} cannot be filled: {reason}"
    if text == "-" or (text and Path(text).is_file()):
        return f"there is no blank in {quoted}; to read a file, say --file {text}"
    return f"there is no blank in {quoted}: {advice or 'mark it by two underscores'}, as in {EXAMPLE}"


def _items(file: str, encoding: str | None) -> Iterator[Item]:
    """The items of a file as they are asked for; at the end it is said how many lines were left out and why."""
    from nlpkit.tasks.cloze.items import read_items
    from nlpkit.text.corpus import Faults

    faults = Faults()
    yield from read_items(file, encoding=encoding, faults=faults)
    say_left_out(faults)


def _normalised(normaliser: Normaliser, texts: Iterator[str]) -> Iterator[str]:
    while block := list(itertools.islice(texts, STEP)):
        yield from normaliser.batch(block)
