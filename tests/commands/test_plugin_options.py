import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest

from nlpkit.plugins.options import Count, Range, Share, Size, describe_type
from tests.tasks.sentiment.test_score import one_sentence

TYPED = """
from __future__ import annotations
from typing import TYPE_CHECKING
from nlpkit import Tokenizer
from nlpkit.plugins import Size

if TYPE_CHECKING:
    from somewhere import Thing

class Pairs(Tokenizer):
    config, files = {}, {}
    def tokenize(self, text):
        return list(text)

def pairs(*, size: Size, kinds=("a", "b"), thing: Thing | None = None, odd=float("inf"), normaliser=None):
    '''Cut texts,
    in pairs.

    :param size: characters
        in a run; [bold] too.
    '''
    return Pairs()
"""


@pytest.fixture
def environment(stranger):
    return stranger(TYPED, named={"nlpkit.tokenizers": {"pairs": "stranger_plugin:pairs"}})


def test_options_are_told_with_types_defaults_and_meanings(run, environment):
    done = run("plugins", "list", "pairs", "--format", "json", environment=environment)
    (entry,) = json.loads(done.stdout)
    assert (entry["distribution"], done.stderr) == ("stranger", b"")
    assert entry["options"] == {
        "tokenizer": {
            "pairs": {
                "about": "Cut texts, in pairs.",
                "options": [
                    {"name": "size", "type": "a whole number, at least 1", "help": "characters in a run; [bold] too."},
                    {"name": "kinds", "type": "anything", "default": ["a", "b"], "help": ""},
                    {"name": "thing", "type": "Thing | None", "default": None, "help": ""},
                    {"name": "odd", "type": "anything", "default": "inf", "help": ""},
                ],
            }
        }
    }
    shown = run("plugins", "list", "stranger", environment=environment).stdout.decode()
    assert "tokenizer 'pairs' of stranger 1.2: Cut texts, in pairs." in shown
    assert "needed" in shown
    assert "[bold]" in shown


def test_all_options_can_be_asked_for(run):
    entries = {e["name"]: e["options"] for e in json.loads(run("plugins", "list", "--options", "-f", "json").stdout)}
    dim, *_ = (o for o in entries["nlpkit-zh"]["embedding"]["trainable"]["options"] if o["name"] == "dim")
    assert dim["type"].startswith("a whole number, at least 1")
    assert dim["help"]
    shown = run("plugins", "list", "--options").stdout.decode()
    assert shown.index("registers") < shown.index("encoder 'lstm' of nlpkit-zh")
    assert "options" not in json.loads(run("plugins", "list", "-f", "json").stdout)[0]


def test_a_name_of_several_kinds_shows_all(run):
    shown = run("plugins", "list", "none").stdout.decode()
    assert "encoder 'none' of nlpkit-zh" in shown
    assert "It has no options." in shown


def test_a_name_that_is_none_is_told_the_nearest(run):
    told = one_sentence(run("plugins", "list", "lsm"), 2)
    assert "no plugin, and no component with options, is called 'lsm'; did you mean 'lstm'?" in told


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Size, "a whole number, at least 1"),
        (Count | None, "a whole number, not negative, or nothing"),
        (Share, "a number, in [0, 1)"),
        (Annotated[int, Range(1, 16)], "a whole number, in [1, 16]"),
        (Literal["a", 1], "'a' or 1"),
        (Size | Literal["all"] | None, "a whole number, at least 1, or 'all' or nothing"),
        (Sequence[str], "a list of texts"),
        (str | None, "a text or nothing"),
        (Any, "anything"),
        ("Thing", "Thing"),
    ],
)
def test_types_in_words(annotation, said):
    assert describe_type(annotation) == said
