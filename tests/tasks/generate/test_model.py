"""Writing by a model: what is drawn, where it ends, what a prompt may hold."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import CONFIG, SAMPLES, Bundle
from nlpkit.tasks.generate.metrics import measure_texts
from nlpkit.tasks.generate.model import BLOCK, GenerationModel
from nlpkit.tasks.generate.sampling import Sampling, WrittenRuns
from tests.tasks.generate import tiny as tiny_generation

MODEL = GenerationModel(tiny_generation.bundle())
prompts = st.text(st.sampled_from("质量好快递，x😀\n \r\ud800"), max_size=8)


def written(prompt="", **options):
    return MODEL.generate([prompt], **{"seed": 1, **options})[0]


def test_the_same_seed_writes_the_same_text():
    texts = [written(seed=seed).text for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 2


@given(st.lists(prompts, min_size=1, max_size=4), st.integers(0, 30))
@settings(max_examples=40)
def test_a_text_does_not_depend_on_those_beside_it(several, length):
    together = MODEL.generate(several, length=length, seed=3)
    assert [text.prompt for text in together] == several
    first = MODEL.generate(several[:1], length=length, seed=3)
    assert first == together[:1]


@given(prompts)
@settings(max_examples=40)
def test_whatever_a_prompt_holds_it_goes_on(prompt):
    text = written(prompt, length=12, through=True)
    assert text.ended == "length"
    assert len(text.text) == 12
    assert set(text.text) <= set(MODEL.characters)  # what is unknown is never written


@given(st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=20)
def test_a_text_is_drawn_by_its_seed_and_its_number(before, count):
    together = MODEL.generate([""] * (before + count), length=20, seed=4)
    assert MODEL.generate([""] * count, length=20, seed=4, first=before) == together[before:]


def test_a_long_prompt_is_read_in_blocks_and_told():
    prompt, told = "质量很好，" * BLOCK, []
    text = written(prompt, length=20, progress=lambda *how_far: told.append(how_far))
    assert text.text == written("质量很好，" * 3, length=20).text  # no n-gram reaches further back
    assert [so_far for so_far, _ in told] == [*range(BLOCK, 5 * BLOCK + 1, BLOCK), 5 * BLOCK + 1]
    assert {in_all for _, in_all in told} == {5 * BLOCK + 1}


def test_prompts_are_told_together_and_each_is_read_once():
    told = []
    MODEL.generate(["质量", "好", "质量"], length=1, progress=lambda *how_far: told.append(how_far))
    assert told == [(3, 5), (5, 5)]


@given(st.lists(st.integers(0, len(MODEL.vocabulary) - 1), min_size=1, max_size=12), st.integers(0, 11))
def test_ngrams_read_at_once_what_they_read_one_by_one(ids, at):
    (ngrams,) = MODEL.members
    state = ngrams.begin(1)
    for one in ids:
        logits, state = ngrams.read(np.array([[one]]), state)
    parts = [part for part in (ids[:at], ids[at:]) if part]
    found = ngrams.begin(1)
    for part in parts:
        again, found = ngrams.read(np.array([part]), found)
    np.testing.assert_array_equal(again, logits)
    np.testing.assert_array_equal(found[0], state[0])


def test_a_text_ends_where_the_model_ends_it_or_at_its_length():
    ends = {written(seed=seed, length=40).ended for seed in range(20)}
    assert ends <= {"end", "length"}
    assert "end" in ends
    assert written(length=0) == written(length=0)
    assert written(length=0).ended == "length"
    assert "\n" not in "".join(written(seed=seed).text for seed in range(10))
    assert "\n" in written(length=300, through=True).text


def test_a_text_ends_before_what_it_stops_at():
    whole = written("质量", sampling=Sampling(0))
    stop = whole.text[1:3]
    stopped = written("质量", sampling=Sampling(0), stop=stop)
    assert (stopped.text, stopped.ended) == (whole.text[:1], "stop")


@given(st.integers(0, 50), st.sampled_from([None, "，", "不错", "很好，", "快快"]), st.booleans())
@settings(max_examples=40)
def test_a_stream_is_the_text_in_pieces(seed, stop, through):
    options = {"seed": seed, "stop": stop, "through": through, "length": 30}
    assert "".join(MODEL.stream("快", **options)) == MODEL.generate(["快"], **options)[0].text


def test_greedy_is_the_likeliest_at_every_step():
    text = written("质量", sampling=Sampling(0), length=5).text
    for at, character in enumerate(text):
        others = [
            MODEL.log_probabilities(MODEL.encode(["质量" + text[:at] + other])[None])[0, 2 + at] for other in "很不好快"
        ]
        own = MODEL.log_probabilities(MODEL.encode(["质量" + text[:at] + character])[None])[0, 2 + at]
        assert own >= max(others) - 1e-6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"length": -1}, "length must be a whole number that is not negative, was: -1"),
        ({"length": "9"}, "length must be a whole number"),
        ({"stop": ""}, "stop is a text that is not empty"),
        ({"seed": -1}, "seed must be a whole number from 0 to"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        MODEL.generate([""], **options)


@pytest.mark.parametrize("wrong", ["质量", [], [1], None])
def test_prompts_come_in_a_list(wrong):
    with pytest.raises(SettingError, match="prompt"):
        MODEL.generate(wrong)


# Measured


def test_bits_are_those_of_every_character():
    texts = ["质量很好", "快递慢", "外x"]
    ids = MODEL.encode(texts)
    expected = -MODEL.log_probabilities(ids[None]).sum() / np.log(2) / len(ids)
    found = measure_texts(MODEL, iter(texts))
    assert found.bits == pytest.approx(expected, abs=1e-4)
    assert (found.texts, found.characters, found.unknown) == (3, sum(len(text) + 1 for text in texts), 2)
    assert found.perplexity == pytest.approx(2**found.bits, abs=0.01)


def test_known_texts_are_easier_than_others():
    assert (
        measure_texts(MODEL, tiny_generation.TEXTS).bits
        < measure_texts(MODEL, [t[::-1] for t in tiny_generation.TEXTS]).bits
    )


def test_probabilities_of_all_that_may_follow_add_up():
    characters = ["", *MODEL.characters]
    rows = np.array([[MODEL.encode(["质量"])[0], MODEL.encode(["质量"])[1], i] for i in range(1, len(characters) + 1)])
    total = np.exp(MODEL.log_probabilities(rows))[:, 2].sum()
    assert total == pytest.approx(1, abs=0.1)


# Saved


def test_a_model_checks_itself(tmp_path):
    folder = tiny_generation.write(tmp_path)
    assert GenerationModel.load(folder).check() == []
    samples = json.loads((folder / SAMPLES).read_bytes())
    (folder / SAMPLES).write_text(json.dumps([{**samples[0], "bits": samples[0]["bits"] + 1}]), encoding="utf-8")
    (fault,) = GenerationModel.load(folder).check()
    assert "bits a character, found" in fault


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stages": []}, "is damaged: config.json"),
        ({"stages": [{"weights": [0.5, 0.5], "temperature": 1, "exit": None}]}, "do not fit each other"),
        ({"stages": [{"weights": [-1], "temperature": 1, "exit": None}]}, "do not fit each other"),
        ({"stages": [{"weights": [0], "temperature": 1, "exit": None}]}, "do not fit each other"),
        ({"members": [{"name": "ngrams", "kind": "oracle"}]}, "of the unknown kind 'oracle'"),
        ({"task": "cloze"}, "use it with nlpkit cloze"),
    ],
)
def test_a_damaged_model_is_one_sentence(change, sentence):
    whole = tiny_generation.bundle()
    config = json.loads(whole.files[CONFIG]) | change
    damaged = Bundle("m", {**whole.files, CONFIG: json.dumps(config).encode()})
    with pytest.raises(BundleError, match=sentence):
        GenerationModel(damaged).generate()


@pytest.mark.parametrize("token", [1, None, "\ud800", "好好", ""])
def test_a_token_that_is_no_character_is_damage(token):
    files = dict(tiny_generation.bundle().files)
    vocabulary = json.loads(files["vocabulary.json"])
    vocabulary["tokens"][2] = token
    files["vocabulary.json"] = json.dumps(vocabulary).encode()
    with pytest.raises(BundleError, match=r"vocabulary.json.*(token is one character|tokens are texts)"):
        GenerationModel(Bundle("m", files)).generate()


def test_samples_that_are_no_texts_are_damage():
    files = tiny_generation.bundle().files | {SAMPLES: b'[{"prompt": 1, "text": 2, "bits": 3}]'}
    with pytest.raises(BundleError, match=r"samples.json"):
        GenerationModel(Bundle("m", files)).check()


def test_numbers_of_numpy_are_numbers():
    plain = MODEL.generate(["质"], length=5, seed=3, sampling=Sampling(0.5, top_k=2))
    sampling = Sampling(np.float32(0.5), top_k=np.int64(2))
    assert MODEL.generate(["质"], length=np.int32(5), seed=np.int64(3), sampling=sampling) == plain


def test_a_text_in_place_of_texts_is_refused():
    with pytest.raises(SettingError, match="found one string"):
        measure_texts(MODEL, "质量很好")


def test_the_penalty_is_also_for_what_the_prompt_repeats():
    plain = written("好好好好好", length=1, sampling=Sampling(0)).text
    assert written(plain * 20, length=1, sampling=Sampling(0, penalty=100)).text != plain
    assert written("x😀" * 40, length=5, sampling=Sampling(penalty=5)).ended  # what is unknown is no column


def runs_of(text, size):
    return [text[at : at + size] for at in range(len(text) - size + 1)]


@pytest.mark.parametrize("size", [2, 5, 12])
@pytest.mark.parametrize("temperature", [0, 1])
def test_no_run_stands_twice_in_a_text(size, temperature):
    sampling = Sampling(temperature, no_repeat=size)
    for text in MODEL.generate(["好", "质"], length=60, through=True, seed=1, sampling=sampling):
        found = runs_of(text.text, size)
        assert len(found) == len(set(found))


def test_what_is_likeliest_goes_round_where_it_may():
    """Of a model of few characters: else the test above would hold of itself."""
    found = runs_of(MODEL.generate(["好"], length=60, through=True, sampling=Sampling(0, no_repeat=0))[0].text, 12)
    assert len(found) > len(set(found))


def test_where_nothing_else_is_left_a_run_may_stand_twice():
    runs, logits = WrittenRuns(2), np.array([-np.inf, 1.0, 0.5])
    for column in (1, 1, 2, 1):
        runs.add(column)
    runs.forbid(logits)
    assert logits.tolist() == [-np.inf, 1.0, 0.5]
    runs = WrittenRuns(2)
    for column in (1, 1):
        runs.add(column)
    runs.forbid(logits)
    assert logits.tolist() == [-np.inf, -np.inf, 0.5]


def test_texts_are_dealt_out_whole_and_each_stream_begins_with_one():
    texts = ["质量很好" * 40, "快递", "", "好" * 700] * 60
    measured = measure_texts(MODEL, texts)
    assert measured.characters == sum(len(text) + 1 for text in texts)
    order = texts[:20]
    ids = MODEL.encode(order)[None]
    alone = -MODEL.log_probabilities(ids).mean() / np.log(2)
    assert measure_texts(MODEL, order).bits == pytest.approx(alone, abs=0.01)


def test_what_is_read_side_by_side_begins_with_a_text():
    class Watched(GenerationModel):
        def log_probabilities(self, ids):
            seen.extend(ids.tolist())
            return super().log_probabilities(ids)

    seen = []
    texts = [f"{first}{'质量很好' * 9}" for first in "快好" * 200]
    measure_texts(Watched(tiny_generation.bundle()), texts)
    whole = [MODEL.encode([text]).tolist() for text in texts[:2]]
    assert len(seen) > 4
    assert all(row[: len(whole[0])] in whole for row in seen)


@pytest.mark.parametrize("path", ["vocabulary.json", "ngrams/arrays.safetensors", "samples.json"])
@pytest.mark.parametrize("data", [None, b"", b"{}", b"null", b"\x80", b"[1]"])
def test_a_damaged_file_is_one_sentence(path, data):
    files = dict(tiny_generation.bundle().files)
    del files[path]
    files |= {} if data is None else {path: data}
    if (path, data) != ("samples.json", b"{}"):  # no samples, which is fine
        with pytest.raises(BundleError, match=path):
            GenerationModel(Bundle("m", files)).check()
