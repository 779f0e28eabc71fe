"""Makes the parts that settings name, and refuses early what does not go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlpkit.errors import SettingError
from nlpkit.protocols import Embedding, Encoder, Tokenizer
from nlpkit.registry import Component, registry
from nlpkit.training.settings import Settings


@dataclass(frozen=True)
class Made:
    """A component's instance, and where it came from."""

    component: Component
    part: Any

    @property
    def record(self) -> dict[str, Any]:
        """What a bundle keeps of it."""
        origin = {"distribution": self.component.distribution, "version": self.component.version}
        return {"name": self.component.name, **origin, "config": dict(self.part.config)}


def make(kind: str, chosen: Mapping[str, Any], **fixed: Any) -> Made:
    """Make the component that settings name.

    :raises SettingError: for a name that nobody registers, or options that it refuses.
    """
    options = dict(chosen)
    component = registry().get(kind, options.pop("name"))
    return Made(component, component.create(options, **fixed))


def rehearse(settings: Settings) -> None:
    """Make every part once, before any corpus is read.

    :raises SettingError: for a value that a part refuses, or parts that do not go together.
    :raises DataError: for a file that a part needs and cannot read.
    """
    for member in settings.members:
        _: Tokenizer = make("tokenizer", member.tokenizer).part
        embedding: Embedding = make("embedding", member.embedding).part
        encoder: Encoder = make("encoder", member.encoder, input_dim=embedding.dim or 2).part
        ordered, identity = getattr(embedding, "ordered", True), getattr(encoder, "identity", False)
        if not ordered and (not identity or member.max_length):
            raise SettingError(
                f"{member.name}: the embedding {member.embedding['name']} keeps no order, so it goes with the encoder "
                f"none and max_length 0, not with {member.encoder['name']} and {member.max_length}"
            )
        if member.training.pretrain and not getattr(encoder, "one_way_halves", False):
            raise SettingError(
                f"{member.name}: training.pretrain goes with the encoder lstm, one layer, bidirectional; "
                f"was: {dict(member.encoder)}"
            )
