"""Compositions side by side: the same rows, folds, seeds and recipe, one part changed at a time, by ``compare``.

`compositions.py CORPUS [--only NAME...] [--bert FOLDER] [--folder FOLDER] [--output docs/compositions.md]`. Each row of
the table is a recipe, which is left in FOLDER beside its trainings: what is done there is not done again. Rows of
plugins that are not installed are left out, as are those of BERT without its folder.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import ONE_THREAD

from nlpkit.plugins.registry import registry
from nlpkit.tasks.base import resolve
from nlpkit.tasks.sentiment import SENTIMENT
from nlpkit.training.settings import read_recipe
from nlpkit.version import __version__

SEEDS, FOLDS = 1, 5
PAGE = """\
# Compositions side by side

Tokenizers, embeddings and encoders on the {rows:,} reviews of `{corpus}`: {folds} folds and {seeds} seed(s), so that
each composition was trained {trainings} times, every time without one part in {folds} of the rows, and answered that.
All have the recipe `network` and the defaults of every component; `ngrams` has the recipe of its name. Nothing was
tuned for any of them. So a row is where to begin, not the best that its parts can do.

| tokenizer | embedding | encoder | accuracy | points behind the best | MB | training, CPU s | reviews a CPU second |
|---|---|---|---:|---:|---:|---:|---:|
{table}

{notes} Where a row says *none shown*, chance in rows, trainings and seeds may explain that it is behind. MB is the
saved model without the weights as trained, which scoring does not need. Training is the mean of all, from reading to
saving. All is by nlpkit {version} on one thread of a CPU: seconds depend on the machine, their ratios much less.

The table is made of what this says, where each recipe is the file of a row:

```sh
nlpkit sentiment compare {corpus} --recipe {first}.toml --recipe {second}.toml … --seeds {seeds} --folds {folds}
```

This page was written by `benchmarks/compositions.py`.
"""


class Row(NamedTuple):
    """A line of the table: three components, the recipe that they change, and what else is assigned."""

    tokenizer: str
    embedding: str
    encoder: str
    recipe: str = "network"
    more: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "-".join(self[:3])

    @property
    def installed(self) -> bool:
        kinds = ("tokenizer", "embedding", "encoder")
        return all(part in registry().names(kind) for kind, part in zip(kinds, self[:3], strict=True))


def table(bert: Path | None) -> list[Row]:
    """All lines, the plainest first."""
    ngrams = [Row(tokenizer, "ngrams", "none", "ngrams") for tokenizer in ("char", "rjieba")]
    encoders = ("none", "cnn", "srn", "rnn", "lstm", "gru", "transformer")
    found = [Row("char", "trainable", encoder) for encoder in encoders]
    found += [Row("rjieba", "trainable", encoder) for encoder in ("none", "lstm", "transformer")]
    found += [Row("jieba", "trainable", "lstm")]
    found += [Row("rjieba", "word2vec", encoder) for encoder in ("none", "lstm")]
    model = () if bert is None else (f"tokenizer.model={bert}", f"embedding.model={bert}")
    found += [Row("wordpiece", "bert", encoder, more=model) for encoder in ("none", "lstm")] if bert else []
    return [*ngrams, *found]


def write_recipe(row: Row, folder: Path) -> Path:
    """Write a row's recipe as a file in TOML."""
    shape = resolve(SENTIMENT.run).shape()
    parts = dict(zip(SENTIMENT.components, row[:3], strict=True))
    named = parts if row.recipe == "network" else {"tokenizer": row.tokenizer}  # others bring their own but for that
    tables = shape.assign(shape.choose(read_recipe(SENTIMENT, row.recipe), named), row.more)
    path = folder / f"{row.name}.toml"
    path.write_text("".join(f"{name} = {toml(value)}\n" for name, value in tables.items()), encoding="utf-8")
    return path


def toml(value: Any) -> str:
    """A value as TOML writes it, tables inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(of)}" for name, of in value.items()) + " }"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list | tuple) else json.dumps(value)


def compare(corpus: Path, recipes: Sequence[Path], folder: Path, seeds: int, folds: int) -> dict[str, Any]:
    """What the command says of recipes, on one thread; what it tells goes to stderr."""
    command = [sys.executable, "-m", "nlpkit", "sentiment", "compare", corpus, "--format", "json"]
    command += [word for path in recipes for word in ("--recipe", path)]
    command += ["--seeds", seeds, "--folds", folds, "--work", folder]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, env=os.environ | ONE_THREAD, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def behind(found: dict[str, Any], name: str) -> str:
    """How far a row is behind the best one, with its interval, and whether that is shown."""
    accuracy = found["rows"]["all"]["accuracy"]
    best = max(accuracy, key=accuracy.get)
    if name == best:
        return ""
    for pair in found["rows"]["all"]["differences"]:
        if {pair["first"], pair["second"]} == {best, name}:
            points = [100 * pair[part] for part in ("difference", "low", "high")]
            middle, low, high = points if pair["first"] == best else (-points[0], -points[2], -points[1])
            return f"{middle:.2f} [{low:.2f}, {high:.2f}]{'' if pair['better'] else ', *none shown*'}"
    raise ValueError(name)


def line(row: Row, found: dict[str, Any]) -> str:
    """A line of the table in Markdown."""
    model, accuracy = found["models"][row.name], found["rows"]["all"]["accuracy"][row.name]
    training = model["training_cpu_seconds"]
    speed = float(f"{1000 / model['cpu_ms_a_row']:.2g}")
    figures = (f"{accuracy * 100:.2f}", behind(found, row.name), f"{model['bytes'] / 1e6:.1f}")
    spent = "" if training is None else f"{training:,.0f}"
    return "| " + " | ".join((*row[:3], *figures, spent, f"{speed:,.0f}")) + " |"


def page(rows: list[Row], found: dict[str, Any], corpus: Path) -> str:
    """The table and how it was made."""
    return PAGE.format(
        corpus=corpus.name,
        rows=found["rows"]["all"]["rows"],
        seeds=found["seeds"],
        folds=found["folds"],
        trainings=found["seeds"] * found["folds"],
        table="\n".join(line(row, found) for row in rows),
        notes=" ".join(found["notes"]),
        version=__version__,
        first=rows[0].name,
        second=rows[1].name,
    )


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows such as char-trainable-lstm, two or more")
    parser.add_argument("--bert", type=Path, help="the folder of a BERT")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/compositions"), help="keeps what is done: recipes, trainings"
    )
    parser.add_argument("--output", type=Path, help="write the page here, not to stdout")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is not there yet, and write the page."""
    told = arguments(argv)
    known = table(told.bert)
    if wrong := set(told.only or ()) - {row.name for row in known}:
        sys.exit(f"there is no row {min(wrong)}; there is: {', '.join(row.name for row in known)}")
    chosen = [row for row in known if row.installed and (told.only is None or row.name in told.only)]
    for row in known:
        if not row.installed:
            print(f"{row.name}: left out, its plugin is not installed", file=sys.stderr)
    told.folder.mkdir(parents=True, exist_ok=True)
    recipes = [write_recipe(row, told.folder) for row in chosen]
    found = compare(told.corpus, recipes, told.folder / "trainings", told.seeds, told.folds)
    written = page(chosen, found, told.corpus)
    if told.output:
        told.output.write_text(written, encoding="utf-8")
    else:
        print(written)


if __name__ == "__main__":
    main()
