"""The tokenizer: what it cuts, what it is made of, what it refuses. Without torch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nlpkit import SettingError, Tokenizer, registry
from nlpkit.text import Normaliser

WILD = st.text(
    st.one_of(st.characters(), st.sampled_from("这很好 goods<s></unk>▁\ud800\u3000é\x00가ไ👍🏽")), max_size=90
)
BARE = ["<s>", "▁que", "ry", ":", "</s>"]  # a text without text


def tokenizer(**options):
    return registry().get("tokenizer", "e5-pieces").create(options)


def again(made, **options):
    return registry().get("tokenizer", "e5-pieces").create({**made.config, **options}, files=made.files)


@pytest.fixture(scope="module")
def made():
    return tokenizer()


def test_a_text_becomes_pieces_between_two_marks_behind_a_prefix(made):
    assert made.tokenize("质量很好，下次还来") == [*BARE[:-1], "▁", "质量", "很好", ",", "下次", "还", "来", "</s>"]
    assert made.tokenize("ok 2021年") == [*BARE[:-1], "▁ok", "▁2021", "年", "</s>"]
    assert isinstance(made, Tokenizer)
    assert (made.embeddings, made.longest) == (("e5", "trainable"), 512)


@pytest.mark.parametrize(
    ("prefix", "first"), [("query", ["▁que", "ry", ":", "▁"]), ("passage", ["▁passage", ":", "▁"]), ("none", ["▁"])]
)
def test_a_prefix_is_as_e5_wants_it(prefix, first):
    found = tokenizer(prefix=prefix).tokenize("很好")
    assert (found[0], found[-2:]) == ("<s>", ["很好", "</s>"])
    assert "".join(found[1:-2]) == "".join(first)


@pytest.mark.parametrize("text", ["", " \n\t\u3000", "\x00\u200b", "\ud800"])
def test_a_text_without_any_piece_has_no_tokens(made, text):
    assert made.tokenize(text) == []


@pytest.mark.parametrize("text", ["한국어", "ไทย", "हिन्दी", "\U0010ffff", "\u0f00"])
def test_a_script_that_is_rare_here_is_unknown_and_counted_so(made, text):
    assert "<unk>" in made.tokenize(text)
    assert made.tokenize(f"很好{text}")[5] == "很好"


@pytest.mark.parametrize(
    "character", [*"的龍〇々①％℃￥…—《》「」【】、。！？；：", *"azAZ09àéßαωбяあアㄅ~@#^&*_+=|\\/<>\"'", *"👍😂❤★●→√×"]
)
def test_there_is_a_piece_to_fall_back_on(made, character):
    found = made.tokenize(f"好{character}好")
    assert "<unk>" not in found
    normal = Normaliser()(character)
    assert "<unk>" not in made.tokenize(f"好{normal}好")


@given(texts=st.lists(WILD, max_size=5))
def test_any_text_is_answered_and_batch_says_the_same(made, texts):
    found = made.batch(texts).lists()
    assert found == [made.tokenize(text) for text in texts]
    known = {*made.pieces, "<unk>"}
    for text, tokens in zip(texts, found, strict=True):
        assert bool(tokens) or not text.strip("\x00\ud800 ") or not any(map(str.isalpha, text))
        if tokens:
            assert (tokens[0], tokens[-1]) == ("<s>", "</s>")
            assert 3 <= len(tokens) <= 512
            assert set(tokens[1:-1]) <= known


@given(text=st.text(st.sampled_from("这家店很好质量不错物流快下次还来"), max_size=60))
def test_pieces_join_to_the_text(made, text):
    tokens = made.tokenize(text)
    assert "".join(tokens[1:-1]) == (f"▁query:▁{text}" if text else "")


@pytest.mark.parametrize("longest", [8, 12, 512])
def test_a_longer_text_is_cut_before_its_last_mark(made, longest):
    short = again(made, longest=longest)
    whole = short.tokenize("好 " * 600)
    assert (len(whole), whole[0], whole[-1], short.cut) == (longest, "<s>", "</s>", 1)
    assert len(short.tokenize("好")) == 7
    assert short.cut == 1
    assert len(short.batch(["差 " * 600, "", "好 " * 600]).units) == 2 * longest
    assert (short.longest, short.cut) == (longest, 3)


def test_what_reads_like_a_mark_is_text(made):
    for text in ("<s>好</s>", "<pad>好<unk>", "<mask>好"):
        tokens = made.tokenize(text)
        assert not {"<s>", "</s>", "<pad>", "<unk>", "<mask>"} & set(tokens[1:-1])
        assert "".join(tokens[4:-1]).removeprefix("▁") == text


def test_spaces_and_compatibility_characters_are_as_e5_spells_them(made):
    assert made.tokenize("很好   很好") == made.tokenize("很好 很好") == made.tokenize("很好\t\u3000很好")
    assert made.tokenize("ＡＢＣ１２３，！") == made.tokenize("ABC123,!")


def test_config_and_files_rebuild_it(made):
    assert json.loads(json.dumps(made.config)) == {"prefix": "query", "longest": 512}
    assert list(made.files) == ["pieces.json"]
    other = again(made, prefix="none")
    assert other.files == made.files
    assert other.tokenize("很好") == ["<s>", "▁", "很好", "</s>"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"longest": 7}, r"longest must be in \[8, 512\], was: 7"),
        ({"longest": 513}, r"longest must be in \[8, 512\], was: 513"),
        ({"longest": True}, "longest wants a whole number"),
        ({"prefix": "question"}, "prefix cannot be 'question'"),
        ({"prefix": None}, "prefix"),
    ],
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        tokenizer(**options)


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"{",
        b"[]",
        b'{"pieces": ["a"], "scores": [], "spelling": {}}',
        b'{"pieces": ["a", "a"], "scores": [0, 0], "spelling": {}}',
        b'{"pieces": ["a", ""], "scores": [0, 0], "spelling": {}}',
        b'{"pieces": ["a", 1], "scores": [0, 0], "spelling": {}}',
        b'{"pieces": ["a"], "scores": ["b"], "spelling": {}}',
        b'{"pieces": ["a"], "scores": [NaN], "spelling": {}}',
        b'{"pieces": ["a"], "scores": [-1], "spelling": {"ab": "c"}}',
        b'{"pieces": ["a"], "scores": [-1], "spelling": {"a": 1}}',
        b'{"pieces": [], "scores": [], "spelling": {}}',
    ],
)
def test_damaged_files_of_a_saved_model_are_refused(made, data):
    files = {} if data is None else {"pieces.json": data}
    with pytest.raises(
        SettingError, match=r"refuses its options: (pieces.json is damaged|the files that were kept lack)"
    ):
        registry().get("tokenizer", "e5-pieces").create(made.config, files=files)


def test_the_pieces_are_those_of_text_as_nlpkit_normalises_it(made):
    words = [piece.strip("▁") for piece in made.pieces if len(piece.strip("▁")) > 1]
    changed = [word for word, normal in zip(words, Normaliser().batch(words), strict=True) if word != normal]
    assert len(made.pieces) == len(set(made.pieces)) == 20_743
    assert len(changed) < len(words) / 500
