import subprocess
import sys

import pytest

from tests.tasks.generate import tiny as tiny_generation

HEAVY = ("numpy", "onnxruntime", "torch", "rich", "jieba", "rjieba", "orjson", "opencc", "safetensors", "onnx")
REPORT = f"\nprint([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
COMMAND = """
import sys
sys.argv = ["nlpkit", *sys.argv[1:]]
from nlpkit.commands.main import main
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
"""


def imported(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program + REPORT, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return eval(done.stderr.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "program",
    [
        "import sys, nlpkit",
        "import sys\nfrom nlpkit import hookimpl",
        "import sys, nlpkit.commands",
        "import sys, nlpkit.components",
    ],
)
def test_importing_is_light(program):
    assert imported(program) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["sentiment", "--help"],
        ["sentiment", "score", "--help"],
        ["sentiment", "train", "--help"],
        ["cloze", "--help"],
        ["cloze", "fill", "--help"],
        ["corpus", "fetch", "--help"],
    ],
)
def test_help_is_light(arguments):
    assert imported(COMMAND, *arguments) == []


def test_one_review_never_imports_torch():
    found = imported(COMMAND, "sentiment", "score", "--text", "好")
    assert "numpy" in found
    assert not {"torch", "onnx", "rich", "jieba"} & set(found)


def test_a_model_of_tables_never_imports_a_runtime(tiny_model):
    found = imported(COMMAND, "sentiment", "score", "--text", "好", "--model", tiny_model)
    assert not {"torch", "onnx", "onnxruntime", "rjieba"} & set(found)


def test_ngrams_never_import_a_runtime(tmp_path):
    found = imported(COMMAND, "generate", "质量", "--model", tiny_generation.write(tmp_path / "m"))
    assert not {"torch", "onnx", "onnxruntime", "rich"} & set(found)


def test_the_library_never_imports_the_shell(tiny_model):
    program = "import sys, nlpkit\nnlpkit.load(sys.argv[1]).score(['好'])\nassert 'click' not in sys.modules"
    assert "torch" not in imported(program, tiny_model)
