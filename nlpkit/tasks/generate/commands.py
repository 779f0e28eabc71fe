"""``nlpkit generate text``."""

from __future__ import annotations

import itertools
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from nlpkit.commands.answers import JsonLines
from nlpkit.commands.conversation import converse, is_conversation
from nlpkit.commands.options import ENCODING, JOBS, SHEET, count_reasons
from nlpkit.commands.printing import FILE, INPUT, say
from nlpkit.errors import SettingError
from nlpkit.tasks.generate.task import SEEDS

if TYPE_CHECKING:
    from nlpkit.tasks.generate.model import GenerationModel, Text
    from nlpkit.text.rows import Row, Source

MODEL = click.option("--model", "-m", default="reviews-chars", show_default=True, help="A model's name or folder.")
TOGETHER = 64  # texts that are written side by side


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PROMPT]...")
@click.option("--prompt", "-p", "prompts", multiple=True, help="What a text begins with; the same as PROMPT.")
@click.option("--length", "-l", type=click.IntRange(0), default=200, show_default=True, help="Characters at most.")
@click.option("--temperature", "-t", type=click.FloatRange(0, 100), default=0.8, show_default=True, help="0 is greedy.")
@click.option("--top-k", type=click.IntRange(0), default=0, help="Draw among so many of the likeliest.  [default: all]")
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw among the likeliest that together have this probability.",
)
@click.option(
    "--penalty",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    help="Lessen a character's logit by this for each time that it stands among the last 64.",
)
@click.option(
    "--no-repeat",
    type=click.IntRange(0),
    default=6,
    show_default=True,
    help="Write no run of so many characters twice among the last 128; 0 lets any come again.",
)
@click.option("--stop", help="End before this text.")
@click.option("--through", is_flag=True, help="Go on behind the end of a text, with the next.")
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), help="The same seed gives the same texts.  [default: any]")
@click.option(
    "--first", type=click.IntRange(0), default=0, help="Number of the first text, which counts with the seed."
)
@click.option("--count", "-n", type=click.IntRange(1), default=1, show_default=True, help="How many texts a prompt.")
@click.option("--column", "-c", help="The column of a table, or field of JSON, with the prompts.")
@click.option("--file", "files", multiple=True, type=INPUT, help="Its rows are prompts; - is stdin.")
@MODEL
@click.option("--format", "-f", "kind", type=click.Choice(["text", "jsonl"]), help="Default: text; jsonl for a .jsonl.")
@click.option("--output", "-o", type=FILE, help="Write here instead of to stdout.")
@click.option("--force", is_flag=True, help="Let --output replace a file.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any row could not be read.")
@JOBS
@SHEET
@ENCODING
def text(
    arguments: tuple[str, ...],
    prompts: tuple[str, ...],
    length: int,
    temperature: float,
    top_k: int,
    top_p: float,
    penalty: float,
    no_repeat: int,
    stop: str | None,
    through: bool,
    seed: int | None,
    first: int,
    count: int,
    files: tuple[str, ...],
    column: str | None,
    model: str,
    kind: str | None,
    output: Path | None,
    force: bool,
    strict: bool,
    jobs: int,
    encoding: str | None,
    sheet: str | None,
) -> None:
    """Write texts that go on from a PROMPT. One text appears as it is drawn, several when they are written.

    A text ends where the model ends it, at --stop, or at --length. Without PROMPT and --file it begins with nothing; on
    a terminal, prompts are then asked for, one after the other.

    \b
    nlpkit generate text --prompt 衣服质量
    nlpkit generate text 酒店 快递 --temperature 0.5 --seed 7
    nlpkit generate text -n 20 --top-p 0.9 --format jsonl > drafts.jsonl
    cat prompts.txt | nlpkit generate text --file - --length 30
    nlpkit generate text --through --length 2000 > reviews.txt
    """
    import secrets

    from nlpkit.commands.streams import read_blocks, read_headers
    from nlpkit.model.workers import count_jobs
    from nlpkit.tasks.generate.model import GenerationModel
    from nlpkit.tasks.generate.sampling import Sampling
    from nlpkit.text.rows import argument_row

    prompts = arguments + prompts
    if files and prompts:
        raise click.UsageError("give PROMPT or --file, not both")
    if not files and (column or encoding or sheet):
        raise click.UsageError("--column, --sheet and --encoding are those of a file: give --file, or leave them out")
    output = None if str(output) == "-" else output
    kind = _choose_format(kind, output)
    read_headers(files, column=column, encoding=encoding, sheet=sheet)
    generation = GenerationModel.load(model)
    generation.jobs = count_jobs(jobs)
    conversation = not files and not prompts and is_conversation(output)
    prompts = () if files else tuple(argument_row(prompt).text for prompt in prompts or ("",))
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    options: dict[str, Any] = {"length": length, "stop": stop or None, "through": through, "seed": seed}
    options |= {"first": first, "sampling": Sampling(temperature, top_k, top_p, penalty, no_repeat)}
    if conversation:
        _converse(generation, count, options, kind)
        return
    if kind == "text" and count == 1 and len(prompts) == 1 and output is None:
        _stream(generation, prompts[0], options)
        return
    sources = read_blocks(files, prompts, "PROMPT", column=column, encoding=encoding, sheet=sheet)
    texts, faults = _write(generation, sources, count, options, _make_line(kind), output, force=force)
    if faults:
        say(
            "{total:,} of {texts:,} texts were not written: {reasons}",
            total=faults.total(),
            texts=texts,
            reasons=count_reasons(faults),
        )
        if strict:
            raise click.exceptions.Exit(1)


def _choose_format(kind: str | None, output: Path | None) -> str:
    suffix = "" if output is None else output.suffix.lower()
    if kind is None and suffix in (".csv", ".tsv", ".json", ".gz", ".bz2", ".xz", ".zip"):
        raise SettingError("{output} would hold a text a line: name it .txt or .jsonl, or say --format", output=output)
    return kind or ("jsonl" if suffix in (".jsonl", ".ndjson") else "text")


def _converse(generation: GenerationModel, count: int, options: Mapping[str, Any], kind: str) -> None:
    """Go on from prompts as they are typed."""
    from nlpkit.commands.streams import read_blocks
    from nlpkit.text.rows import argument_row

    def answer(number: int, prompt: str) -> None:
        own = {**options, "first": options["first"] + (number - 1) * count}
        if kind == "text" and count == 1:
            _stream(generation, argument_row(prompt).text, own)
        else:
            sources = read_blocks((), (prompt,), "PROMPT", column=None, encoding=None)
            _write(generation, sources, count, own, _make_line(kind), None, force=False)

    converse(answer)


def _make_line(kind: str) -> Callable[..., bytes]:
    """Return what writes a text."""
    return _Jsonl() if kind == "jsonl" else _line_of


def _stream(generation: GenerationModel, prompt: str, options: Mapping[str, Any]) -> None:
    """Show a text as it is drawn."""
    from nlpkit.commands.streams import draw_reading

    with draw_reading() as progress:
        pieces = generation.stream(prompt, progress=progress, **options)
        beginning = prompt + next(pieces, "")  # a damaged model is told before anything is shown
    for piece in itertools.chain([beginning], pieces, ["\n"]):
        sys.stdout.buffer.write(piece.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()


def _write(
    generation: GenerationModel,
    sources: Iterable[tuple[Source, int, Sequence[Row]]],
    count: int,
    options: dict[str, Any],
    line: Callable[..., bytes],
    output: Path | None,
    *,
    force: bool,
) -> tuple[int, Counter[str]]:
    """Write so many texts a row, some at a time; return how many there are, and why some were not written."""
    from nlpkit.commands.streams import draw_bar, draw_reading, open_output

    terminal = output is None and sys.stdout.isatty()
    faults: Counter[str] = Counter()
    number = start = options.pop("first")
    waiting: deque[_Prompts] = deque()
    with (
        open_output(output, force=force) as out,
        draw_bar(show=not terminal) as advance,
        draw_reading(show=terminal and generation.jobs == 1) as progress,
    ):
        more = {"progress": progress} if generation.jobs == 1 else {}  # what draws cannot be sent to a worker
        write = partial(_write_some, options=options | more)
        blocks = _send(_cut(sources, count), waiting, first=number)
        for _, written in generation.map(write, blocks):
            source, places, rows = waiting.popleft()
            for place, row, text in zip(places, rows, written, strict=True):
                out.write(line(source, place, row, text, options["seed"], number))
                faults.update([row.fault] if row.fault else [])
                number += 1
            out.flush()
            advance(places[-1], source.progress())
    return number - start, faults


class _Prompts(NamedTuple):
    """Rows of a file that are gone on from side by side, and their numbers in it."""

    source: Source
    places: Sequence[int]
    rows: Sequence[Row]


def _cut(sources: Iterable[tuple[Source, int, Sequence[Row]]], count: int) -> Iterator[_Prompts]:
    """Yield each row so often, as many together as are written side by side."""
    from nlpkit.text.blocks import blocks_of

    for source, begin, block in sources:
        places = ((place, row) for place, row in enumerate(block, begin) for _ in range(count))
        for some in blocks_of(places, TOGETHER):
            yield _Prompts(source, *zip(*some, strict=True))


def _send(blocks: Iterable[_Prompts], waiting: deque[_Prompts], *, first: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first text of each block and its prompts, and keep the block until it is written."""
    for block in blocks:
        waiting.append(block)
        yield first, [row.text for row in block.rows]
        first += len(block.rows)


def _write_some(
    generation: GenerationModel, block: tuple[int, Sequence[str]], *, options: Mapping[str, Any]
) -> list[Text]:
    first, prompts = block
    return generation.generate(prompts, first=first, **options)


def _line_of(_source: Source, _place: int, row: Row, written: Text, _seed: int, _number: int) -> bytes:
    """Return the prompt and what follows it, or as much of a row as can be read."""
    return f"{row.text}{'' if row.fault else written.text}\n".encode("utf-8", "replace")


class _Jsonl:
    """A line of JSON a text."""

    def __init__(self) -> None:
        self._lines = JsonLines(("text", "ended", "seed", "number", "reason"), text="prompt")

    def __call__(self, source: Source, place: int, row: Row, written: Text, seed: int, number: int) -> bytes:
        values = (None, None) if row.fault else (written.text, written.ended)
        return self._lines(source, place, [row], [(*values, seed, number, row.fault)])
