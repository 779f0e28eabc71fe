"""Generation as a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nlpkit.plugins.options import Count, Range
from nlpkit.tasks.base import Task, Verb

SEEDS = 1 << 32


@dataclass(frozen=True)
class TextOptions:
    """How texts are written.

    :param length: Characters at most.
    :param temperature: 0 is greedy; below 1 what is likely becomes likelier.
    :param top_k: Draw among so many of the likeliest; 0: all.
    :param top_p: Draw among the likeliest that together have this probability.
    :param penalty: Lessen a character's logit by this for each time that it stands among the last 64.
    :param no_repeat: Write no run of so many characters twice among the last 128; 0 lets any come again.
    :param stop: End before this text.
    :param through: Go on behind the end of a text, with the next.
    :param seed: The same seed gives the same texts; any unless said.
    :param first: Number of the first text, which counts with the seed.
    """

    length: Count = 200
    temperature: Annotated[float, Range(0, 100)] = 0.8
    top_k: Count = 0
    top_p: Annotated[float, Range(0, 1, low_open=True)] = 1.0
    penalty: Annotated[float, Range(0, 100)] = 0.0
    no_repeat: Count = 6
    stop: str | None = None
    through: bool = False
    seed: Annotated[int, Range(0, SEEDS - 1)] | None = None
    first: Count = 0


GENERATE = Task(
    name="generate",
    about="""Go on writing from a prompt, character by character.

    \b
    nlpkit generate 衣服                 a text that begins so
    nlpkit generate text --help        how it is drawn, how many, as JSON lines
    """,
    model="nlpkit.tasks.generate.model:GenerationModel",
    run="nlpkit.tasks.generate.run:GenerationRun",
    measure="nlpkit.tasks.generate.metrics:measure",
    verbs=(
        Verb(
            name="text",
            about="Write texts that go on from prompts.",
            method="writer",
            options=TextOptions,
            stream="streamer",
            form="nlpkit.tasks.generate.form:TextForm",
            command="nlpkit.tasks.generate.commands:text",
        ),
    ),
    shorthand=True,
    use="nlpkit generate --prompt 衣服",
    recipes="nlpkit.tasks.generate:recipes",
    recipes_about="""A text is a line, or a cell of a column. Of texts that follow each other (training.shuffle=false,
    or a file that is one long line) all stay, in order.

    \b
    nlpkit generate train reviews.txt -o mine
    nlpkit generate train novel.txt -o novel --set training.shuffle=false
    nlpkit generate train goods.txt hotels.csv -o mine --set training.focus=[0.35,0.6]
    nlpkit generate train reviews.txt -o small --encoder gru --set encoder.hidden=128
    nlpkit generate train mine.txt -o mine --from reviews-chars
    nlpkit generate train -o mine --resume

    Recipes: network (the default), tutorial, reviews-chars (the shipped model).""",
    evaluate_about="""Bits a character, the fewer the better. Characters that the model has never seen are counted; all
    of them are one to it.

    \b
    nlpkit generate evaluate reviews.txt
    nlpkit generate evaluate test.csv --model mine --format json
    """,
    default_model="reviews-chars",
    components=("embedding", "encoder", "output"),
)
