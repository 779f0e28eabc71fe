"""What of a run is done: a record for each answered file, written after it, in the folder ``_nlpkit`` of the output.

Readers of folders of tables (Dask, Spark, pyarrow) leave out what begins with ``_``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit import DataError

from nlpkit_dask.partitions import Partition
from nlpkit_dask.storage import Place

FOLDER = "_nlpkit"
RECORD = ".done.json"


class Journal:
    """The records of an output. It can be sent to another process.

    :param output: its folder.
    :param asked: all by which answers may differ.
    """

    def __init__(self, output: Place, asked: Mapping[str, Any]) -> None:
        self.output = output
        self._asked = json.loads(json.dumps(asked))
        self._run = output / FOLDER / "run.json"

    def begin(self, partitions: Sequence[Partition], *, resume: bool, force: bool) -> dict[str, Any]:
        """Begin a run, or go on with an earlier one; return what is done already: what was counted of it, by target.

        :raises DataError: if an earlier run is there and it is not said what of it; if that asked something else, or of
            files that are no longer asked about; if answers are there that no run has recorded.
        """
        earlier, records = self._run.read(), self._read_records()
        if earlier is not None and not (resume or force):
            raise DataError(
                "{output} holds {done:,} answered files of a run: --resume does the others, --force begins anew",
                output=self.output.path,
                done=len(records),
            )
        if earlier is not None and resume:
            self._check(json.loads(earlier), records, partitions)
            return self._find_done(records, partitions)
        if not force:
            self._refuse_strangers(partitions)
        for record in records.values():
            self._remove(record["target"])
        self._run.write(json.dumps({"asked": self._asked}, ensure_ascii=False).encode("utf-8", "replace"))
        return {}

    def record(self, partition: Partition, state: Sequence[Any] | None, counted: Mapping[str, Any]) -> None:
        """Record that a file is answered.

        :param state: of the file when it was opened.
        """
        found = {
            "target": partition.target,
            "source": partition.name,
            "state": state,
            "written": (self.output / partition.target).state(),
            "counted": counted,
        }
        data = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
        self._place_of(partition.target).write(data)

    def _place_of(self, target: str) -> Place:
        return self.output / FOLDER / f"{target}{RECORD}"

    def _read_records(self) -> dict[str, Any]:
        found = [json.loads(place.read() or b"null") for place in (self.output / FOLDER).list(RECORD)]
        return {record["target"]: record for record in found if record}

    def _check(self, earlier: Any, records: Mapping[str, Any], partitions: Sequence[Partition]) -> None:
        """Refuse to go on with what another question has brought."""
        before = earlier["asked"]
        odd = [name for name in before.keys() | self._asked.keys() if before.get(name) != self._asked.get(name)]
        if odd:
            raise DataError(
                "{output} was begun with other {what}: --force without --resume begins anew",
                output=self.output.path,
                what=", ".join(sorted(odd)),
            )
        if left := sorted(records.keys() - {partition.target for partition in partitions}):
            raise DataError(
                "{output} holds {target}, the answers of {source}, which is none of the files: "
                "name it, too, or --force without --resume begins anew",
                output=self.output.path,
                target=left[0],
                source=records[left[0]]["source"],
            )

    def _find_done(self, records: Mapping[str, Any], partitions: Sequence[Partition]) -> dict[str, Any]:
        """Return what was counted of the files that are as they were, and so are their answers."""
        return {
            partition.target: record["counted"]
            for partition in partitions
            if (record := records.get(partition.target))
            and record["state"] == partition.source.state()
            and record["written"] == (self.output / partition.target).state()
        }

    def _refuse_strangers(self, partitions: Sequence[Partition]) -> None:
        there = {place.path for place in self.output.list("")}
        for partition in partitions:
            if (self.output / partition.target).path in there:
                raise DataError(
                    "{output} holds {target} already: choose another folder, or say --force to replace it",
                    output=self.output.path,
                    target=partition.target,
                )

    def _remove(self, target: str) -> None:
        """Remove answers, their record first: it must never say of a file that it is there if it is not."""
        self._place_of(target).remove()
        (self.output / target).remove()
