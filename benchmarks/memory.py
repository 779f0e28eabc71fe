"""Peak memory of scoring 1,000,000 rows beside 20,000."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from processes import cost
from reviews import write_reviews


def main(argv: Sequence[str] | None = None) -> None:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--rows", type=int, nargs=2, default=[20_000, 1_000_000])
    args = parser.parse_args(argv)
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in args.rows:
            source, target = Path(folder, "reviews.txt"), Path(folder, f"{rows}.jsonl")
            write_reviews(args.corpora, source, rows)
            seconds, peaks[rows] = cost(
                [sys.executable, "-m", "nlpkit", "sentiment", "score", str(source), "-o", str(target)]
            )
            print(f"{rows:>9,} rows: {peaks[rows]:.0f} MB, {seconds:.1f} CPU s")
    few, many = args.rows
    print(f"ratio {peaks[many] / peaks[few]:.3f}")


if __name__ == "__main__":
    main()
