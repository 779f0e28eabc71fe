"""What every plugin of nlpkit must keep, vectors fitted to texts and vectors of a file alike."""

import pytest
from nlpkit.testing import FAILED, find_targets, list_subjects, run

VECTORS = "".join(f"{word} {number / 7} {number % 3} -{number}\n" for number, word in enumerate("质量很好差颜色不错的"))


def faults(**options):
    found = run(list_subjects(find_targets("nlpkit-zh-word2vec"), {"word2vec": options}))
    return [f"{r.subject}: {r.check.name}: {r.sentence}" for r in found if r.outcome == FAILED]


@pytest.mark.slow
def test_vectors_fitted_to_texts_conform():
    assert faults() == []


@pytest.mark.slow
@pytest.mark.train
def test_vectors_of_a_file_conform(write):
    pytest.importorskip("torch")
    assert faults(vectors=str(write(VECTORS, "vectors.txt")), dropout=0.5) == []
