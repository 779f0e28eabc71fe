"""Cold start: one review scored by the command line beside ``import torch``; ``--help`` beside an empty interpreter."""

import sys

from processes import in_turn

SURE, UNSURE = "质量很好，下次还来", "凑合用吧"  # the second is passed on to the network


def main() -> None:
    """Print medians of CPU seconds and their ratios."""
    nlpkit = [sys.executable, "-m", "nlpkit"]
    score = [*nlpkit, "sentiment", "score", "--text"]
    found = in_turn(
        {
            "empty interpreter": [sys.executable, "-c", "pass"],
            "nlpkit --help": [*nlpkit, "--help"],
            "import torch": [sys.executable, "-c", "import torch"],
            "score one sure review": [*score, SURE],
            "score one unsure review": [*score, UNSURE],
        },
        runs=9,
    )
    for name, seconds in found.items():
        print(f"{name:<26}{seconds:.3f} CPU s")
    print(f"--help over an empty interpreter: {found['nlpkit --help'] - found['empty interpreter']:.3f} s")
    for name in ("sure", "unsure"):
        print(f"one {name} review / import torch: {found[f'score one {name} review'] / found['import torch']:.2f}")


if __name__ == "__main__":
    main()
