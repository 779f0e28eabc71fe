"""Opinions as a task; light, as the shell looks at it at every start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from nlpkit.plugins import Range
from nlpkit.tasks import Rows, Task, Verb


@dataclass(frozen=True)
class ScoreOptions:
    """How opinions are told.

    :param min_probability: Leave out opinions of which the model is less sure.
    :param by: Sum up all rows by what opinions are on, like targets joined; no rows are written.
    :param targets: With --by: a file of words that mean one thing, a line each, its name first.
    """

    min_probability: Annotated[float, Range(0, 1)] = 0.0
    by: Literal["target"] | None = None
    targets: Path | None = None


ASPECTS = Task(
    name="aspects",
    about="""What texts say of what, and whether it is good or bad.

    \b
    nlpkit aspects score reviews.csv                   the opinions of each row
    nlpkit aspects score reviews.csv --by target       what all rows think of what
    nlpkit aspects score --text "房间很大，就是隔音不好"
    """,
    model="nlpkit_aspects.model:AspectsModel",
    run="nlpkit_aspects.run:AspectsRun",
    measure="nlpkit_aspects.metrics:measure",
    items="nlpkit_aspects.comparison:make_items",
    verbs=(
        Verb(
            name="score",
            about="""Find the opinions of texts, and what they are on.

            Of each opinion: on what, in which words, of which polarity, and how sure that is.

            In CSV an opinion is a line, with its row's columns before it; a row without any is a line that says why.
            In JSON lines a row is a line, with all its opinions, and spans that count the characters of its text.

            \b
            nlpkit aspects score reviews.csv -o opinions.csv
            nlpkit aspects score reviews.csv --min-probability 0.7 --format jsonl
            nlpkit aspects score reviews.csv --by target
            nlpkit aspects score --text "房间很大，就是隔音不好"
            """,
            method="finder",
            options=ScoreOptions,
            form="nlpkit_aspects.form:OpinionForm",
        ),
    ),
    use='nlpkit aspects score --text "房间很大，就是隔音不好"',
    rows=Rows(answer="json", columns=("opinions",)),
    recipes="nlpkit_aspects:recipes",
    recipes_about="""A CORPUS holds lines {"text": "房间很大", "opinions": [{"target": [0, 2], "opinion": [2, 4],
    "label": "positive"}]}: spans of characters, a target of null where the text does not say on what.

    \b
    nlpkit aspects train opinions.jsonl -o mine
    nlpkit aspects train opinions.jsonl -o mine --tokenizer char --set encoder.hidden=96
    nlpkit aspects train opinions.jsonl -o mine --recipe e5
    nlpkit aspects train -o mine --resume

    Recipes: network (the default), e5, restaurant-opinions (the shipped model).""",
    evaluate_about="""Right is an opinion with the very words, target and polarity; overlapping one of the same polarity
    whose words and target have characters in common with those that are there.

    \b
    nlpkit aspects evaluate opinions.jsonl
    nlpkit aspects evaluate opinions.jsonl --model mine --errors wrong.jsonl
    """,
    compare_about="""A row is right where all of its opinions are found, and no other.

    \b
    nlpkit aspects compare opinions.jsonl --model restaurant-opinions --model mine
    """,
    default_model="restaurant-opinions",
)
