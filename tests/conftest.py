import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from nlpkit.model.bundle import add_checksums, save
from nlpkit.text.corpus import Example
from tests.shell import Shell, needs_start
from tests.tiny import model_files, sample

ROOT = Path(__file__).parent.parent
PLAIN = {"audit", "commands", "corpora", "fuzz", "tasks", "text"}
THINGS = ("手机", "衣服", "酒店", "外卖", "耳机", "鞋子", "水果", "书", "键盘", "电饭煲", "台灯", "背包")
GOOD = ("质量很好", "真不错", "特别喜欢", "下次还来", "物流快", "值得购买", "做工精细", "很满意")
BAD = ("质量太差", "坏了", "非常失望", "再也不来", "物流慢", "不建议购买", "做工粗糙", "要退货")
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background: what the tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
Run = Callable[..., subprocess.CompletedProcess]

settings.register_profile(
    "quick",
    max_examples=60,
    deadline=None,  # no test measures time
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("wild", settings.get_profile("quick"), max_examples=2000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
os.environ["NLPKIT_LANG"] = "en"  # whoever runs the tests
os.environ["NLPKIT_CACHE_SIZE"] = "0"  # what one test prepares is not another's


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs torch where that is not installed."""
    if item.get_closest_marker("train"):
        pytest.importorskip("torch")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tests of rooms that torch does not come into: once is enough for each Python."""
    for item in items:
        room = item.path.relative_to(ROOT).parts[1] if item.path.is_relative_to(ROOT / "tests") else ""
        needs_more = item.get_closest_marker("train") or item.get_closest_marker("slow") or _needs_torch(item.path)
        if room in PLAIN and not needs_more:
            item.add_marker("plain")


@cache
def _needs_torch(path: Path) -> bool:
    return 'importorskip("torch")' in path.read_text("utf-8")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample texts that come with the repository."""
    return ROOT / "corpora" / "samples"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes to a file of the test's own."""

    def write_bytes(data: bytes, name: str = "reviews.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write_bytes


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """192 invented reviews, half of each label."""
    found = []
    for thing, (good, bad) in itertools.product(THINGS, zip(GOOD, BAD, strict=True)):
        found += [
            Example(f"这{thing}{good}。", "positive", "shop.csv"),
            Example(f"这{thing}{bad}！", "negative", "shop.csv"),
        ]
    return found


@pytest.fixture
def corpus(tmp_path: Path, examples: list[Example]) -> Path:
    """The same as a table."""
    path = tmp_path / "corpus.csv"
    path.write_text("text,label\n" + "".join(f"{e.text},{e.label}\n" for e in examples), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a linear model over eight characters."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    samples = [sample("好货"), sample("差"), {"text": "", "label": None, "probabilities": None}]
    save(folder, add_checksums(model_files(samples=samples)))
    return folder


@pytest.fixture(scope="session")
def nlpkit_command() -> str:
    """The console script of the environment that runs the tests."""
    found = shutil.which("nlpkit", path=str(Path(sys.executable).parent))
    assert found, "nlpkit is not installed beside this Python"
    return found


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """This process's environment without what would change how the command behaves; Python's warnings are errors."""
    dropped = ("PYTHONPATH", "PYTHONIOENCODING", "NO_COLOR", "COLUMNS", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def shell(clean_environment: dict[str, str]) -> Iterator[Shell]:
    """What runs commands without starting Python for each."""
    shell = Shell(clean_environment)
    yield shell
    shell.close()


@pytest.fixture(scope="session")
def run(nlpkit_command: str, clean_environment: dict[str, str], shell: Shell) -> Run:
    """Run ``nlpkit`` as a shell would; ``stdin`` is bytes, and so is what comes back."""

    def run_command(
        *arguments: object, stdin: bytes = b"", environment: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess:
        command = [nlpkit_command, *(a if isinstance(a, bytes) else str(a) for a in arguments)]
        if not needs_start(environment or {}):
            return shell.run(command, stdin, environment or {}, cwd)
        return subprocess.run(
            command, input=stdin, capture_output=True, env=clean_environment | (environment or {}), cwd=cwd, check=False
        )

    return run_command


@pytest.fixture
def stranger(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Install a plugin as pip would leave it, a module and its metadata; return the environment that finds it."""
    site = tmp_path / "site"
    site.mkdir()

    def install(
        source: str,
        *,
        name: str = "stranger",
        version: str = "1.2",
        named: Mapping[str, Mapping[str, str]] | None = None,
        **more: str,
    ) -> dict[str, str]:
        """``named`` holds entry points by name and group, in place of the module's own."""
        points = {name: source, **more}
        information = site / f"{name}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = named or {"nlpkit": {point: f"{point}_plugin" for point in points}}
        lines = [line for g, n in groups.items() for line in (f"[{g}]", *(f"{k} = {v}" for k, v in n.items()))]
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for point, text in points.items():
            (site / f"{point}_plugin.py").write_text(text, encoding="utf-8")
        return {"PYTHONPATH": str(site)}

    return install
