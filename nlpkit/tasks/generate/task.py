"""Generation as a task."""

from __future__ import annotations

from nlpkit.tasks.base import Task, Verb

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
    verbs=(Verb(name="text", command="nlpkit.tasks.generate.commands:text"),),
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
