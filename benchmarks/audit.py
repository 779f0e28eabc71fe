"""What `nlpkit corpus audit` finds of faults that were planted in a corpus, and what that takes.

Planted are flipped labels, a share of all; near copies of rows that training learns from, put where it tests or
validates, each a letter or two apart and with other words at its end; and a token in a share of the rows, all of one
label, somewhere in the text. A corpus has faults of its own, too: of the first hundred suspects, those that nobody has
planted may be wrong all the same. With `--show` they are printed, so that somebody can look.
"""

import argparse
import csv
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from processes import cost

from nlpkit.text.corpus import Example, read_examples
from nlpkit.text.split import Key, letters, split_rows

TOKEN = "蓝桥七号"
SHORTEST = 20  # letters of a row that is copied
ENDS = ("", "，真的", "，就这样", "，以上", "，谢谢")
FIRST = 100  # suspects by which precision is measured


class Planted(NamedTuple):
    """Rows with faults, and which rows they are, from 1.

    :param copies: the row of each near copy, and that of what it is a copy of.
    """

    rows: list[tuple[str, str]]
    flipped: set[int]
    copies: dict[int, int]


def edit(text: str, rng: random.Random) -> str:
    """Change a letter or two of a text, and its end."""
    for _ in range(rng.choice((1, 2))):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(("", text[at] * 2)) + text[at + 1 :]
    return text + rng.choice(ENDS)


def copy_across(text: str, rng: random.Random) -> str:
    """Edit a text of the training rows until it is none of them."""
    while True:
        copy = edit(text, rng)
        if Key.of(copy) != Key.of(text) and not split_rows([Example(copy, "")]).train:
            return copy


def plant(examples: Sequence[Example], *, flips: float, copies: int, tokens: float, seed: int) -> Planted:
    """Plant faults in rows: labels first, so that the token tells the labels that are there."""
    rng = random.Random(seed)
    rows = [[example.text, example.label] for example in examples]
    names = sorted({label for _, label in rows})
    flipped = rng.sample(range(len(rows)), round(flips * len(rows)))
    for row in flipped:
        rows[row][1] = rng.choice([name for name in names if name != rows[row][1]])
    free = [row for row in range(len(rows)) if row not in set(flipped)]
    long = [row for row in free if len(letters(rows[row][0])) >= SHORTEST and split_rows([examples[row]]).train]
    pairs = {}
    for row in rng.sample(long, copies):
        rows.append([copy_across(rows[row][0], rng), rows[row][1]])
        pairs[len(rows)] = row + 1
    used = {*flipped, *(row - 1 for row in pairs.values())}
    of_label = [row for row in free if rows[row][1] == names[-1] and row not in used]
    for row in rng.sample(of_label, min(round(tokens * len(examples)), len(of_label))):
        text = rows[row][0]
        at = rng.randrange(len(text) + 1)
        rows[row][0] = text[:at] + TOKEN + text[at:]
    return Planted([(text, label) for text, label in rows], {row + 1 for row in flipped}, pairs)


def read_lines(path: Path) -> list[dict]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main(argv: Sequence[str] | None = None) -> None:
    """Print what was found of each fault, CPU seconds and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, help="labelled texts, a file that nlpkit reads")
    parser.add_argument("--flips", type=float, default=0.01, help="share of the rows whose label is flipped")
    parser.add_argument("--copies", type=int, default=50, help="near copies across the split")
    parser.add_argument("--tokens", type=float, default=0.01, help="share of the rows that hold the token")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--show", action="store_true", help="print the first suspects that were not planted")
    args = parser.parse_args(argv)
    examples = list(read_examples(args.corpus))
    for seed in args.seeds:
        planted = plant(examples, flips=args.flips, copies=args.copies, tokens=args.tokens, seed=seed)
        with tempfile.TemporaryDirectory() as name:
            measure(planted, Path(name), seed, show=args.show)


def measure(planted: Planted, folder: Path, seed: int, *, show: bool) -> None:
    """Run the command on rows with faults."""
    path, suspects, report = folder / "planted.csv", folder / "suspects.jsonl", folder / "report.json"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *planted.rows])
    command = ["corpus", "audit", str(path), "--seed", str(seed), "-o", str(suspects), "--format", "json"]
    seconds, memory = cost(["sh", "-c", 'exec "$@" > "$0"', str(report), sys.executable, "-m", "nlpkit", *command])
    rows = read_lines(suspects)
    wrong = [row for row in rows if row["suspicion"] == "wrong label"]
    first = wrong[:FIRST]
    across = {row["row"] for row in rows if row["suspicion"] == "near copy across the split"}
    strings = [shortcut["string"] for shortcut in json.loads(report.read_text("utf-8"))["shortcuts"]]
    rank = next((at for at, string in enumerate(strings, 1) if TOKEN in string), None)
    hits = sum(row["row"] in planted.flipped for row in first)
    found = sum(row["row"] in planted.flipped for row in wrong)
    print(
        f"seed {seed}: {len(planted.rows):,} rows; of the first {len(first)} suspects {hits} were flipped, of "
        f"{len(wrong):,} suspects {found} of all {len(planted.flipped)}; near copies across the split "
        f"{len(across & planted.copies.keys())} of {len(planted.copies)}; the token is shortcut "
        f"{rank or 'none'} of {len(strings)}; {seconds:.1f} CPU s, {memory:.0f} MB",
        flush=True,
    )
    if show:
        for row in first:
            if row["row"] not in planted.flipped:
                print(f"  {row['label']} -> {row['suggested_label']} {row['text'][:60]}")


if __name__ == "__main__":
    main()
