"""The steps of the tutorials that nlpkit grew from, each as the command that does it here, with both figures.

`tutorials.py CORPORA --folder FOLDER [--only NAME...] [--asked FILE] [--output docs]`. Steps that are done in FOLDER
are not done again. CORPORA is a folder with goods_zh.txt, ball.csv, 601988.SS.csv and salary.csv. ``--asked`` is JSON
with ``reviews`` and ``blanks``, lists of texts, which the models of the tutorials' recipes are asked. What stands
between two marks in OUTPUT/tutorial.md and OUTPUT/zh/tutorial.md is replaced by the table.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import ONE_THREAD

BEGIN, END = "<!-- tutorials.py: begin -->", "<!-- tutorials.py: end -->"
HEADERS = {  # what stands under the tutorials' is what they print
    "en": ("Step", "Command", "Tutorials", "Here", "CPU s"),
    "zh": ("步骤", "命令", "教程", "这里", "CPU 秒"),
}


class Step(NamedTuple):
    """A step of the tutorials.

    :param said: what the step is, by language.
    :param command: after ``nlpkit``; files of CORPORA are written as their names.
    :param theirs: the tutorials' figure, by language.
    :param read: reads ours from the folder of the run, as it stands in the table.
    """

    name: str
    said: Mapping[str, str]
    command: str
    theirs: Mapping[str, str]
    read: Callable[[Path], str]


def read_metrics(run: Path) -> dict[str, Any]:
    """Return the figures on the test rows that a model's folder holds."""
    metrics: dict[str, Any] = json.loads((run / "config.json").read_bytes())["metrics"]["all"]
    return metrics


def read_accuracy(run: Path) -> str:
    """Return a classifier's accuracy on its test rows."""
    return f"{read_metrics(run)['accuracy']:.3f}"


def read_cloze(run: Path) -> str:
    """Return shares of bits and of words."""
    found = read_metrics(run)
    bits = found["bits"]
    return f"{bits['accuracy']:.3f} ({bits['majority']:.3f}); top-1 {found['top1']:.1f}%, top-10 {found['top10']:.1f}%"


def read_perplexity(run: Path) -> str:
    """Return how many bits a character takes."""
    return f"{read_metrics(run)['bits']:.2f} bits"


def read_diagnosis(run: Path) -> str:
    """Return the figure of a diagnosis for each length of its sequences, if it has several."""
    found = json.loads((run / "diagnosis.json").read_bytes())
    name = found["figure"]["name"]
    error = "RMSE " if name.startswith("RMSE") else ""  # of which less is better
    figures = (f"{line['condition']} {error}{line['figures'][name]['mean']:.4f}" for line in found["summary"])
    return "; ".join(map(str.strip, figures))


STEPS = [
    Step(
        "salary",
        {
            "en": "salary by eight features, SGD, the best of 645 epochs",
            "zh": "用八个特征估工资，SGD，645 轮里最好的一轮",
        },
        "diagnose salary salary.csv --seeds 1",
        {"en": "0.9438", "zh": "0.9438"},
        read_diagnosis,
    ),
    Step(
        "ball",
        {"en": "a ball's next place, RNN of 8", "zh": "球的下一个位置，8 个单元的 RNN"},
        "diagnose ball ball.csv -e rnn --set encoder.hidden=8 --seeds 1",
        {"en": "0.9275; rows repeat", "zh": "0.9275；有重复的行"},
        read_diagnosis,
    ),
    Step(
        "own",
        {"en": "good or bad, own embedding, LSTM", "zh": "好评差评，自己的词向量，LSTM"},
        "sentiment train goods_zh.txt --recipe tutorial",
        {"en": "0.934; copies of test rows in training", "zh": "0.934；训练集里有测试行的副本"},
        read_accuracy,
    ),
    Step(
        "word2vec",
        {"en": "the same on word2vec of 200, frozen", "zh": "同上，200 维 word2vec，不再训练"},
        "sentiment train goods_zh.txt --recipe word2vec",
        {"en": "over 0.90 in the first epoch", "zh": "第一轮就超过 0.90"},
        read_accuracy,
    ),
    Step(
        "stock",
        {"en": "up or down in two days, GRU", "zh": "两天后涨还是跌，GRU"},
        "diagnose stock 601988.SS.csv -e gru --seeds 1",
        {"en": "0.50", "zh": "0.50"},
        read_diagnosis,
    ),
    Step(
        "cloze",
        {"en": "a blank, by 100 bits of word2vec", "zh": "填空，用 word2vec 的 100 个符号位"},
        "cloze train goods_zh.txt --recipe tutorial",
        {"en": "0.738 of the bits (a constant 0.605)", "zh": "0.738 的位对（固定答案 0.605）"},
        read_cloze,
    ),
    Step(
        "sine",
        {"en": "a sine that goes on by itself, RNN of 16", "zh": "正弦自己往下走，16 个单元的 RNN"},
        "diagnose sine -e rnn --set encoder.hidden=16 --seeds 1",
        {"en": "a plot", "zh": "一张图"},
        read_diagnosis,
    ),
    Step(
        "letters",
        {"en": "strings: a, else b, else c", "zh": "字符串：有 a，否则 b，否则 c"},
        "diagnose letters -e rnn --set encoder.layers=2 --seeds 1",
        {"en": "near 1", "zh": "接近 1"},
        read_diagnosis,
    ),
    Step(
        "digit-sum",
        {"en": "sums of the first two digits, by length", "zh": "前两个数字之和，按长度"},
        "diagnose digit-sum -e srn --lengths 10,35 --seeds 1",
        {"en": "falls with length", "zh": "越长越低"},
        read_diagnosis,
    ),
    Step(
        "characters",
        {"en": "characters of one text, LSTM", "zh": "逐字续写，LSTM"},
        "generate train goods_zh.txt --recipe tutorial",
        {"en": "samples", "zh": "几段样例"},
        read_perplexity,
    ),
]


def run_step(step: Step, corpora: Path, folder: Path) -> dict[str, Any]:
    """Run a step's command, and return what is kept of it."""
    words = [str(corpora / word) if (corpora / word).is_file() else word for word in shlex.split(step.command)]
    run = folder / step.name
    command = [sys.executable, "-m", "nlpkit", *words, "-o", str(run), "--force"]
    before = os.times()
    began = time.monotonic()
    done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise RuntimeError(f"{step.command}: {done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"figure": step.read(run), "cpu": round(cpu, 1), "seconds": round(time.monotonic() - began, 1)}


def ask(folder: Path, asked: Mapping[str, Sequence[str]]) -> None:
    """Print what the models of the tutorials' recipes answer."""
    for texts, verb, run in ((asked["reviews"], "sentiment score", "own"), (asked["blanks"], "cloze fill", "cloze")):
        if (folder / run / "config.json").is_file():
            words = [word for text in texts for word in ("--text", text)]
            command = [
                sys.executable,
                "-m",
                "nlpkit",
                *verb.split(),
                "--model",
                str(folder / run),
                "-f",
                "table",
                *words,
            ]
            print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def make_table(results: Mapping[str, Mapping[str, Any]], language: str) -> str:
    """Return the table of the steps that were run."""
    rows = [HEADERS[language], ("---",) * 5]
    for step in STEPS:
        if found := results.get(step.name):
            command = f"`nlpkit {step.command} -o {step.name}`"
            rows.append((step.said[language], command, step.theirs[language], found["figure"], f"{found['cpu']:.0f}"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_table(page: Path, table: str) -> None:
    """Put a table between the marks of a page."""
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not done, and print the table."""
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--asked", type=Path)
    parser.add_argument("--output", type=Path)
    told = parser.parse_args(argv)
    told.folder.mkdir(parents=True, exist_ok=True)
    kept = told.folder / "results.json"
    results = json.loads(kept.read_bytes()) if kept.exists() else {}
    for step in STEPS:
        if step.name in told.only and results.get(step.name, {}).get("command") != step.command:
            results[step.name] = {"command": step.command, **run_step(step, told.corpora, told.folder)}
            kept.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
            print(f"{step.name}: {results[step.name]}", flush=True)
    if told.asked:
        ask(told.folder, json.loads(told.asked.read_bytes()))
    for language, page in (("en", "tutorial.md"), ("zh", "zh/tutorial.md")):
        if told.output:
            write_table(told.output / page, make_table(results, language))
    print(make_table(results, "en"))


if __name__ == "__main__":
    main()
