"""The embedding: its vectors are those of transformers, its weights stay or move as said, its folder is looked at."""

import json
import shlex
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import numpy as np  # noqa: E402
from nlpkit import DataError, SettingError, registry  # noqa: E402
from nlpkit.model import Head, HeadSettings, Network, dump_weights, load_weights  # noqa: E402
from nlpkit.text import PAD, UNKNOWN  # noqa: E402
from nlpkit.training import export_network  # noqa: E402
from tiny_bert import PIECES, SHAPE, TEXTS, write_bert, write_config  # noqa: E402

pytestmark = pytest.mark.train


def embedding(model=None, **options):
    options |= {} if model is None else {"model": str(model)}
    return registry().get("embedding", "bert").create(options)


def fitted(model, **options):
    made = embedding(model, **options)
    return made, made.fit([["好"]], [0])


def tokenizer(model):
    return registry().get("tokenizer", "wordpiece").create({"model": str(model), "longest": 64})


def rows(model, vocabulary, texts=TEXTS):
    """Ids and mask ``(batch, time)`` of texts."""
    ids, mask = vocabulary.encode(tokenizer(model).batch(texts)).padded()
    return torch.from_numpy(ids), torch.from_numpy(mask)


@torch.no_grad()
def reference(model, text, layer=-1):
    """States ``(time, dim)`` of one text by transformers alone, with its own tokenizer."""
    cut = transformers.BertTokenizer.from_pretrained(str(model))
    whole = transformers.BertModel.from_pretrained(str(model), add_pooling_layer=False, dtype=torch.float32).eval()
    return whole(**cut(text, return_tensors="pt"), output_hidden_states=True).hidden_states[layer][0]


@pytest.mark.parametrize("layer", [-1, -2, 0, 2])
def test_vectors_are_those_of_transformers_whatever_is_beside(bert, layer):
    made, vocabulary = fitted(bert, layer=layer)
    ids, mask = rows(bert, vocabulary)
    found = made(ids, mask)
    assert (found.shape, found.dtype) == ((*ids.shape, 32), torch.float32)
    for text, states, there in zip(TEXTS, found, mask, strict=True):
        if text:
            torch.testing.assert_close(states[there], reference(bert, text, layer), atol=1e-5, rtol=1e-5)
    assert found.isfinite().all()


def test_what_stands_under_a_false_mask_changes_nothing(bert):
    made, vocabulary = fitted(bert)
    ids, mask = rows(bert, vocabulary)
    other = torch.where(mask, ids, 7)
    torch.testing.assert_close(made(other, mask)[mask], made(ids, mask)[mask])
    assert not torch.allclose(made(other, torch.ones_like(mask))[mask], made(ids, mask)[mask])


def test_the_vocabulary_is_the_models_own(bert):
    made, vocabulary = fitted(bert)
    assert vocabulary.tokens == [piece for piece in PIECES if piece not in ("[PAD]", "[UNK]")]
    assert [PIECES[i] for i in made.pieces.tolist()] == ["[PAD]", "[UNK]", *vocabulary.tokens]
    found = vocabulary.encode(tokenizer(bert).batch(["世好"])).grid[0].tolist()
    assert found[1] == UNKNOWN
    assert PAD not in found


def test_its_dimension_is_known_before_it_is_fitted(bert):
    made = embedding(bert)
    assert (made.dim, made.positions, made.tokenizers) == (32, 64, ("wordpiece",))


def test_config_rebuilds_it_without_any_file(bert):
    made, vocabulary = fitted(bert, layer=-2, frozen=False)
    config = json.loads(json.dumps(made.config))
    assert str(bert) not in str(config)
    again = embedding(**config)
    again.build(vocabulary)
    load_weights(again, dump_weights(made))
    assert (again.config, again.dim, again.fixed) == (made.config, 32, False)
    ids, mask = rows(bert, vocabulary)
    torch.testing.assert_close(again.eval()(ids, mask), made.eval()(ids, mask))


def test_frozen_it_has_nothing_to_train_and_no_dropout(bert):
    made, vocabulary = fitted(bert)
    ids, mask = rows(bert, vocabulary)
    before = made.eval()(ids, mask)
    assert torch.equal(made.train()(ids, mask), before)
    assert made.fixed
    assert not any(p.requires_grad for p in made.parameters())
    assert not before.requires_grad
    again = embedding(**made.config)
    again.build(vocabulary)
    assert not any(p.requires_grad for p in again.parameters())
    assert not any(module.training for module in again.train().model.modules())


def test_tuned_all_of_it_is_trained(bert):
    made, vocabulary = fitted(bert, frozen=False)
    ids, mask = rows(bert, vocabulary)
    assert not made.fixed
    assert not torch.equal(made.train()(ids, mask), made(ids, mask))  # dropout
    made(ids, mask)[mask].square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith("key.bias"), name  # softmax does not see that one


@pytest.mark.parametrize(
    "how",
    [{"head": "BertForMaskedLM"}, {"head": "BertForSequenceClassification"}, {"size": "20KB"}, {"dtype": "bfloat16"}],
)
def test_heads_shards_and_half_precision_are_read(tmp_path, how):
    folder = write_bert(tmp_path / "bert", **how)
    made, vocabulary = fitted(folder)
    ids, mask = rows(folder, vocabulary, TEXTS[:1])
    found = made(ids, mask)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0], reference(folder, TEXTS[0]), atol=1e-5, rtol=1e-5)


def test_rows_longer_than_its_positions_are_refused(bert):
    made, _ = fitted(bert)
    ids = torch.full((1, 65), 5)
    assert made(ids[:, :64], ids[:, :64] > 0).shape == (1, 64, 32)
    with pytest.raises(
        SettingError, match=r"a row has 65 pieces, but the model 64 positions: set tokenizer.longest=64"
    ):
        made(ids, ids > 0)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_its_graph_agrees_for_rows_of_any_length(bert, weights):
    import onnxruntime

    made, _ = fitted(bert)
    lstm = registry().get("encoder", "lstm").create({"hidden": 8}, input_dim=32)
    network = Network(made, lstm, Head(HeadSettings(), input_dim=lstm.output_dim, labels=2)).eval()
    runtime, files = export_network(network, weights)
    assert runtime == "graph"
    session = onnxruntime.InferenceSession(files["model.onnx"])
    draw = torch.Generator().manual_seed(0)
    for batch, time in ((1, 1), (3, 64), (5, 9)):
        ids = torch.randint(1, len(PIECES), (batch, time), generator=draw)
        mask = torch.arange(time) < torch.randint(0, time + 1, (batch, 1), generator=draw)
        (found,) = session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})
        with torch.no_grad():
            expected = network(ids, mask).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4 if weights == "float32" else 0.1)


def test_it_says_nothing_while_all_is_well(tmp_path, capfd):
    fitted(write_bert(tmp_path / "bert", head="BertForMaskedLM"))
    capfd.readouterr()
    fitted(tmp_path / "bert")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"frozen": "no"}, "frozen wants true or false"),
        ({"layer": 3}, r"layer must be in \[-3, 2\], as the model has 2 layers, was: 3"),
        ({"layer": -4}, "layer must be in"),
        ({"layer": True}, "layer wants a whole number"),
        ({"layer": "last"}, "layer wants a whole number"),
        ({"architecture": SHAPE}, "architecture is for a saved model: give model alone"),
    ],
)
def test_wrong_values_are_refused(bert, options, sentence):
    with pytest.raises(SettingError, match=sentence):
        embedding(bert, **options)


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        (None, "model must be the folder of a BERT or its name on the hub, such as bert-base-chinese"),
        ({**SHAPE, "other": 1}, "architecture has no 'other'"),
        ({**SHAPE, "hidden_size": "x"}, "hidden_size"),
    ],
)
def test_without_a_model_it_wants_a_sound_architecture(architecture, sentence):
    with pytest.raises(SettingError, match=sentence):
        embedding(architecture=architecture)


def test_only_a_model_can_be_fitted():
    with pytest.raises(SettingError, match=r"has no weights to start from: set embedding\.model"):
        embedding(architecture=SHAPE).fit([["好"]], [0])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            "has no weights in safetensors: model.safetensors should",
        ),
        (lambda folder: (folder / "vocab.txt").unlink(), "has no tokenizer: tokenizer.json or vocab.txt"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json: give the folder of a BERT"),
        (lambda folder: write_config(folder, model_type="gpt2"), "is of the type 'gpt2', and only 'bert' goes"),
        (
            lambda folder: write_config(folder, position_embedding_type="relative_key"),
            "has 'relative_key' positions, and only 'absolute' ones go",
        ),
        (lambda folder: write_config(folder, hidden_size=None), "hidden_size should be a whole number of at least 1"),
        (
            lambda folder: write_config(folder, vocab_size=9),
            r"pieces, but config.json says vocab_size 9: tokenizer and",
        ),
    ],
)
def test_a_folder_that_lacks_something_is_told_at_once(tmp_path, spoil, sentence):
    folder = write_bert(tmp_path / "bert")
    spoil(folder)
    with pytest.raises(DataError, match=sentence) as found:
        embedding(folder)
    assert str(folder) in str(found.value)


def shortened(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (shortened, "cannot be read"),
        (lambda folder: write_config(folder, hidden_size=16), "cannot be read"),
        (lambda folder: write_config(folder, num_attention_heads=5), "cannot be read: .*multiple"),
        (
            lambda folder: write_config(folder, num_hidden_layers=3),
            r"lack encoder\.layer\.2.*: are they those of config",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told(tmp_path, spoil, sentence):
    folder = write_bert(tmp_path / "bert")
    spoil(folder)
    with pytest.raises(DataError, match=sentence) as found:
        fitted(folder)
    assert str(folder) in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.slow
def test_pickled_weights_are_refused_and_converted_by_the_command_that_the_error_gives(tmp_path):
    folder = write_bert(tmp_path / "bert", head="BertForMaskedLM")
    (folder / "model.safetensors").unlink()
    whole = transformers.BertForMaskedLM(transformers.BertConfig(**SHAPE))
    torch.save(whole.state_dict(), folder / "pytorch_model.bin")  # two of its tensors are one
    with pytest.raises(DataError, match="has its weights pickled only, which nlpkit never reads") as found:
        embedding(folder)
    assert "weights_only=True" in str(found.value)
    python, *arguments = shlex.split(str(found.value).partition("convert them: ")[2])
    assert python == "python"
    subprocess.run([sys.executable, *arguments], check=True)
    made, _ = fitted(folder)
    assert torch.equal(made.model.embeddings.word_embeddings.weight, whole.bert.embeddings.word_embeddings.weight)


def test_the_pieces_of_another_model_are_refused(bert, tmp_path):
    embedding(bert).check_tokenizer(tokenizer(bert))
    other = write_bert(tmp_path / "other")
    pieces = (other / "vocab.txt").read_text(encoding="utf-8")
    (other / "vocab.txt").write_text(pieces.replace("好", "妙"), encoding="utf-8")
    with pytest.raises(SettingError, match=r"give one folder or name to both tokenizer.model and embedding.model"):
        embedding(bert).check_tokenizer(tokenizer(other))


def test_a_saved_model_brings_its_bert_and_never_names_one(tmp_path):
    """Or whoever opens a stranger's model would ask the hub for what the stranger chose."""
    component = registry().get("embedding", "bert")
    saved = registry().need("embedding", "bert", component.distribution, component.version)
    for name in ("nobody/nothing", str(tmp_path)):
        with pytest.raises(SettingError, match="a saved model must bring what it needs"):
            saved.create({"model": name})
