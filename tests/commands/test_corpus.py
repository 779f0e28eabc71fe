import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from nlpkit.text.fetching import BLOCK
from tests.outcomes import one_sentence
from tests.text.test_fetching import DATA, Site

ROWS = "review,label\n好,1\n差,0\n很好,1\n,1\n"


@pytest.fixture
def environment(tmp_path):
    return {"NLPKIT_CACHE": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture
def site():
    made = Site()
    made.data = ROWS.encode()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def ours(tmp_path, site):
    path = tmp_path / "ours.toml"
    text = f'title = "Our reviews"\nlicence = "ours"\nlabels = {{ 1 = "good" }}\n[[files]]\nurl = "{site.url}"\n'
    path.write_text(text, encoding="utf-8")
    return path


def test_the_list(run, environment):
    found = json.loads(run("corpus", "list", "--format", "json", environment=environment).stdout)
    (waimai,) = [e for e in found if e["name"] == "waimai_10k"]
    assert (waimai["rows"], waimai["labels"], waimai["licence"]) == (11987, ["positive", "negative"], "none stated")
    assert (waimai["state"], waimai["bytes"]) == ("not fetched", None)
    shown = run("corpus", "list", environment=environment).stdout.decode()
    assert all(e["name"] in shown for e in found)
    assert "not fetched" in shown


def test_a_corpus_is_fetched_shown_and_read(run, environment, ours, site):
    done = run("corpus", "fetch", ours, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "reviews.csv: fetched" in done.stdout.decode()
    facts = json.loads(run("corpus", "show", ours, "-f", "json", environment=environment).stdout)
    assert (facts["state"], facts["found"], facts["left_out"]) == ("fetched", {"good": 2, "0": 1}, {"no text": 1})
    assert facts["bytes"] == len(ROWS.encode())
    shown = run("corpus", "show", ours, environment=environment).stdout.decode()
    assert "Our reviews" in shown
    assert "2 good" in shown
    assert "1 no text" in shown
    assert "line 5" in shown
    assert "there already" in run("corpus", "fetch", ours, environment=environment).stdout.decode()
    assert "fetched" in run("corpus", "fetch", ours, "--force", environment=environment).stdout.decode()
    assert len(site.asked) == 2


def test_what_is_not_fetched_is_shown_all_the_same(run, environment):
    shown = run("corpus", "show", "weibo_senti_100k", environment=environment).stdout.decode()
    assert "119,988" in shown
    assert "not fetched" in shown
    assert "emoticon" in shown


def test_one_that_cannot_be_had_keeps_no_other_back(run, environment, ours):
    done = run("corpus", "fetch", "weibo_senti_100k", ours, environment=environment)
    assert done.returncode == 1
    assert "reviews.csv: fetched" in done.stdout.decode()
    assert done.stderr.decode().startswith("Error: weibo_senti_100k cannot be fetched by a program: download it from")
    assert done.stderr.count(b"\n") == 1


def test_a_name_that_is_none_is_one_sentence(run, environment):
    for command in ("show", "fetch"):
        assert "did you mean 'tnews'" in one_sentence(run("corpus", command, "tnew", environment=environment), 2)


def test_a_site_that_is_down_is_one_sentence(run, environment, ours, site):
    site.server.shutdown()
    site.server.server_close()
    assert "cannot be reached" in one_sentence(run("corpus", "fetch", ours, environment=environment), 1)


def test_a_proxy_of_the_environment_is_used(run, environment, tmp_path, site):
    path = tmp_path / "far.toml"
    path.write_text('title = "far"\n[[files]]\nurl = "http://far.invalid/reviews.csv"\n', encoding="utf-8")
    site.data = DATA
    environment |= {"http_proxy": site.url.partition("/a%20b")[0], "NO_PROXY": "", "no_proxy": ""}
    done = run("corpus", "fetch", path, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert site.asked[0]["Host"] == "far.invalid"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupted_fetch_goes_on_where_it_ended(
    nlpkit_command, clean_environment, environment, ours, site, tmp_path
):
    site.data, site.breaks, site.go_on = DATA, [BLOCK + 5], threading.Event()
    command, environment = [nlpkit_command, "corpus", "fetch", str(ours)], clean_environment | environment
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        while not any(path.stat().st_size for path in tmp_path.rglob("*.part") if ".nlpkit-" not in path.name):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read().strip() == b"Interrupted."
    site.go_on.set()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert site.asked[1]["Range"] == f"bytes={BLOCK}-"
