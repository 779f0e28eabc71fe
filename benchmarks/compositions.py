"""Compositions side by side: the same rows, split, seed and recipe, one part changed at a time.

`compositions.py CORPUS [--only NAME...] [--bert FOLDER] [--folder FOLDER] [--output docs/compositions.md]`. Each row of
the table is what a user gets by one command, run in a process of its own with one thread. A row whose figures lie in
FOLDER is not done again. Rows of plugins that are not installed are left out, as are those of BERT without its folder.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import cost

from nlpkit.plugins.registry import registry
from nlpkit.text.corpus import read_examples

SEED = 0
FEW, MANY = 1_000, 20_000  # reviews that are scored to see how long that takes
ENOUGH = 2.0  # CPU seconds: where a few reviews take so long, many are not tried
PAGE = """\
# Compositions side by side

Tokenizers, embeddings and encoders on `{corpus}`: {train:,} reviews to train on, accuracy on {test:,} others, which
is known to ±{half:.1f} points (95%). All rows have one split, one seed ({seed}), the recipe `network` and the defaults
of every component; `ngrams` has the recipe of its name. Nothing was tuned for any of them. So a row is where to begin,
not the best that its parts can do.

| tokenizer | embedding | encoder | accuracy | MB | training, CPU s | reviews a CPU second |
|---|---|---|---:|---:|---:|---:|
{table}

MB is the saved model without the weights as trained, which scoring does not need. Training is the whole command, from
reading to saving. Reviews a CPU second are those of the shell, its start not counted. All is by nlpkit {version} on one
thread of a CPU: seconds depend on the machine, their ratios much less.

The row {name} is

```sh
{command}
```

This page was written by `benchmarks/compositions.py`.
"""


class Row(NamedTuple):
    """A line of the table: three components, and what else the command says."""

    tokenizer: str
    embedding: str
    encoder: str
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
    ngrams = [Row(tokenizer, "ngrams", "none", ("--recipe", "ngrams")) for tokenizer in ("char", "rjieba")]
    encoders = ("none", "cnn", "srn", "rnn", "lstm", "gru", "transformer")
    found = [Row("char", "trainable", encoder) for encoder in encoders]
    found += [Row("rjieba", "trainable", encoder) for encoder in ("none", "lstm", "transformer")]
    found += [Row("jieba", "trainable", "lstm")]
    found += [Row("rjieba", "word2vec", encoder) for encoder in ("none", "lstm")]
    model = () if bert is None else (*setting("tokenizer.model", bert), *setting("embedding.model", bert))
    found += [Row("wordpiece", "bert", encoder, model) for encoder in ("none", "lstm")] if bert else []
    return [*ngrams, *found]


def setting(name: str, value: object) -> tuple[str, str]:
    return "--set", f"{name}={value}"


def nlpkit_cost(*arguments: object) -> float:
    """CPU seconds of a command."""
    return cost([sys.executable, "-m", "nlpkit", *map(str, arguments)])[0]


def train_command(row: Row, corpus: str, target: str) -> list[str]:
    """The arguments by which a row's model is trained; a recipe that is named brings its own parts but for one."""
    parts = zip(("--tokenizer", "--embedding", "--encoder"), row[:3], strict=True)
    chosen = itertools.chain.from_iterable(parts) if "--recipe" not in row.more else ("--tokenizer", row.tokenizer)
    return ["sentiment", "train", corpus, "-o", target, *chosen, *row.more, *setting("seed", SEED)]


def measure(row: Row, corpus: Path, texts: dict[int, Path], folder: Path) -> dict[str, Any]:
    """Train a row's model, and what came of it."""
    target = folder / row.name
    spent = nlpkit_cost(*train_command(row, str(corpus), str(target)), "--force", "--no-weights")
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    metrics, data = config["metrics"]["all"], config["data"]
    found = {
        "accuracy": metrics["accuracy"],
        "rows": metrics["rows"],
        "train": data["train"],
        "nlpkit": config["nlpkit"],
    }
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return found | {"bytes": size, "training": spent, "speed": speed(target, texts)}


def speed(model: Path, texts: dict[int, Path]) -> float:
    """Reviews a CPU second, without the start."""
    start = nlpkit_cost("sentiment", "score", texts[1], "--model", model)
    spent, count = 0.0, 0
    for count in (FEW, MANY):
        spent = nlpkit_cost("sentiment", "score", texts[count], "--model", model) - start
        if spent > ENOUGH:
            break
    return count / spent


def write_texts(corpus: Path, folder: Path) -> dict[int, Path]:
    """Files of so many reviews, repeated as often as needed, a line each."""
    whole = [" ".join(example.text.split()) for example in read_examples(corpus)]
    found = {count: folder / f"{count}.txt" for count in (1, FEW, MANY)}
    for count, path in found.items():
        path.write_text("\n".join(itertools.islice(itertools.cycle(whole), count)) + "\n", encoding="utf-8")
    return found


def line(row: Row, found: dict[str, Any]) -> str:
    """A line of the table in Markdown."""
    rounded = float(f"{found['speed']:.2g}")
    figures = (f"{found['accuracy'] * 100:.2f}", f"{found['bytes'] / 1e6:.1f}", f"{found['training']:,.0f}")
    return "| " + " | ".join((*row[:3], *figures, f"{rounded:,.0f}")) + " |"


def page(rows: list[Row], figures: dict[str, dict[str, Any]], corpus: Path) -> str:
    """The table and how it was made."""
    first, best = figures[rows[0].name], max(figures[row.name]["accuracy"] for row in rows)
    example = next((row for row in rows if not row.more), rows[0])  # what others need may be a path of this machine
    return PAGE.format(
        corpus=corpus.name,
        train=first["train"],
        test=first["rows"],
        half=196 * math.sqrt(best * (1 - best) / first["rows"]),
        seed=SEED,
        table="\n".join(line(row, figures[row.name]) for row in rows),
        version=first["nlpkit"],
        name=example.name,
        command=" ".join(["nlpkit", *train_command(example, corpus.name, "mine"), "--no-weights"]),
    )


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows such as char-trainable-lstm")
    parser.add_argument("--bert", type=Path, help="the folder of a BERT")
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/compositions"), help="keeps what is done: models, figures"
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
    texts, figures = write_texts(told.corpus, told.folder), {}
    for row in chosen:
        kept = told.folder / f"{row.name}.json"
        if not kept.exists():
            kept.write_text(json.dumps(measure(row, told.corpus, texts, told.folder)), encoding="utf-8")
        figures[row.name] = json.loads(kept.read_text(encoding="utf-8"))
        print(line(row, figures[row.name]), file=sys.stderr, flush=True)
    written = page(chosen, figures, told.corpus)
    if told.output:
        told.output.write_text(written, encoding="utf-8")
    else:
        print(written)


if __name__ == "__main__":
    main()
