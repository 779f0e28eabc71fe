"""The picture that the READMEs begin with: why texts are answered as they are, and nlpkit beside three packages.

`picture.py --measure` asks all packages about the pairs in `corpora/samples`, on which no model may be trained or
chosen, and leaves what came out in `picture.json`; `picture.py` draws that. What words add to an answer is computed as
it is drawn.

All are forced to say good or bad, half of the rows being either. jiagu names one of the two; snownlp is good above .5;
cnsenti, which weighs words of a lexicon, where there is more good than bad; a draw is bad. Rows that nlpkit refuses
count as wrong.
"""

import argparse
import json
import re
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from domains import force, read_samples, share_right, snownlp

from nlpkit.charts import import_figure, save_figure
from nlpkit.commands.reports.charts import colours_of
from nlpkit.commands.summary import interval
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.version import __version__

FIGURES = Path(__file__).with_suffix(".json")
DOCS = Path(__file__).parents[1] / "docs"
FILES = ("minimal_pairs.csv", "pairs_in_reviews.csv")
TEXTS = ("味道没有想象中那么差，下次还来", "味道没有想象中那么好，不会再来", "退货地址填哪里", "👍👍")
LABELS = ("negative", "neutral", "positive")
WIDTH, HEIGHT = 7.2, 5.9  # inches
SIZE = 15  # points, of the texts
INK, GREY, RULE, PAPER = "#1f2937", "#6b7280", "#d1d5db", "#fcfcfa"
FONTS = "'DejaVu Sans', Arial, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"  # of who looks
BARS = ("#2563eb", "#94a3b8", "#94a3b8", "#94a3b8")


class Words(NamedTuple):
    """What the picture says in a language."""

    path: str
    why: str
    colours: str
    beside: str
    rows: tuple[str, str]
    chance: str
    note: str


ENGLISH = Words(
    "first-screen.svg",
    "Why: what each word adds to the answer",
    "green speaks for positive, red for negative, amber for neutral",
    "Beside other packages: good or bad, % right",
    (
        "minimal pairs: texts that differ by\na word or two",
        "pairs in the manner of reviews,\nirony and idioms among them",
    ),
    "chance",
    "{files}: {rows} texts each, our own; nothing is trained or chosen by them.\n"
    "95% intervals (Wilson). Measured on {day}: {versions}.",
)
CHINESE = Words(
    "first-screen.zh.svg",
    "为什么：每个词给答案加了多少分",
    "绿色支持 positive，红色支持 negative，黄色支持 neutral",
    "和其他软件包相比：好坏二选一，答对的百分比",
    ("最小对：只差一两个字词的文本", "评论式最小对：模仿真实评论，\n包括反话和成语"),
    "随机",
    "{files} 各 {rows} 条，都是为本项目写的，没有用来训练，也没有用来挑选模型。\n"
    "误差线是 95% 置信区间（Wilson）。{day} 测得：{versions}。",
)  # fmt: skip


def jiagu(texts: Sequence[str]) -> list[str]:
    """The package's own model."""
    from jiagu import sentiment

    return [sentiment(text)[0] for text in texts]


def cnsenti(texts: Sequence[str]) -> list[str]:
    """The package's own lexicon, with its words of degree and negation."""
    from cnsenti import Sentiment

    sums = map(Sentiment().sentiment_calculate, texts)
    return ["positive" if of["pos"] > of["neg"] else "negative" for of in sums]


def measure(*, alone: bool) -> dict[str, Any]:
    """Ask all packages, or nlpkit alone; return their shares right (%) of each file, the day, and their versions."""
    systems = {"nlpkit": force(SentimentModel.load("reviews"))}
    if not alone:
        systems |= {"snownlp": snownlp, "jiagu": jiagu, "cnsenti": cnsenti}
    versions = {name: __version__ if name == "nlpkit" else version(name) for name in systems}
    samples = {file: read_samples(file) for file in FILES}
    files = {
        file: {"rows": len(rows), "right": {name: share_right(scorer, rows) for name, scorer in systems.items()}}
        for file, rows in samples.items()
    }
    return {"day": date.today().isoformat(), "versions": versions, "files": files}


def draw(figures: dict[str, Any], words: Words) -> bytes:
    """Draw the picture in a language, as SVG."""
    figure = import_figure("the picture")(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
    _draw_texts(figure, words)
    _draw_bars(figure, figures, words)
    files = figures["files"]
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    (rows,) = {found["rows"] for found in files.values()}  # as many in each
    said = words.note.format(rows=rows, files=", ".join(files), day=figures["day"], versions=versions)
    figure.text(0.03, 0.02, said, size=8.5, color=GREY, linespacing=1.5, va="bottom")
    return re.sub(rb"font-family: [^;\"]+", f"font-family: {FONTS}".encode(), save_figure(figure, "svg"))


def _draw_texts(figure: Any, words: Words) -> None:
    """Draw a line for each text: its label, the probability, its words on their colours."""
    from matplotlib.patches import Rectangle

    height = 0.075
    figure.text(0.03, 0.945, words.why, size=13, weight="bold", color=INK)
    figure.text(0.03, 0.905, words.colours, size=9.5, color=GREY)
    colours = colours_of(LABELS)
    em = SIZE / 72 / WIDTH
    for place, answer in enumerate(SentimentModel.load("reviews").explain(TEXTS)):
        middle, left = 0.855 - height * place, 0.26
        said = {"size": 11.5, "va": "center_baseline", "color": colours.get(answer.label or "", GREY)}
        figure.text(0.03, middle, answer.label or "-", **said)
        figure.text(0.225, middle, f"{answer.probability:.3f}" if answer.label else "-", ha="right", **said)
        for token, strength in zip(answer.tokens, answer.strengths(), strict=True):
            against = {"positive": "negative", "negative": "positive"}.get(answer.label or "")
            colour = colours.get(answer.label if strength > 0 else against, GREY)
            corner = (left + em * token.start, middle - 0.4 * height)
            size = (em * (token.end - token.start), 0.8 * height)
            alpha = 0.6 * abs(strength)
            figure.add_artist(Rectangle(corner, *size, facecolor=colour, alpha=alpha, linewidth=0))
        for at, character in enumerate(answer.text, start=1):
            centre = left + em * (at - 0.5)
            figure.text(centre, middle, character, size=SIZE, color=INK, ha="center", va="center_baseline")
        if answer.reason:
            after = left + em * (len(answer.text) + 0.8)
            figure.text(after, middle, f"({answer.reason})", size=10.5, color=GREY, va="center_baseline")


def _draw_bars(figure: Any, figures: dict[str, Any], words: Words) -> None:
    """Draw the shares that are right beside each other, with their intervals."""
    figure.text(0.03, 0.525, words.beside, size=13, weight="bold", color=INK)
    figure.add_artist(_rule(0.57))
    for left, (found, title) in zip((0.12, 0.6), zip(figures["files"].values(), words.rows, strict=True), strict=True):
        axis = figure.add_axes((left, 0.16, 0.35, 0.26), facecolor=PAPER)
        names, rows = list(found["right"]), found["rows"]
        shares = list(found["right"].values())
        ends = [interval(round(share * rows / 100), rows) for share in shares]
        axis.barh(range(len(names)), shares, color=BARS[: len(names)], height=0.68)
        below = [share - 100 * low for share, (low, _) in zip(shares, ends, strict=True)]
        above = [100 * high - share for share, (_, high) in zip(shares, ends, strict=True)]
        axis.errorbar(shares, range(len(names)), xerr=(below, above), fmt="none", ecolor=INK, capsize=2, lw=1)
        for place, (share, (_, high)) in enumerate(zip(shares, ends, strict=True)):
            axis.text(100 * high + 1.5, place, f"{share:.1f}", size=10.5, color=INK, va="center_baseline")
        axis.axvline(50, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)))
        axis.set(xlim=(0, 108), xticks=(0, 50, 100), xticklabels=("0", f"50 ({words.chance})", "100"))
        axis.set_yticks(range(len(names)), names)
        axis.tick_params(labelsize=10, colors=INK, length=0)
        axis.spines[:].set_visible(False)
        axis.invert_yaxis()
        figure.text(left, 0.435, title, size=9.5, color=GREY, linespacing=1.4, va="bottom")


def _rule(height: float) -> Any:
    from matplotlib.lines import Line2D

    return Line2D((0.03, 0.97), (height, height), color=RULE, linewidth=0.8)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the picture in both languages, or measure what it shows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measure", action="store_true", help="needs snownlp, jiagu, cnsenti; then draw, too")
    parser.add_argument("--alone", action="store_true", help="measure nlpkit without the others")
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE", help="what was measured")
    parser.add_argument("--output", type=Path, default=DOCS, metavar="FOLDER")
    args = parser.parse_args(argv)
    if args.measure:
        args.figures.write_text(json.dumps(measure(alone=args.alone), indent=1) + "\n", encoding="utf-8")
    figures = json.loads(args.figures.read_text(encoding="utf-8"))
    for words in (ENGLISH, CHINESE):
        (args.output / words.path).write_bytes(draw(figures, words))
        print(args.output / words.path)


if __name__ == "__main__":
    main()
