import marshal
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components import tokenizers
from nlpkit.components.tokenizers import DICTIONARY, char, whitespace
from nlpkit.errors import DataError, SettingError
from nlpkit.plugins.base import Tokenizer
from nlpkit.plugins.registry import registry
from nlpkit.text.normalisation import Normaliser

TEXT = "这家云端小舖味道不错"
NAMES = ("char", "jieba", "rjieba", "whitespace")
MAKING = [pytest.param("jieba", marks=pytest.mark.slow), "rjieba"]  # jieba reads its dictionary for most of a second
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
    assert char().batch(texts).lists() == [char().tokenize(text) for text in texts]


def test_what_each_makes_of_a_text(made):
    assert made["char"].tokenize("好 用!") == ["好", "用", "!"]
    assert whitespace().tokenize(" 衣服  质量\t好 ") == ["衣服", "质量", "好"]
    assert made["jieba"].tokenize("衣服质量不错") == ["衣服", "质量", "不错"]
    assert made["rjieba"].tokenize("衣服质量不错") == ["衣服", "质量", "不错"]


@pytest.mark.parametrize("name", MAKING)
@pytest.mark.parametrize(
    ("dictionary", "manner"),
    [
        ("云端小铺", "plain"),
        ("云端小铺 100000", "bom"),
        ("蓝牙 5 n\n云端小铺 100000 nz\n\n", "crlf"),
        ("云端小铺 nz", "plain"),
        ("雲端小舖", "plain"),
        ("云\u200b端小铺\ufeff 100", "plain"),
        ("云端小铺,100000,nz", "gb18030"),
        ("云端小铺\t100000", "utf-16"),
        ("云端小铺，100000", "utf-8"),
    ],
)
def test_a_user_dictionary_keeps_a_word_whole(made, tmp_path, name, dictionary, manner):
    path = tmp_path / "words.txt"
    text = dictionary.replace("\n", "\r\n") + "\r\n" if manner == "crlf" else dictionary
    path.write_bytes(text.encode({"plain": "utf-8", "crlf": "utf-8", "bom": "utf-8-sig"}.get(manner, manner)))
    segmented = "这家云端小铺味道不错"
    assert "云端小铺" not in made[name].tokenize(segmented)
    assert "云端小铺" in registry().get("tokenizer", name).create({"dictionary": str(path)}).tokenize(segmented)


@pytest.mark.parametrize("name", MAKING)
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


MIXED = ["T恤", "U盘", "SIM卡", "卡拉OK", "阿Q", "4S店", "AT&T", "江南Style"]


@pytest.mark.parametrize("name", MAKING)
@pytest.mark.parametrize("zero", [False, True])
def test_no_step_of_normalisation_cuts_a_word_of_the_own_dictionary(name, zero):
    normaliser = Normaliser(zero=zero)
    tokenizer = registry().get("tokenizer", name).create({}, normaliser=normaliser)
    for word in MIXED:
        for text in (f"我的{word}，很好", f"我的{word.lower()}，很好", f"我的{word.upper()}"):
            assert normaliser(word) in tokenizer.tokenize(normaliser(text))


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
def test_letters_beside_a_word_are_no_part_of_it(made, name):
    assert made[name].tokenize("usb超好用") == ["usb", "超好", "用"]
    assert "卡拉ok" not in made[name].tokenize("卡拉okay")
    assert made[name].tokenize("vivo型号")[0] == "vivo"


@pytest.mark.parametrize("name", MAKING)
def test_an_older_model_cuts_as_it_did(name):
    older = Normaliser.of({"nfkc": True, "lower": True, "simplify": True})
    tokenizer = registry().get("tokenizer", name).create({"hmm": True}, normaliser=older, files={})
    assert tokenizer.tokenize("t恤很好") == ["t", "恤", "很", "好"]
    files = {DICTIONARY: "\ufeff小米 13 Ultra\nEdu Trust认证 2000\n云端小铺,100\n".encode()}
    tokenizer = registry().get("tokenizer", name).create({"hmm": True}, normaliser=older, files=files)
    assert tokenizer.tokenize("小米13") == ["小米", "13"]
    assert tokenizer.tokenize("edu trust认证") == ["edu", "trust", "认证"]


LINES = [
    ("Edu Trust认证 2000", "有ＥＤＵ　Trust认证的学校", "edu trust认证"),
    ("小米 13 Ultra", "新的小米 13  Ultra手机", "小米 13 ultra"),
    ("小米 14\t5", "新的小米 14手机", "小米 14"),
    ("哈利·波特 3 nr", "看哈利·波特吧", "哈利·波特"),
    ("C/C++", "会C/C++的人", "c/c++"),
    ("β-受体", "用β-受体治疗", "β-受体"),
    ("𠮷野家", "去𠮷野家吃", "𠮷野家"),
    ("Yes, Madam", "说yes, madam。", "yes, madam"),
    ("绝绝子,100", "真绝绝子啊", "绝绝子"),
    ("VIP廳 3", "在VIP廳里", "vip厅"),
]


@pytest.mark.parametrize("name", MAKING)
def test_a_word_of_a_user_dictionary_is_found_whatever_it_is_made_of(tmp_path, name):
    path = tmp_path / "words.txt"
    path.write_text("".join(line + "\n" for line, _, _ in LINES), encoding="utf-8")
    first = registry().get("tokenizer", name).create({"dictionary": str(path)})
    again = registry().get("tokenizer", name).create(first.config, files=first.files)
    assert first.files[DICTIONARY] == path.read_bytes()
    for _, text, word in LINES:
        assert word in first.tokenize(Normaliser()(text))
        assert again.tokenize(Normaliser()(text)) == first.tokenize(Normaliser()(text))


@pytest.mark.parametrize("name", MAKING)
def test_a_frequency_of_nought_takes_a_word_away(name):
    factory = registry().get("tokenizer", name)
    cut = factory.create({"hmm": False}, files={DICTIONARY: "质量 0\nT恤 0\n".encode()}).tokenize("质量好的t恤")
    assert cut == ["质", "量", "好", "的", "t", "恤"]


def test_guessing_of_unknown_words_can_be_left_out():
    text = "他来到了网易杭研大厦"
    assert "杭研" in tokenizers.rjieba().tokenize(text)
    assert "杭研" not in tokenizers.rjieba(hmm=False).tokenize(text)
    assert "杭研" not in tokenizers.jieba(hmm=False).tokenize(text)


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
@pytest.mark.parametrize("hmm", ["no", 0, None])
def test_whether_to_guess_is_true_or_false(name, hmm):
    with pytest.raises(SettingError, match=f"{name}': hmm wants true or false, found {hmm!r}"):
        registry().get("tokenizer", name).create({"hmm": hmm})


def test_one_users_dictionary_is_not_anothers():
    tokenizers.jieba(files={DICTIONARY: "云端小铺".encode()})
    assert "云端小铺" not in tokenizers.jieba().tokenize("这家云端小铺味道不错")


def test_a_dictionary_that_is_no_text_or_missing_is_named(tmp_path):
    older = Normaliser(words=False)
    for normaliser in (None, older):
        with pytest.raises(DataError, match=r"not UTF-8: byte 0 is 0xff"):
            tokenizers.rjieba(files={DICTIONARY: b"\xff"}, normaliser=normaliser)
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


@pytest.mark.parametrize("name", NAMES)
@given(texts=st.lists(normalised | st.text("大小s4店t恤b超卡拉ok \n\r。1\x85", max_size=14), max_size=5))
def test_a_batch_of_texts_is_cut_as_each_alone(made, name, texts):
    assert made[name].batch(texts).lists() == [made[name].tokenize(text) for text in texts]
