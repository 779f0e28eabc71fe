"""Which plugins are there, what they need, and which of them the environment leaves out. None is imported here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from importlib.metadata import EntryPoint, PackageMetadata, entry_points

from nlpkit.errors import CLONED, PluginError, Sentence, install, nearest
from nlpkit.plugins.one_file import (
    FOLDER,
    file_of,
    find_files,
    import_file,
    is_file_name,
    list_missing,
    point_to,
    version_of,
)
from nlpkit.version import __version__

GROUP, OURS = "nlpkit", "nlpkit-zh"
KINDS = ("task", "tokenizer", "embedding", "encoder", "output", "model", "recipe", "command")
GROUPS = {f"{GROUP}.{kind}s": kind for kind in KINDS}  # in which a plugin names what it brings
ONLY, WITHOUT, STRICT = "NLPKIT_PLUGINS", "NLPKIT_DISABLE_PLUGINS", "NLPKIT_STRICT_PLUGINS"
_NAME = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True)
class InstalledPlugin:
    """A plugin: a module of the group ``nlpkit``, or all that a distribution names in the groups `GROUPS`.

    One that is a file, without a distribution, is such a module; its file's name stands for the distribution.

    :param requires: what the metadata of its distribution says that it needs.
    """

    points: tuple[EntryPoint, ...]
    distribution: str
    version: str
    requires: tuple[str, ...] = ()

    @property
    def module(self) -> EntryPoint | None:
        """The entry point that names its module; None where each has a name of its own."""
        return self.points[0] if self.points[0].group == GROUP else None

    @property
    def name(self) -> str:
        """That of its module's entry point, or of its distribution."""
        return self.module.name if self.module else self.distribution

    @property
    def ours(self) -> bool:
        """Whether it came with nlpkit itself."""
        return normalise(self.distribution) == OURS

    @cached_property
    def names(self) -> set[str]:
        """What the environment may call it: its distribution, or one of its entry points."""
        return {normalise(self.distribution), *(normalise(point.name) for point in self.points)}

    def load(self, point: EntryPoint) -> object:
        """Import what one of its entry points names.

        :raises PluginError: if it needs another nlpkit, or its entry point names nothing that could be imported.
        """
        if path := file_of(point):
            return import_file(path)
        self.check_needs()
        if not point.pattern.match(point.value):
            raise PluginError("its entry point names {value!r}: expected a module", value=point.value)
        return point.load()

    def check_needs(self, version: str = __version__) -> None:
        """See whether its distribution goes with this version of nlpkit.

        :raises PluginError: if it needs another, or if nobody can tell.
        """
        for line in () if self.ours else self.requires:
            if normalise(_NAME.match(line)[0]) == OURS:  # type: ignore[index]
                self._check_need(line, version)

    def _check_need(self, line: str, version: str) -> None:
        from packaging.requirements import InvalidRequirement, Requirement  # takes longer than all else at a start

        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            raise PluginError("its metadata cannot be read: Requires-Dist is {line!r}", line=line) from None
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and not requirement.specifier.contains(version, prereleases=True):
            raise PluginError(
                "it needs {ours}{specifier}, and {version} is installed{remedy}",
                ours=OURS,
                specifier=requirement.specifier,
                version=version,
                remedy=pip_install(self.distribution, also=f"{OURS} "),
            )


def find_installed() -> list[InstalledPlugin]:
    """Find all plugins, ours first: a stranger who takes one of our names is the one refused."""
    by_distribution: dict[int, list[EntryPoint]] = {}  # of each there is one object
    every = entry_points()
    plugins = [_read_plugin(point) for point in every.select(group=GROUP)]
    for group in GROUPS:
        for point in every.select(group=group):
            by_distribution.setdefault(id(point.dist), []).append(point)
    plugins += [_read_plugin(*points) for points in by_distribution.values()]
    plugins += [InstalledPlugin((point_to(path),), path.name, version_of(path)) for path in find_files(os.environ)]
    return sorted(plugins, key=lambda plugin: (not plugin.ours, plugin.distribution, plugin.name))


def _read_metadata(point: EntryPoint) -> PackageMetadata | Message:
    """Return what is known of the distribution of an entry point: nothing, if that is torn."""
    try:
        return point.dist.metadata if point.dist else Message()
    except FileNotFoundError:  # as the package importlib_metadata has it, which takes the place of Python's own
        return Message()


def _read_plugin(*points: EntryPoint) -> InstalledPlugin:
    """Read the metadata; an installation that was torn may lack any of it."""
    metadata = _read_metadata(points[0])
    name, version, requires = (metadata.get_all(key) or [] for key in ("Name", "Version", "Requires-Dist"))
    return InstalledPlugin(points, (*name, "unknown")[0], (*version, "0")[0], tuple(requires))


def find_exclusion(plugin: InstalledPlugin, environment: Mapping[str, str]) -> str | None:
    """Return the environment variable that leaves a plugin out; ours always stays."""
    if plugin.ours:
        return None
    if plugin.names & _split_names(environment.get(WITHOUT, "")).keys():
        return WITHOUT
    only = environment.get(ONLY)
    return ONLY if only is not None and not plugin.names & _split_names(only).keys() else None


def list_unknown_names(plugins: Sequence[InstalledPlugin], environment: Mapping[str, str]) -> Iterator[str]:
    """Say in a sentence each name in the environment that fits no plugin, and each file that is not there."""
    yield from list_missing(environment)
    for variable in (ONLY, WITHOUT):
        known = {name for plugin in plugins if variable == ONLY or not plugin.ours for name in plugin.names}
        for name, written in _split_names(environment.get(variable, "")).items():
            if name not in known:
                yield f"{variable} names {written!r}, which no plugin is called{nearest(written, sorted(known))}"


def is_stranger(distribution: str) -> bool:
    """Whether a distribution is neither nlpkit itself nor one of our plugins."""
    return normalise(distribution) not in (OURS, *CLONED)


def is_strict(environment: Mapping[str, str]) -> bool:
    """Whether a plugin's fault shall be an error."""
    return environment.get(STRICT, "0") not in ("", "0")


def normalise(name: str) -> str:
    """Spell a distribution's name as PEP 503 does: ``Nlpkit_ZH.bert`` becomes ``nlpkit-zh-bert``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_install(distribution: str, sign: str = "", version: str = "", *, also: str = "") -> str:
    """Return ``: pip install 'zh-runs>=0.1'``, ready to append; without a sign the newest.

    A saved model may name anything, and somebody will paste the command: where these are no names of a distribution and
    of a version, there is no command. A file is no distribution.
    """
    if is_file_name(distribution):
        advice = ": say --plugin {distribution} before the command, or put it where {folder} says"
        return "" if sign == "==" else Sentence(advice, distribution=distribution, folder=FOLDER)
    from packaging.utils import InvalidName, canonicalize_name  # takes longer than all else at a start
    from packaging.version import InvalidVersion, Version

    try:
        canonicalize_name(distribution, validate=True)
        requirement = f"{distribution}{sign}{Version(version)}" if sign else distribution
    except (InvalidName, InvalidVersion):
        return Sentence("; no distribution has such a name and version, so there is no command that brings it")
    remedy = install(distribution, elsewhere=f"'{requirement}'" if sign else f"--upgrade {also}{requirement}")
    return Sentence(": {remedy}", remedy=remedy)


def _split_names(names: str) -> dict[str, str]:
    """Split at commas; return each name as it is written by how it is compared."""
    return {normalise(name.strip()): name.strip() for name in names.split(",") if name.strip()}
