import random

import numpy as np
import pytest

from nlpkit.audit.classifier import MOST_LABELS, Classifier, log_softmax, normalise
from nlpkit.audit.copies import find_copies
from nlpkit.audit.wrong_labels import FOLDS, CrossValidation, cross_validate, find_wrong_labels
from nlpkit.errors import Sentence
from tests.audit.written import write_reviews


def validate(rows, seed=0):
    texts = [text for text, _ in rows]
    names = sorted({label for _, label in rows})
    labels = np.array([names.index(label) for _, label in rows])
    return cross_validate(texts, labels, find_copies(texts, seed=0).cluster, seed=seed)


def test_flipped_labels_come_first():
    rows = write_reviews(400)
    flipped = random.Random(1).sample(range(len(rows)), 12)
    for row in flipped:
        text, label = rows[row]
        rows[row] = (text, "bad" if label == "good" else "good")
    wrong = find_wrong_labels(validate(rows))
    found = {suspicion.row for suspicion in wrong.suspicions}
    assert found <= set(flipped)
    assert len(found) > 9
    assert all(suspicion.probability > suspicion.own for suspicion in wrong.suspicions)
    assert all(suspicion.label == (rows[suspicion.row][1] == "bad") for suspicion in wrong.suspicions)
    assert wrong.share == pytest.approx(12 / 400, abs=0.01)
    assert 0.9 < wrong.accuracy <= 388 / 400


def test_three_labels():
    rows = [
        *write_reviews(200),
        *((f"{text[:6]}多少钱？什么时候发货？", "question") for text, _ in write_reviews(60, 1)),
    ]
    rows[5] = (rows[5][0], "question")
    suspicion = find_wrong_labels(validate(rows)).suspicions[0]
    assert (suspicion.row, suspicion.label) == (5, 1)  # bad, good, question


def test_no_copy_of_a_row_teaches_who_judges_it():
    rows = write_reviews(100)
    rows += [(text + "！", label) for text, label in rows[:20]]
    validated = validate(rows)
    assert isinstance(validated, CrossValidation)
    assert validated.folds[:20].tolist() == validated.folds[100:].tolist()
    assert set(validated.folds.tolist()) == set(range(FOLDS))


def test_the_same_seed_says_the_same():
    rows = write_reviews(120)
    first, second, other = (validate(rows, seed).probabilities for seed in (3, 3, 4))
    assert (first == second).all()
    assert not (first == other).all()


def test_labels_that_the_texts_do_not_tell_are_not_judged():
    rng = random.Random(0)
    why = validate([(text, rng.choice(["a", "b"])) for text, _ in write_reviews(300)])
    assert isinstance(why, Sentence)
    assert "do not tell their labels" in why


def test_few_rows_and_many_labels_are_not_judged():
    assert "fewer than two labels" in validate(write_reviews(12))
    rows = [(f"{text}{at}", str(at % (MOST_LABELS + 1))) for at, (text, _) in enumerate(write_reviews(11 * 129))]
    assert "129 labels" in validate(rows)


def test_an_answer_to_the_same_text_is_the_same():
    rows = write_reviews(120)
    validated = validate(rows)
    some = np.array([3, 50, 119])
    answers = validated.answer(some, [rows[row][0] for row in some.tolist()])
    assert answers == pytest.approx(validated.probabilities[some])


def test_the_classifier_learns_and_answers_what_it_has_never_seen():
    texts, labels = zip(*write_reviews(200), strict=True)
    targets = np.array([label == "good" for label in labels]).astype(np.int64)
    classifier = Classifier.fit(normalise(texts), targets, 2)
    assert (classifier.logits(normalise(texts)).argmax(1) == targets).mean() == 1
    logits = classifier.logits(["", "\ud800", "xyz"])
    assert np.isfinite(log_softmax(logits)).all()
    assert logits[0].tolist() == classifier.biases.tolist()


def test_the_descent_ends_where_the_gradient_is_small():
    texts, labels = zip(*write_reviews(100), strict=True)
    three = np.array([at % 3 for at, _ in enumerate(labels)])
    classifier = Classifier.fit(normalise(texts), three, 3)
    shares = np.exp(log_softmax(classifier.logits(normalise(texts)))).mean(0)
    assert shares == pytest.approx(np.bincount(three) / 100, abs=0.02)  # as the gradient of the biases is near 0
