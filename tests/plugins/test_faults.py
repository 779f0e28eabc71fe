"""Plugins that are broken, each in its own way, against all three: score, train and `plugins check`.

A row of a table is a fault. `score` gives the rows concerned a reason, or ends in a sentence; `train` refuses before a
corpus is read; a check of the conformance kit says what to do. All name the distribution, and nothing is ever printed
among the results.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest

import nlpkit
from nlpkit.model.bundle import save
from nlpkit.plugins.registry import Registry
from nlpkit.testing import CheckError, Subject, Target, list_checks, list_subjects
from tests.plugins import broken
from tests.tasks.sentiment.test_score import one_sentence
from tests.tiny import component, model_files, table_member

GROUPS = {"t": "tokenizer", "e": "embedding", "n": "encoder", "o": "output"}
KINDS = {name: GROUPS[name[0]] for name in vars(broken) if name[1:2] == "_" and name[0] in GROUPS}
WHOSE = "of zh-broken 1.2"
ROWS = ["好货", "差货", "好的"]
PUT_BACK = ", which was put back"
OWN_PROCESS = {"PYTHONHASHSEED": "1"}  # it does not fork, and so has to end by itself

# what score says of the row with a 差: a reason, or that it is answered, with what is told on stderr
SCORED = {
    "t_raises": "fails: ValueError: no luck with 差货",
    "t_raises_colours": "fails: ValueError: \N{REPLACEMENT CHARACTER}[31mno",
    "t_raises_mutely": "fails: Mute: ",
    "t_exits": "fails: SystemExit: 3",
    "t_leaves": "fails: SystemExit: it called os._exit(3)",
    "t_none": "returns None, where a list of tokens was expected",
    "t_generator": "returns a generator, where a list of tokens was expected",
    "t_string": "returns a str, where a list of tokens was expected",
    "t_numbers": "returns 24046 among its tokens, which is a int and no text",
    "t_empty_token": "returns an empty token",
    "t_no_tokens": "makes no tokens of it",
    "t_prints": (None, "printed 'hello from Python', which is kept from the results"),
    "t_prints_from_c": (None, "printed 'hello from C', which is kept from the results"),
    "t_prints_at_exit": (None, ""),
    "t_closes_stdin": (None, "changed file descriptor 0" + PUT_BACK),
    "t_closes_stdout": (None, "changed file descriptor 1" + PUT_BACK),
    "t_closes_stderr": (None, "changed file descriptor 2" + PUT_BACK),
    "t_chdir": (None, "changed the working folder" + PUT_BACK),
    "t_locale": (None, "changed the locale" + PUT_BACK),
    "t_json": (None, "changed json.dumps" + PUT_BACK),
    "t_thread": (None, "left a thread that does not end: it is cut off"),
    "t_state": (None, ""),  # of one text nobody can tell
    "t_batch": (None, ""),  # each text is cut on its own instead
    "t_config_path": (None, ""),
    "t_config_absolute": (None, ""),
    "t_config_odd": (None, ""),
    "t_slots": "is a Slotted, which should inherit from Tokenizer",
}
STOPS = ("t_slots",)  # it cannot even be made
AT_EXIT = ("t_prints_at_exit",)  # of which nothing is seen before

# the check that fails, and what it says; train says the same where it can
CHECKED = {
    "t_raises": ("odd text", "raised ValueError: no luck with 客服态: any text must be answered"),
    "t_raises_colours": ("odd text", "raised ValueError: \N{REPLACEMENT CHARACTER}[31mno: any text"),
    "t_raises_mutely": ("odd text", "raised Mute: : any text must be answered"),
    "t_exits": ("odd text", "it raised SystemExit: 3"),
    "t_leaves": ("odd text", "it raised SystemExit: it called os._exit(3)"),
    "t_none": ("odd text", "is None, where a list of strings was expected"),
    "t_generator": ("odd text", "is <generator object"),
    "t_string": ("odd text", "where a list of strings was expected"),
    "t_numbers": ("odd text", "where a list of strings was expected"),
    "t_empty_token": ("odd text", "where a list of strings was expected, none empty"),
    "t_no_tokens": ("odd text", "is [], so that nothing could be told of it: keep some tokens"),
    "t_prints": ("surroundings", "it printed 'hello from Python"),
    "t_prints_from_c": ("surroundings", "it printed 'hello from C"),
    "t_closes_stdin": ("surroundings", "it changed file descriptor 0"),
    "t_closes_stdout": ("surroundings", "it changed file descriptor 1"),
    "t_closes_stderr": ("surroundings", "it changed file descriptor 2"),
    "t_chdir": ("surroundings", "it changed the working folder"),
    "t_locale": ("surroundings", "it changed the locale"),
    "t_json": ("surroundings", "it changed json.dumps"),
    "t_thread": ("surroundings", "it left the thread 'endless', which does not end"),
    "t_state": ("determinism", "is something else the second time: depend on the text alone"),
    "t_batch": ("batch", "it raised AttributeError: 'list' object has no attribute 'lists'"),
    "t_config_path": ("config", "config is not JSON"),
    "t_config_absolute": ("config", "config['words'] is the path '/usr': a saved model must not need it"),
    "t_config_odd": ("config", "config is not JSON"),
    "t_slots": ("made", "is a Slotted, which should inherit from Tokenizer"),
    "e_fit_raises": ("fit", "fit raised RuntimeError: no vectors today"),
    "e_fit_none": ("fit", "fit returns a NoneType: return a TableVocabulary, a HashVocabulary or a SubwordVocabulary"),
    "e_raises": ("shapes", "it raised RuntimeError: no vectors today"),
    "e_none": ("shapes", "are a NoneType, where a tensor was expected"),
    "e_float64": ("shapes", "are torch.float64, where torch.float32 was expected: convert them"),
    "e_width": ("shapes", "have shape (4, 30, 16), where (4, 30, 8) was expected"),
    "e_state": ("determinism", "outside training, the same ids have the same vectors"),
    "e_dtype": ("surroundings", "it changed torch's default dtype"),
    "e_device": ("surroundings", "it changed torch's default device"),
    "e_prints": ("surroundings", "it printed 'reading' on stdout, where results go: print to sys.stderr, or log"),
    "e_config_path": ("config", "config is not JSON"),
    "n_raises": ("shapes", "it raised RuntimeError: no vectors today"),
    "n_none": ("shapes", "forward returns a NoneType, where states and a state to carry were expected"),
    "n_states_alone": ("shapes", "forward returns a Tensor, where states and a state to carry were expected"),
    "n_float64": ("shapes", "are torch.float64, where torch.float32 was expected: convert them"),
    "n_width": ("shapes", "have shape (4, 7, 16), where (4, 7, 8) was expected"),
    "n_nan": ("shapes", "hold NaN or infinity"),
    "n_state": ("determinism", "outside training, the same vectors have the same states"),
    "n_causal": ("causal", "causal is true, but a state depends on a later vector; say causal = False"),
    "n_dtype": ("surroundings", "it changed torch's default dtype"),
    "n_threads": ("surroundings", "it changed torch's number of threads"),
    "n_no_gradients": ("surroundings", "it changed whether torch computes gradients"),
    "o_raises": ("shapes", "it raised RuntimeError: no logits today"),
    "o_none": ("shapes", "the decoder's logits are a NoneType, where a numpy array was expected"),
    "o_width": ("shapes", "have shape (72, 1), where (72, 36) was expected"),
    "o_no_decoder": ("shapes", "it raised TypeError: 'NoneType' object is not callable"),
    "o_decoder_raises": ("shapes", "it raised RuntimeError: no logits today"),
    "o_float64": ("shapes", "the outputs (n, width) are torch.float64, where torch.float32 was expected"),
}
FILLED = {  # what fill says of a text
    "o_raises": "cannot decode: RuntimeError: no logits today",
    "o_none": "returns logits in a NoneType, where an array",
    "o_width": "returns logits of shape",
    "o_no_decoder": "returns a Lost, not a decoder with logits",
    "o_decoder_raises": "makes no decoder of what the model keeps of it: RuntimeError: no logits today",
}


# what a module does when it is imported: why it is left out, and what is done; what of it is told; what the kit says
SOUND = """
from nlpkit import Tokenizer, hookimpl

class Characters(Tokenizer):
    config, files = {}, {}

    def tokenize(self, text):
        return list(text)

def sound_pieces():
    return Characters()

@hookimpl
def nlpkit_register_tokenizers(register):
    register("tried", sound_pieces)
"""
FAILED = {
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "leaves": ("import os\nos._exit(3)", "SystemExit: it called os._exit(3)"),
    "interrupts": ("raise GeneratorExit", "GeneratorExit: "),
    "many names": (
        SOUND.replace('"tried"', 'f"tried-{n}"').replace("    reg", "    for n in range(10_000): reg"),
        "1,000",
    ),
    **{
        f"name {name!r}": (SOUND.replace('"tried"', repr(name)), f"no tokenizer can be called {name!r:.60}")
        for name in ("two words", "bell\x07", "a.b", "-o", "a/b", "nul\x00", "x" * 200)
    },
}
QUIET = {
    "prints": ("print('hello')", "printed 'hello', which is kept", "it printed 'hello' on stdout"),
    "prints from C": (
        "import os\nos.write(1, b'hello')",
        "printed 'hello', which is kept",
        "it printed 'hello' on stdout",
    ),
    "closes": ("import os\nos.close(1)", "changed file descriptor 1" + PUT_BACK, "it changed file descriptor 1"),
    "json": ("import json\njson.loads = eval", "changed json.loads" + PUT_BACK, "it changed json.loads"),
    "chdir": ("import os\nos.chdir('/')", "changed the working folder" + PUT_BACK, "it changed the working folder"),
    "stdout": ("import sys\nsys.stdout = sys.stderr", "changed sys.stdout" + PUT_BACK, "it changed sys.stdout"),
    "prints at the end": (
        "import atexit\nprint('hello')\natexit.register(print, 'bye')",
        "printed 'hello', which is kept",
        "it printed 'hello' on stdout",
    ),
    "signals": (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
        "changed what SIGINT does" + PUT_BACK,
        "it changed what SIGINT does",
    ),
    "slow": ("import time\ntime.sleep(1.01)", "took 1.", "less than 1 s was expected: do what takes long in the body"),
    "thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=[60], name='endless').start()",
        "left a thread that does not end: it is cut off",
        "its import leaves the thread 'endless', which does not end: start none there",
    ),
}

COMMAND = """
import click

@click.command()
def tried():
    "Try."
    {does}
"""
COMMANDS = {
    "raises": "raise KeyError('no luck')",
    "raises elsewhere": "import json; json.loads('{')",
    "imports what is not there": "import a_module_that_is_not_there",
    "raises what is no error": "raise GeneratorExit",
}
TASKS = {  # what a task's model does with a row that is hard
    "raises": ("raise ValueError('no luck')", "fails in one, line 16 of stranger_plugin.py: ValueError: no luck"),
    "returns None": ("return None", "returns None among its answers, where a named tuple with a reason was expected"),
    "returns a text": ("return 'good'", "returns 'good' among its answers, where a named tuple"),
}
TASK = """
from typing import NamedTuple
from nlpkit.model.base import SavedModel
from nlpkit.tasks.base import Task, Verb

class Answer(NamedTuple):
    word: str | None
    reason: str | None = None

class Model(SavedModel):
    task = "tried"
    def answerer(self):
        return lambda rows: [self.one(row) for row in rows]
    def one(self, row):
        if "差" in row.text and not row.fault:
            {does}
        return Answer(None if row.fault else row.text[:1], row.fault)
    def warm(self): pass
    def sample(self, text): return {{}}
    def compare(self, sample): return None

TRIED = Task(
    name="tried", about="Try.", model="stranger_plugin:Model", run="stranger_plugin:Model", measure="m:m",
    verbs=(Verb(name="answer", method="answerer", about="Try."),), use="x",
)
"""


def test_the_tables_are_of_all():
    assert set(KINDS) == {*CHECKED, *AT_EXIT}
    assert {name for name, kind in KINDS.items() if kind == "tokenizer"} == set(SCORED)
    assert len(KINDS) + len(FAILED) + len(QUIET) + len(COMMANDS) + len(TASKS) >= 70


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the plugin as pip leaves it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(broken.__file__, folder / "zh_broken.py")
    points = [
        (f"[nlpkit.{kind}s]", *(f"{n} = zh_broken:{n}" for n, of in KINDS.items() if of == kind))
        for kind in GROUPS.values()
    ]
    information = folder / "zh_broken-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: zh-broken\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("\n".join(line for lines in points for line in lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def environment(site):
    return {"PYTHONPATH": str(site)}


def install(name, tmp_path):
    """A model that reads by a broken tokenizer."""
    member = table_member(tokenizer=component(name, distribution="zh-broken", version="1.2"))
    save(tmp_path / "m", model_files(member))
    return tmp_path / "m"


@pytest.mark.parametrize("name", SCORED)
def test_score_goes_on(run, environment, tmp_path, name):
    model, expected = install(name, tmp_path), SCORED[name]
    if name == "t_thread":
        environment = environment | OWN_PROCESS
    arguments = ("sentiment", "score", "-", "-m", model, "-f", "jsonl")
    done = run(*arguments, stdin="\n".join(ROWS).encode(), environment=environment)
    told = done.stderr.decode()
    if name in STOPS:
        assert f"the tokenizer '{name}' {WHOSE} {expected}" in one_sentence(done, 1)
        return
    assert done.returncode == 0, told
    assert "Traceback" not in told
    first, hard, last = map(json.loads, done.stdout.splitlines())
    assert (first["label"], last["label"]) == ("positive", "positive")
    if name in AT_EXIT:
        assert told == "goodbye\n"
    elif isinstance(expected, str):
        assert (hard["label"], hard["reason"]) == (None, f"the tokenizer '{name}' {WHOSE} {expected}")
    else:
        assert (hard["label"], hard["reason"]) == ("negative", None)
        assert told == (f"Warning: the tokenizer '{name}' {WHOSE} {expected[1]}\n" if expected[1] else "")


@pytest.fixture(scope="module")
def subjects():
    points = [(name, f"tests.plugins.broken:{name}", f"nlpkit.{kind}s") for name, kind in KINDS.items()]
    return {subject.name: subject for subject in list_subjects([Target.of("zh-broken", *points)])}


@pytest.mark.train
@pytest.mark.parametrize("name", CHECKED)
def test_the_kit_says_what_to_do(subjects, name):
    tried, sentence = CHECKED[name]
    (check,) = [check for check in list_checks(KINDS[name]) if check.name == tried]
    with pytest.raises(CheckError) as caught:
        check.run(subjects[name])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.train
@pytest.mark.parametrize("name", CHECKED)
def test_train_refuses_before_a_corpus_is_read(run, environment, corpus, tmp_path, name):
    kind, (tried, sentence) = KINDS[name], CHECKED[name]
    (tmp_path / "reviews.txt").write_text("\n".join(ROWS), encoding="utf-8")
    arguments = (
        ("sentiment", "train", corpus, f"--{kind}")
        if kind != "output"
        else ("cloze", "train", tmp_path / "reviews.txt", "--coding")
    )
    done = run(*arguments, name, "-o", tmp_path / "m", environment=environment)
    told = one_sentence(done, 1)
    assert f"the {kind} '{name}' {WHOSE} " in told
    assert tried == "made" or f"cannot be trained with: {tried}: " in told
    assert sentence in told
    assert not list(tmp_path.glob("m*"))


def fill(run, environment, tmp_path, name):
    """Fill a blank by the shipped model, whose outputs a broken decoder reads."""
    shutil.copytree(Path(nlpkit.__file__).parent / "models" / "reviews-cloze", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text("utf-8"))
    config["members"][0]["output"] = component(name, distribution="zh-broken", version="1.2")
    (tmp_path / "m" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return run("cloze", "fill", "-m", tmp_path / "m", "质量很__", "没有空", "-f", "jsonl", environment=environment)


@pytest.mark.parametrize("name", FILLED)
def test_fill_goes_on(run, environment, tmp_path, name):
    done = fill(run, environment, tmp_path, name)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["fillings"] == []
    assert first["reason"].startswith(f"the output '{name}' {WHOSE} {FILLED[name]}")
    assert second["reason"] == "no blank"


def listed(run, environment):
    done = run("plugins", "list", "--format", "json", environment=environment)
    assert done.returncode == 0
    (plugin,) = [plugin for plugin in json.loads(done.stdout) if plugin["distribution"] == "stranger"]
    return plugin, done.stderr.decode()


@pytest.mark.parametrize("name", FAILED)
def test_what_does_not_load_is_isolated(run, stranger, tmp_path, name, tiny_model):
    source, sentence = FAILED[name]
    environment = stranger(source)
    plugin, told = listed(run, environment)
    assert (plugin["registers"], sentence in plugin["error"]) == ({}, True)
    assert told.startswith("Warning: the plugin stranger 1.2 does not work: ")
    assert told.count("\n") == 1
    member = table_member(tokenizer=component("tried", distribution="stranger", version="1.2"))
    save(tmp_path / "m", model_files(member))
    assert "tokenizer 'tried' from stranger 1.2" in one_sentence(
        run("sentiment", "score", "-t", "好", "-m", tmp_path / "m", environment=environment), 1
    )
    if name == "leaves":  # once is enough
        assert run("sentiment", "score", "-t", "好", "-m", tiny_model, environment=environment).returncode == 0


@pytest.mark.parametrize("name", FAILED)
def test_the_kit_tells_what_does_not_load(stranger, name, monkeypatch):
    monkeypatch.syspath_prepend(stranger(FAILED[name][0])["PYTHONPATH"])
    monkeypatch.delitem(sys.modules, "stranger_plugin", raising=False)
    sentence = check("loads", list_subjects([Target.of("stranger", ("stranger", "stranger_plugin", "nlpkit"))]))
    assert sentence.startswith("it is left out whole: ")
    assert FAILED[name][1] in sentence


def check(name, subjects):
    """What a check of the plugin itself says."""
    (tried,) = [tried for tried in list_checks("plugin") if tried.name == name]
    with pytest.raises(CheckError) as caught:
        tried.run(subjects[0])
    return str(caught.value)


@pytest.mark.parametrize("name", QUIET)
def test_what_is_not_quiet_works_and_is_named(run, stranger, tmp_path, name):
    source, sentence, _ = QUIET[name]
    environment = stranger(f"{source}\n{SOUND}") | (OWN_PROCESS if name == "thread" else {})
    plugin, told = listed(run, environment)
    assert (plugin["registers"], plugin["error"]) == ({"tokenizer": ["tried"]}, None)
    assert (plugin["seconds"] >= 1) == (name == "slow")
    assert told.startswith(f"Warning: the plugin stranger 1.2 {sentence}")
    assert told.removesuffix("bye\n").count("\n") == 1
    member = table_member(tokenizer=component("tried", distribution="stranger", version="1.2"))
    save(tmp_path / "m", model_files(member))
    done = run("sentiment", "score", "-t", "好", "-m", tmp_path / "m", environment=environment)
    assert json.loads(done.stdout)["label"] == "positive"
    assert done.stderr.decode().startswith(told[:60])


@pytest.mark.parametrize("name", QUIET)
def test_the_kit_tells_what_is_not_quiet(stranger, name, monkeypatch):
    monkeypatch.syspath_prepend(stranger(f"{QUIET[name][0]}\n{SOUND}")["PYTHONPATH"])
    target = Target.of("stranger", ("stranger", "stranger_plugin", "nlpkit"))
    sound = Subject("plugin", "stranger", target, Registry())  # what breaks a process is imported in another
    assert QUIET[name][2] in check("start-up", [sound])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_fails_is_one_sentence(run, stranger, name):
    named = {"nlpkit.commands": {"tried": "stranger_plugin:tried"}}
    environment = stranger(COMMAND.format(does=COMMANDS[name]), named=named)
    told = one_sentence(run("tried", environment=environment), 1)
    assert told.startswith("Error: the plugin stranger 1.2 fails in tried, line 7 of stranger_plugin.py: ")
    assert told.endswith("(NLPKIT_STRICT_PLUGINS=1 shows the traceback)\n")
    strict = run("tried", environment=environment | {"NLPKIT_STRICT_PLUGINS": "1"})
    assert (strict.returncode, b"Traceback" in strict.stderr) == (1, True)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_fails_on_a_row_goes_on(run, stranger, tmp_path, name):
    does, sentence = TASKS[name]
    environment = stranger(TASK.format(does=does), named={"nlpkit.tasks": {"tried": "stranger_plugin:TRIED"}})
    save(tmp_path / "m", model_files(task="tried"))
    rows = "\n".join(["好货"] * 5 + ["差货"] + ["好的"] * 3 + ["很差"]).encode()
    done = run("tried", "answer", "-", "-m", tmp_path / "m", "-f", "jsonl", stdin=rows, environment=environment)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["word"] for answer in answers] == ["好"] * 5 + [None] + ["好"] * 3 + [None]
    assert all("stranger 1.2 " + sentence in answers[at]["reason"] for at in (5, 9))


def test_a_task_that_fails_on_every_row_is_one_sentence(run, stranger, tmp_path):
    source = TASK.format(does="pass").replace(
        "return lambda rows: [self.one(row) for row in rows]", "return lambda rows: iter(rows)"
    )
    environment = stranger(source, named={"nlpkit.tasks": {"tried": "stranger_plugin:TRIED"}})
    save(tmp_path / "m", model_files(task="tried"))
    rows = "\n".join(["好货"] * 50).encode()
    done = run("tried", "answer", "-", "-m", tmp_path / "m", "-f", "jsonl", stdin=rows, environment=environment)
    assert "the task 'tried' of stranger 1.2 returns a list_iterator, where a list" in one_sentence(done, 1)


RARE = """
from nlpkit import Tokenizer

class Rare(Tokenizer):
    config, files = {{}}, {{}}

    def tokenize(self, text):
        return ({does}) if {hard!r} in text else list(text)

def rare():
    return Rare()
"""


@pytest.mark.train
@pytest.mark.slow
def test_what_no_trial_can_know_stops_the_run_and_what_it_can_is_tried_again(run, stranger, corpus, tmp_path):
    named = {"nlpkit.tokenizers": {"rare": "stranger_plugin:rare"}}
    environment = stranger(RARE.format(does="1 / 0", hard="龘"), named=named)
    module, out = tmp_path / "site" / "stranger_plugin.py", tmp_path / "m"
    rows = corpus.read_text("utf-8")
    corpus.write_text(f"{rows}龘很好,positive\n", encoding="utf-8")
    made = ("--tokenizer", "rare", "--epochs", "1")
    done = run("sentiment", "train", corpus, "-o", out, *made, environment=environment)
    sentence = "the tokenizer 'rare' of stranger 1.2 fails: ZeroDivisionError: division by zero; the text was '龘很好'"
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (1, f"Error: {sentence}")
    assert not out.exists()
    module.write_text(RARE.format(does="None", hard="差"), encoding="utf-8")
    refused = "the tokenizer 'rare' of stranger 1.2 cannot be trained with: odd text: tokenize"
    assert refused in one_sentence(run("sentiment", "train", "-o", out, "--resume", environment=environment), 1)
    module.write_text(RARE.format(does="[]", hard="龘"), encoding="utf-8")
    assert run("sentiment", "train", "-o", out, "--resume", environment=environment).returncode == 0
    module.write_text(RARE.format(does="None", hard="差"), encoding="utf-8")
    again = run("sentiment", "train", corpus, "-o", tmp_path / "n", "--from", out, environment=environment)
    assert refused in one_sentence(again, 1)
    assert not (tmp_path / "n").exists()


DECIDING = """
import os
import torch
from torch import nn

class Deciding(nn.Module):
    causal, config, output_dim = True, {}, 6
    def __init__(self, input_dim):
        super().__init__()
        self.layer = nn.Linear(input_dim, 6)
    def forward(self, vectors, mask, state=None):
        states = self.layer(vectors)
        if float(states.detach().abs().max()) > 1e6:  # which cannot be exported
            states = states.clamp(-1e6, 1e6)
        if os.environ.get("BREAK") and int(mask.sum(1).max()) == 7:
            raise RuntimeError("no rows of seven")
        return states, None

def deciding(*, input_dim: int):
    return Deciding(input_dim)
"""


@pytest.mark.train
@pytest.mark.slow
def test_a_network_that_torch_runs_fails_on_some_rows(run, stranger, corpus, tmp_path):
    environment = stranger(DECIDING, named={"nlpkit.encoders": {"deciding": "stranger_plugin:deciding"}})
    made = ("--encoder", "deciding", "--tokenizer", "char", "--epochs", "1", "--set", "embedding.dim=8")
    assert run("sentiment", "train", corpus, "-o", tmp_path / "m", *made, environment=environment).returncode == 0
    rows = "\n".join(["质量很好", "这手机质量很好", "真不错"]).encode()
    arguments = ("sentiment", "score", "-", "-m", tmp_path / "m", "-f", "jsonl")
    done = run(*arguments, stdin=rows, environment=environment | {"BREAK": "1"})
    first, hard, last = map(json.loads, done.stdout.splitlines())
    assert (first["reason"], last["reason"]) == (None, None)
    assert hard["label"] is None
    sentence = "the plugin stranger 1.2 fails in forward, line 16 of stranger_plugin.py: RuntimeError: no rows of seven"
    assert hard["reason"] == sentence
