import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as save_arrays

from nlpkit.errors import BundleError, MissingPlugin
from nlpkit.model.bundle import Bundle, save
from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END, Blank
from nlpkit.tasks.cloze.inference import cut_windows, open_member
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.text.vocabulary import UNKNOWN, TableVocabulary
from tests.tasks.cloze.tiny import ANSWERS, CONTEXT, cloze_files, logits, network_member
from tests.tiny import component

token = st.none() | st.sampled_from([*CONTEXT, "没见过"])
blanks = st.builds(Blank, st.lists(token, max_size=9), st.lists(token, max_size=9))
VOCABULARY = TableVocabulary(["a", "b", "c"])


def member(*, max_length=64):
    entry, files = network_member(max_length=max_length)
    return open_member(Bundle("tiny", cloze_files((entry, files))), entry, TableVocabulary(CONTEXT), ANSWERS)


@pytest.mark.parametrize(
    ("left", "right", "length", "row", "at"),
    [
        ([], [], 9, [BEGIN, BLANK, END], 1),
        (["a", "b"], ["c"], 9, [BEGIN, 2, 3, BLANK, 4, END], 3),
        (["a", None, "?"], [None], 9, [BEGIN, 2, BLANK, UNKNOWN, BLANK, BLANK, END], 4),
        (["a", "b"], ["c"], 2, [BEGIN, 2, 3, BLANK, 4, END], 3),
        (["a", "b", "c"], ["c"], 2, [3, 4, BLANK, 4, END], 2),
        (["a"], ["a", "b", "c"], 2, [BEGIN, 2, BLANK, 2, 3], 2),
        (["a", "b"], ["b", "c"], 1, [3, BLANK, 3], 1),
    ],
)
def test_what_a_network_reads(left, right, length, row, at):
    ids, places = cut_windows(VOCABULARY, [Blank(left, right)], length)
    assert [r.tolist() for r in ids.rows()] == [row]
    assert places.tolist() == [at]


@given(st.lists(blanks, min_size=1, max_size=40))
def test_logits_are_what_the_tables_say_whatever_else_is_in_the_batch(batch):
    np.testing.assert_allclose(member().logits(batch), [logits(blank) for blank in batch], atol=1e-5)


@given(blanks, st.integers(1, 5))
def test_a_long_side_keeps_what_is_nearest_to_the_blank(blank, length):
    cut = Blank(blank.left[max(0, len(blank.left) - length) :], blank.right[:length])
    np.testing.assert_allclose(member(max_length=length).logits([blank])[0], logits(cut), atol=1e-5)


@pytest.mark.parametrize("length", [0, -1, None, "9", 2.0, True, []])
def test_a_length_that_is_none_is_damage(length):
    with pytest.raises(BundleError, match=r"tiny is damaged: config\.json: .*max_length must be a whole number"):
        member(max_length=length)


TABLE, BIAS = np.zeros((len(ANSWERS), 8), np.float32), np.zeros(len(ANSWERS), np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"table": TABLE},
        {"bias": BIAS},
        {"table": TABLE, "bias": BIAS[1:]},
        {"table": TABLE[1:], "bias": BIAS[1:]},
        {"table": TABLE[:, 1:], "bias": BIAS},
    ],
    ids=lambda arrays: ", ".join(f"{name}{array.shape}" for name, array in arrays.items()),
)
def test_arrays_that_do_not_fit_are_damage(arrays):
    files = cloze_files() | {"network/arrays.safetensors": save_arrays(arrays)}
    with pytest.raises(BundleError, match="tiny is damaged: network"):
        ClozeModel(Bundle("tiny", files)).check()


@pytest.mark.parametrize("path", ["network/arrays.safetensors", "network/model.onnx", "network/vocabulary.json"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"nothing of the kind" * 9])
def test_damaged_files_are_named(path, damage):
    with pytest.raises(BundleError, match=f"tiny(:| is damaged:) {path}"):
        ClozeModel(Bundle("tiny", cloze_files() | {path: damage})).check()


@pytest.mark.parametrize(("change", "message"), [({"kind": "magic"}, "unknown kind 'magic'"), ({"kind": None}, "None")])
def test_a_member_of_an_unknown_kind_is_damage(change, message):
    entry, files = network_member()
    with pytest.raises(BundleError, match=message):
        ClozeModel(Bundle("tiny", cloze_files((entry | change, files)))).check()


def test_an_output_embedding_that_is_not_installed_is_named():
    entry, files = network_member()
    entry["output"] = component("rainbow", distribution="nlpkit-rainbow", version="0.7")
    with pytest.raises(MissingPlugin, match=r"nlpkit-rainbow.*0\.7"):
        ClozeModel(Bundle("tiny", cloze_files((entry, files)))).check()


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import nlpkit
try:
    nlpkit.load(sys.argv[1]).fill(["很 __"])
except nlpkit.MissingExtra as error:
    print(error)
"""


def test_what_runs_through_torch_says_what_to_install(tmp_path):
    save(tmp_path / "m", cloze_files(network_member(runtime="torch")))
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", WITHOUT_TORCH, str(tmp_path / "m")],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert "pip install '.[train]' in a clone" in done.stdout
    assert f"the member network of {tmp_path / 'm'}" in done.stdout
    assert done.stdout.count("\n") == 1
