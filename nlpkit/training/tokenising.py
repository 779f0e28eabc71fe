"""The tokens of a corpus on disk: cut once, and for later runs that cut the same texts in the same way."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nlpkit.errors import Sentence
from nlpkit.files import write_synced
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.components import Part
from nlpkit.training.events import Event, Note, Working
from nlpkit.training.prepared import code_of, digest_of, keep, key_of, take, timed
from nlpkit.training.storage import StoredTokens, store_tokens

CUT = "cut.json"  # how many texts the tokenizer has cut off


class Tokenised(NamedTuple):
    """Tokens of texts, and of how many of these the tokenizer has cut off the end."""

    tokens: StoredTokens
    cut: int


def tokenise(
    texts: Callable[[], Iterator[Sequence[str]]],
    total: int,
    part: Part,
    normaliser: Normaliser,
    folder: Path,
    what: str,
) -> Generator[Event, None, Tokenised]:
    """Cut texts, unless an earlier run has: then these tokens are taken.

    :param texts: yields them block by block, as often as it is called.
    :param total: how many.
    :param part: the tokenizer.
    :param folder: where tokens are put; made if need be.
    :param what: they are, in the eyes of the user.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(part.instance.files.items())
    own = [part.record, *(item for pair in files for item in pair), code_of(part.instance)]
    key = key_of("tokens", normaliser.config, *own, digest_of(texts()))
    if take(key, folder):
        yield Note("{what}: those of an earlier run", what=what)
        return Tokenised(StoredTokens(folder), json.loads((folder / CUT).read_bytes()))
    before = part.instance.cut
    with timed() as took:
        blocks = (part.instance.batch(normaliser.batch(block)) for block in texts())
        for count in store_tokens(blocks, folder):
            yield Working(what, count, total)
    cut = part.instance.cut - before
    write_synced(folder / CUT, json.dumps(cut).encode())
    if took[0]:
        keep(
            key,
            {path.name: path for path in folder.iterdir()},
            Sentence("{total:,} texts by {name}", total=total, name=part.component.name),
        )
    return Tokenised(StoredTokens(folder), cut)
