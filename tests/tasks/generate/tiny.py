"""A tiny real model that generates: n-grams of a few texts, no network; so it needs neither torch nor onnx."""

from dataclasses import asdict

import numpy as np
from safetensors.numpy import save

from nlpkit.model.bundle import ARRAYS, CONFIG, FORMAT, SAMPLES, VOCABULARY, Bundle, dump_json
from nlpkit.model.mixing import Stage
from nlpkit.tasks.generate.characters import characters_of
from nlpkit.tasks.generate.kneser_ney import count_ngrams
from nlpkit.tasks.generate.model import GenerationModel
from nlpkit.tasks.generate.settings import NgramSettings
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import TableVocabulary, dump_vocabulary

AS_IT_IS = {"nfkc": False, "lower": False, "simplify": False, "zero": False}
TEXTS = (
    "质量很好，下次还来",
    "质量不错，快递很快",
    "快递太慢，不会再买",
    "衣服很好看，质量不错",
    "手机很好，快递也快",
    "太差了，质量不行",
) * 3


def bundle(name="tiny-chars", texts=TEXTS, **changes):
    """A model of the n-grams of some texts."""
    tokens = characters_of(Normaliser(**AS_IT_IS).batch(texts))
    vocabulary = TableVocabulary.count(tokens.lists(), min_count=1, max_size=1000)
    ids = vocabulary.encode(tokens).grid[0]
    made = NgramSettings(name="ngrams", order=5, min_count=1)
    config = {name: value for name, value in asdict(made).items() if name not in ("name", "kind")}
    entry = {"name": "ngrams", "kind": "ngrams", "runtime": "ngrams", "config": config}
    config = {"format": FORMAT, "nlpkit": "0", "task": "generate", "normalisation": AS_IT_IS, "members": [entry]}
    files = {
        CONFIG: dump_json({**config, "stages": [asdict(Stage((1.0,)))], **changes}),
        VOCABULARY: dump_vocabulary(vocabulary),
        f"ngrams/{ARRAYS}": save(count_ngrams(np.asarray(ids), len(vocabulary), made)),
    }
    model = GenerationModel(Bundle(name, files))
    return Bundle(name, {**files, SAMPLES: dump_json([model.sample(prompt) for prompt in ("", "质量")])})


def write(folder, **changes):
    """The same as a folder."""
    for path, data in bundle(**changes).files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
