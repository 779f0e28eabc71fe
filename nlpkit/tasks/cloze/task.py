"""Cloze as a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nlpkit.plugins.options import Count, Pattern, Range, Size
from nlpkit.tasks.base import Task, Verb

if TYPE_CHECKING:
    from nlpkit.model.bundle import Bundle


@dataclass(frozen=True)
class FillOptions:
    """How blanks are filled.

    :param top: How many answers.
    :param beam: Of several blanks: how many ways are tried further.
    :param pattern: Only words that this regular expression matches as a whole.
    :param lexicon: Only words of this file: one a line, or a JSON list.
    :param length: Only words of so many characters.
    """

    top: Size = field(default=10, metadata={"short": "-k"})
    beam: Annotated[int, Range(1, 1000)] | None = None
    pattern: Annotated[str, Pattern()] | None = None
    lexicon: Path | None = None
    length: Size | None = None


@dataclass(frozen=True)
class MeasureOptions:
    """What is blanked, and what competes for its place.

    :param lexicon: Rank among these words only: one a line, or a JSON list.
    :param seed: By which words are drawn to be blanked.
    :param skip_frequent: Never blank so many of the most frequent words.
    :param min_words: Leave texts with fewer Chinese words out.
    :param all_words: Blank every word that the model knows, not one a text.
    :param limit: Measure on so many blanks, drawn by the seed.
    """

    lexicon: Path | None = None
    seed: int = 0
    skip_frequent: Count = 50
    min_words: Count = 5
    all_words: bool = False
    limit: Size | None = None


def describe(bundle: Bundle) -> Mapping[str, Any]:
    """Say how many words it knows."""
    with bundle.report_damage("answers.json"):
        return {"words": len(bundle.read_json("answers.json")["words"])}


CLOZE = Task(
    name="cloze",
    about="""Which words fit the blanks of a text.

    \b
    nlpkit cloze "衣服质量__哦"           the ten best words for the blank
    nlpkit cloze fill "衣服质量__哦"      the same
    nlpkit cloze fill --help            several blanks, files, words that must match
    """,
    model="nlpkit.tasks.cloze.model:ClozeModel",
    run="nlpkit.tasks.cloze.run:ClozeRun",
    measure="nlpkit.tasks.cloze.metrics:measure",
    measure_options=MeasureOptions,
    items="nlpkit.tasks.cloze.comparison:make_items",
    read="nlpkit.tasks.cloze.items:read_measured",
    verbs=(
        Verb(
            name="fill",
            about="""Say which words fit the blanks of a TEXT, best first. Two underscores are a blank.

            Several blanks of a text are filled jointly. Without TEXT and --file, stdin is read, a text a line; on a
            terminal, texts are asked for. Rows come out as they went in, and one that cannot be filled has a reason.
            What restricts the words leaves their probabilities as they are: shares among all words.

            The format is a table on a terminal, CSV for a table, else JSON lines.

            \b
            nlpkit cloze fill "衣服质量__哦"
            nlpkit cloze fill "鞋子__，好穿，值得__。" --top 5
            nlpkit cloze fill "发货__很赞" --length 2 --pattern ".*度"
            cat texts.txt | nlpkit cloze fill | jq -r ".fillings[0].text"
            """,
            method="filler",
            options=FillOptions,
            form="nlpkit.tasks.cloze.form:FillingForm",
            reads="texts",
        ),
    ),
    shorthand=True,
    use='nlpkit cloze "衣服质量__哦"',
    recipes="nlpkit.tasks.cloze:recipes",
    recipes_about="""\b
    nlpkit cloze train reviews.txt -o mine
    nlpkit cloze train goods.txt hotels.csv -o mine --set training.focus=[0.35,0.6]
    nlpkit cloze train reviews.txt -o small --coding binary-codes --set output.bits=100
    nlpkit cloze train mine.txt -o mine --from reviews-cloze
    nlpkit cloze train -o mine --resume

    Recipes: network (the default), tutorial, reviews-cloze (the shipped model).""",
    evaluate_about="""A CORPUS may hold lines {"text": "衣服质量__哦", "answer": "不错"}, too; in the texts of any other
    a word is blanked. An answer that the model does not know counts as wrong.

    \b
    nlpkit cloze evaluate items.jsonl --lexicon words.txt
    nlpkit cloze evaluate reviews.txt --seed 1 --limit 3000
    nlpkit cloze evaluate test.csv --model mine --all-words --format json
    """,
    compare_about="""A word is right where it is the best of all that a model knows, or of the --lexicon.

    \b
    nlpkit cloze compare items.jsonl --model reviews-cloze --model mine
    nlpkit cloze compare reviews.txt --recipe network --recipe other.toml --limit 3000
    """,
    default_model="reviews-cloze",
    components=("tokenizer", "embedding", "encoder", "output"),
    describe=describe,
)
