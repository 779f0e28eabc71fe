"""Sentiment as a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from nlpkit.plugins.options import Range
from nlpkit.tasks.base import Rows, Task, Verb

if TYPE_CHECKING:
    from nlpkit.model.bundle import Bundle


@dataclass(frozen=True)
class Options:
    """What a choice is among.

    :param labels: Choose among these labels of the model only, with commas between them: negative,positive. Their
        probabilities add up to 1; of a model of several labels a text only these are answered, as they would be.
    :param explain: Say what each word adds to the answer: as colours, as objects in JSONL, the strongest in CSV.
    :param min_probability: An answer that is less sure is none: no label, and the reason "unsure (0.61)".
    """

    labels: str | None = None
    explain: bool = False
    min_probability: Annotated[float, Range(0, 1)] = 0.0


@dataclass(frozen=True)
class MeasureOptions:
    """What a choice is among.

    :param labels: Choose among these labels of the model only, with commas between them. Default: those that the rows
        have; of a model of several labels a text, all.
    """

    labels: str | None = None


def describe(bundle: Bundle) -> Mapping[str, Any]:
    """Return its labels, and whether a text may have several."""
    several = {"answer": ["several a text"]} if bundle.config.get("several") else {}
    return {"labels": [str(label) for label in bundle.config["labels"]], **several}


def _recipe(components: Mapping[str, str | None]) -> str:
    """Choose a linear model on n-grams, unless a network is asked for."""
    network = components.get("embedding") or components.get("encoder")
    return "ngrams" if components.get("embedding") == "ngrams" or not network else "network"


SENTIMENT = Task(
    name="sentiment",
    about="""Is a text good or bad, or what your labels say; how sure are we.

    \b
    nlpkit sentiment score reviews.txt       is each review good or bad, and how sure are we
    nlpkit sentiment train corpus.csv -o mine
    nlpkit sentiment evaluate test.csv --model mine
    """,
    model="nlpkit.tasks.sentiment.model:SentimentModel",
    run="nlpkit.tasks.sentiment.run:SentimentRun",
    measure="nlpkit.tasks.sentiment.metrics:measure",
    measure_options=MeasureOptions,
    items="nlpkit.tasks.sentiment.comparison:make_items",
    verbs=(
        Verb(
            name="score",
            about="""Score reviews: a row for each row that goes in, in order.

            FILES hold a review a line, or are tables with a header: CSV, TSV, a workbook of Excel, Parquet; - is stdin,
            and so is nothing at all; on a terminal, texts are asked for. A word in Chinese without a suffix, of which
            there is no file, is a text. A row that cannot be scored (empty, without any known character, undecodable)
            has no label but a reason. One that is unlike the texts that the model was made from has a label, which may
            mean little, and a warning. A model of several labels a text answers all that apply, a list that may be
            empty.

            The format is what the name of --output says; else a table on a terminal, CSV or TSV for the same, JSONL for
            lines.

            \b
            nlpkit sentiment score reviews.txt
            nlpkit sentiment score --text "质量很好，下次还来" --text "不建议购买"
            nlpkit sentiment score orders.csv --column 评价 -o scored.csv
            nlpkit sentiment score orders.xlsx --sheet 三月 -o scored.xlsx
            nlpkit sentiment score orders.csv --labels negative,positive
            nlpkit sentiment score --explain --text "没有想象中那么差"
            nlpkit sentiment score orders.csv --by 品类 --min-probability 0.8
            nlpkit sentiment score orders.csv --sort negative --top 20
            cat reviews.txt | nlpkit sentiment score --format jsonl | jq .label
            """,
            method="scorer",
            options=Options,
            form="nlpkit.tasks.sentiment.form:make_form",
            labelled=True,
        ),
    ),
    use="nlpkit sentiment score FILE",
    rows=Rows(answer="label", several=True),
    recipes="nlpkit.tasks.sentiment:recipes",
    recipe=_recipe,
    teachable=True,
    default_model="reviews",
    describe=describe,
    evaluate_about="""\b
    nlpkit sentiment evaluate labelled.csv
    nlpkit sentiment evaluate minimal_pairs.csv --by category
    nlpkit sentiment evaluate test.csv --model mine --label 1=positive --label 0=negative
    nlpkit sentiment evaluate test.csv --model aspects --label-separator "; "
    """,
    compare_about="""\b
    nlpkit sentiment compare test.csv --model reviews --model mine
    nlpkit sentiment compare test.csv -m old -m new --by 品类 -o differ.csv
    nlpkit sentiment compare corpus.csv --model a --model b --test-rows
    nlpkit sentiment compare corpus.csv --recipe ngrams --recipe lstm --work runs
    """,
    recipes_about="""\b
    nlpkit sentiment train corpus.csv -o mine
    nlpkit sentiment train goods.txt hotels.csv -o mine --label 1=positive --label 0=negative
    nlpkit sentiment train corpus.csv -o mine --encoder gru --set encoder.hidden=128 --set training.epochs=10
    nlpkit sentiment train corpus.csv --recipe stacked --dry-run
    nlpkit sentiment train corpus.csv --unlabelled more.txt -o mine --teacher large
    nlpkit sentiment train mine.csv -o mine --from reviews
    nlpkit sentiment train -o mine --resume
    nlpkit sentiment train aspects.jsonl -o aspects                         several labels a text, as lists
    nlpkit sentiment train aspects.csv -o aspects --label-columns price,service

    Recipes: ngrams (the default: linear, seconds), network (what --encoder and --embedding start
    from), lstm, tutorial, word2vec (needs nlpkit-zh-word2vec), stacked, reviews (the shipped model).""",
)
