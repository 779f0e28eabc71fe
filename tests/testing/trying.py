"""Tries plugins that are no more than a factory."""

from types import ModuleType

from nlpkit import hookimpl
from nlpkit.testing import CheckError, NotChecked, Subject, list_checks, list_subjects, of_module

SLOW = ("export",)  # torch takes seconds to export a network


def module(kind, factory, name="tried"):
    """A plugin that registers one component."""
    made = ModuleType("tried_plugin")
    setattr(made, f"nlpkit_register_{kind}s", hookimpl(lambda register: register(name, factory)))
    return made


def subject(kind, factory, **options) -> Subject:
    (found,) = [s for s in list_subjects([of_module(module(kind, factory))], {"tried": options}) if s.kind == kind]
    return found


def outcomes(tried: Subject, without=SLOW):
    """What each check says: None where it holds, a sentence where it does not; those left out that say nothing."""
    found = {}
    for check in list_checks(tried.kind):
        if check.name not in without:
            try:
                check.run(tried)
            except NotChecked:
                continue
            except CheckError as error:
                found[check.name] = str(error)
            else:
                found[check.name] = None
    return found


def failures(tried: Subject, without=SLOW):
    found = {name: sentence for name, sentence in outcomes(tried, without).items() if sentence}
    for sentence in found.values():
        assert "\n" not in sentence
    return found


def only(tried: Subject, name: str, without=SLOW) -> str:
    """The sentence of the one check that fails."""
    found = failures(tried, without)
    assert list(found) == [name], found
    return found[name]
