"""The encoding of a few thousand files found out, beside charset-normalizer and chardet: how many are read rightly.

The files are rows of a corpus, one to a hundred of them, cut short or not, with a header or not, in simplified or
traditional characters; Big5 is that of Windows. One is read rightly if its text comes out as it went in. Of ours it is
also counted how often a doubt is said: among those that are right, and among those that are wrong.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nlpkit.text.corpus import read_examples
from nlpkit.text.encodings import HEAD_BYTES, find_encoding

ENCODINGS = ("utf-8", "utf-8-sig", "gbk", "gb18030", "cp950", "utf-16", "utf-16-le", "utf-16-be")


def files(texts: Sequence[str], count: int, shortest: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Encodings and contents of so many files, none of them ASCII alone.

    :param shortest: characters of a row that is cut, at least.
    """
    from opencc import OpenCC

    rng, traditional = random.Random(seed), OpenCC("s2twp")
    while count:
        encoding = rng.choice(ENCODINGS)
        rows = [rng.choice(texts)[: rng.choice((shortest, 20, 200))] for _ in range(rng.choice((1, 2, 5, 20, 100)))]
        text = rng.choice(("", "id,text\n")) + "\n".join(rows) + rng.choice(("", "\n"))
        if encoding == "cp950" or rng.random() < 0.2:
            text = traditional.convert(text)
        data = text.encode(encoding, "ignore")
        if not data.isascii():
            count -= 1
            yield encoding, data


def ours(data: bytes) -> str | None:
    """What nlpkit takes a file for."""
    found = find_encoding(data[:HEAD_BYTES])
    return found.encoding if found else None


def rivals() -> dict[str, Callable[[bytes], str | None]]:
    """Those that are installed."""
    found: dict[str, Callable[[bytes], str | None]] = {}
    try:
        import charset_normalizer

        def normalizer(data: bytes) -> str | None:
            best = charset_normalizer.from_bytes(data[:HEAD_BYTES]).best()
            return best.encoding if best else None

        found["charset-normalizer"] = normalizer
    except ImportError:
        pass
    try:
        import chardet

        found["chardet"] = lambda data: chardet.detect(data[:HEAD_BYTES])["encoding"]
    except ImportError:
        pass
    return found


def reads(data: bytes, encoding: str, taken: str | None) -> bool:
    """Whether a file comes out as it went in, but for a byte order mark."""
    if taken is None:
        return False
    try:
        text = data.decode(taken, "replace")
    except LookupError:
        return False
    return text.removeprefix("\ufeff") == data.decode(encoding).removeprefix("\ufeff")


def main(argv: Sequence[str] | None = None) -> None:
    """Print how many files each reads rightly, by encoding, and what that takes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, help="texts, a file that nlpkit reads")
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--shortest", type=int, default=4, help="characters of a row that is cut")
    args = parser.parse_args(argv)
    texts = [example.text for example in read_examples(args.corpus, answer=None)]
    made = list(files(texts, args.files, args.shortest))
    for name, find in {"nlpkit": ours, **rivals()}.items():
        started = time.process_time()
        taken = [find(data) for _, data in made]
        seconds = time.process_time() - started
        right = [reads(data, encoding, found) for (encoding, data), found in zip(made, taken, strict=True)]
        of = Counter(encoding for (encoding, _), good in zip(made, right, strict=True) if good)
        by = ", ".join(f"{encoding} {of[encoding]}/{n}" for encoding, n in sorted(Counter(e for e, _ in made).items()))
        print(f"{name}: {sum(right):,} of {len(made):,} right, {1000 * seconds / len(made):.2f} CPU ms a file ({by})")
        if find is ours:
            doubt = [bool(found and found.rival) for found in (find_encoding(data[:HEAD_BYTES]) for _, data in made)]
            pairs = Counter(zip(right, doubt, strict=True))
            print(f"  doubt said: of the right {pairs[True, True]:,}, of the wrong {pairs[False, True]:,}")


if __name__ == "__main__":
    main()
