"""``nlpkit corpus audit``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands.options import (
    ABOUT_ENCODING,
    ABOUT_SHEET,
    COLUMN,
    SHAPES,
    read_renames,
    say_left_out,
    several_options,
)
from nlpkit.commands.printing import FILE, say, warn
from nlpkit.errors import Sentence
from nlpkit.language import phrase

if TYPE_CHECKING:
    from nlpkit.audit import Audit, AuditRows, Finding
    from nlpkit.commands.annotation_formats import SuspectRow
    from nlpkit.commands.answers import Look

SHOWN = 10  # rows of a table of examples
OTHERS = 46  # columns of a terminal that stand before a text, `PLACED` where that says a place, too
PLACED = 54
NONE = "[]"  # the labels of a text that has none of several
LONGEST = 400  # characters of a text that any line shows
FIELDS = (
    *("file", "row", "line", "text", "label", "suspicion", "suggested_label", "probability"),
    *("copy_file", "copy_row", "copy_text", "alike", "detail"),
)
ABOUT = {  # what each suspicion means, or what training does about it
    "conflicting label": "copies with several labels; not trained on",
    "wrong label": "by what the other texts teach",
    "near copy across the split": "held-out rows that training nearly saw",
    "near copy, other label": "one of the two is likely wrong",
    "near copy": "most of their letters are the same",
    "copy": "of these, training keeps the first",
    "look-alike label": "--label joins them",
    "tiny class": "fewer than 30 different texts",
    "no letters": "not trained on",
    "odd characters": "markup, lost or invisible characters",
}


@click.command(short_help="Look for what is wrong with labelled rows.")
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@COLUMN
@click.option("--label-column", help="Column of the label.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="FOUND=NAME",
    help="Rename a label of the corpus: 1=positive; 3= leaves its rows out.",
)
@click.option("--several", type=bool, help="Whether a text may have several labels; found out unless said.")
@click.option("--sheet", help=ABOUT_SHEET)
@click.option("--encoding", help=ABOUT_ENCODING)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed finds the same.")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--output", "-o", type=FILE, help="Write the suspect rows here: .csv, .tsv or .jsonl.")
@click.option("--as", "shape", type=click.Choice(SHAPES), help="How they are written, where the name does not say it.")
@click.option("--force", is_flag=True, help="Let --output replace a file.")
def audit(
    corpora: Sequence[str],
    *,
    labels: Sequence[str],
    seed: int,
    kind: str,
    output: Path | None,
    shape: str | None,
    force: bool,
    **columns: Any,
) -> None:
    """Look for what is wrong with labelled rows: before a model learns it, or is measured by it.

    Copies and near copies, also between the rows that `nlpkit sentiment train` learns from and those that it tests by;
    labels that contradict each other, look alike or have few rows; labels that are likely wrong; strings and columns
    that give the label away; lengths, languages, odd characters. A CORPUS is what `train` takes. Nothing is changed.

    \b
    nlpkit corpus audit reviews.csv
    nlpkit corpus audit reviews.csv -o suspects.csv
    nlpkit corpus audit train.jsonl test.jsonl --column body --label-column queue
    nlpkit corpus audit topics.csv --label-separator ";"
    nlpkit corpus audit waimai_10k --format json | jq .suspicions
    """
    from nlpkit.audit import audit as find
    from nlpkit.audit import read_corpora
    from nlpkit.commands.printing import tell_json
    from nlpkit.commands.progress import draw_live
    from nlpkit.commands.row_lists import choose_shape

    names = read_renames(labels)
    shape = choose_shape(output, shape, force=force) if output else None
    with draw_live() as (_, bar):
        bar.work("reading", 0, None)
        rows = read_corpora(corpora, names=names, several_option="--several", **columns)
        _tell_doubts(rows)
        found = find(rows, seed=seed, progress=lambda what, done, total: bar.update(what, done, total, ""))
    if kind == "json":
        tell_json(found.to_json())
    else:
        draw(found)
    if output and shape:
        _write(found, output, shape, force=force)


audit.params[5:5] = several_options()


def _tell_doubts(rows: AuditRows) -> None:
    for doubt in rows.doubts:
        warn(doubt)
    for faults in rows.left_out:
        say_left_out(faults)


def _write(found: Audit, output: Path, shape: str, *, force: bool) -> None:
    """Write suspect rows."""
    from nlpkit.commands.row_lists import save_rows
    from nlpkit.text.decoding import WINDOWS

    windows = any(source.encoding in WINDOWS for source in found.rows.sources)
    save_rows(output, shape, FIELDS, _values(found), _as_suspect, force=force, windows=windows)
    rows = len({finding.row for finding in found.findings})
    say("{findings:,} suspicions of {rows:,} rows: {output}", findings=len(found.findings), rows=rows, output=output)


def _as_suspect(row: dict[str, Any]) -> SuspectRow:
    """Make of a suspicion what an annotation tool imports."""
    from nlpkit.commands.annotation_formats import SuspectRow

    own = ("text", "label", "suggested_label", "probability")
    more = {name: value for name, value in row.items() if name not in own and value is not None}
    return SuspectRow(row["text"], row["label"], row["suggested_label"], row["probability"], more)


def _values(found: Audit) -> Iterator[list[Any]]:
    """Yield the values of `FIELDS` for each finding."""
    texts = found.rows.texts
    for finding in found.findings:
        copy = finding.copy_of
        probability = None if finding.probability is None else round(finding.probability, 4)
        yield [
            *found.where(finding.row),
            texts[finding.row],
            _as_json(found.rows.label_of(finding.row)),
            finding.suspicion,
            _as_json(finding.label),
            probability,
            *((None, None, None) if copy is None else (*found.where(copy)[:2], texts[copy])),
            finding.alike,
            finding.detail,
        ]


def _as_json(label: str | None) -> str | list[str] | None:
    """Return a label; several as a list."""
    from nlpkit.text.several import Labels

    return list(label.names) if isinstance(label, Labels) else label


def _show(label: str | None) -> str:
    """Write a label, or several."""
    from nlpkit.text.several import names_of

    return "" if label is None else ", ".join(names_of(label)) or "none"


def draw(found: Audit) -> None:
    """Print tables: what was looked at, and the surest rows of what is worst."""
    from nlpkit.commands.answers import Look
    from nlpkit.commands.printing import make_console

    screen = make_console()
    for line in _facts(found):
        screen.print(line)
    look = Look(width=screen.width)
    tables = (
        _summary(found),
        _wrong_labels(found, look),
        _near_copies(found, look),
        _shortcuts(found),
        _columns(found),
    )
    for table in tables:
        if table is not None:
            screen.print(table)
    for leak in found.leaking():
        label = Sentence("label {label}", label=leak.label) if leak.label else "label"
        screen.print(
            phrase(
                "{name} gives the {label} away: it takes away {entropy:.1%} of the doubt",
                name=leak.name,
                label=label,
                entropy=leak.entropy,
            )
        )
    for what, why in found.skipped.items():
        screen.print(phrase("{what}: not looked for: {why}", what=what, why=why))


def _facts(found: Audit) -> Iterator[str]:
    rows = found.rows
    left_out = sum(faults.total() for faults in rows.left_out)
    files = Sentence("{sources:,} files", sources=len(rows.sources)) if len(rows.sources) > 1 else rows.sources[0].name
    yield Sentence("{files}: {rows:,} rows, {left_out:,} left out", files=files, rows=len(rows), left_out=left_out)
    if found.counts:
        shares = [f"{name} {count:,} ({count / len(rows):.1%})" for name, count in found.counts.items()]
        more = Sentence(" and {shares:,} more", shares=len(shares) - SHOWN) if len(shares) > SHOWN else ""
        yield f"labels: {', '.join(shares[:SHOWN])}{more}"
    if rows.several:
        none = sum(rows.label_of(row) == NONE for row in range(len(rows)))
        yield Sentence(
            "several labels a text: {names:,} labels, {none:,} texts with none", names=len(rows.names), none=none
        )
    encodings = sorted({source.encoding for source in rows.sources if source.encoding})
    if encodings:
        yield f"encoding: {', '.join(encodings)}"
    yield "characters: " + ", ".join(f"{name} {number:,}" for name, number in found.lengths["all"].items())
    yield "writing: " + ", ".join(f"{name} {count:,}" for name, count in found.writings.items())
    if found.odd:
        yield "odd: " + ", ".join(f"{name} {len(own):,}" for name, own in found.odd.items())
    for group in found.alike:
        yield "look alike: " + " and ".join(f"{name!r} ({count:,})" for name, count in group.rows.items())
    if found.tiny:
        yield "tiny: " + ", ".join(f"{name} {count:,}" for name, count in found.tiny.items())


def _summary(found: Audit) -> Any:
    from nlpkit.commands.printing import make_table

    table = make_table("suspicion", ">rows", "meaning")
    for kind, count in found.suspicions.items():
        table.add_row(kind, f"{count:,}", ABOUT[kind])
    return table


def _examples(found: Audit, kind: str) -> list[Finding]:
    """Return the first findings of a kind, of copies one."""
    first = found.copies.first
    findings: dict[int, Finding] = {}
    for finding in found.findings:
        if finding.suspicion == kind:
            findings.setdefault(int(first[finding.row]), finding)
    return list(findings.values())[:SHOWN]


def _place(found: Audit, row: int) -> str:
    """Return the row's number, and its file if there are several."""
    file, number, _ = found.where(row)
    name = f"{Path(file).name} " if len(found.rows.sources) > 1 else ""
    return f"{name}{number:,}" if number else Path(file).name


def _wrong_labels(found: Audit, look: Look) -> Any:
    wrong = found.wrong.values()
    if not any(one.suspicions for one in wrong):
        return None
    answers = sum(one.rows for one in wrong)
    share, accuracy = (sum(getattr(one, name) * one.rows for one in wrong) / answers for name in ("share", "accuracy"))
    told = ", asked of each label by itself" if found.rows.several else ""
    title = Sentence(
        "Likely wrong labels, the surest first; perhaps {share:.1%} of all are. The classifier "
        "that says so is right on {accuracy:.1%} of the rows that it has not seen{told}",
        share=share,
        accuracy=accuracy,
        told=told,
    )
    table = _make_table(title, ">row", "label", "likelier", ">prob.", "text")
    for finding in _examples(found, "wrong label"):
        likelier = finding.detail or finding.label or ""
        cells = (_show(found.rows.label_of(finding.row)), likelier, f"{finding.probability or 0:.3f}")
        table.add_row(_place(found, finding.row), *cells, _cut(found, finding.row, look))
    return table


def _near_copies(found: Audit, look: Look) -> Any:
    findings = _examples(found, "near copy across the split")
    if not findings:
        return None
    table = _make_table("Near copies across the split", ">row", ">copy of", ">alike", "in", "text")
    for finding in findings:
        copy = _place(found, finding.copy_of or 0)
        cells = (copy, f"{finding.alike or 0:.2f}", finding.detail or "")
        table.add_row(_place(found, finding.row), *cells, _cut(found, finding.row, look, PLACED))
    return table


def _make_table(title: str, *columns: str) -> Any:
    from nlpkit.commands.printing import make_table

    table = make_table(*columns)
    table.title, table.title_justify = title, "left"
    return table


def _cut(found: Audit, row: int, look: Look, others: int = OTHERS) -> str:
    """Return as much of a text as fits beside the other columns."""
    from nlpkit.commands.screen import to_one_line

    return look.cut(to_one_line(found.rows.texts[row][:LONGEST]), others)


def _shortcuts(found: Audit) -> Any:
    from nlpkit.commands.screen import to_one_line

    if not found.shortcuts:
        return None
    title = "Strings that nearly give the label away: are they about the matter?"
    table = _make_table(title, "string", "label", ">texts", ">others", ">expected", "where", ">first row")
    for shortcut in found.shortcuts[:SHOWN]:
        expected = "" if shortcut.expected is None else f"{shortcut.expected:.1f}"
        table.add_row(
            to_one_line(shortcut.string) or repr(shortcut.string),
            shortcut.label,
            f"{shortcut.rows:,}",
            f"{shortcut.rows - shortcut.of_label:,}",
            expected,
            shortcut.where,
            _place(found, shortcut.first),
        )
    return table


def _columns(found: Audit) -> Any:
    if not found.columns:
        return None
    title = "What stands beside the texts, and how much of the label it tells"
    label = ["of label"] if found.rows.several else []
    table = _make_table(title, "column", *label, ">values", ">rows", ">tells", ">right", ">majority")
    for leak in found.columns[:SHOWN]:
        shares = (f"{share:.1%}" for share in (leak.entropy, leak.accuracy, leak.majority))
        of = [leak.label or ""] if found.rows.several else []
        table.add_row(leak.name, *of, f"{leak.values:,}", f"{leak.rows:,}", *shares)
    return table
