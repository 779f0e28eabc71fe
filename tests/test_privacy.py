"""Nothing is sent, and nothing is kept outside what the user named: what commands ask of the system, by strace."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nlpkit.bundle import UNLISTED, Bundle
from nlpkit.telemetry import SWITCHES, disable_telemetry
from tests.commands.test_train import RECIPE, write_goods

SECONDS = 2.0  # that a process goes on living: telemetry waits before it sends
LIVING = f"""
import sys, time
try:
    {{}}
finally:
    sys.stdout.flush()
    time.sleep({SECONDS})
"""
COMMAND = LIVING.format("from nlpkit.commands import main; main()")
TRACED = "network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT)")
INET = re.compile(r"AF_INET6?\b")
NAMED = re.compile(r'(?:AT_FDCWD(?:<(?P<cwd>[^>]*)>)?|\d+<(?P<at>[^>]*)>)?,? ?"(?P<path>[^"]*)"')
NOWHERE = ("/dev/", "/proc/", "/var/cache/fontconfig/")  # the last is written by fc-list, for root only
UNSURE = "不知道"  # of which the first member of the shipped model is not sure

strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


class Watched:
    """A process whose system calls are written down; its home and its temporary files are in a folder of its own."""

    def __init__(self, folder: Path, *arguments: object, program: str = COMMAND, **environment: str) -> None:
        self.folder, self.home = folder, folder / "home"
        self._calls = folder.with_suffix(".calls")
        for path in (folder, self.home, folder / "tmp"):
            path.mkdir()
        kept = {k: v for k, v in os.environ.items() if k not in SWITCHES and not k.startswith(("XDG_", "MPL"))}
        own = {"HOME": str(self.home), "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
        watch = ["strace", "-f", "-qq", "-y", "--seccomp-bpf", "-s", "400", "-e", f"trace={TRACED}"]
        command = [*watch, "-o", self._calls, sys.executable, "-W", "ignore", "-c", program, *arguments]
        self._process = subprocess.Popen(
            [str(part) for part in command], env=kept | own | environment, cwd=folder, stdout=subprocess.PIPE
        )

    def end(self) -> str:
        """What it printed, once it has ended, as it should."""
        output, _ = self._process.communicate()
        assert self._process.returncode == 0
        return output.decode()

    def calls(self) -> list[tuple[str, str]]:
        """The system calls that succeeded and those of networks, each with its arguments."""
        lines = self._calls.read_text("utf-8", "replace").splitlines()
        found = [match.groups() for line in lines if (match := CALL.match(line))]
        assert found
        return [(name, said) for name, said, result in found if int(result) >= 0 or INET.search(said)]

    def sockets(self) -> list[str]:
        """Calls that have to do with any network but that of the machine itself."""
        return [f"{name}({said})" for name, said in self.calls() if INET.search(said)]

    def written(self) -> list[str]:
        """What was written outside the process's own folder."""
        writing = [said for name, said in self.calls() if not name.startswith("open") or WRITES.search(said)]
        named = [match for said in writing for match in NAMED.finditer(said)]
        paths = [str(Path(m["at"] or m["cwd"] or self.folder, m["path"])) for m in named]
        return [path for path in paths if not path.startswith((f"{self.folder}/", *NOWHERE))]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ("1", "1")),
        ({SWITCHES[0]: "0"}, ("0", "0")),
        ({SWITCHES[1]: "0"}, ("0", "0")),
        ({SWITCHES[1]: "1"}, ("1", "1")),
        ({SWITCHES[0]: "1", SWITCHES[1]: "0"}, ("1", "0")),
    ],
)
def test_what_the_user_has_chosen_stays(chosen, expected):
    environment = dict(chosen)
    disable_telemetry(environment)
    assert tuple(environment[name] for name in SWITCHES) == expected


@strace
def test_commands_of_several_seconds_open_no_socket_and_write_nothing(tmp_path):
    library = f"import nlpkit; print(nlpkit.load('reviews').member(1).logits(['{UNSURE}']).shape)"
    running = {
        "score": Watched(tmp_path / "score", "sentiment", "score", "-t", UNSURE, "-m", "reviews"),
        "cloze": Watched(tmp_path / "cloze", "cloze", "fill", "衣服质量__哦"),
        "generate": Watched(tmp_path / "generate", "generate", "text", "衣服", "--length", "20"),
        "library": Watched(tmp_path / "library", program=LIVING.format(library)),
        "plugin": Watched(
            tmp_path / "plugin",
            program=LIVING.format("from nlpkit.registry import registry; registry(); import onnxruntime; print(1)"),
        ),
    }
    for name, process in running.items():
        assert process.end(), name
        assert process.sockets() == [], name
        assert process.written() == [], name
        assert list(process.home.iterdir()) == [], name


@strace
@pytest.mark.skipif(
    sys.platform != "linux" or tuple(map(int, version("onnxruntime").split(".")[:2])) < (1, 29),
    reason="before 1.29 there is none",
)
def test_the_watch_sees_telemetry_where_a_user_wants_it(tmp_path):
    process = Watched(
        tmp_path / "score", "sentiment", "score", "-t", UNSURE, "-m", "reviews", ORT_DISABLE_TELEMETRY="0"
    )
    process.end()
    assert list(process.home.iterdir())


@strace
@pytest.mark.train
def test_training_opens_no_socket_and_writes_into_its_folder_only(tmp_path):
    pytest.importorskip("torch")
    corpus, recipe = write_goods(tmp_path), tmp_path / "two.toml"
    recipe.write_text(RECIPE.replace("epochs = 4", "epochs = 1"), encoding="utf-8")
    arguments = ("sentiment", "train", corpus, "-o", "model", "--config", recipe)
    process = Watched(tmp_path / "train", *arguments, OMP_NUM_THREADS="1")
    process.end()
    made = Bundle.open(process.folder / "model")
    assert set(made.checksums) == set(made.files) - set(UNLISTED)
    assert "words/model.onnx" in made.checksums
    assert process.sockets() == []
    assert process.written() == []
    assert list(process.home.iterdir()) == []
