"""What nlpkit asks of every plugin."""

from dataclasses import replace

import pytest
from nlpkit.testing import FAILED, find_targets, list_subjects, run


def failed(model, *kinds, **options):
    """What the conformance kit finds, in sentences."""
    settings = {"wordpiece": {"model": str(model), "longest": 64}, "bert": {"model": str(model), **options}}
    tried = [replace(s, settings=settings) for s in list_subjects(find_targets("nlpkit-zh-bert")) if s.kind in kinds]
    assert len(tried) == len(kinds)
    return [f"{found.subject}: {found.sentence}" for found in run(tried) if found.outcome == FAILED]


def test_plugin_and_tokenizer_keep_their_promises(folder):
    assert failed(folder, "plugin", "tokenizer") == []


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("frozen", [True, False])
def test_the_embedding_keeps_its_promises(bert, frozen):
    assert failed(bert, "embedding", frozen=frozen) == []
