"""Cold start: a review scored, a blank filled, a text written beside ``import torch``; ``--help`` beside an empty
interpreter.
"""

import argparse
import sys
from collections.abc import Sequence

from processes import in_turn

SURE, UNSURE = "质量很好，下次还来", "凑合用吧"  # the second is passed on to the network
BLANK = "衣服质量__哦"


def main(argv: Sequence[str] | None = None) -> None:
    """Print medians of CPU seconds and their ratios."""
    parser = argparse.ArgumentParser(description="Cold start of the command line beside `import torch`.")
    parser.add_argument("--runs", type=int, default=9, help="of each, behind one that is not counted")
    args = parser.parse_args(argv)
    nlpkit = [sys.executable, "-m", "nlpkit"]
    score = [*nlpkit, "sentiment", "score", "--text"]
    found = in_turn(
        {
            "empty interpreter": [sys.executable, "-c", "pass"],
            "nlpkit --help": [*nlpkit, "--help"],
            "import torch": [sys.executable, "-c", "import torch"],
            "score one sure review": [*score, SURE],
            "score one unsure review": [*score, UNSURE],
            "fill one blank": [*nlpkit, "cloze", "fill", BLANK],
            "write 20 characters": [*nlpkit, "generate", "text", "--through", "--length", "20", "--seed", "1"],
        },
        runs=args.runs,
    )
    for name, seconds in found.items():
        print(f"{name:<26}{seconds:.3f} CPU s")
    print(f"--help over an empty interpreter: {found['nlpkit --help'] - found['empty interpreter']:.3f} s")
    for name in ("score one sure review", "score one unsure review", "fill one blank", "write 20 characters"):
        print(f"{name} / import torch: {found[name] / found['import torch']:.2f}")


if __name__ == "__main__":
    main()
