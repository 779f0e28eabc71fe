"""A stranger's task: several spans a text, by a network and an objective of its own."""

from dataclasses import dataclass

from nlpkit.tasks import Rows, Task, Verb


@dataclass(frozen=True)
class TagOptions:
    """How spans are told.

    :param kind: Only spans of this kind.
    """

    kind: str | None = None


SPANS = Task(
    name="spans",
    about="Where things stand in a text.",
    model="nlpkit_spans.model:SpanModel",
    run="nlpkit_spans.training:SpanRun",
    measure="nlpkit_spans.model:measure",
    verbs=(
        Verb(
            name="tag",
            about="""Say where things stand.

            \b
            nlpkit spans tag "衣服很好" --model mine
            """,
            method="tagger",
            options=TagOptions,
            reads="texts",
        ),
    ),
    shorthand=True,
    use='nlpkit spans "衣服很好"',
    rows=Rows(answer="json", columns=("spans",)),
    recipes="nlpkit_spans:recipes",
    components=("embedding", "encoder"),
)
