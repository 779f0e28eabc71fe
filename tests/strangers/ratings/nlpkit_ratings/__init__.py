"""A stranger's task: a number for a text, such as the stars of a review."""

from nlpkit.tasks import Rows, Task, Verb

RATINGS = Task(
    name="ratings",
    about="How many stars a review gives.",
    model="nlpkit_ratings.model:RatingModel",
    run="nlpkit_ratings.training:RatingRun",
    measure="nlpkit_ratings.model:measure",
    verbs=(
        Verb(
            name="predict",
            about="""Predict the stars of each review.

            \b
            nlpkit ratings predict reviews.txt --model mine
            """,
            method="predictor",
        ),
    ),
    use="nlpkit ratings predict FILE",
    rows=Rows(answer="number", columns=("stars",)),
    recipes="nlpkit_ratings:recipes",
)
