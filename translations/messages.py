"""Finds what nlpkit says to people, and keeps the catalogue of its translations: `python translations/messages.py`.

update      bring nlpkit.po up to date with the code, then compile
compile     write nlpkit.mo, which is what is read
missing     print what has no translation yet
count       print how much there is, and how much of it is translated
"""

from __future__ import annotations

import argparse
import ast
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from nlpkit.commands.main import cli
from nlpkit.commands.translated import RAW, split_help

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "nlpkit" / "locales" / "zh" / "LC_MESSAGES"
PO, MO = FOLDER / "nlpkit.po", FOLDER / "nlpkit.mo"
APART = ("testing", "commands/plugin_templates.py", "commands/plugin_checks.py")  # for authors of plugins
OF_ONE = {
    *("NlpkitError", "DataError", "BundleError", "SettingError", "PluginError", "MissingPlugin", "DataWarning"),
    "_NoModelError",
    *(
        "Sentence",
        "Note",
        "Remark",
        "say",
        "warn",
        "fail",
        "phrase",
        "translate",
        "Working",
        "UsageError",
        "BadParameter",
    ),
}  # whose first argument is a sentence
OF_ALL = {"headings"}  # all of whose arguments are
SYSTEM = ("ENOENT", "EACCES", "EISDIR", "ENOTDIR", "ENOSPC", "EPERM", "EROFS", "ENAMETOOLONG", "EIO", "EEXIST", "ELOOP")
WRITTEN = datetime(2025, 1, 1, tzinfo=UTC)  # of the catalogue, which is not to differ by when it is written
CLICK = (
    *("Usage:", "Options", "Commands", "Show this message and exit.", "Show the version and exit."),
    *("%(prog)s, version %(version)s", "Error: {message}", "Try '{command} {option}' for help.", "Aborted!"),
    *("Invalid value: {message}", "Invalid value for {param_hint}: {message}", "Missing command.", "Missing argument"),
    *("Missing option", "Missing parameter", "No such option {name!r}.", "No such option: {name}"),
    *("No such command {name!r}.", "default: {default}", "required", "Option {name!r} requires an argument."),
    *("Option {name!r} does not take a value.", "{value!r} is not a valid {number_type}."),
    *("{value} is not in the range {range}.", "Choose from:\n\t{choices}"),
    *("Got unexpected extra argument ({args})", "{value!r} is not {choice}.", "Did you mean {possibility}?"),
)
REASONS = (  # of rows, which are data and stay as they are there; in sentences that count them they are translated
    *("no label", "no text", "no number", "no JSON", "no JSON object", "empty", "unsure", "no evidence", "too long"),
    *("of a label that is left out", "undecodable bytes", "not a text", "several labels", "no blank", "nested text"),
    *("a blank marked otherwise", "too many blanks", "nothing but a blank", "no known word around the blank"),
    *(
        "no word fits",
        "nested label",
        "repeated header",
        "annotators disagree",
        "no annotation",
        "cancelled annotation",
    ),
    *("a label neither 0 nor 1", "train", "test", "validation"),
    *("tokenizer", "embedding", "encoder", "output", "model", "task", "command", "recipe"),  # kinds of components
)
PLURALS = {
    "Got unexpected extra argument ({args})": "Got unexpected extra arguments ({args})",
    "Option {name!r} requires an argument.": "Option {name!r} requires {nargs} arguments.",
    "{value!r} is not {choice}.": "{value!r} is not one of {choices}.",
    "Did you mean {possibility}?": "(Did you mean one of: {possibilities}?)",
}


OTHERS = (*((message, "click") for message in CLICK), *((reason, "reasons of rows") for reason in REASONS))


def find_sentences(package: Path = ROOT / "nlpkit") -> Iterator[tuple[str, str]]:
    """Yield the templates of all sentences of modules, and where each stands."""
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(APART):
            for template, line in templates_of(path.read_text("utf-8")):
                yield template, f"{package.name}/{name}:{line}"


def templates_of(source: str) -> Iterator[tuple[str, int]]:
    """Yield the templates in a module, and the line of each."""
    tree = ast.parse(source)
    names = _find_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for argument in _sentences_in(node):
                for constant in _constants_of(argument, names):
                    yield constant.value, constant.lineno


def _find_names(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what is assigned to each name, as a template that is too long for its place is."""
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.setdefault(node.targets[0].id, []).append(node.value)
    return names


def _sentences_in(call: ast.Call) -> list[ast.expr]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name == "MissingExtra":
        return call.args[2:3]
    return call.args[:1] if name in OF_ONE else call.args if name in OF_ALL else []


def _constants_of(node: ast.expr, names: dict[str, list[ast.expr]]) -> Iterator[ast.Constant]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.strip(">"):
        node.value = node.value.removeprefix(">")
        yield node
    elif isinstance(node, ast.IfExp):
        yield from _constants_of(node.body, names)
        yield from _constants_of(node.orelse, names)
    elif isinstance(node, ast.Name) and node.id in names:
        for value in names.pop(node.id):
            yield from _constants_of(value, names)


def find_help(command: click.Command = cli, path: str = "nlpkit") -> Iterator[tuple[str, str]]:
    """Yield the paragraphs of the help of a command of ours and of those in it, and its path."""
    for text in (command.help, command.short_help, command.epilog):
        parts = (part.removeprefix(f"{RAW}\n") for part in split_help(text or ""))
        yield from ((part, path) for part in parts if not is_code(part))
    for param in command.params:
        if about := getattr(param, "help", None):
            yield about, path
    if isinstance(command, click.Group):
        for name, inner in _list_commands(command):
            yield from find_help(inner, f"{path} {name}")


def is_code(paragraph: str) -> bool:
    """Tell whether a paragraph is made of commands alone, without words beside them."""
    return all(
        line.startswith(("nlpkit ", "NLPKIT_DISABLE_PLUGINS=", "cat ", "    ")) and "   " not in line[4:]
        for line in paragraph.split("\n")
    )


def _list_commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    from nlpkit.commands.main import _source_of

    context = click.Context(group)
    for name in group.list_commands(context):
        if group is not cli or _source_of(name).ours:
            command = group.get_command(context, name)
            if command and not command.hidden:
                yield name, command


def find_messages() -> dict[str, list[str]]:
    """Return all that is said, and where."""
    found: dict[str, list[str]] = {}
    system = [(os.strerror(getattr(errno, name)).lower(), "the system") for name in SYSTEM]
    for message, place in (*find_sentences(), *find_help(), *system, *OTHERS):
        if message and place not in found.setdefault(message, []):
            found[message].append(place)
    return found


def read() -> Catalog:
    """Return the catalogue that is kept."""
    if not PO.exists():
        return Catalog(locale="zh", domain="nlpkit")
    with PO.open("rb") as file:
        return read_po(file, locale="zh", domain="nlpkit")


def update(more: dict[str, str] | None = None) -> None:
    """Bring the catalogue up to date: what is said no more goes."""
    old = {key_of(message): message.string for message in read() if message.id}
    new = Catalog(
        locale="zh",
        domain="nlpkit",
        project="nlpkit",
        header_comment="# What nlpkit says to people, in Chinese.",
        creation_date=WRITTEN,
        revision_date=WRITTEN,
    )
    for message, places in find_messages().items():
        identity = (message, PLURALS[message]) if message in PLURALS else message
        string = (more or {}).get(message) or old.get(message) or ""
        if message in PLURALS and isinstance(string, str):
            string = (string,)
        new.add(identity, string, auto_comments=sorted({place.partition(":")[0] for place in places})[:3])
    with PO.open("wb") as file:
        write_po(file, new, width=120, sort_output=True, omit_header=False)


def key_of(message: Message) -> str:
    """Return a message as the code says it, of one with a plural the singular."""
    return message.id if isinstance(message.id, str) else message.id[0]


def compile_catalogue() -> None:
    """Write what is read at run time."""
    with MO.open("wb") as file:
        write_mo(file, read())


def missing(messages: Iterable[str]) -> list[str]:
    """Return which messages have no translation."""
    translated = {key_of(m) for m in read() if m.id and (m.string if isinstance(m.string, str) else m.string[0])}
    return [message for message in messages if message not in translated]


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["update", "compile", "missing", "count"])
    command = parser.parse_args().command
    if command == "update":
        update()
    if command in ("update", "compile"):
        compile_catalogue()
    messages = find_messages()
    absent = missing(messages)
    if command == "missing":
        print("\n".join(f"{', '.join(messages[message][:2])}\n    {message!r}" for message in absent))
    words = sum(len(message.split()) for message in messages)
    print(f"{len(messages):,} messages of {words:,} words, {len(messages) - len(absent):,} translated", file=sys.stderr)


if __name__ == "__main__":
    main()
