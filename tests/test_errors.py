"""An error is a template and its values, so that it can be said in another language, and be counted."""

import ast
import copy
import pickle
from pathlib import Path
from string import Formatter

import pytest

from nlpkit.errors import BundleError, DataError, DataWarning, MissingExtra, Sentence, SettingError, nearest

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("nlpkit/**/*.py"), *ROOT.glob("plugins/*/nlpkit_*/**/*.py")]
KINDS = {"NlpkitError", "DataError", "BundleError", "SettingError", "PluginError", "MissingPlugin", "DataWarning"}
SENTENCES = KINDS | {"Remark", "Note", "Sentence"}


def calls(path):
    """The sentences that a module makes, but for those that pass on one that is made already."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SENTENCES and node.args:
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_sentence_is_finished_where_it_is_raised(path):
    for call in calls(path):
        template = call.args[0]
        assert not isinstance(template, ast.JoinedStr | ast.BinOp), f"line {call.lineno}: {ast.unparse(template)}"
        if isinstance(template, ast.Constant) and call.keywords:
            fields = {field for _, field, _, _ in Formatter().parse(template.value) if field is not None}
            assert fields == {keyword.arg for keyword in call.keywords}, f"line {call.lineno}: {template.value}"


def test_most_sentences_have_values():
    found = [call for path in SOURCES for call in calls(path)]
    assert sum(bool(call.keywords) for call in found) > 250


def test_an_error_keeps_its_template_and_its_values():
    inner = SettingError("there is no encoder {name!r}{there_is}", name="lstn", there_is=nearest("lstn", ["lstm"]))
    error = BundleError("{path} is refused: {error}", path=Path("m"), error=inner)
    assert str(error) == "m is refused: there is no encoder 'lstn'; did you mean 'lstm'? There is: lstm"
    assert error.sentence.template == "{path} is refused: {error}"
    assert error.sentence.values["error"].template == "there is no encoder {name!r}{there_is}"
    assert error.sentence.values["error"].values["there_is"].values == {"guess": "lstm", "names": "lstm"}


def test_a_sentence_without_values_may_hold_braces():
    assert str(DataError('expected {"text": …}')) == 'expected {"text": …}'
    assert str(DataWarning(Sentence("{n:,} rows", n=1234))) == "1,234 rows"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [DataError("{path}: row {row}", path="a{b}.csv", row=3), DataError("{}"), MissingExtra("torch", "train", "it")],
)
def test_errors_pass_from_process_to_process(error, duplicate):
    again = duplicate(error)
    assert (type(again), str(again)) == (type(error), str(error))
    assert (again.sentence.template, again.sentence.values) == (error.sentence.template, error.sentence.values)
