"""What follows a run: its end, the first Ctrl-C, the second."""

import signal

import click
import pytest

from nlpkit.commands.progress import accuracy_of, follow, format_duration

SIGNALS = [signal.SIGINT, signal.SIGTERM]
ASKED = "Stopping after this step; press Ctrl-C again to stop at once.\n"


class Run:
    """Three steps, in the second of which signals come, and maybe while it is saved; it keeps what became of it."""

    def __init__(self, *signals, while_saving=()):
        self.signals, self.while_saving = signals, while_saving
        self.drawn, self.saved = [], False

    def events(self):
        try:
            for step in (1, 2, 3):
                for number in self.signals if step == 2 else ():
                    signal.raise_signal(number)
                yield step
        except GeneratorExit:
            for number in self.while_saving:
                signal.raise_signal(number)
            self.saved = True
            raise

    def followed(self, **options):
        self.kept = self.events()  # or Python would close what nobody has any more
        return follow(self.kept, self.drawn.append, **options)


@pytest.fixture(autouse=True)
def signals_are_heard_as_before():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_run_is_drawn_to_its_end(capsys):
    run = Run()
    assert run.followed() == 0
    assert (run.drawn, run.saved, capsys.readouterr().err) == ([1, 2, 3], False, "")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_lets_the_step_end_and_the_state_be_saved(capsys, number):
    run = Run(number)
    assert run.followed() == 128 + number
    assert (run.drawn, run.saved, capsys.readouterr().err) == ([1, 2], True, ASKED)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("resumable", "rest"),
    [(True, ": the same command with --resume goes on from the state that was saved last"), (False, "")],
)
def test_the_second_stops_at_once(capsys, number, resumable, rest):
    run = Run(signal.SIGINT, number)
    with pytest.raises(click.exceptions.Exit) as stopped:
        run.followed(resumable=resumable)
    assert (stopped.value.exit_code, run.drawn, run.saved) == (128 + number, [1], False)
    assert capsys.readouterr().err == f"{ASKED}Interrupted at once{rest}.\n"


def test_the_second_stops_the_saving_too():
    run = Run(signal.SIGINT, while_saving=[signal.SIGTERM])
    with pytest.raises(click.exceptions.Exit) as stopped:
        run.followed()
    assert (stopped.value.exit_code, run.drawn, run.saved) == (143, [1, 2], False)


def test_what_is_ignored_in_a_shells_background_stays_ignored(capsys):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = Run(signal.SIGINT, signal.SIGINT)
        assert run.followed() == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert (run.drawn, capsys.readouterr().err) == ([1, 2, 3], "")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00:00"), (64.6, "0:01:05"), (3599.7, "1:00:00"), (4e5, "111:06:40")]
)
def test_time_that_is_left(seconds, shown):
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(("share", "shown"), [(None, ""), (0.0, " acc 0.0000"), (0.91234, " acc 0.9123")])
def test_an_accuracy_where_there_is_one(share, shown):
    assert accuracy_of(share) == shown
