"""Nothing is sent, and nothing is kept outside what the user named: what commands ask of the system, by strace."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from nlpkit.commands.main import cli
from nlpkit.model.bundle import UNLISTED, Bundle
from nlpkit.plugins.telemetry import SWITCHES, disable_telemetry
from tests.commands.test_plugin_checks import SOUND
from tests.tasks.sentiment.test_train import RECIPE, write_goods

SECONDS = 2.0  # that a process goes on living: telemetry waits before it sends
LIVING = f"""
import sys, time
try:
    {{}}
finally:
    sys.stdout.flush()
    time.sleep({SECONDS})
"""
COMMAND = LIVING.format("from nlpkit.commands.main import main; main()")
COMMANDS_IN_TURN = LIVING.format("""
    import json
    from nlpkit.commands.main import main
    for arguments in json.loads(sys.argv[1]):
        sys.argv = ["nlpkit", *arguments]
        try:
            main()
        except SystemExit as done:
            if done.code:
                raise
""")
TRACED = "network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT)")
INET = re.compile(r"AF_INET6?\b")
NAMED = re.compile(r'(?:AT_FDCWD(?:<(?P<cwd>[^>]*)>)?|\d+<(?P<at>[^>]*)>)?,? ?"(?P<path>[^"]*)"')
NOWHERE = ("/dev/", "/proc/", "/var/cache/fontconfig/")  # the last is written by fc-list, for root only
UNSURE = "不知道"  # of which the first member of the shipped model is not sure
COMMANDS = {  # that work for seconds, with what they are given: files are made by `write_inputs`
    "sentiment score": f"-t {UNSURE} -m reviews",
    "sentiment evaluate": "goods.csv",
    "sentiment report": "goods.csv -o report.html",
    "corpus audit": "goods.csv -o suspects.csv",
    "corpus prepare": "goods.csv --config two.toml",
    "cloze fill": "衣服质量__哦",
    "cloze evaluate": "few.txt",
    "generate text": "衣服 --length 20",
    "generate evaluate": "few.txt",
    "models check": "",
    "plugins check": "stranger",
    "aspects score": "-t 房间很大",
    "aspects evaluate": "opinions.jsonl",
    "vectors near": "质量 --vectors vectors.txt",
    "vectors similar": "质量 质量 --vectors vectors.txt",
    "vectors analogy": "质量 质量 质量 --vectors vectors.txt",
    "vectors get": "质量 --vectors vectors.txt",
}
OPINIONS = [
    json.dumps(
        {
            "text": f"{target}很{word}",
            "opinions": [{"target": [0, 2], "opinion": [3, 4], "label": label}],
        },
        ensure_ascii=False,
    )
    for target in ("房间", "服务", "味道", "环境", "价格", "电池", "屏幕", "位置")
    for word, label in (("好", "positive"), ("差", "negative"), ("大", "positive"), ("脏", "negative"))
]
SMALL = "--recipe network --set training.epochs=1 --set encoder.hidden=8 --set embedding.dim=8"
TRIED = "--seeds 1 --set training.epochs=1"
TRAINING = {
    "sentiment train": "goods.csv -o model --config two.toml",
    "sentiment compare": "goods.csv --recipe two.toml --recipe ngrams --seeds 1 --folds 2",
    "cloze train": f"goods.csv -o cloze {SMALL} --set answers.min_count=1",
    "cloze compare": "few.txt -m cloze -m reviews-cloze --skip-frequent 0 --min-words 1",
    "generate train": f"goods.csv -o generate {SMALL}",
    "aspects train": f"opinions.jsonl -o aspects {SMALL}",
    "aspects compare": "opinions.jsonl -m aspects -m restaurant-opinions",
    "vectors train": "goods.csv -o fitted.txt --epochs 1 --dim 8",
    "diagnose ball": TRIED,
    "diagnose data": "letters -o strings",
    "diagnose digit-sum": TRIED,
    "diagnose gradients": "",
    "diagnose letters": f"{TRIED} -o letters",
    "diagnose salary": f"salary.csv {TRIED}",
    "diagnose sine": TRIED,
    "diagnose predict": "letters xxa",
    "diagnose stock": f"prices.csv {TRIED} --set data.train=100 -o stock",
    "diagnose trades": "stock",
}
QUICK = (
    *("cache clear", "cache list"),
    *("corpus list", "corpus show", "diagnose list"),
    *("models list", "models pack", "models show", "plugins list", "plugins new"),
)
ALLOWED = ("corpus fetch", "dask score", "serve")  # the others speak to this machine alone, unless told
PLUGINS = ("aspects ", "dask ", "serve", "vectors ", "diagnose ")  # need not be installed

strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


class Watched:
    """A process whose system calls are written down; its home and its temporary files are in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        program: str = COMMAND,
        inputs: Callable[[Path], None] = lambda _: None,
        **environment: str,
    ) -> None:
        self.folder, self.home = folder, folder / "home"
        self._calls = folder.with_suffix(".calls")
        for path in (folder, self.home, folder / "tmp"):
            path.mkdir()
        inputs(folder)
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


def known(group: click.Group = cli, *path: str) -> Iterator[str]:
    """All commands that are installed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from known(command, *path, name)
        else:
            yield " ".join((*path, name))


def test_no_command_is_forgotten():
    told = {*COMMANDS, *TRAINING, *QUICK, *ALLOWED}
    assert len(told) == sum(map(len, (COMMANDS, TRAINING, QUICK, ALLOWED)))
    assert set(known()) - told == set()
    assert [name for name in told - set(known()) if not name.startswith(PLUGINS)] == []


def write_inputs(folder: Path) -> None:
    """The files that commands are given."""
    goods = write_goods(folder).read_text("utf-8").splitlines()
    days = [f"{2000 + i // 336}-{i // 28 % 12 + 1:02}-{i % 28 + 1:02}" for i in range(400)]
    numbers = [5 + i * 7 % 11 for i in range(400)]
    files = {
        "few.txt": [line.partition(",")[0] for line in goods[1:9]],
        "opinions.jsonl": OPINIONS,
        "vectors.txt": ["2 2", "质量 1 0", "很好 0 1"],
        "two.toml": [RECIPE.replace("epochs = 4", "epochs = 1")],
        "salary.csv": ["年龄,工资", *(f"{20 + i % 40},{i % 40 * 100 + i % 7}" for i in range(80))],
        "prices.csv": [
            "Date,Open,High,Low,Close,Volume",
            *(f"{day},{n},{n + 2},{n - 2},{n + 1},{n}" for day, n in zip(days, numbers, strict=True)),
        ],
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def watch(folder: Path, commands: Mapping[str, str], **environment: str) -> Watched:
    """One process that runs those of these commands that are installed, one after the other."""
    installed = set(known())
    lines = [[*name.split(), *told.split()] for name, told in commands.items() if name in installed]
    return Watched(folder, json.dumps(lines), program=COMMANDS_IN_TURN, inputs=write_inputs, **environment)


def assert_private(name: str, process: Watched) -> None:
    assert process.end(), name
    assert process.sockets() == [], name
    assert process.written() == [], name
    assert list(process.home.iterdir()) == [], name


@pytest.mark.slow
@strace
def test_commands_of_several_seconds_open_no_socket_and_write_nothing(tmp_path, stranger):
    library = f"import nlpkit; print(nlpkit.load('reviews').member(1).logits(['{UNSURE}']).shape)"
    site = os.pathsep.join([stranger(SOUND)["PYTHONPATH"], *filter(None, [os.environ.get("PYTHONPATH")])])
    running = {
        "commands": watch(tmp_path / "commands", COMMANDS, PYTHONPATH=site),
        "library": Watched(tmp_path / "library", program=LIVING.format(library)),
        "plugin": Watched(
            tmp_path / "plugin",
            program=LIVING.format(
                "from nlpkit.plugins.registry import registry; registry(); import onnxruntime; print(1)"
            ),
        ),
    }
    for name, process in running.items():
        assert_private(name, process)


@pytest.mark.slow
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


@pytest.mark.long
@pytest.mark.slow
@strace
@pytest.mark.train
def test_training_opens_no_socket_and_writes_into_its_folder_only(tmp_path):
    pytest.importorskip("torch")
    first, others = "sentiment train", {name: told for name, told in TRAINING.items() if name != "sentiment train"}
    running = {
        first: watch(tmp_path / "first", {first: TRAINING[first]}, OMP_NUM_THREADS="1"),
        "others": watch(tmp_path / "others", others, OMP_NUM_THREADS="1"),
    }
    for name, process in running.items():
        assert_private(name, process)
    made = Bundle.open(running[first].folder / "model")
    assert set(made.checksums) == set(made.files) - set(UNLISTED)
    assert "words/model.onnx" in made.checksums
