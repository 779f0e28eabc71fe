"""Folders of a tiny BERT: 64 positions, some sixty pieces, weights drawn by a seed."""

import json
from pathlib import Path

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [
    *MARKS,
    *"这家店的手机衣服酒外卖质量很好太差不错喜欢失望我了一是有还物流快慢，。！[]",
    "good",
    "##s",
    "cafe",
    "a",
    "##b",
    "sep",
]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SHAPE |= {"vocab_size": len(PIECES), "max_position_embeddings": 64}
TEXTS = ["这家店很好。", "太差！", "手机质量不错，物流很快，我很喜欢", "", "世", "goods ab cafes"]


def write_tokenizer(folder: Path, **how: object) -> Path:
    """A folder with vocab.txt, tokenizer_config.json and config.json."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(how), encoding="utf-8")
    write_config(folder)
    return folder


def write_config(folder: Path, **other: object) -> None:
    """The config.json of a folder; what is None is left out."""
    config = {"model_type": "bert", **SHAPE, **other}
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def write_bert(
    folder: Path, *, head: str = "BertModel", size: str = "1GB", dtype: str = "float32", **shape: object
) -> Path:
    """A folder as transformers saves it, with vocab.txt; in shards where ``size`` is small."""
    import torch
    import transformers

    write_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(**{**SHAPE, "initializer_range": 0.3, **shape})
    made = getattr(transformers, head)(config).to(getattr(torch, dtype))
    made.save_pretrained(folder, max_shard_size=size)
    return folder
