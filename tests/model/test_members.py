import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as save_arrays

from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import Bundle, save
from nlpkit.model.members import BATCH, TextIds, open_member, run_sorted
from nlpkit.plugins.base import Tokenizer
from nlpkit.text.vocabulary import PAD, Ids, SubwordVocabulary, TableVocabulary, dump_vocabulary
from tests.tiny import component, model_files, table_member


class Doubling(Tokenizer):
    """A stranger's tokenizer, without a vectorised path."""

    config: dict = {}  # noqa: RUF012
    files: dict = {}  # noqa: RUF012

    def tokenize(self, text):
        return [c + c for c in text]


@given(st.lists(st.text("好差", max_size=4), max_size=5))
def test_a_tokenizer_without_a_fast_path_will_do(texts):
    assert Doubling().batch(texts).lists() == [[c + c for c in text] for text in texts]


def test_ids_are_cut_where_the_member_says_so():
    tokens = TableVocabulary(["好好", "差差"])
    rows = TextIds(Doubling(), tokens, 2)(["好差差差好", "好"]).rows()
    assert [row.tolist() for row in rows] == [[2, 2], [2]]


@given(st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=3 * BATCH))
def test_sorted_batches_come_back_in_order_and_within_size(batch):
    def run(ids, mask):
        assert len(ids) <= BATCH
        assert (ids[~mask] == PAD).all()
        return np.stack([ids.sum(1), mask.sum(1)], 1)

    found = run_sorted(Ids.of([np.array(row, dtype=np.int64) for row in batch]), run)
    assert found.tolist() == [[sum(row), len(row)] for row in batch]


def test_options_that_a_tokenizer_lacks_are_named():
    entry, files = table_member(tokenizer=component("char", colour="red"))
    with pytest.raises(SettingError, match="no option 'colour'"):
        open_member(Bundle("tiny", model_files((entry, files))), entry, 2)


@pytest.fixture
def pieces():
    """A table over characters and their pieces, the number of an id being its square root."""
    vocabulary = SubwordVocabulary(["好", "差"], characters="好差", bits=4)
    entry, files = table_member(words={"好": 1.0}, pooling="mean")
    table = np.sqrt(np.arange(len(vocabulary), dtype=np.float32))[:, None]
    files["characters/vocabulary.json"] = dump_vocabulary(vocabulary)
    files["characters/arrays.safetensors"] = save_arrays({"table": table, "bias": np.array([0.5])})
    return open_member(Bundle("tiny", model_files((entry, files))), entry, 2), table[:, 0]


def test_a_token_counts_as_the_mean_of_its_pieces(pieces):
    member, numbers = pieces
    texts = ["好差", "", "龘好"]
    expected = [sum(numbers[ids[ids > 0]].mean() for ids in row) for row in member.text_ids(texts).rows()]
    logits = member.logits(texts)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], np.array(expected) / [2, 1, 2] + 0.5, rtol=1e-5)


def test_what_its_pieces_contribute_is_the_logit(pieces):
    member, _ = pieces
    texts = ["好差", "", "龘好"]
    shares = member.contributions(texts)
    assert shares.tokens.lists() == [["好", "差"], [], ["龘", "好"]]
    sums = [shares.values[a:b].sum(0) for a, b in zip(shares.tokens.starts, shares.tokens.starts[1:], strict=False)]
    np.testing.assert_allclose(np.array(sums) + shares.bias, member.logits(texts), rtol=1e-5)


def test_codes_of_one_byte_stand_for_their_levels():
    entry, files = table_member(words={"好": 1.0})
    levels = np.linspace(-1.28, 1.27, 256, dtype=np.float32)[:, None]
    arrays = {"table": np.array([[128], [128], [228]], dtype=np.uint8), "levels": levels, "bias": np.array([0.5])}
    files["characters/arrays.safetensors"] = save_arrays(arrays)
    member = open_member(Bundle("tiny", files), entry, 2)
    assert member.logits(["好好", "", "x"]) == pytest.approx(np.array([[0, 2.5], [0, 0.5], [0, 0.5]]), abs=1e-5)


CODES, LEVELS, BIAS = np.zeros((3, 1), np.uint8), np.zeros((256, 1), np.float32), np.zeros(1)


@pytest.mark.parametrize(
    "arrays",
    [
        {"table": CODES, "bias": BIAS},
        {"table": CODES, "bias": BIAS, "levels": LEVELS[:255]},
        {"table": CODES, "bias": BIAS, "levels": np.zeros((256, 2), np.float32)},
        {"table": CODES.astype(np.float32), "bias": BIAS, "levels": LEVELS},
        {"table": CODES.astype(np.int64), "bias": BIAS},
        {"table": CODES.astype(np.float32)[:2], "bias": BIAS},
        {"table": np.zeros((3, 2), np.float32), "bias": BIAS},
        {"table": CODES.astype(np.float32), "bias": np.zeros(2)},
        {"table": CODES.astype(np.float32)},
        {"levels": LEVELS, "bias": BIAS},
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_are_damage(arrays):
    entry, files = table_member(words={"好": 1.0})
    files["characters/arrays.safetensors"] = save_arrays(arrays)
    with pytest.raises(BundleError, match=r"tiny is damaged: characters/arrays\.safetensors"):
        open_member(Bundle("tiny", files), entry, 2)


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import nlpkit
try:
    nlpkit.load(sys.argv[1]).score(["好"])
except nlpkit.MissingExtra as error:
    print(error)
"""


def test_what_runs_through_torch_says_what_to_install(tmp_path):
    entry, files = table_member()
    save(tmp_path / "m", model_files((entry | {"runtime": "torch"}, files)))
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", WITHOUT_TORCH, str(tmp_path / "m")],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert "pip install '.[train]' in a clone" in done.stdout
    assert f"the member characters of {tmp_path / 'm'}" in done.stdout
    assert done.stdout.count("\n") == 1
