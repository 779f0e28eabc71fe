"""What is counted of rows while they are answered, and said of them in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.commands.options import count_reasons
from nlpkit.commands.printing import say, warn
from nlpkit.commands.summary import Counts, Summary
from nlpkit.errors import Sentence, join

if TYPE_CHECKING:
    from nlpkit.commands.answers import Form
    from nlpkit.tasks.base import Task
    from nlpkit.text.rows import Row, Source


class Tally:
    """Counts rows by label, by reason, by the values of columns, and those that are unlike the training text."""

    def __init__(self, by: Sequence[str] = ()) -> None:
        self.rows, self.summary = Counts(), Summary(by)
        self._unlike = Unlike()

    def check(self, source: Source, rows: Sequence[Row]) -> None:
        """Refuse a file, of which no rows have come yet, without one of the columns."""
        if not rows:
            self.summary.check(source)

    def add(self, source: Source, rows: Sequence[Row], answers: Sequence[Any]) -> None:
        """Count rows of a file."""
        if self.summary.columns:
            self.summary.add(source, rows, answers)
        self.rows.extend(answers)
        self._unlike.add(source.name, answers)

    def join(self, other: Tally) -> None:
        """Count the rows of another, too."""
        self.rows.join(other.rows)
        self.summary.join(other.summary)
        self._unlike.join(other._unlike)

    def tell(self, task: Task, form: Form) -> None:
        """Say what is to be known of the rows: how many are unlike the training text, or have no answer."""
        if sentence := self._unlike.describe():
            warn(
                "{sentence}: `nlpkit {name} evaluate` on labelled rows of the kind tells what they are worth",
                sentence=sentence,
                name=task.name,
            )
        if reasons := self.rows.reasons:
            say(
                "{total:,} of {rows:,} rows could not be {done}: {reasons}",
                total=reasons.total(),
                rows=self.rows.rows,
                done=form.done,
                reasons=count_reasons(reasons),
            )

    def to_json(self) -> dict[str, Any]:
        """Return all counts."""
        return {"rows": self.rows.state(), "groups": self.summary.state(), "unlike": self._unlike.state()}

    @classmethod
    def from_json(cls, by: Sequence[str], state: Mapping[str, Any]) -> Tally:
        """Return what `to_json` has made a state of."""
        tally = cls(by)
        tally.rows = Counts.of(state["rows"])
        tally.summary.groups = {tuple(key): Counts.of(counts) for key, counts in state["groups"]}
        tally._unlike = Unlike(*state["unlike"])
        return tally


class Unlike:
    """Counts the rows of each file of which a model says that they are unlike its training text."""

    def __init__(self, rows: Mapping[str, int] | None = None, warned: Mapping[str, int] | None = None) -> None:
        self._rows, self._warned = Counter(rows), Counter(warned)

    def add(self, name: str, answers: Sequence[Any]) -> None:
        """Take answers to rows of a file, if they have a ``warning`` at all."""
        if answers and "warning" in answers[0]._fields:
            self._rows[name] += len(answers)
            self._warned[name] += sum(answer.warning is not None for answer in answers)

    def join(self, other: Unlike) -> None:
        """Take the rows of another, too."""
        self._rows.update(other._rows)
        self._warned.update(other._warned)

    def state(self) -> list[dict[str, int]]:
        """Return what it has counted."""
        return [dict(self._rows), dict(self._warned)]

    def describe(self) -> Sentence | None:
        """Say which files are unlike it as a whole, and how many of their rows; None if none is."""
        if not self._warned.total():
            return None
        from nlpkit.text.familiarity import is_unlike

        files = [name for name, warned in self._warned.items() if is_unlike(warned, self._rows[name])]
        if not files:
            return None
        listed = join(
            Sentence(
                "{warned:,} of {rows:,} rows of {name}", warned=self._warned[name], rows=self._rows[name], name=name
            )
            for name in files
        )
        return Sentence(
            "{listed} are unlike the text that the model was made from, where answers may mean little", listed=listed
        )
