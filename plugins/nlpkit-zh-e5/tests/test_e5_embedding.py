"""The embedding: its vectors are those of the source, its halves stay or move as said, what it saves is small."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from nlpkit import SettingError, registry  # noqa: E402
from nlpkit.model import Head, HeadSettings, Network, dump_weights, load_weights  # noqa: E402
from nlpkit.text import PAD, UNKNOWN  # noqa: E402
from nlpkit.training import export_network  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from nlpkit_e5.blocks import round_blocks, unpack  # noqa: E402
from nlpkit_e5.weights import WEIGHTS, folder  # noqa: E402

pytestmark = pytest.mark.train
SOURCE = json.loads(Path(__file__).with_name("source.json").read_text(encoding="utf-8"))  # computed by other code
TEXTS = ["这家店很好。", "太差！", "手机质量不错，物流很快，我很喜欢", "", "한국어", "good phone"]


def embedding(**options):
    return registry().get("embedding", "e5").create({"layers": 2, **options})


def fitted(**options):
    made = embedding(**options)
    return made, made.fit([["好"]], [0])


def rows(vocabulary, texts=TEXTS, **options):
    """Ids and mask ``(batch, time)`` of texts."""
    tokenizer = registry().get("tokenizer", "e5-pieces").create(options)
    return tuple(map(torch.from_numpy, vocabulary.encode(tokenizer.batch(texts)).padded()))


def states(**options):
    """Vectors of the texts, and their mask."""
    made, vocabulary = fitted(**options)
    ids, mask = rows(vocabulary)
    with torch.no_grad():
        return made.eval()(ids, mask), mask


@pytest.mark.slow
@pytest.mark.long
def test_the_mean_of_its_vectors_is_what_the_source_makes_of_a_text():
    """`source.json` holds vectors that were made of the source's whole file, its table unpruned, by other code."""
    made, vocabulary = fitted(layers=12)
    ids, mask = rows(vocabulary, list(SOURCE))
    head = Head(HeadSettings(pooling="mean", projection=False), input_dim=384, labels=384)
    with torch.no_grad():
        found = torch.nn.functional.normalize(Network(made, identity(), head).eval()(ids, mask), dim=1)
    cosines = (found * torch.tensor(list(SOURCE.values()))).sum(1)
    assert cosines.min() > 0.9999


def identity():
    return registry().get("encoder", "none").create({}, input_dim=384)


def test_what_stands_under_a_false_mask_changes_nothing():
    made, vocabulary = fitted()
    ids, mask = rows(vocabulary)
    other = torch.where(mask, ids, 7)
    torch.testing.assert_close(made(other, mask)[mask], made(ids, mask)[mask])
    assert not torch.allclose(made(other, torch.ones_like(mask))[mask], made(ids, mask)[mask])


def test_the_vocabulary_is_the_tokenizers():
    _, vocabulary = fitted()
    tokenizer = registry().get("tokenizer", "e5-pieces").create({})
    assert vocabulary.tokens == ["<s>", "</s>", *tokenizer.pieces]
    found = vocabulary.encode(tokenizer.batch(["好한국어"])).grid[0].tolist()
    assert (found[0], found[-2:]) == (2, [UNKNOWN, 3])
    assert PAD not in found


def test_several_layers_are_averaged_or_put_side_by_side():
    first, mask = states(layers=1)
    second, _ = states(layers=2)
    below, _ = states(layers=1, states=[0, 1], join="concat")
    beside, _ = states(states=[1, 2], join="concat")
    averaged, _ = states(states=[2, 1])
    torch.testing.assert_close(beside[mask], torch.cat([first, second], -1)[mask])
    torch.testing.assert_close(averaged[mask], ((first + second) / 2)[mask])
    torch.testing.assert_close(below[mask][:, 384:], first[mask])
    assert (embedding(states=[1, 2], join="concat").dim, embedding(states=[1, 2]).dim) == (768, 384)


@pytest.mark.parametrize("options", [{}, {"states": [0, 1, 2]}, {"states": [2, 0], "join": "concat"}])
@pytest.mark.parametrize("tuned", [1, 2])
def test_tuned_it_begins_as_the_frozen_one_is_whichever_layers_are_asked_for(options, tuned):
    frozen, mask = states(**options)
    for rounded in (False, True):
        found, _ = states(**options, tuned=tuned, rounded=rounded)
        torch.testing.assert_close(found[mask], frozen[mask])


def test_frozen_it_has_nothing_to_train_and_no_dropout():
    made, vocabulary = fitted(dropout=0.5)
    ids, mask = rows(vocabulary)
    before = made.eval()(ids, mask)
    assert torch.equal(made.train()(ids, mask), before)
    assert made.fixed
    assert made.halves() is None
    assert not any(p.requires_grad for p in made.parameters())


@pytest.mark.parametrize("rounded", [False, True])
def test_tuned_only_the_last_layers_are_trained(rounded):
    made, vocabulary = fitted(tuned=1, dropout=0.3, rounded=rounded)
    ids, mask = rows(vocabulary)
    assert not made.fixed
    assert not torch.equal(made.train()(ids, mask), made(ids, mask))  # dropout
    made(ids, mask)[mask].square().sum().backward()
    trained = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"upper"}
    for name, parameter in made.named_parameters():
        if name in trained:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("options", [{"tuned": 1}, {"tuned": 1, "states": [0, 2], "join": "concat"}])
def test_its_halves_make_the_whole_and_hold_its_weights(options):
    made, vocabulary = fitted(**options)
    ids, mask = rows(vocabulary)
    lower, upper = made.eval().halves()
    within = lower(ids, mask)
    assert within.shape[-1] == lower.dim
    torch.testing.assert_close(upper(within, mask), made(ids, mask))
    upper.layers[0].norm.bias.data.add_(1)
    torch.testing.assert_close(made.upper.layers[0].norm.bias, upper.layers[0].norm.bias)
    assert embedding(tuned=2) is not None
    whole, _ = fitted(tuned=2)
    assert whole.halves() is None


def test_config_rebuilds_it_without_the_packages_weights(monkeypatch):
    made, vocabulary = fitted(tuned=1, states=[1, 2], rounded=True)
    with torch.no_grad():
        made.upper.layers[0].up.weight.mul_(1.01)
    monkeypatch.setattr("nlpkit_e5.layer.folder", None)
    again = embedding(**json.loads(json.dumps(made.config)))
    again.build(vocabulary)
    load_weights(again, dump_weights(made))
    assert (again.config, again.dim, again.fixed) == (made.config, 384, False)
    ids, mask = rows(vocabulary)
    torch.testing.assert_close(again.eval()(ids, mask), made.eval()(ids, mask))


def test_what_is_frozen_is_saved_in_blocks():
    table = 20_747 * 216
    assert len(dump_weights(fitted(layers=3)[0])) < table + 3 * 1_020_000 + 500_000
    assert len(dump_weights(fitted(layers=3, tuned=1)[0])) < table + 2 * 1_020_000 + 7_200_000 + 500_000


@given(st.integers(0, 1 << 30))
@settings(deadline=None)
def test_a_matrix_that_is_rounded_stays_as_it_is(seed):
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.randn(3, 96, generator=draw) * torch.rand(3, 1, generator=draw)
    once = round_blocks(matrix)
    assert torch.equal(round_blocks(once), once)
    extreme = matrix.reshape(3, -1, 32).abs().amax(-1)
    assert ((once - matrix).reshape(3, -1, 32).abs().amax(-1) <= extreme / 8 + 1e-3 * extreme).all()


def test_the_packages_own_blocks_are_what_rounding_makes_of_them():
    weights = load_file(folder() / WEIGHTS)
    for name in ("layers.0.inward", "layers.11.down"):
        matrix = unpack(weights[f"{name}.codes"].flatten(1), weights[f"{name}.scales"])
        assert torch.equal(round_blocks(matrix), matrix)


def test_rows_longer_than_its_positions_are_refused():
    made, _ = fitted(layers=1)
    ids = torch.full((1, 513), 5)
    assert made(ids[:, :512], ids[:, :512] > 0).shape == (1, 512, 384)
    with pytest.raises(SettingError, match=r"a row has 513 pieces, but e5 512 positions: set tokenizer.longest=512"):
        made(ids, ids > 0)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("weights", "options", "off", "largest"),
    [
        ("float32", {}, 1e-4, 4.6e6 + 2 * 7.2e6),
        ("int4", {}, 1e-4, 4.6e6 + 2 * 1.03e6),
        ("int4", {"tuned": 1, "rounded": True}, 1e-4, 4.6e6 + 2 * 1.03e6),
        ("int4", {"tuned": 1}, 0.05, 4.6e6 + 1.03e6 + 1.8e6),
    ],
)
def test_its_graph_agrees_for_rows_of_any_length(weights, options, off, largest):
    import onnxruntime

    made, vocabulary = fitted(**options)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.upper.parameters():
            parameter.add_(parameter.std() * 0.1 * torch.randn(parameter.shape, generator=draw))
    torch.manual_seed(0)
    network = Network(made, identity(), Head(HeadSettings(pooling="mean+max"), input_dim=384, labels=1)).eval()
    runtime, files = export_network(network, weights)
    assert runtime == "graph"
    assert len(files["model.onnx"]) < largest + 600_000
    session = onnxruntime.InferenceSession(files["model.onnx"])
    for batch, time in ((1, 1), (3, 20), (5, 512)):
        ids = torch.randint(1, len(vocabulary), (batch, time), generator=draw)
        mask = torch.arange(time) < torch.randint(0, time + 1, (batch, 1), generator=draw)
        (found,) = session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, network(ids, mask).numpy(), atol=off)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"layers": 0}, r"layers must be in \[1, 12\], was: 0"),
        ({"layers": 13}, r"layers must be in \[1, 12\], was: 13"),
        ({"tuned": 3}, "tuned must be at most the layers that are used, here 2, was: 3"),
        ({"states": [1]}, r"states must be different layers, the highest of which is layers, here 2, was: \[1\]"),
        ({"states": [2, 2]}, "states must be different layers"),
        ({"states": []}, "states must be different layers"),
        ({"states": [13]}, "states"),
        ({"join": "sum"}, "join cannot be 'sum'"),
        ({"dropout": 1}, r"dropout must be in \[0, 1\)"),
        ({"rounded": "no"}, "rounded wants true or false"),
    ],
)
def test_wrong_values_are_refused(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        embedding(**options)


def test_the_pieces_of_another_version_are_refused():
    component = registry().get("tokenizer", "e5-pieces")
    embedding().check_tokenizer(component.create({}))
    other = {"pieces": ["好"], "scores": [-1.0], "spelling": {}}
    made = component.create({}, files={"pieces.json": json.dumps(other).encode()})
    with pytest.raises(SettingError, match="has other pieces than the embedding e5"):
        embedding().check_tokenizer(made)


def test_positions_may_be_fewer():
    made, whole = fitted(layers=1, longest=24)[0].eval(), fitted(layers=1)[0].eval()
    ids = torch.arange(2, 26)[None]
    assert made.state_dict()["lower.positions"].shape == (24, 384)
    with torch.no_grad():
        torch.testing.assert_close(made(ids, ids > 0), whole(ids, ids > 0))
    with pytest.raises(SettingError, match=r"a row has 25 pieces, but e5 24 positions: set tokenizer.longest=24"):
        made(torch.ones(1, 25, dtype=torch.int64), torch.ones(1, 25, dtype=torch.bool))


@pytest.mark.train
@pytest.mark.parametrize(
    ("member", "right"),
    [
        ({"max_length": 0}, False),
        ({"max_length": 65}, False),
        ({"max_length": 64}, True),
        ({"max_length": 0, "tokenizer": {"name": "e5-pieces", "longest": 64}}, True),
    ],
)
def test_rows_that_may_be_longer_are_refused_before_a_corpus_is_read(member, right):
    from nlpkit.tasks.base import resolve

    task = registry().get("task", "sentiment").factory
    run, parts = (
        resolve(task.run),
        {"embedding": {"name": "e5", "layers": 1, "longest": 64}, "encoder": {"name": "none"}},
    )
    tables = {"members": [{"tokenizer": {"name": "e5-pieces"}, **parts, **member}]}
    made = run(task, run.shape().make_settings(tables))
    if right:
        made.rehearse()
        return
    with pytest.raises(SettingError, match="e5 takes rows of at most 64 tokens: set max_length=64"):
        made.rehearse()
