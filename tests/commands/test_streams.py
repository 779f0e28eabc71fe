"""Where results go: whole or not at all, and never over what they should not."""

import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from nlpkit.commands import streams

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes of POSIX")


@pytest.fixture
def score(run, tiny_model):
    return lambda *arguments, **more: run("sentiment", "score", "-t", "好", "-m", tiny_model, *arguments, **more)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(done):
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1
    return done.stderr.decode()


def test_a_link_is_followed_as_by_a_shell(score, tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    link.symlink_to("target.csv")  # which dangles
    assert score("-o", link).returncode == 0
    assert (link.is_symlink(), target.is_symlink()) == (True, False)
    assert target.read_text().splitlines()[1].startswith("--text,1,好,positive")
    assert "exists" in refused(score("-o", link))
    assert score("-o", link, "--force").returncode == 0
    assert names(tmp_path) == ["link.csv", "target.csv"]


@pytest.mark.parametrize("output", ["loop.csv", "folder", "nowhere/out.csv", "file/out.csv"])
def test_what_cannot_be_written_is_one_sentence(score, tmp_path, output):
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    assert output in refused(score("-o", output, "--force", "-f", "csv", cwd=tmp_path))
    assert names(tmp_path) == ["file", "folder", "loop.csv"]


def test_a_pipe_is_written_to(score, tmp_path):
    pipe, found = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    done = score("-o", pipe)
    reader.join()
    assert done.returncode == 0
    assert found[0].splitlines()[1].startswith("--text,1,好,positive".encode())
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_stdout_by_its_name_is_what_the_shell_made_of_it(
    nlpkit_command, clean_environment, tiny_model, tmp_path, name, mode
):
    if not os.path.exists(name):  # noqa: PTH110
        pytest.skip(f"no {name}")
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    command = [nlpkit_command, "sentiment", "score", "-t", "好", "-m", str(tiny_model), "-f", "csv", "-o", name]
    with path.open(mode) as log:
        subprocess.run(command, stdout=log, env=clean_environment, check=True)
    found = path.read_text().splitlines()
    assert found[: mode == "ab"] == ["before"][: mode == "ab"]
    assert found[-1].startswith("--text,1,好,positive")
    assert names(tmp_path) == ["log"]


def test_a_file_keeps_its_mode(score, tmp_path):
    out = tmp_path / "out.csv"
    out.write_bytes(b"")
    out.chmod(0o640)
    assert score("-o", out, "--force").returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


@pytest.fixture
def begun(nlpkit_command, clean_environment, tiny_model, tmp_path):
    """A command that has begun to write ``out.csv``, and waits for more rows."""
    command = [nlpkit_command, "sentiment", "score", "-", "-m", str(tiny_model), "-o", str(tmp_path / "out.csv")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment, cwd=tmp_path
    ) as process:
        process.stdin.write("好\n".encode() * 200_000)
        process.stdin.flush()
        ends = time.monotonic() + 30
        while not any(path.stat().st_size for path in tmp_path.glob(".out.csv.*")):
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.01)
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_clears_away_what_is_half_written(begun, tmp_path, number):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("the signal is ignored by all that is started here, as under nohup")
    begun.send_signal(number)
    assert begun.wait(30) == 128 + number
    assert begun.stderr.read().decode().strip() == ("Interrupted." if number == signal.SIGINT else "Terminated.")
    assert names(tmp_path) == []


@pytest.mark.slow
def test_a_kill_leaves_what_the_next_run_clears_away(begun, score, tmp_path):
    begun.kill()
    begun.wait()
    assert len(names(tmp_path)) == 1
    assert not (tmp_path / "out.csv").exists()
    assert score("-o", tmp_path / "other.csv").returncode == 0
    assert names(tmp_path) == ["other.csv"]


def test_two_that_write_one_file_do_not_mix_and_the_second_is_told(begun, score, tmp_path):
    out = tmp_path / "out.csv"
    assert score("-o", out).returncode == 0
    first = out.read_bytes()
    begun.stdin.close()
    assert begun.wait(60) == 1
    assert "has appeared since this began" in begun.stderr.read().decode()
    assert (names(tmp_path), out.read_bytes()) == (["out.csv"], first)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("kind", "show", "patience", "drawn"),
    [
        (Terminal, True, 0, True),
        (Terminal, True, 60, False),
        (Terminal, False, 0, False),
        (io.StringIO, True, 0, False),
    ],
)
def test_what_is_read_for_long_is_told_on_a_terminal(monkeypatch, kind, show, patience, drawn):
    monkeypatch.setattr("sys.stderr", kind())
    monkeypatch.setattr(streams, "PATIENCE", patience)
    with streams.draw_reading(show=show) as advance:
        for so_far in (1000, 2000, 3000):
            advance(so_far, 3000)
        end = len(sys.stderr.getvalue())
    assert ("reading" in sys.stderr.getvalue()) is drawn
    assert len(sys.stderr.getvalue()) == end  # it went when all was read, before anything is written


PATHS = {
    "score": ["sentiment", "score", "{}"],
    "fill": ["cloze", "fill", "--file", "{}"],
    "lexicon": ["cloze", "fill", "衣服__", "--lexicon", "{}"],
    "generate": ["generate", "text", "--file", "{}"],
    "evaluate": ["sentiment", "evaluate", "{}"],
    "entry": ["corpus", "show", "{}.toml"],
    "model": ["models", "show", "{}.model"],
}


def unreadable(path):
    """A file that we may not read; root may read all, but not the memory of nobody."""
    path.write_bytes(b"text\n")
    path.chmod(0)
    if os.geteuid() == 0:
        path.unlink()
        path.symlink_to("/proc/self/mem")
    return path


@pytest.mark.parametrize("what", PATHS)
@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_is_missing_or_cannot_be_read_is_a_fault_of_the_data(run, tmp_path, what, there):
    words = [word.format(tmp_path / "file.txt") for word in PATHS[what]]
    for suffix in ("", ".toml") if there else ():
        unreadable(tmp_path / f"file.txt{suffix}")
    done = run(*words)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert b"file.txt" in done.stderr


@pytest.mark.parametrize("options", ["-f", "readable"])
def test_click_looks_at_no_file_before_we_do(options):
    import click

    from nlpkit.commands.main import cli

    def parameters(command):
        yield from command.params
        if isinstance(command, click.Group):
            with click.Context(command) as context:
                for name in command.list_commands(context):
                    yield from parameters(command.get_command(context, name))

    paths = [p for p in parameters(cli) if isinstance(p.type, click.Path)]
    assert paths
    assert not [p.name for p in paths if p.type.readable or p.type.exists]
    assert not [p.name for p in parameters(cli) if isinstance(p.type, click.File)]
    del options


ASCII = [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


@pytest.mark.parametrize("module", [True, False])
@pytest.mark.parametrize("environment", [ASCII[0], pytest.param(ASCII[1], marks=pytest.mark.slow)], ids=["C", "POSIX"])
def test_what_is_said_is_utf8_whatever_the_locale(run, clean_environment, tiny_model, tmp_path, environment, module):
    (tmp_path / "数据.csv").write_text("号,评价\n1,好货\n", encoding="utf-8")
    words = ["sentiment", "score", "数据.csv", "--column", "评价", "-m", str(tiny_model), "-o", "结果.csv"]
    if module:
        command = [sys.executable, "-m", "nlpkit", *words]
        done = subprocess.run(
            command, capture_output=True, env=clean_environment | environment, cwd=tmp_path, check=False
        )
    else:
        done = run(*words, environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr.decode()) == (0, "1 row: 1 positive; saved in 结果.csv\n")
    assert (tmp_path / "结果.csv").read_text(encoding="utf-8").splitlines()[1].startswith("1,好货,positive")
    for kind in ("jsonl", "table", "csv"):
        done = run("sentiment", "score", "-t", "好货", "-m", tiny_model, "-f", kind, environment=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        assert "好货" in done.stdout.decode()
    done = run("sentiment", "score", "没有.csv", environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr.decode()) == (1, "Error: 没有.csv cannot be read: no such file or directory\n")


def test_python_that_was_told_to_stay_in_ascii_does_not_start_for_ever(clean_environment):
    command = [sys.executable, "-X", "utf8", "-X", "utf8=0", "-m", "nlpkit", "--version"]
    done = subprocess.run(command, capture_output=True, env=clean_environment | ASCII[0], timeout=60, check=False)
    assert done.returncode == 0
