"""The house stands: no module imports from a floor above its own, and no two import each other, however far around."""

import ast
import itertools
from functools import cache
from pathlib import Path

import pytest

import nlpkit

PACKAGE = Path(nlpkit.__file__).parent
FLOORS = [  # from below; a name stands for all modules under it that no longer name does
    {"nlpkit.errors"},
    {"nlpkit.language"},
    {"nlpkit.version"},
    {"nlpkit.files", "nlpkit.charts", "nlpkit.log"},
    {"nlpkit.text"},
    {"nlpkit.tasks", "nlpkit.tasks.base", "nlpkit.tasks.metrics"},
    {"nlpkit.plugins"},
    {"nlpkit.model"},
    {"nlpkit.components"},
    {"nlpkit.training"},
    {"nlpkit.audit"},  # which trains, but without torch
    {"nlpkit.testing"},  # which the shell runs
    {"nlpkit.commands"},
    {"nlpkit.tasks.sentiment", "nlpkit.tasks.cloze", "nlpkit.tasks.generate"},
    {"nlpkit.__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
APART = {*FLOORS[-2], "nlpkit.testing"}  # rooms that do not know each other
DOORS = {"nlpkit"}  # what the package itself shows: it is all of its floors, each name imported when asked for


def module_of(path: Path) -> str:
    parts = ["nlpkit", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


class Imports(ast.NodeVisitor):
    """The modules that a module imports, those in functions, but not in hooks, among them; not those for types."""

    def __init__(self) -> None:
        self.found: set[tuple[str, int]] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """What a hook registers is imported when the registry calls it, which knows it by the hook's name alone."""
        if not any(isinstance(of, ast.Name) and of.id == "hookimpl" for of in node.decorator_list):
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                self.visit(other)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {(alias.name, node.lineno) for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert not node.level, "imports say the whole name"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            self.found.add((inner if inner in MODULES else node.module or "", node.lineno))


def imports_of(source: str) -> set[tuple[str, int]]:
    found = Imports()
    found.visit(ast.parse(source))
    return found.found


@cache
def imports(module: str) -> dict[str, int]:
    """The modules of the house that one imports, and the line of each."""
    found = imports_of(MODULES[module].read_text(encoding="utf-8"))
    return {name: line for name, line in found if name in MODULES and name != module}


def room_of(module: str) -> str:
    """The longest name of a floor under which a module stands."""
    parts = module.split(".")
    return next(name for name in (".".join(parts[:n]) for n in range(len(parts), 0, -1)) if name in FLOOR)


def wrong(module: str, other: str) -> bool:
    """Whether an import goes up, or across."""
    here, there = room_of(module), room_of(other)
    return FLOOR[there] > FLOOR[here] or (here != there and {here, there} <= APART)


def test_every_module_stands_on_a_floor():
    for module in MODULES.keys() - DOORS:
        assert room_of(module)
    assert {room for room in FLOOR if room not in MODULES} == set()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - DOORS))
def test_no_import_goes_up(module):
    found = [f"line {line}: {other}" for other, line in imports(module).items() if other not in DOORS]
    assert [said for said in found if wrong(module, said.split(": ")[1])] == []


def circles(graph):
    """Groups of modules that import each other, however far around (Tarjan 1972)."""
    numbers, low, stack, found = {}, {}, [], []

    def visit(module):
        numbers[module] = low[module] = len(numbers)
        stack.append(module)
        for other in graph[module]:
            if other not in numbers:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], numbers[other])
        if low[module] == numbers[module]:
            at = stack.index(module)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for module in graph:
        if module not in numbers:
            visit(module)
    return [group for group in found if len(group) > 1]


def test_no_modules_import_each_other():
    """The package itself is left out: it imports what is asked for, and only then."""
    inner = MODULES.keys() - DOORS
    assert circles({module: [other for other in imports(module) if other in inner] for module in inner}) == []


def test_no_module_imports_the_package_itself():
    """`nlpkit` is every floor at once, so that whoever imports it from inside goes up."""
    inside = {
        module: line for module in MODULES.keys() - DOORS for name, line in imports(module).items() if name in DOORS
    }
    assert inside == {}


# The test itself


def test_imports_in_functions_count_and_those_for_types_and_in_hooks_do_not():
    source = """
from typing import TYPE_CHECKING
from nlpkit import errors
import nlpkit.files
if TYPE_CHECKING:
    from nlpkit.commands import main
else:
    import nlpkit.version
def f():
    from nlpkit.text import rows
@hookimpl
def nlpkit_register_commands(cli):
    from nlpkit.commands import corpus
"""
    found = {name for name, _ in imports_of(source)} - {"typing"}
    assert found == {"nlpkit.errors", "nlpkit.files", "nlpkit.version", "nlpkit.text.rows"}


def test_up_and_across_are_wrong_and_down_is_right():
    assert wrong("nlpkit.text.rows", "nlpkit.commands.screen")
    assert wrong("nlpkit.model.base", "nlpkit.tasks.cloze.model")
    assert wrong("nlpkit.testing.plugin", "nlpkit.tasks.sentiment.model")
    assert wrong("nlpkit.tasks.cloze.run", "nlpkit.tasks.generate.run")
    assert not wrong("nlpkit.tasks.cloze.run", "nlpkit.training.run")
    assert not wrong("nlpkit.model.base", "nlpkit.tasks.base")


def test_a_circle_is_found_however_far_around():
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]
    names = "abcd"
    assert circles({one: [two for two in names if two > one] for one, _ in itertools.product(names, "x")}) == []
