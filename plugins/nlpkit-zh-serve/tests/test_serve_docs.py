"""What docs/serving.md says is so: its clients are answered, its tables are whole."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nlpkit_serve.commands import serve
from nlpkit_serve.faults import KINDS
from nlpkit_serve.metrics import Metrics
from nlpkit_serve.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
TEXT = PAGE.read_text("utf-8")
CLIENTS = re.findall(r"^```(\w+) client\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = {"sh": ["sh", "-e", "-c"], "python": [sys.executable, "-W", "error", "-c"]}
NODE = ["node", "--input-type=module", "-e"]
NEEDED = {"sh": "curl", "js": "node"}


def rows(first):
    """The cells of the rows of a table that begin as said."""
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in TEXT.splitlines()
        if line.startswith(first)
    ]


@pytest.mark.parametrize(("language", "source"), CLIENTS, ids=[f"{at}-{one[0]}" for at, one in enumerate(CLIENTS)])
def test_a_client_is_answered(client, language, source):
    if NEEDED.get(language) and not shutil.which(NEEDED[language]):
        pytest.skip(f"{NEEDED[language]} is not installed")
    if "import httpx" in source and not importlib.util.find_spec("httpx"):
        pytest.skip("httpx is not installed")
    here = source.replace("127.0.0.1:8000", f"127.0.0.1:{client.port}")
    assert here != source
    command = COMMANDS.get(language, NODE)
    done = subprocess.run([*command, here], capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert '"error"' not in done.stdout


def test_there_are_clients_of_three_languages():
    assert {language for language, _ in CLIENTS} == {"sh", "python", "js"}


def test_answers_that_are_shown_are_given(client):
    shown = re.search(r"^```json\n(\{\"model\":\"reviews\".*?)^```", TEXT, re.MULTILINE | re.DOTALL)[1]
    given = client.score("质量很好", "", min_probability=0.6).body.decode()
    assert shown.replace("\n", "") == given
    item = {"text": "酒店", "length": 4, "seed": 1, "stream": True}
    streamed = client.ask("/v1/models/reviews-chars/text", item).body.decode()
    first, last = re.search(r"^```text\n(.*?)…\n(event: done.*?)^```", TEXT, re.MULTILINE | re.DOTALL).groups()
    assert streamed.startswith(first)
    assert streamed.rstrip().endswith(last.rstrip())


def test_the_table_of_options_is_whole():
    options = {row[0].split("`")[0]: row for row in rows("| `--")}
    parameters = [one for one in serve.params if "--help" not in one.opts]
    assert set(options) == {one.opts[0] for one in parameters}
    settings = Settings()
    for parameter in parameters:
        said, default = options[parameter.opts[0]][1], getattr(settings, parameter.name, None)
        shown = default[0] if parameter.name == "models" else f"{default:g}" if isinstance(default, float) else default
        assert said == (str(shown) if default and default is not True else "")


def test_the_tables_of_routes_figures_and_faults_are_whole(client):
    paths = {path for row in rows("| `GET /") + rows("| `POST /") for path in re.findall(r"/[\w./-]+", row[0])}
    served = client.ask("/openapi.json").json["paths"]
    assert {path for path in served if path.count("/") < 3} <= paths
    figures = {family.name for family in Metrics()._registry.collect()}
    assert {row[0].removesuffix("_total") for row in rows("| `nlpkit_")} == figures
    faults = {int(row[0]): row[1] for row in rows("| 4") + rows("| 5")}
    assert faults.items() <= KINDS.items()
    operations = [operation for path in served.values() for operation in path.values()]
    assert faults.keys() >= {int(status) for operation in operations for status in operation["responses"]} - {200}
