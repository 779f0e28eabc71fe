import marshal
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.builtin import tokenizers
from nlpkit.builtin.tokenizers import DICTIONARY, char, parse_dictionary, whitespace
from nlpkit.errors import DataError, SettingError
from nlpkit.protocols import BatchTokenizer, Tokenizer
from nlpkit.registry import registry

TEXT = "这家云端小舖味道不错"
NAMES = ("char", "jieba", "rjieba", "whitespace")
normalised = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")) | st.text(
    "好用 \t　abc不错，", max_size=12
)


@pytest.fixture(scope="module")
def made():
    return {name: registry().get("tokenizer", name).create({}) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_keeps_the_protocol(made, name):
    assert isinstance(made[name], Tokenizer)
    assert made[name].tokenize("") == []


@pytest.mark.parametrize("name", NAMES)
@given(text=normalised)
def test_nothing_but_white_space_is_lost(made, name, text):
    tokens = made[name].tokenize(text)
    assert not any(token.isspace() or not token for token in tokens)
    assert "".join("".join(tokens).split()) == "".join(text.split())


@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=5))
def test_characters_of_a_batch_are_those_of_each(texts):
    assert isinstance(char(), BatchTokenizer)
    assert char().batch(texts).lists() == [char().tokenize(text) for text in texts]


def test_what_each_makes_of_a_text(made):
    assert made["char"].tokenize("好 用!") == ["好", "用", "!"]
    assert whitespace().tokenize(" 衣服  质量\t好 ") == ["衣服", "质量", "好"]
    assert made["jieba"].tokenize("衣服质量不错") == ["衣服", "质量", "不错"]
    assert made["rjieba"].tokenize("衣服质量不错") == ["衣服", "质量", "不错"]


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
@pytest.mark.parametrize(
    ("dictionary", "manner"),
    [
        ("云端小铺", "plain"),
        ("云端小铺 100000", "bom"),
        ("蓝牙 5 n\n云端小铺 100000 nz\n\n", "crlf"),
        ("云端小铺 nz", "plain"),
        ("雲端小舖", "plain"),
    ],
)
def test_a_user_dictionary_keeps_a_word_whole(made, tmp_path, name, dictionary, manner):
    path = tmp_path / "words.txt"
    text = dictionary.replace("\n", "\r\n") + "\r\n" if manner == "crlf" else dictionary
    path.write_bytes(text.encode("utf-8-sig" if manner == "bom" else "utf-8"))
    segmented = "这家云端小铺味道不错"
    assert "云端小铺" not in made[name].tokenize(segmented)
    assert "云端小铺" in registry().get("tokenizer", name).create({"dictionary": str(path)}).tokenize(segmented)


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
def test_config_and_files_make_an_equal_tokenizer(tmp_path, name):
    path = tmp_path / "words.txt"
    path.write_text("云端小铺 1000 nz\n", encoding="utf-8")
    factory = registry().get("tokenizer", name)
    first = factory.create({"hmm": False, "dictionary": str(path)})
    path.unlink()  # the saved model must not need it
    again = factory.create(first.config, files=first.files)
    for text in ("这家云端小铺味道不错", TEXT, "他来到了网易杭研大厦"):
        assert again.tokenize(text) == first.tokenize(text)
    assert (again.config, again.files) == (first.config, first.files)
    assert "dictionary" not in first.config


def test_guessing_of_unknown_words_can_be_left_out():
    text = "他来到了网易杭研大厦"
    assert "杭研" in tokenizers.rjieba().tokenize(text)
    assert "杭研" not in tokenizers.rjieba(hmm=False).tokenize(text)
    assert "杭研" not in tokenizers.jieba(hmm=False).tokenize(text)


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
@pytest.mark.parametrize("hmm", ["no", 0, None])
def test_whether_to_guess_is_true_or_false(name, hmm):
    with pytest.raises(SettingError, match=f"{name}' refuses its options: hmm must be true or false, was: {hmm!r}"):
        registry().get("tokenizer", name).create({"hmm": hmm})


def test_one_users_dictionary_is_not_anothers():
    tokenizers.jieba(files={DICTIONARY: "云端小铺".encode()})
    assert "云端小铺" not in tokenizers.jieba().tokenize("这家云端小铺味道不错")


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        ("好评 3 n\n", [("好评", 3, "n")]),
        ("\ufeff好评 3\r\n差评\r\n", [("好评", 3, None), ("差评", None, None)]),
        ("New York 7 nr", [("New York", 7, "nr")]),
        ("好评 n", [("好评", None, "n")]),
        ("\n  \n", []),
        ("007", [("007", None, None)]),
    ],
)
def test_entries_of_a_dictionary(data, entries):
    assert parse_dictionary(data.encode()) == entries


@given(st.binary(max_size=60))
def test_any_dictionary_is_entries_or_one_sentence(data):
    try:
        found = parse_dictionary(data)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome will do
    else:
        assert all(word.strip() == word != "" for word, _, _ in found)


def test_a_dictionary_that_is_no_text_or_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"not UTF-8: byte 0 is 0xff"):
        tokenizers.rjieba(files={DICTIONARY: b"\xff"})
    with pytest.raises(DataError, match=r"nowhere.txt cannot be read"):
        tokenizers.jieba(dictionary=str(tmp_path / "nowhere.txt"))


@pytest.mark.parametrize("planted", [{}, {"jieba.cache": marshal.dumps(({"衣服质量不错": 10**9}, 10**9))}])
def test_jieba_neither_reads_nor_writes_a_cache(tmp_path, monkeypatch, planted):
    """Anyone may have put a file into the temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, data in planted.items():
        (tmp_path / name).write_bytes(data)
    assert tokenizers.jieba().tokenize("衣服质量不错") == ["衣服", "质量", "不错"]
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == planted
