"""``nlpkit models``: list, show, check, pack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from nlpkit.commands.groups import WholeGroup
from nlpkit.commands.printing import FILE
from nlpkit.errors import Sentence, headings, join
from nlpkit.language import phrase, translate


@click.group(cls=WholeGroup, short_help="Trained models: installed ones, and folders of your own.")
def models() -> None:
    """Trained models: those that are installed, and folders of your own."""


@models.command("list")
@click.option("--format", "-f", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_models(kind: str) -> None:
    """List the installed models.

    \b
    nlpkit models list
    """
    from nlpkit.commands.printing import make_console, make_table, tell_json

    entries = list(_read_installed())
    if kind == "json":
        tell_json(entries)
        return
    drawing = make_table(*headings("name", "task", "answers", ">MB", "from"))
    for e in entries:
        drawing.add_row(
            e["name"],
            e["task"],
            translate(join((_describe_answers(name, value) for name, value in e["answers"].items()), "; ")),
            f"{e['bytes'] / 1e6:.1f}",
            f"{e['distribution']} {e['version']}",
        )
    make_console().print(drawing)


@models.command()
@click.argument("model")
@click.option("--format", "-f", "kind", type=click.Choice(["card", "json"]), default="card", show_default=True)
def show(model: str, kind: str) -> None:
    """Print a model's card, or its config.json.

    \b
    nlpkit models show reviews
    nlpkit models show ./mine --format json | jq .members
    """
    from nlpkit.commands.printing import tell, tell_json
    from nlpkit.model.bundle import CARD, CONFIG, find

    bundle = find(model)
    if kind == "json":
        tell_json(bundle.read(CONFIG))
    else:
        tell(bundle.read(CARD).decode(errors="replace"), end="")


@models.command(short_help="Open every part of models, and answer their samples again.")
@click.argument("chosen", metavar="[MODELS]...", nargs=-1)
def check(chosen: tuple[str, ...]) -> None:
    """Open every part of models and answer their own samples again; exit with 1 if one comes out otherwise.

    Without MODELS, all installed ones are checked.

    \b
    nlpkit models check
    nlpkit models check ./mine
    """
    from nlpkit.commands.printing import say, tell
    from nlpkit.errors import NlpkitError
    from nlpkit.model.opening import load
    from nlpkit.plugins.registry import registry

    failed = False
    for name in chosen or registry().names("model"):
        well = Sentence("ok")
        try:
            model = load(name)
            faults = model.check()
            if model.bundle.checksums is None:
                well = Sentence("ok (no checksums: made by an older nlpkit)")
        except NlpkitError as error:
            faults = [error.sentence]
        failed |= bool(faults)
        tell(f"{name}: {translate(Sentence('FAILED') if faults else well)}")
        for fault in faults:
            say("  {fault}", fault=Sentence(fault))
    if failed:
        raise click.exceptions.Exit(1)


@models.command(short_help="Make a distribution that ships a model.")
@click.argument("model")
@click.option("--name", help="What it is called there; as the folder unless said.")
@click.option("--output", "-o", type=FILE, help="The folder to write; nlpkit-zh-NAME in this one unless said.")
def pack(model: str, name: str | None, output: Path | None) -> None:
    """Make a distribution that ships a model: a folder that pip installs, and that tests itself.

    Whoever installs it says --model NAME; so does the model's card. The weights as trained go along if they are in the
    folder: train with --no-weights to ship what inference needs and no more.

    \b
    nlpkit models pack ./mine --name hotels
    nlpkit models pack ./hotels -o ~/nlpkit-zh-hotels
    """
    from nlpkit.commands.model_packing import count_samples
    from nlpkit.commands.model_packing import pack as draft
    from nlpkit.commands.plugin_templates import write
    from nlpkit.commands.printing import tell

    plugin = draft(model, name or Path(model).absolute().name)
    folder = output or Path(plugin.distribution)
    write(plugin, folder)
    tell(
        phrase(
            "{folder} is written: the model {name}, and {samples} texts by which it tests itself,\n"
            "which whoever has it can read. Next:\n",
            folder=folder,
            name=plugin.name,
            samples=count_samples(plugin),
        )
    )
    tell(plugin.tell_steps(folder))


def _read_installed() -> Iterator[dict[str, Any]]:
    """Read what the installed models say of themselves; warn of such as cannot be read."""
    from nlpkit.commands.printing import warn
    from nlpkit.errors import BundleError, PluginError
    from nlpkit.model.bundle import CONFIG, find
    from nlpkit.model.opening import find_task
    from nlpkit.plugins.registry import registry

    names = registry().names("model")
    for fault in registry().list_new_faults():
        warn(fault)
    for name in names:
        try:
            component = registry().get("model", name)
            bundle = find(name)
            with bundle.report_damage(CONFIG):
                answers = find_task(bundle).describe(bundle)
        except PluginError as error:
            warn(error.sentence)
        except BundleError as error:
            warn(
                "{name} from {distribution} {version}: {error}",
                name=name,
                distribution=component.distribution,
                version=component.version,
                error=error,
            )
        else:
            entry = {"name": name, "task": bundle.config["task"], "answers": dict(answers), "bytes": bundle.size}
            yield entry | {"distribution": component.distribution, "version": component.version}


def _describe_answers(name: str, value: Any) -> str:
    """``negative, positive``, or ``12,000 words``."""
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,} {name}"
