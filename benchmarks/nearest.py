"""The 10 nearest of 17,000 and of 200,000 codes of 100 bits, one thread, beside a loop of ``torch.dist`` over them.

Hamming: XOR and popcount. Exact: log-likelihood and a prior. The loop is the tutorial's way to find the word that bits
stand for; it is left out where torch is not installed. Times are of the process's CPU, and include the search for the
best; memory is what is held, and at most during a search.
"""

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch start theirs

import numpy as np
from numpy.typing import NDArray

from nlpkit.components.decoders import CodeDecoder, pack

BITS, K, BATCH = 100, 10, 64


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs="+", default=[17_000, 200_000], help="codes to search")
    args = parser.parse_args(argv)
    print(f"{'words':>8}  {'search':<22} {'median ms':>10} {'least ms':>9} {'loop / this':>12}")
    for words in args.sizes:
        compare(words, args.rounds)


def compare(words: int, rounds: int) -> None:
    """All ways over the same random codes."""
    rng = np.random.default_rng(0)
    bits, wanted = rng.integers(0, 2, (words, BITS), dtype=np.bool_), rng.integers(0, 2, BITS, dtype=np.bool_)
    outputs = rng.normal(0, 2, (BATCH, BITS)).astype(np.float32)
    arrays = {"codes": pack(bits), "bias": np.log(1 / np.arange(1, words + 1)), "scale": np.array(0.5)}
    tracemalloc.start()
    decoder = CodeDecoder(arrays, bits=BITS)
    held, _ = tracemalloc.get_traced_memory()
    decoder.nearest(outputs[:1], K)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    loop = times(loop_of_dist(bits, wanted), 5) if has_torch() else None
    show(words, "loop of torch.dist", loop, loop)
    show(words, "Hamming", times(lambda: decoder.codes.nearest(wanted, K), rounds), loop)
    show(words, "exact", times(lambda: decoder.nearest(outputs[:1], K), rounds), loop)
    batch = times(lambda: decoder.nearest(outputs, K), max(1, rounds // BATCH))
    show(words, f"exact, one of {BATCH}", [t / BATCH for t in batch], loop)
    print(f"{words:8,}  {held / 1e6:.1f} MB held, {peak / 1e6:.1f} MB at most")


def times(search: Callable[[], object], rounds: int) -> list[float]:
    """CPU seconds of each of some rounds, after one that is not counted."""
    search()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        search()
        found.append(time.process_time() - started)
    return found


def show(words: int, name: str, seconds: list[float] | None, loop: list[float] | None) -> None:
    """A line of the table."""
    if seconds is None:
        return
    median = statistics.median(seconds)
    ratio = f"{statistics.median(loop) / median:,.0f}" if loop else ""
    print(f"{words:8,}  {name:<22} {median * 1e3:10.3f} {min(seconds) * 1e3:9.3f} {ratio:>12}")


def has_torch() -> bool:
    """Whether the rival can run."""
    try:
        import torch
    except ImportError:
        return False
    torch.set_num_threads(1)
    return True


def loop_of_dist(bits: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Callable[[], object]:
    """Euclidean distance to one code after the other, the best kept in a sorted list."""
    import torch

    table, target = torch.from_numpy(bits).float(), torch.from_numpy(wanted).float()

    def search() -> list[tuple[float, int]]:
        best: list[tuple[float, int]] = []
        for position, row in enumerate(table):
            distance = torch.dist(row, target, 2).item()
            if len(best) < K or distance < best[-1][0]:
                best = sorted([*best, (distance, position)])[:K]
        return best

    return search


if __name__ == "__main__":
    main()
