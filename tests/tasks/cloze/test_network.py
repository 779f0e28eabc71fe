"""The network of a cloze model: no position sees itself, all see their neighbours, and the export says the same."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nlpkit.components.recurrent import reverse  # noqa: E402
from nlpkit.model.graphs import Graph  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END  # noqa: E402
from nlpkit.tasks.cloze.network import ids_of, make_encoders  # noqa: E402
from nlpkit.tasks.cloze.settings import ClozeHead  # noqa: E402
from nlpkit.text.vocabulary import PAD, UNKNOWN, TableVocabulary  # noqa: E402
from nlpkit.training.export import export_graph  # noqa: E402
from tests.tasks.cloze.networks import SIZE, batch, described, encoders, network, random_rows  # noqa: E402

pytestmark = pytest.mark.train
ENCODERS = encoders()
ANY = [BLANK, UNKNOWN, *range(2, SIZE)]  # what may stand where a word does
HEADS = {"states": ClozeHead(hidden=(), dropout=0, neighbours=False), "all": ClozeHead(hidden=(12,), dropout=0.5)}
rows = st.lists(st.lists(st.integers(UNKNOWN, SIZE - 1), min_size=1, max_size=6), min_size=1, max_size=3)


def each_alone(ids, mask):
    """Every word of a batch asked for, each in a copy of its row ``(n, time)``: ids, mask, which are asked."""
    words = (mask & (ids >= 0)).nonzero()
    asked = torch.zeros(len(words), ids.shape[1], dtype=torch.bool)
    asked[torch.arange(len(words)), words[:, 1]] = True
    return ids[words[:, 0]], mask[words[:, 0]], asked


@torch.no_grad()
def sees_itself(features, ids, mask):
    """Whether the features of any word of a batch depend on its id, to the last bit."""
    ids, mask, asked = each_alone(ids, mask)
    before = features(ids, mask, asked)
    return any(not torch.equal(features(torch.where(asked, other, ids), mask, asked), before) for other in ANY)


@torch.no_grad()
def blind_to(features, ids, mask, by):
    """Whether the features of any word of a batch are the same for all ids that may stand so many places behind it."""
    ids, mask, asked = each_alone(ids, mask)
    before, changed = features(ids, mask, asked), torch.zeros(len(ids), dtype=torch.bool)
    for other in ANY:
        now = features(torch.where(asked.roll(by, 1), other, ids), mask, asked)
        changed |= (now - before).abs().amax(1) > 1e-7
    return bool((~changed).any())


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("encoder", ENCODERS, ids=described)
def test_no_position_sees_itself_and_all_see_their_neighbours(encoder, head):
    made = network(*encoder, head=HEADS[head])

    @hypothesis_settings(max_examples=4)
    @given(rows)
    def check(found):
        ids, mask = batch(found)
        assert not sees_itself(made.features, ids, mask)
        if head == "states" and encoder[0] != "cnn":  # of a convolution and its ReLU not each filter tells
            assert not blind_to(made.features, ids, mask, 1)
            assert not blind_to(made.features, ids, mask, -1)

    check()


@pytest.mark.parametrize("encoder", [e for e in ENCODERS if e[1].get("norm") != "batch"], ids=described)
def test_nor_does_it_in_training(encoder):
    made = network(*encoder).train()
    assert not sees_itself(made.features, *batch(random_rows(3, [5, 1, 3])))


def test_a_convolution_sees_both_neighbours():
    made = network("cnn", {"filters": 40, "widths": [3]})
    for by in (1, -1):
        assert not blind_to(made.features, *batch(random_rows(3, [5, 1, 3])), by)
    assert blind_to(made.features, *batch(random_rows(3, [5, 1, 3])), 2)


@pytest.mark.parametrize("neighbours", [False, True])
def test_without_an_encoder_the_neighbours_are_all(neighbours):
    made = network("none", {}, head=ClozeHead(hidden=(), dropout=0, neighbours=neighbours))
    found = batch([[2, 3, 4, 5, 6]])
    assert not blind_to(made.features, *found, 1)
    assert blind_to(made.features, *found, 2)


class Stacked(torch.nn.Module):
    """What one would write: layers of both directions, each position told from the halves of those beside it."""

    def __init__(self, layers):
        super().__init__()
        self.whole = network("lstm", {"hidden": 6, "layers": layers, "bidirectional": True})

    def features(self, ids, mask, asked):
        states, _ = self.whole.encoders[0](self.whole._vectors(ids, mask), mask)
        ahead, behind = states.chunk(2, 2)
        return torch.cat([ahead.roll(1, 1)[asked], behind.roll(-1, 1)[asked]], 1)


def test_the_check_can_fail():
    found = batch(random_rows(3, [5, 1, 3]))
    both = network("lstm", {"hidden": 6, "bidirectional": True})

    def at_its_own_position(ids, mask, asked):
        return both.encoders[0](both._vectors(ids, mask), mask)[0][asked]

    assert sees_itself(at_its_own_position, *found)
    assert sees_itself(Stacked(2).features, *found)
    assert not sees_itself(Stacked(1).features, *found)  # the second layer it is that tells


def test_one_way_encoders_go_in_pairs_and_others_alone():
    def count(name, **options):
        return len(make_encoders(lambda: registry().get("encoder", name).create(options, input_dim=4)))

    assert (count("lstm", bidirectional=False), count("none")) == (2, 2)
    assert (count("lstm"), count("cnn")) == (1, 1)


@pytest.mark.parametrize("encoder", ENCODERS, ids=described)
def test_one_position_of_each_row_or_many_at_once(encoder):
    made = network(*encoder, head=HEADS["all"])
    ids, mask, asked = each_alone(*batch(random_rows(5, [6, 1, 3])))
    with torch.no_grad():
        expected = made.output(made.features(ids, mask, asked))
        found = made(torch.where(asked, BLANK, ids), mask, asked.int().argmax(1))
        torch.testing.assert_close(found, expected)
        if len(made.encoders) == 2:  # what is asked for beside it need not be hidden then
            together = made.output(made.features(ids, mask, mask & (ids >= 0)))
            at = (mask & (ids >= 0)).cumsum(1)[asked] - 1
            starts = (mask & (ids >= 0)).sum(1).cumsum(0)
            rows = torch.cat([torch.zeros(1, dtype=torch.int64), starts[:-1]])
            torch.testing.assert_close(together[rows + at], expected)


@pytest.mark.parametrize("encoder", ENCODERS, ids=described)
def test_padding_and_batch_mates_change_nothing(encoder):
    made = network(*encoder, head=HEADS["all"])
    found = random_rows(7, [6, 1, 3, 4])
    ids, mask = batch(found)
    asked = mask & (ids == ids[:, 1:2])
    with torch.no_grad():
        together = made.features(ids, mask, asked)
        junk = torch.where(mask, ids, torch.randint(1, SIZE, ids.shape))
        assert torch.equal(made.features(junk, mask, asked), together)
        alone = [made.features(*batch([row]), asked[i : i + 1, : len(row) + 2]) for i, row in enumerate(found)]
    torch.testing.assert_close(torch.cat(alone), together)


def test_marks_are_vectors_of_their_own():
    made = network("none", {}, head=HEADS["all"])
    outputs = [
        made(torch.tensor([[left, BLANK, right]]), torch.ones(1, 3, dtype=torch.bool), torch.tensor([1]))
        for left in (BEGIN, END, BLANK, PAD, UNKNOWN)
        for right in (BEGIN, END, BLANK, PAD, UNKNOWN)
    ]
    assert len({tuple(output[0].tolist()) for output in outputs}) == 25


def test_an_answer_that_is_no_word_of_the_input_is_unknown():
    assert ids_of(["乙", "外", "甲"], TableVocabulary("甲乙")).tolist() == [3, UNKNOWN, 2]


def test_every_row_may_be_turned_round():
    vectors, mask = torch.arange(8.0).reshape(2, 4, 1), torch.tensor([[True, True, True, False], [True] * 4])
    assert reverse(vectors, mask)[:, :, 0].tolist() == [[2, 1, 0, 3], [7, 6, 5, 4]]


class Several(torch.nn.Module):
    """Networks side by side, so that there is one graph to make: that takes longest."""

    def __init__(self, networks):
        super().__init__()
        self.networks = torch.nn.ModuleList(networks)

    def forward(self, ids, mask, at):
        return torch.cat([made(ids, mask, at) for made in self.networks], 1)


@pytest.mark.slow
def test_the_graph_says_what_torch_says_of_rows_of_any_length():
    several = Several(
        [
            network("none", {}),
            network("cnn", {"filters": 4}, head=HEADS["all"], output="binary-codes"),
            *(network(name, {"hidden": 5, "bidirectional": False}) for name in ("rnn", "lstm", "gru")),
        ]
    )
    ids, mask = batch([[2, 3, 4, 5], [6, 7]])
    inputs = {"ids": ids, "mask": mask, "at": torch.tensor([3, 1])}
    runtime, files = export_graph(several, inputs, ["outputs"], "float32")
    assert runtime == "graph"
    graph = Graph(files["model.onnx"], "tiny")
    for lengths in ([1], [4, 2], [9, 1, 30], [64] * 8):
        ids, mask, asked = each_alone(*batch(random_rows(len(lengths), lengths)))
        ids, at = torch.where(asked, BLANK, ids), asked.int().argmax(1)
        with torch.no_grad():
            expected = several(ids, mask, at)
        found = torch.from_numpy(graph.run("outputs", ids=ids.numpy(), mask=mask.numpy(), at=at.numpy()))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
