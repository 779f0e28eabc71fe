"""What nlpkit asks of every plugin."""

from dataclasses import replace

import pytest
from nlpkit.testing import FAILED, find_targets, list_subjects, run


def failed(*kinds, **options):
    """What the conformance kit finds, in sentences."""
    settings = {"e5-pieces": {"longest": 64}, "e5": {"layers": 2, **options}}
    tried = [replace(s, settings=settings) for s in list_subjects(find_targets("nlpkit-zh-e5")) if s.kind in kinds]
    assert len(tried) == len(kinds)
    return [f"{found.subject}: {found.sentence}" for found in run(tried) if found.outcome == FAILED]


def test_plugin_and_tokenizer_keep_their_promises():
    assert failed("plugin", "tokenizer") == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
@pytest.mark.parametrize(
    "options", [{}, {"tuned": 1, "rounded": True}, {"tuned": 2, "states": [0, 2], "join": "concat"}]
)
def test_the_embedding_keeps_its_promises(options):
    pytest.importorskip("torch")
    assert failed("embedding", **options) == []
