"""Kills training, saving and scoring at random moments: nothing may be lost, and what goes on comes out the same.

`kills.py CORPUS [--kills 100] [--only NAME...]`. Each kill is SIGKILL to a process of its own, at a moment drawn from
the whole length of an undisturbed one. Then what stood there before, or the whole of what is new, must be there; then
the command goes on (training by `--resume`) or is said again, what comes of it must be what comes of an undisturbed
one, and nothing else may lie beside it. Kills are dealt out in turn to what there is:

- train-sentiment, train-cloze, train-generate: over a model that is there, by `--force`
- train-torchrun: the same by two processes, of which one is killed, or torchrun itself
- save: models saved over each other as fast as can be
- score: a file that is replaced by `--force`
- resume: the same of more rows, by two processes; the next run goes on
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from nlpkit.model import bundle
from nlpkit.text.corpus import read_examples

NETWORK = ("training.epochs=3", "encoder.dropout=0.3", "encoder.hidden=24", "embedding.dim=16")
TRAINED = {
    "sentiment": ("--encoder", "lstm", "--set", "encoder.layers=2"),
    "cloze": ("--encoder", "lstm", "--recipe", "network", "--set", "answers.min_count=2"),
    "generate": ("--recipe", "network"),
}
UNTOLD = ("history.csv", "curve.png", "README.md")  # of a model: what holds times
SCORED = 20_000  # rows
SAVING = (0.3, 1.5)  # seconds from the start in which a process that saves is killed


class Work(Protocol):
    """Something that can be killed."""

    name: str

    def prepare(self, folder: Path) -> None:
        """Put there what is to be replaced."""

    def command(self, folder: Path) -> list[str]:
        """The command that is killed."""

    def after(self, folder: Path) -> list[str]:
        """The command that comes behind a kill."""

    def kill(self, process: subprocess.Popen[bytes], draw: random.Random) -> None:
        """Kill the command, or a part of it, and wait until all of it is gone."""

    def result(self, folder: Path) -> str:
        """A digest of what is there; an empty one of nothing.

        :raises ValueError: if it is neither what was there before nor what is new.
        """


class Killed:
    """What is one process."""

    def kill(self, process: subprocess.Popen[bytes], draw: random.Random) -> None:  # noqa: ARG002
        process.kill()
        process.wait()


class Train(Killed):
    """A run that replaces a model.

    :param options: of the command; those of a small network unless said.
    """

    def __init__(self, task: str, corpus: str, options: Sequence[str] = ()) -> None:
        self.name = f"train-{task}"
        usual = [*TRAINED[task], *(word for setting in NETWORK for word in ("--set", setting))]
        self._said = [task, "train", corpus, "--save-every", "0.3", *(options or usual)]
        self._old: dict[str, bytes] = {}

    def prepare(self, folder: Path) -> None:
        """A model that can be told from the new one: the first that was made, and a mark."""
        for path, data in self._old.items():
            bundle.write_synced(folder / "model" / path, data)

    def command(self, folder: Path) -> list[str]:
        return nlpkit(*self._said, "-o", str(folder / "model"), "--force")

    def after(self, folder: Path) -> list[str]:
        begun = (folder / "model.training" / "run.json").exists()
        return [*self.command(folder)[:-1], "--resume"] if begun else self.command(folder)

    def result(self, folder: Path) -> str:
        if not (folder / "model").exists() and not (folder / ".model.old").exists():
            return ""
        files = dict(bundle.find(str(folder / "model")).files)
        if not self._old:
            config = json.loads(files[bundle.CONFIG]) | {"old": True}
            self._old = {**files, bundle.CONFIG: bundle.dump_json(config)}
        return digest({path: data for path, data in files.items() if path not in UNTOLD})


class Torchrun(Train):
    """The same by two processes; what is killed is one of them, or torchrun, whose end they notice."""

    def __init__(self, corpus: str) -> None:
        super().__init__("sentiment", corpus)
        self.name = "train-torchrun"

    def command(self, folder: Path) -> list[str]:
        _, *rest = super().command(folder)
        torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
        return [sys.executable, *torchrun, *rest]

    def kill(self, process: subprocess.Popen[bytes], draw: random.Random) -> None:
        listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
        processes = [int(number) for number in listed.split()]
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice([process.pid, *processes]), signal.SIGKILL)
        process.wait()
        while any(Path(f"/proc/{number}").exists() for number in processes):
            time.sleep(0.05)


class Save(Killed):
    """Models saved over each other; each of their files holds the number of its model."""

    name = "save"

    def prepare(self, folder: Path) -> None:
        """Nothing: the first is saved soon."""

    def command(self, folder: Path) -> list[str]:
        return [sys.executable, __file__, str(folder / "model"), "--saves", "1000000"]

    def after(self, folder: Path) -> list[str]:
        return [sys.executable, __file__, str(folder / "model"), "--saves", "1"]

    def result(self, folder: Path) -> str:
        if not (folder / "model").exists() and not (folder / ".model.old").exists():
            return ""
        files = bundle.find(str(folder / "model")).files
        numbers = {json.loads(files[name])["number"] for name in (bundle.CONFIG, bundle.HISTORY)}
        if len(numbers) != 1:
            raise ValueError(f"files of several models: {numbers}")
        return "0" if numbers == {0} else "another"


class Score(Killed):
    """A file of scores that is replaced."""

    name = "score"

    def __init__(self, rows: Path) -> None:
        self._rows = rows

    def prepare(self, folder: Path) -> None:
        (folder / "out.csv").write_bytes(b"old")

    def command(self, folder: Path) -> list[str]:
        return nlpkit("sentiment", "score", str(self._rows), "-o", str(folder / "out.csv"), "--force")

    after = command

    def result(self, folder: Path) -> str:
        path = folder / "out.csv"
        return digest({path.name: path.read_bytes()}) if path.exists() else ""


class Resume(Score):
    """A file of scores that two processes make, and the next run goes on with."""

    name = "resume"

    def command(self, folder: Path) -> list[str]:
        return [*super().command(folder), "--jobs", "2"]

    def after(self, folder: Path) -> list[str]:
        return [*self.command(folder), "--resume"]


def nlpkit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nlpkit", *arguments]


def digest(files: dict[str, bytes]) -> str:
    found = hashlib.sha256()
    for path, data in sorted(files.items()):
        found.update(path.encode() + b"\0" + data)
    return found.hexdigest()


def save(folder: Path, times: int) -> None:
    """Save models whose files hold their number."""
    files: dict[str, bytes] = dict(bundle.find("reviews").files)
    config: dict[str, Any] = json.loads(files[bundle.CONFIG])
    for number in range(times):
        told = {"number": number}
        numbered = {bundle.CONFIG: bundle.dump_json(config | told), bundle.HISTORY: bundle.dump_json(told)}
        bundle.save(folder, files | numbered, force=True)


class Trial:
    """All kills of one work."""

    def __init__(self, work: Work, folder: Path, draw: random.Random) -> None:
        self.work, self._folder, self._draw = work, folder, draw
        self.kills = self.same = self.early = 0
        undisturbed, began = folder / "undisturbed", time.monotonic()
        undisturbed.mkdir(parents=True)
        if isinstance(work, Save):
            self._moments, first = SAVING, work.after(undisturbed)
        else:
            first = work.command(undisturbed)
        subprocess.run(first, check=True, capture_output=True)
        if not isinstance(work, Save):
            self._moments = (0.0, time.monotonic() - began)
        self._expected = work.result(undisturbed)
        old = folder / "old"
        old.mkdir()
        work.prepare(old)
        self._before = work.result(old)
        self._beside = {path.name for path in undisturbed.iterdir()}

    def kill(self) -> str:
        """Kill one more, let it go on, and say what came of it."""
        self.kills += 1
        folder, moment = self._folder / str(self.kills), self._draw.uniform(*self._moments)
        folder.mkdir()
        self.work.prepare(folder)
        faults = [*self._killed(folder, moment), *self._gone_on(folder)]
        self.same += not faults
        shutil.rmtree(folder)
        return f"{self.work.name} killed at {moment:5.2f} s: {'; '.join(faults) or 'nothing lost, the same'}"

    def _killed(self, folder: Path, moment: float) -> list[str]:
        process = subprocess.Popen(self.work.command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        self.work.kill(process, self._draw)
        try:
            found = self.work.result(folder)
        except Exception as error:
            return [f"half of it: {error}"]
        whole = {self._before, self._expected, *(["another"] if isinstance(self.work, Save) else [])}
        return [] if found in whole else ["neither the old nor the new"]

    def _gone_on(self, folder: Path) -> list[str]:
        done = subprocess.run(self.work.after(folder), capture_output=True, text=True, check=False)
        if done.returncode:
            return [f"it cannot go on: {done.stderr.strip()}"]
        left = {path.name for path in folder.iterdir()} - self._beside
        faults = [f"left behind: {', '.join(sorted(left))}"] if left else []
        return faults if self.work.result(folder) == self._expected else [*faults, "something else came of it"]


def write_rows(corpus: str, target: Path, rows: int) -> None:
    """The texts of a corpus, a line each, some more than once if they are few."""
    texts = [" ".join(example.text.split()) for example in read_examples(corpus)]
    target.write_text("\n".join(itertools.islice(itertools.cycle(texts), rows)) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line a kill, then a line for each work."""
    argv = sys.argv[1:] if argv is None else list(argv)
    names = [*(f"train-{task}" for task in TRAINED), "train-torchrun", "save", "score", "resume"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus")
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of resume: so many that it lasts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--saves", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args(argv)
    if told.saves:
        save(Path(told.corpus), told.saves)
        return
    draw = random.Random(told.seed)
    with tempfile.TemporaryDirectory() as scratch:
        few, many = Path(scratch, "few.txt"), Path(scratch, "many.txt")
        write_rows(told.corpus, few, SCORED)
        write_rows(told.corpus, many, told.rows)
        works: list[Work] = [Train(task, told.corpus) for task in TRAINED]
        works += [Torchrun(told.corpus), Save(), Score(few), Resume(many)]
        trials = [Trial(work, Path(scratch, work.name), draw) for work in works if work.name in told.only]
        for trial in itertools.islice(itertools.cycle(trials), told.kills):
            print(trial.kill(), flush=True)
    for trial in trials:
        print(f"{trial.work.name}: {trial.same} of {trial.kills} came out the same, with nothing lost or left")
    if any(trial.same < trial.kills for trial in trials):
        sys.exit(1)


if __name__ == "__main__":
    main()
