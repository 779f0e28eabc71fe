import pytest
from click.testing import CliRunner
from dask_tables import write_table
from nlpkit.commands import cli


@pytest.fixture
def run():
    """Run ``nlpkit`` in this process."""

    def run_command(*arguments, code=0):
        done = CliRunner().invoke(cli, list(map(str, arguments)), standalone_mode=False)
        if isinstance(done.exception, SystemExit) or done.exception is None:
            assert (done.return_value or 0) == code, done.output
        return done

    return run_command


@pytest.fixture
def reviews(tmp_path):
    """A folder with two tables and a file of lines."""
    folder = tmp_path / "reviews"
    (folder / "more").mkdir(parents=True)
    write_table(folder / "a.csv", 60)
    write_table(folder / "more" / "b.csv", 40, 60)
    (folder / "lines.txt").write_text("质量很好\n\n太差了\n", "utf-8")
    return folder
