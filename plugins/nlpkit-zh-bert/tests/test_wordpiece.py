"""The tokenizer: what it cuts, what it is made of, and which folders it refuses. Without torch and transformers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nlpkit import DataError, SettingError, Tokenizer, registry
from tiny_bert import PIECES, TEXTS, write_config, write_tokenizer

WILD = st.text(st.one_of(st.characters(), st.sampled_from("这很好 goods[SEP]\ud800\u3000é\x00")), max_size=90)


def tokenizer(model, **options):
    return registry().get("tokenizer", "wordpiece").create({"model": str(model), "longest": 64, **options})


def again(made, **options):
    return registry().get("tokenizer", "wordpiece").create({**made.config, **options}, files=made.files)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tokenizer(write_tokenizer(tmp_path_factory.mktemp("models") / "bert"))


def test_a_text_becomes_pieces_between_two_marks(made):
    assert made.tokenize("这家店很好!goods") == ["[CLS]", *"这家店很好", "[UNK]", "good", "##s", "[SEP]"]
    assert isinstance(made, Tokenizer)
    assert (made.embeddings, made.longest) == (("bert", "trainable"), 64)


@pytest.mark.parametrize("text", ["", " \n\t\u3000", "\x00\u200b", "\ud800"])
def test_a_text_without_any_piece_has_no_tokens(made, text):
    assert made.tokenize(text) == []


@given(texts=st.lists(WILD, max_size=5))
def test_any_text_is_answered_and_batch_says_the_same(made, texts):
    found = made.batch(texts).lists()
    assert found == [made.tokenize(text) for text in texts]
    for tokens in filter(None, found):
        assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
        assert 3 <= len(tokens) <= 64
        assert not {"[CLS]", "[SEP]", "[PAD]"} & set(tokens[1:-1])
        assert set(tokens) <= set(PIECES)


@pytest.mark.parametrize("longest", [3, 5, 64])
def test_a_longer_text_is_cut_before_its_last_mark(made, longest):
    short = again(made, longest=longest)
    assert short.tokenize("好" * 100) == ["[CLS]", *"好" * (longest - 2), "[SEP]"]
    assert short.tokenize("好" * (longest - 2)) == short.tokenize("好" * 100)
    assert short.batch(["好" * 62, "", "好" * (longest - 2), "好" * (longest - 1)]).starts[-1] == 3 * longest
    assert (short.longest, short.cut) == (longest, 4 if longest < 64 else 3)


def test_what_reads_like_a_mark_is_text(made):
    whole = again(made)  # of tokenizer.json, which names the marks
    for one in (made, whole):
        assert one.tokenize("[SEP]好") == ["[CLS]", "[", "sep", "]", "好", "[SEP]"]


def test_config_and_files_rebuild_it_and_name_no_path(made):
    assert json.loads(json.dumps(made.config)) == {"longest": 64}
    assert list(made.files) == ["tokenizer.json"]
    other = again(made)
    assert (other.config, other.files) == (made.config, made.files)
    assert other.batch(TEXTS).lists() == made.batch(TEXTS).lists()


def test_files_that_a_model_keeps_come_before_any_folder(made):
    assert again(made, model="nowhere").tokenize("好") == ["[CLS]", "好", "[SEP]"]


def test_tokenizer_json_comes_before_vocab_txt(made, folder):
    found = json.loads(made.files["tokenizer.json"])
    found["truncation"] = {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    found["padding"] = {"strategy": {"Fixed": 9}, "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "x"}
    found["padding"]["pad_to_multiple_of"] = None
    found["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(found), encoding="utf-8")
    (folder / "vocab.txt").write_text("other", encoding="utf-8")
    assert tokenizer(folder).batch(TEXTS).lists() == made.batch(TEXTS).lists()


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({}, ["[CLS]", "cafe", "好", "好", "[SEP]"]),
        ({"do_lower_case": False}, ["[CLS]", "[UNK]", "好", "好", "[SEP]"]),
        ({"strip_accents": False}, ["[CLS]", "[UNK]", "好", "好", "[SEP]"]),
        ({"tokenize_chinese_chars": False}, ["[CLS]", "cafe", "[UNK]", "[SEP]"]),
    ],
)
def test_letters_are_treated_as_the_model_says(tmp_path, how, found):
    assert tokenizer(write_tokenizer(tmp_path / "bert", **how)).tokenize("Café 好好") == found


def test_lines_of_windows_and_a_missing_tokenizer_config_do_no_harm(made, folder):
    (folder / "vocab.txt").write_bytes("\r\n".join(PIECES).encode())
    (folder / "tokenizer_config.json").unlink()
    assert tokenizer(folder).batch(TEXTS).lists() == made.batch(TEXTS).lists()


def test_no_more_pieces_than_positions(folder):
    with pytest.raises(SettingError, match=r"longest is 65, but .*bert has 64 positions: set longest=64"):
        tokenizer(folder, longest=65)
    (folder / "config.json").unlink()
    assert tokenizer(folder, longest=65).longest == 65  # of a folder that is no whole model, for other embeddings


@pytest.mark.parametrize("longest", [2, 0, -1, True, "64", 3.5])
def test_wrong_lengths_are_refused(folder, longest):
    with pytest.raises(SettingError, match=r"longest (must be at least 3|wants a whole number)"):
        tokenizer(folder, longest=longest)


@pytest.mark.parametrize("options", [{}, {"model": ""}])
def test_a_model_must_be_named(options):
    with pytest.raises(SettingError, match="model must be the folder of a BERT"):
        registry().get("tokenizer", "wordpiece").create(options)


def breaking(name, data):
    return lambda folder: (folder / name).write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


BPE = {"type": "BPE", "vocab": {"a": 0}, "merges": []}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "vocab.txt").unlink(), "bert has no tokenizer: tokenizer.json or vocab.txt"),
        (breaking("vocab.txt", "好".encode("gb18030")), "vocab.txt is not UTF-8 at byte 0"),
        (breaking("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n好".encode()), r"vocab.txt lacks \[SEP\]: is it that of a BERT"),
        (breaking("tokenizer_config.json", b"{"), "tokenizer_config.json is damaged: it should be a table in JSON"),
        (breaking("tokenizer.json", b"{"), "tokenizer.json is damaged"),
        (breaking("tokenizer.json", {"model": BPE}), "tokenizer.json cuts by BPE, and only WordPiece goes"),
        (breaking("config.json", [1]), "config.json is damaged: it should be a table in JSON"),
        (lambda folder: write_config(folder, model_type="roberta"), "of the type 'roberta', and only 'bert' goes"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_bert_is_told(folder, spoil, sentence):
    spoil(folder)
    with pytest.raises(DataError, match=sentence) as found:
        tokenizer(folder)
    assert str(folder) in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["./nowhere", "not/a/model", "no model"])
def test_no_folder_and_no_name_of_the_hub(name):
    with pytest.raises(DataError, match=f"there is no folder {name}"):
        tokenizer(name)


def test_a_file_is_no_folder(folder):
    with pytest.raises(DataError, match=r"vocab.txt is a file: give the folder in which it is"):
        tokenizer(folder / "vocab.txt")


def test_damaged_files_of_a_saved_model_are_refused(made):
    for files in ({}, {"tokenizer.json": b"{"}):
        with pytest.raises(SettingError, match="refuses its options"):
            registry().get("tokenizer", "wordpiece").create(made.config, files=files)
