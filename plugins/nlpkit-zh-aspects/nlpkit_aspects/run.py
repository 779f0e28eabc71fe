"""What of a run is an opinion model's own: one network, and sentences with opinions to test itself by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nlpkit import SettingError
from nlpkit.training import Member, Run, RunSettings, StoredCorpus

from nlpkit_aspects.member import AspectsNetworkMember
from nlpkit_aspects.settings import AspectsRunSettings

SAMPLES = 12


class AspectsRun(Run):
    """The run of a model that finds opinions."""

    settings_class: ClassVar[type[RunSettings]] = AspectsRunSettings
    kinds: ClassVar[Mapping[str, type[Member]]] = {"network": AspectsNetworkMember}
    card = "nlpkit_aspects:card.md"

    def rehearse(self) -> list[str]:
        """Refuse several members: spans of different tokens cannot be mixed."""
        if (count := len(self.settings.members)) != 1:
            raise SettingError("an opinion model has one member, the recipe has {count}", count=count)
        return super().rehearse()

    def samples(self, model: Any, corpus: StoredCorpus) -> list[str]:  # noqa: ARG002
        """Return validation rows."""
        return [text for block in corpus.texts("validation", SAMPLES) for text in block]
