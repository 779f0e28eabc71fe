"""Peak memory of scoring 1,000,000 rows beside 20,000."""

import argparse
import sys
import tempfile
from pathlib import Path

from processes import cost
from reviews import write_reviews


def main() -> None:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    args = parser.parse_args()
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in (20_000, 1_000_000):
            source, target = Path(folder, "reviews.txt"), Path(folder, f"{rows}.jsonl")
            write_reviews(args.corpora, source, rows)
            seconds, peaks[rows] = cost(
                [sys.executable, "-m", "nlpkit", "sentiment", "score", str(source), "-o", str(target)]
            )
            print(f"{rows:>9,} rows: {peaks[rows]:.0f} MB, {seconds:.1f} CPU s")
    print(f"ratio {peaks[1_000_000] / peaks[20_000]:.3f}")


if __name__ == "__main__":
    main()
