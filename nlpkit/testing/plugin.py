"""The pytest plugin: a test that takes `nlpkit_check` is run once for each check of each component of a plugin.

It is loaded by every pytest of an environment that nlpkit is installed in. So it imports nothing until it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nlpkit.testing.discovery import Subject, Target
    from nlpkit.testing.kit import Check

INI = "nlpkit_plugin"
CHECK = "nlpkit_check"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which plugin is under test."""
    parser.addini(INI, "the plugin of nlpkit that nlpkit_check tries: a distribution, an entry point or a module")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each check of each component."""
    if CHECK not in metafunc.fixturenames:
        return
    tried = _list_trials(metafunc.config.getini(INI))
    metafunc.parametrize(CHECK, tried, ids=[f"{subject}: {check.name}" for subject, check in tried], indirect=True)


@pytest.fixture
def nlpkit_options() -> Mapping[str, Mapping[str, Any]]:
    """Options of components that need some, by the component's name; to be overridden."""
    return {}


@pytest.fixture
def nlpkit_check(request: pytest.FixtureRequest, nlpkit_options: Mapping[str, Mapping[str, Any]]) -> Callable[[], None]:
    """Return a check of a component, to be called."""
    subject, check = request.param
    subject = _with_options(subject, nlpkit_options) if nlpkit_options else subject

    def run() -> None:
        __tracebackhide__ = True
        _run(check, subject)

    return run


def _list_trials(name: str) -> list[tuple[Subject, Check]]:
    """Return every check of every component of a plugin."""
    from nlpkit.errors import NlpkitError
    from nlpkit.testing.discovery import list_subjects
    from nlpkit.testing.kit import list_checks

    if not name:
        raise pytest.UsageError(
            f'{CHECK} wants to know the plugin under test: add {INI} = "its distribution\'s name" to '
            "[tool.pytest.ini_options] of pyproject.toml"
        )
    try:
        known = list_subjects(_find_targets(name))
    except NlpkitError as error:
        raise pytest.UsageError(f"{INI}: {error}; install it by pip install -e .") from error
    return [(subject, check) for subject in known for check in list_checks(subject.kind)]


def _find_targets(name: str) -> list[Target]:
    """Find plugins that are installed, or else a module that can be imported."""
    from importlib.util import find_spec

    from nlpkit.errors import SettingError
    from nlpkit.testing.discovery import Target, find_targets

    try:
        return find_targets(name)
    except SettingError:
        if not name.isidentifier() or find_spec(name) is None:
            raise
        return [Target.of(name, (name, name, "nlpkit"))]


def _with_options(subject: Subject, options: Mapping[str, Mapping[str, Any]]) -> Subject:
    from dataclasses import replace

    from nlpkit.errors import SettingError
    from nlpkit.testing.discovery import check_settings

    try:
        check_settings(subject.registry, options)
    except SettingError as error:
        pytest.fail(f"nlpkit_options: {error}", pytrace=False)
    return replace(subject, settings=options)


def _run(check: Check, subject: Subject) -> None:
    from nlpkit.testing.kit import CheckError, NotChecked

    __tracebackhide__ = True
    try:
        check.run(subject)
    except NotChecked as reason:
        pytest.skip(str(reason))
    except CheckError as error:
        if error.__cause__ is not None:  # of something that the plugin raised: where is told by the traceback
            raise
        pytest.fail(f"{subject}: {error}", pytrace=False)
