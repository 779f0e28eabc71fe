"""``nlpkit diagnose``: list, and a command for each task. Heavy imports live in the commands' bodies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from nlpkit.commands import ENCODING

from nlpkit_diagnose.lessons import gradients
from nlpkit_diagnose.predicting import predict
from nlpkit_diagnose.trades import trades

if TYPE_CHECKING:
    from nlpkit_diagnose.task import Settings, Task

FILE = click.Path(path_type=Path, readable=False)  # that it cannot be read is a fault of the file
DEFAULT = ("gru",)
ENCODERS = click.option(
    "--encoder",
    "-e",
    "encoders",
    multiple=True,
    metavar="NAME",
    help="Try this encoder; may be said several times.  [default: gru]",
)
OPTIONS = (
    click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting: training.epochs=50."
    ),
    click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many seeds."),
    click.option(
        "--seed", type=click.IntRange(0, (1 << 32) - 1000), default=0, show_default=True, help="The first seed."
    ),
    click.option("--output", "-o", "folder", type=FILE, help="A folder for figures, epochs, plot, networks."),
    click.option(
        "--format",
        "-f",
        "kind",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="What is printed.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the diagnosis that was interrupted in this folder."),
    click.option("--extend", is_flag=True, help="Take the trials that the folder has, make those that it lacks."),
    click.option("--force", is_flag=True, help="Replace a diagnosis, or an unfinished one, in the folder."),
    click.option("--jobs", "-j", type=int, default=1, show_default=True, help="Processes for trials; 0: one a core."),
    click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="For torch."),
    click.option(
        "--save-every", type=click.FloatRange(0), default=30, show_default=True, help="Seconds between states."
    ),
)


@dataclass(frozen=True)
class Arguments:
    """What every task is told, as it was said."""

    assignments: tuple[str, ...]
    seeds: int
    seed: int
    folder: Path | None
    kind: str
    resume: bool
    extend: bool
    force: bool
    jobs: int
    threads: int
    save_every: float

    def check(self) -> None:
        """Refuse what cannot be; then see to it that torch is there.

        :raises MissingExtra: if torch is not installed.
        """
        from nlpkit.commands import prepare_torch, set_threads

        from nlpkit_diagnose.report import check_folder

        if self.resume and self.folder is None:
            raise click.UsageError("--resume wants the folder, --output, in which the diagnosis was interrupted")
        if self.extend and (self.folder is None or self.force):
            raise click.UsageError("--extend wants the folder, --output, of a diagnosis, and goes without --force")
        prepare_torch()
        from nlpkit.training import FORCE, read_request

        set_threads(self.threads)
        if self.folder is not None:
            request = read_request(self.folder) if self.resume else {}
            check_folder(self.folder, force=self.force or self.extend or request.get(FORCE, False))


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every task, which reach it as its first argument, an `Asked`."""

    @functools.wraps(command)
    def call(**values: Any) -> None:
        command(Arguments(**{f.name: values.pop(f.name) for f in fields(Arguments)}), **values)

    for option in reversed(OPTIONS):
        call = option(call)
    return call


def parse_lengths(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int] | None:
    """Read whole numbers, one or several with commas between: ``10,20,35``."""
    if value is None:
        return None
    try:
        return [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"expected whole numbers such as 10 or 10,20,35, found {value!r}", ctx, param
        ) from None


@click.group()
def diagnose() -> None:
    """Test an encoder by small tasks.

    Sequences whose answers are known, for any encoder, ours or yours.

    \b
    nlpkit diagnose list
    nlpkit diagnose digit-sum --encoder gru --encoder lstm -o memory
    nlpkit diagnose predict memory 7300000400
    """


diagnose.add_command(gradients)
diagnose.add_command(predict)
diagnose.add_command(trades)


@diagnose.command("list")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_tasks(kind: str) -> None:
    """List the tasks.

    \b
    nlpkit diagnose list
    """
    from nlpkit.commands import make_console, make_table, tell_json

    from nlpkit_diagnose.tasks import TASKS

    if kind == "json":
        rows = [
            {name: getattr(task, name) for name in ("name", "about", "source", "figure", "tutorial")} for task in TASKS
        ]
        tell_json(rows)
        return
    table = make_table("task", "asks", "sequences", "tutorial")
    for task in TASKS:
        table.add_row(task.name, task.about, task.source, f"{task.figure}: {task.tutorial}")
    make_console().print(table)


@diagnose.command()
@click.argument("name", metavar="TASK", type=click.Choice(["digit-sum", "letters"]))
@click.option("--output", "-o", "folder", type=FILE, required=True, help="The folder that gets the files.")
@click.option("--lengths", callback=parse_lengths, metavar="N,N...", help="Of digit-sum.  [default: 10,15,20,25,30,35]")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting: data.train=5.")
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, show_default=True, help="Of the sequences.")
@click.option("--force", is_flag=True, help="Replace files.")
def data(
    name: str, folder: Path, lengths: list[int] | None, assignments: tuple[str, ...], seed: int, force: bool
) -> None:
    """Write the sequences of a task as files.

    They are those of the trials with the same seed: train.csv, validation.csv and test.csv, of digit-sum in a folder
    for each length.

    \b
    nlpkit diagnose data digit-sum -o digits
    nlpkit diagnose data letters --seed 1 --set data.train=100 -o letters
    """
    from nlpkit.commands import prepare_torch, say

    prepare_torch()  # settings are those of networks
    from nlpkit_diagnose.digit_sum import DigitSum
    from nlpkit_diagnose.letters import Letters
    from nlpkit_diagnose.report import write_sequences
    from nlpkit_diagnose.settings import settings_of

    task: DigitSum | Letters = DigitSum() if name == "digit-sum" else Letters()
    if lengths is not None and name != "digit-sum":
        raise click.UsageError("--lengths is of digit-sum")
    told = {} if lengths is None else {"lengths": lengths}
    (settings,) = settings_of(task, DEFAULT, assignments, told).values()
    rows: Any = settings.data
    parts = {condition: task.draw(condition, rows, seed) for condition in task.conditions(rows)}
    say(f"wrote {write_sequences(folder, parts, force=force)} files into {folder}")


@diagnose.command("digit-sum")
@ENCODERS
@click.option(
    "--lengths", callback=parse_lengths, metavar="N,N...", help="Digits in a sequence.  [default: 10,15,20,25,30,35]"
)
@options
def digit_sum(arguments: Arguments, encoders: tuple[str, ...], lengths: list[int] | None) -> None:
    """Test how long an encoder remembers.

    Two digits are to be added, behind which zeros and one other digit follow. Each length has sequences and networks of
    its own: 300 to train on, 100 to judge by, 100 that are measured; an embedding and states of 32, Adam with 1e-3,
    batches of 8, 500 epochs. Encoders read one way.

    \b
    nlpkit diagnose digit-sum --encoder gru --lengths 10 --seeds 1
    nlpkit diagnose digit-sum -e rnn -e lstm -e transformer --seeds 3 -o memory
    nlpkit diagnose digit-sum -e rnn -e lstm -e transformer --seeds 3 -o memory --resume
    nlpkit diagnose digit-sum -e lstm --lengths 35 --set lstm.layers=2 --set training.patience=100
    """
    from nlpkit_diagnose.digit_sum import DigitSum

    _run(arguments, DigitSum(), encoders, data={} if lengths is None else {"lengths": lengths})


@diagnose.command()
@ENCODERS
@options
def letters(arguments: Arguments, encoders: tuple[str, ...]) -> None:
    """Test whether an encoder notices what matters.

    Does a string of 5 or 6 letters hold an a, else a b, else a c, wherever it stands?

    \b
    nlpkit diagnose letters --encoder lstm
    nlpkit diagnose letters -e rnn -e cnn -o letters --set training.epochs=20
    """
    from nlpkit_diagnose.letters import Letters

    _run(arguments, Letters(), encoders)


@diagnose.command()
@click.argument("file", type=FILE, required=False)
@ENCODERS
@ENCODING
@options
def ball(arguments: Arguments, file: Path | None, encoders: tuple[str, ...], encoding: str | None) -> None:
    """Test whether an encoder goes on beyond what it has seen.

    The next position of a ball at constant speed is to be predicted.

    FILE has the positions of a ball on each line, with commas between, and no header; 10,000 rows are made up if none
    is given. The last position of each row is predicted; then again in rows longer than any that was learnt.

    \b
    nlpkit diagnose ball --encoder gru
    nlpkit diagnose ball ball.csv -e srn -e lstm -o ball
    """
    from nlpkit_diagnose.ball import Ball

    _run(arguments, Ball(file, encoding), encoders, files=[file])


@diagnose.command()
@ENCODERS
@options
def sine(arguments: Arguments, encoders: tuple[str, ...]) -> None:
    """Test whether an encoder keeps time when left alone.

    49 points of a sine are table, then come 49 steps fed by its own answers.

    \b
    nlpkit diagnose sine --encoder lstm -o sine
    nlpkit diagnose sine -e rnn -e gru --set encoder.hidden=64 --format json
    """
    from nlpkit_diagnose.sine import Sine

    _run(arguments, Sine(), encoders)


@diagnose.command()
@click.argument("file", type=FILE)
@ENCODERS
@ENCODING
@options
def stock(arguments: Arguments, file: Path, encoders: tuple[str, ...], encoding: str | None) -> None:
    """Test whether chance is told from skill.

    Will a price be higher two days on? The state is carried on over all days.

    FILE is a table of daily prices with the columns Date, Open, High, Low, Close, Volume (or 日期, 开盘, 最高, 最低,
    收盘, 成交量). The latest days are split in the order of time: 1,500 to train on, 100 to judge by, 100 that are
    measured. Nobody should expect more than chance of this, nor trade by it.

    \b
    nlpkit diagnose stock prices.csv --encoder gru
    nlpkit diagnose stock prices.csv -e lstm -e srn -o stock --set data.train=1000
    """
    from nlpkit_diagnose.stock import Stock

    _run(arguments, Stock(file, encoding), encoders, files=[file])


@diagnose.command()
@click.argument("file", type=FILE)
@click.option("--target", metavar="COLUMN", help="What is predicted from all other columns.  [default: 工资 or salary]")
@ENCODING
@options
def salary(arguments: Arguments, file: Path, target: str | None, encoding: str | None) -> None:
    """Test whether the head and the loop learn numbers.

    One column of a table is to be predicted from all others, without an encoder.

    FILE is a table of numbers with a header.

    \b
    nlpkit diagnose salary salary.csv
    nlpkit diagnose salary houses.csv --target price -o houses --set head.norm=layer
    """
    from nlpkit_diagnose.salary import Salary

    _run(arguments, Salary(file, target, encoding), ("none",), files=[file], target=target)


def _run(
    arguments: Arguments,
    task: Task,
    encoders: Sequence[str],
    *,
    data: Mapping[str, Any] | None = None,
    files: Sequence[Path | None] = (),
    **facts: str | None,
) -> None:
    """Make the trials of a task, draw how they go, and show what came of them.

    :param data: settings of the task's own table, said by options of their own.
    :param files: that the sequences are from.
    :param facts: what else the sequences depend on.
    """
    arguments.check()
    from nlpkit.commands import draw_live, follow
    from nlpkit.model import count_jobs
    from nlpkit.training import finish_run

    from nlpkit_diagnose.diagnosis import diagnose as trials
    from nlpkit_diagnose.extending import keep_others, read_finished
    from nlpkit_diagnose.report import Diagnosis, write_files
    from nlpkit_diagnose.settings import settings_of
    from nlpkit_diagnose.view import Drawing, show_json, show_table

    jobs = count_jobs(arguments.jobs)
    settings = settings_of(task, list(dict.fromkeys(encoders or DEFAULT)), arguments.assignments, data or {})
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    request = _make_request(task, settings, arguments, files, facts)
    read = {Path(path).name: digest for path, digest in request["origin"]["files"].items()}
    diagnosis = Diagnosis(task, settings, [], {}, read, facts=facts)
    extended = arguments.folder if arguments.extend else None
    finished, others = read_finished(extended, diagnosis) if extended is not None else ({}, {})
    with _open_run(arguments, request) as run:
        with draw_live() as (say, bar):
            draw = Drawing(task, say, bar)
            stopped = follow(
                trials(task, settings, seeds, run, every=arguments.save_every, finished=finished, jobs=jobs),
                draw,
                resumable=run is not None,
            )
        if stopped:
            _stop(run, stopped)
        made = replace(diagnosis, results=draw.results, histories=draw.histories, networks=draw.networks)
        diagnosis = keep_others(finished, made, others)
        if arguments.folder is not None and run is not None:
            contents = diagnosis.files()
            write_files(arguments.folder, contents)
            finish_run(run)
            say(f"saved {', '.join(contents)} in {arguments.folder}")
    (show_json if arguments.kind == "json" else show_table)(diagnosis)


@contextmanager
def _open_run(arguments: Arguments, request: Mapping[str, Any]) -> Iterator[Path | None]:
    """Open the folder beside that of the results in which a run keeps what is done; None if no results are kept."""
    from nlpkit.training import open_run

    if arguments.folder is None:
        yield None
        return
    with open_run(arguments.folder, request, resume=arguments.resume, force=arguments.force) as run:
        yield run


def _make_request(
    task: Task,
    settings: Mapping[str, Settings],
    arguments: Arguments,
    files: Sequence[Path | None],
    facts: Mapping[str, str | None],
) -> dict[str, Any]:
    """Describe what a run is of: a resumed one must be of the same."""
    from nlpkit.text import sha256_of

    return {
        "task": task.name,
        "settings": {name: asdict(chosen) for name, chosen in settings.items()},
        "seeds": {"first": arguments.seed, "count": arguments.seeds},
        "threads": arguments.threads,
        **({"extend": True} if arguments.extend else {}),
        "origin": {"files": {str(path): sha256_of(path) for path in files if path is not None and path.is_file()}},
        **facts,
    }


def _stop(run: Path | None, code: int) -> None:
    from nlpkit.commands import say

    rest = "the state is saved: the same command with --resume goes on" if run else "with --output it could be resumed"
    say(f"Interrupted; {rest}.")
    raise click.exceptions.Exit(code)
