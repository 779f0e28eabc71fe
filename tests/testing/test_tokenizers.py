"""A tokenizer that is broken in one way is caught by the check for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.testing import find_targets, list_subjects, of_module
from nlpkit.text.vocabulary import Tokens
from tests.testing.trying import failures, module, only, outcomes, subject


class Characters:
    def __init__(self, **config):
        self.config, self.files = config, {}

    def tokenize(self, text):
        return [character for character in text if not character.isspace()]


def tried(kind=Characters, **options):
    """A subject whose factory has an option."""

    def factory(*, size: int = 2):
        if not isinstance(size, int):
            raise ValueError(f"size must be a number, was: {size!r}")
        return kind(size=size)

    return subject("tokenizer", factory, **options)


def test_a_sound_one_passes():
    assert failures(tried()) == {}
    assert outcomes(tried()).keys() == {
        *("made", "options", "config", "surroundings", "files", "odd text", "determinism")
    }


def test_what_lacks_a_part():
    class Partless:
        def __init__(self):
            self.config = {}

        def tokenize(self, text):
            return text.split()

    sentence = failures(subject("tokenizer", lambda: Partless()))["made"]
    assert "lacks files" in sentence


def test_what_cannot_be_made():
    def factory(*, path: str | None = None):
        if path is None:
            raise ValueError("say by path of which words")
        return Characters(path=None)

    sentence = only(subject("tokenizer", factory), "made")
    assert "say by path of which words" in sentence
    assert "--set tried.OPTION=VALUE" in sentence
    assert "made" not in failures(subject("tokenizer", factory, path="words"))


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (lambda *, size=2: Characters(size=size), "size='many' is taken, though its default is 2"),
        (lambda *, whole=True: Characters(whole=whole), "whole='perhaps' is taken"),
        (lambda *, name="a": Characters(name=name), "name=7 is taken"),
        (lambda *, share=0.5: Characters(share=share), "share='many' is taken"),
        (lambda *, size: Characters(size=size), "'size' has no default"),
        (lambda *, size=len: Characters(size=size), "which JSON cannot hold"),
    ],
)
def test_an_option_that_takes_anything(factory, sentence):
    options = {"size": 1} if sentence.endswith("default") else {}
    assert sentence in failures(subject("tokenizer", factory, **options))["options"]


def test_a_wrong_value_that_ends_in_another_fault():
    def factory(*, size: int = 2):
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"size must be a number of at least 0, was: {size!r}")
        return Characters(size=size, of=10 // size)

    assert "size=0 ends in ZeroDivisionError" in failures(subject("tokenizer", factory))["options"]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"size": {1, 2}}, "is not JSON"),
        ({"size": (1, 2)}, "which JSON turns into [1, 2]"),
        ({"size": float("nan")}, "is not JSON"),
        ({"size": "/home/me/words.txt"}, "is the path '/home/me/words.txt'"),
        ({"size": "C:\\words.txt"}, "is the path"),
        ({"size": ["~/words.txt"]}, "is the path"),
        ({"other": 1}, "'other', which is no option"),
        ({"size": 3}, "it has size=4"),
    ],
)
def test_a_config_that_does_not_rebuild(config, sentence):
    def factory(*, size: int | str | list[str] = 2):
        made = Characters(**config)
        if config == {"size": 3}:
            made.config = {"size": size + 1}
        return made

    assert sentence in only(subject("tokenizer", factory), "config", without=("files",))


def test_a_config_that_names_a_file_that_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").write_text("好")
    assert "is the path 'words'" in only(
        subject("tokenizer", lambda *, path=None: Characters(path=path), path="words"), "config"
    )
    assert failures(subject("tokenizer", lambda *, path=None: Characters(path=path), path="others")) == {}


@given(st.text() | st.sampled_from(["/", "~", "..", "C:", "\0", "\ud800", "好" * 5000]))
def test_any_mark_may_stand_in_a_config(mark):
    def factory(*, mark: str | None = None):
        return Characters(mark=mark)

    found = failures(
        subject("tokenizer", factory, mark=mark), without=("odd text", "determinism", "files", "inference")
    )
    assert found == {} or (list(found) == ["config"] and set(mark) & set("/\\"))


def test_a_config_that_the_factory_refuses():
    def factory(*, size: int = 2):
        if size != 2:
            raise ValueError("only 2 will do")
        made = Characters()
        made.config = {"size": 3}
        return made

    assert "its own config failed" in only(subject("tokenizer", factory), "config", without=("files", "options"))


def test_files_that_are_no_bytes():
    class Texts(Characters):
        def __init__(self, **config):
            super().__init__(**config)
            self.files = {"words.txt": "好"}

    assert "str" in only(tried(Texts), "files")


@pytest.mark.parametrize("name", ["/words.txt", "../words.txt", "a\\words.txt", "C:words.txt", ""])
def test_files_of_names_that_lead_elsewhere(name):
    def factory(*, files: dict[str, bytes] | None = None):
        made = Characters()
        made.files = files or {name: b""}
        return made

    assert "relative name" in only(subject("tokenizer", factory), "files")


def test_files_that_the_factory_does_not_take():
    class Kept(Characters):
        def __init__(self, **config):
            super().__init__(**config)
            self.files = {"words.txt": b""}

    assert "no parameter files" in only(tried(Kept), "files")


def test_files_that_are_not_read_again():
    class Words(Characters):
        word = None

        def tokenize(self, text):
            return super().tokenize(text) + ([self.word] if self.word and text else [])

    def factory(*, files: dict[str, bytes] | None = None):
        made = Words()
        made.files = {"words.txt": "好".encode()}
        made.word = None if files else "好"
        return made

    assert "rebuilt from config and files it says" in only(subject("tokenizer", factory), "files")


class OfEmptyText(Characters):
    def tokenize(self, text):
        return super().tokenize(text) or ["[empty]"]


class Picky(Characters):
    def tokenize(self, text):
        return [
            character.encode("gb18030", "strict").decode("gb18030")
            for character in text
            if ord(character) < 65536 or 1 / 0
        ]


class Tuples(Characters):
    def tokenize(self, text):
        return tuple(super().tokenize(text))


class Blanks(Characters):
    def tokenize(self, text):
        return text.split(" ") if text else []


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (OfEmptyText, "tokenize('') is ['[empty]']"),
        (Picky, "ZeroDivisionError"),
        (Tuples, "list of strings"),
        (Blanks, "none empty"),
    ],
)
def test_text_that_is_not_answered(kind, sentence):
    assert sentence in failures(tried(kind), without=("determinism", "files", "config", "options"))["odd text"]


def test_tokens_that_depend_on_what_was_read_before():
    class Remembering(Characters):
        def tokenize(self, text):
            found = super().tokenize(text)
            new = [token for token in found if token not in self.__dict__.setdefault("known", set())]
            self.known.update(new)
            return found[: len(new)] if new else found

    assert "the second time" in failures(tried(Remembering))["determinism"]


def test_a_batch_that_says_something_else():
    class Hasty(Characters):
        def batch(self, texts):
            return Tokens.of([self.tokenize(text)[:100] for text in texts])

    class Short(Characters):
        def batch(self, texts):
            found = Tokens.of([self.tokenize(text) for text in texts])
            return Tokens(found.units, found.starts[:-1]) if texts else found

    assert "batch says" in only(tried(Hasty), "batch")
    assert "tokens of 0" in only(tried(Short), "batch")


@pytest.mark.parametrize(
    ("most", "sentence"), [(5, "longest is 5, but"), ("5", "number of tokens"), (0, "number of tokens")]
)
def test_a_text_that_is_not_cut(most, sentence):
    class Long(Characters):
        longest = most

    assert sentence in only(tried(Long), "longest")


def test_a_text_that_is_cut():
    class Cut(Characters):
        longest = 5

        def tokenize(self, text):
            return super().tokenize(text)[:5]

    assert failures(tried(Cut)) == {}


INFERENCE = """
from nlpkit import hookimpl

class Tried:
    def __init__(self):
        self.config, self.files = {{}}, {{}}
    def tokenize(self, text):
        {body}

@hookimpl
def nlpkit_register_tokenizers(register):
    register("tried", lambda: Tried())
"""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param("import torch; return text.split()", "imports torch", marks=pytest.mark.slow),
        ("return sorted(text.split(), key=hash) if text.count(' ') < 2 else list({*text})", "in another process"),
        (
            "import sys; 'pytest' in sys.modules or sys.exit('no'); return text.split()",
            "in another process it fails: no",
        ),
        ("return text.split()", None),
    ],
)
def test_tokens_elsewhere(body, sentence, tmp_path, monkeypatch):
    if "torch" in body:
        pytest.importorskip("torch")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tried_elsewhere.py").write_text(INFERENCE.format(body=body))
    monkeypatch.delitem(__import__("sys").modules, "tried_elsewhere", raising=False)
    (found,) = [s for s in list_subjects([of_module(__import__("tried_elsewhere"))]) if s.kind == "tokenizer"]
    assert found.target.importable
    if sentence:
        assert sentence in only(found, "inference")
    else:
        assert failures(found) == {}


def test_what_no_other_process_can_import_is_not_tried_there():
    assert "inference" not in outcomes(subject("tokenizer", lambda: Characters()))
    assert not of_module(module("tokenizer", lambda: Characters())).importable
    assert all(target.importable for target in find_targets("nlpkit-zh"))
