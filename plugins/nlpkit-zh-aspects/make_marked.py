"""Marks opinions in reviews of other kinds, for the training of restaurant-opinions: by rules, and by a model.

    python make_marked.py --model teacher --output marked.jsonl --rows 6000 jd_phones.csv online_shopping_10_cats.csv …

Of each file so many sentences are drawn by a seed. In a clause that begins with nouns which many clauses begin with,
these are a target, and a few words behind them are an opinion, if they hold an adjective or the model `reviews` is sure
of the clause. Elsewhere the opinions of a model count, where it is sure. A sentence is kept if each clause in which the
rules of `benchmarks/aspects.py` see an opinion has one then, and of those without any opinion a few. To these come
sentences that are joined of the clauses of the rules. Nothing here has seen the sentences of
`corpora/samples/opinions.jsonl`.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from nlpkit import SentimentModel
from nlpkit.text import Faults, examples_of

from nlpkit_aspects.model import AspectsModel
from nlpkit_aspects.opinions import Opinion, Polarity, overlap, split_sentences, write_opinions

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import aspects

SHORTEST, LONGEST = 5, 60  # characters of a sentence
MOST_WORDS, MOST_TARGET = 9, 8  # characters of an opinion of the rules, and of its target
MOST_ALONE = 6  # characters of an opinion of the model that is on nothing
FREQUENT = 6  # clauses that begin with the same nouns: fewer may be chance
SURE, SURER, SUREST = (
    0.6,
    0.75,
    0.9,
)  # of a clause with an adjective; of the model's own opinion; of one without adjective
COMPOSED = 0.35  # sentences that are joined of clauses, for each that is kept
BUTS, ENDS = ("", "", "就是", "但是", "不过", "但"), ("。", "。", "！", "")
SILENT = 0.25  # share of the sentences without opinions that is kept
TOGETHER = 512  # sentences


def draw_sentences(path: str, count: int, seed: int) -> list[str]:
    """Draw sentences of a file, none of them twice."""
    found = {
        text[begin:end].strip()
        for text in (row.text for row in examples_of(path, answer=None, faults=Faults()))
        for begin, end in split_sentences(text)
    }
    fitting = sorted(text for text in found if SHORTEST <= len(text) <= LONGEST)
    return random.Random(seed).sample(fitting, min(count, len(fitting)))


class Marker:
    """Marks sentences of a file.

    :param frequent: nouns that many clauses begin with.
    """

    def __init__(self, model: AspectsModel, reviews: SentimentModel, frequent: frozenset[str]) -> None:
        self._model, self._reviews, self._frequent = model, reviews, frequent
        self.plain: list[tuple[str, str, Polarity]] = []  # clauses of the rules: nouns, what is said of them, polarity

    def mark(self, texts: Sequence[str]) -> Iterator[list[Opinion] | None]:
        """Yield the opinions of each text; None where one is seen that cannot be told."""
        clauses = [list(aspects.read_clauses(text)) for text in texts]
        scores = iter(
            self._reviews.score(
                [text[clause.begin : clause.end] for text, row in zip(texts, clauses, strict=True) for clause in row]
            )
        )
        for text, row, own in zip(texts, clauses, self._model.find(texts, min_probability=SURER), strict=True):
            yield self._mark(text, row, own.opinions, scores)

    def _mark(
        self, text: str, clauses: Sequence[aspects.Clause], own: Sequence[Opinion], scores: Iterator
    ) -> list[Opinion] | None:
        found: list[Opinion] = []
        for clause in clauses:
            score = next(scores)
            sure = score.probability or 0.0
            least = SURE if clause.says else SUREST
            if self._is_plain(text, clause) and sure >= least and (clause.says or score.label != "neutral"):
                found.append(Opinion(clause.target, clause.words, score.label or "neutral"))
                if clause.target and clause.says:
                    self.plain.append((text[slice(*clause.target)], text[slice(*clause.words)], found[-1].polarity))
        ruled = [(one.target[0], one.opinion[1]) for one in found if one.target]
        more = [one for one in own if not any(overlap(one.opinion, span) for span in ruled)]
        told = [*found, *more]
        if not all(map(self._is_whole, [text] * len(more), more)):
            return None
        if any(clause.says and not any(overlap(one.opinion, clause.words) for one in told) for clause in clauses):
            return None
        return sorted(told, key=lambda one: one.opinion)

    def _is_plain(self, text: str, clause: aspects.Clause) -> bool:
        """Tell whether a clause is nouns that are often a target, and a few words on them."""
        target, words = clause.target, clause.words
        return target is not None and text[slice(*target)] in self._frequent and 0 < words[1] - words[0] <= MOST_WORDS

    def _is_whole(self, text: str, one: Opinion) -> bool:
        """Tell whether an opinion is on something, or is short and does not begin with what it may be on."""
        short = one.opinion[1] - one.opinion[0] <= MOST_ALONE
        return one.target is not None or (
            short and not any(text.startswith(noun, one.opinion[0]) for noun in self._frequent)
        )


def find_frequent(texts: Sequence[str]) -> frozenset[str]:
    """Return the nouns that many clauses begin with which say something."""
    clauses = ((text, clause) for text in texts for clause in aspects.read_clauses(text))
    nouns = Counter(text[slice(*clause.target)] for text, clause in clauses if clause.says and clause.target)
    return frozenset(noun for noun, count in nouns.items() if count >= FREQUENT and len(noun) <= MOST_TARGET)


def compose(clauses: Sequence[tuple[str, str, Polarity]], draw: random.Random) -> tuple[str, list[Opinion]]:
    """Join clauses to a sentence, by a but where the polarity turns."""
    text, opinions = "", list[Opinion]()
    for nouns, words, polarity in clauses:
        turns = bool(opinions) and opinions[-1].polarity != polarity
        text += ("，" if opinions else "") + (draw.choice(BUTS) if turns else "")
        begin, end = len(text), len(text) + len(nouns)
        text += nouns + words
        opinions.append(Opinion((begin, end), (end, len(text)), polarity))
    return text + draw.choice(ENDS), opinions


def main() -> None:
    """Mark what the command names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=6000, help="of each file, before those that are not kept go")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    model, reviews = AspectsModel.load(told.model), SentimentModel.load("reviews")
    with told.output.open("w", encoding="utf-8") as file:
        for corpus in told.corpora:
            drawn = draw_sentences(corpus, told.rows, told.seed)
            frequent = find_frequent(drawn)
            marker, draw, kept, marked = Marker(model, reviews, frequent), random.Random(told.seed), 0, 0
            for texts in (drawn[at : at + TOGETHER] for at in range(0, len(drawn), TOGETHER)):
                for text, opinions in zip(texts, marker.mark(texts), strict=True):
                    if opinions is not None and (opinions or draw.random() < SILENT):
                        kept, marked = kept + 1, marked + len(opinions)
                        bare = write_opinions(Opinion(*one.key) for one in opinions)
                        file.write(json.dumps({"text": text, "opinions": bare}, ensure_ascii=False) + "\n")
            plain = sorted(set(marker.plain))
            for _ in range(int(kept * COMPOSED)):
                text, opinions = compose(draw.sample(plain, draw.choice((2, 2, 3))), draw)
                file.write(json.dumps({"text": text, "opinions": write_opinions(opinions)}, ensure_ascii=False) + "\n")
            print(f"{Path(corpus).name}: {len(frequent):,} nouns, {kept:,} sentences, {marked:,} opinions")


if __name__ == "__main__":
    main()
