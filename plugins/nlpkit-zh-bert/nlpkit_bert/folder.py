"""The folder of a model: found on disk or by the name that the hub knows, and what its config.json says."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from nlpkit import DataError
from nlpkit.plugins import of_saved_model

CONFIG, TOKENIZER, TOKENIZER_CONFIG, PIECES = "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"
WEIGHTS, INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
DESCRIBED = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, PIECES)  # all but the weights
WHOLE = (*DESCRIBED, WEIGHTS, INDEX, "model-*.safetensors")
SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
CONVERT = (
    'python -c "import torch, safetensors.torch as s; '
    "w = torch.load('{pickled}', map_location='cpu', weights_only=True); "
    "s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{weights}', {{'format': 'pt'}})\""
)


def locate(model: str | None, wanted: tuple[str, ...]) -> Path:
    """Find the folder of a model: one on disk, or that of the hub's cache, loaded if it is not there yet.

    :param wanted: names or patterns of the files to load.
    :raises ValueError: if no model is named.
    :raises DataError: if there is no such folder, and the hub cannot give it.
    """
    if of_saved_model():
        raise ValueError("a saved model must bring what it needs, and names another")
    if not model:
        raise ValueError("model must be the folder of a BERT or its name on the hub, such as bert-base-chinese")
    path = Path(model)
    if path.is_dir():
        return path
    if path.exists():
        raise DataError("{model} is a file: give the folder in which it is", model=model)
    return _fetch(model, wanted)


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json.

    :raises DataError: if it is missing, damaged, or of something else than a BERT.
    """
    if not (folder / CONFIG).is_file():
        raise DataError(
            "{folder} has no {config}: give the folder of a BERT, as transformers saves it",
            folder=folder,
            config=CONFIG,
        )
    config = read_json(folder / CONFIG)
    if (kind := config.get("model_type", "bert")) != "bert":
        raise DataError(
            "{folder} is of the type {kind!r}, and only 'bert' goes: take another model", folder=folder, kind=kind
        )
    if (positions := config.get("position_embedding_type", "absolute")) != "absolute":
        raise DataError(
            "{folder} has {positions!r} positions, and only 'absolute' ones go: take another model",
            folder=folder,
            positions=positions,
        )
    for size in SIZES:
        if not isinstance(found := config.get(size), int) or found < 1:
            raise DataError(
                "{folder}: {size} should be a whole number of at least 1, found {found!r}",
                folder=folder / CONFIG,
                size=size,
                found=found,
            )
    return config


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of JSON that holds one table.

    :raises DataError: if it is something else, or cannot be read.
    """
    found = None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError("{path} cannot be read: {reason}", path=path, reason=error.strerror) from error
    except ValueError:
        pass  # told next
    if not isinstance(found, dict):
        raise DataError("{path} is damaged: it should be a table in JSON, in UTF-8", path=path)
    return found


def check_weights(folder: Path) -> None:
    """See that weights are there, and are no pickle: reading one can run anything.

    :raises DataError: saying how to convert pickled ones.
    """
    if (folder / WEIGHTS).is_file() or (folder / INDEX).is_file():
        return
    if (pickled := folder / PICKLED).is_file():
        command = CONVERT.format(pickled=pickled.as_posix(), weights=(folder / WEIGHTS).as_posix())
        raise DataError(
            "{folder} has its weights pickled only, which nlpkit never reads; convert them: {command}",
            folder=folder,
            command=command,
        )
    raise DataError("{folder} has no weights in safetensors: {weights} should be in it", folder=folder, weights=WEIGHTS)


@contextmanager
def silence() -> Iterator[None]:
    """Let libraries draw no progress and warn of nothing; what goes wrong they raise."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _fetch(model: str, wanted: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download  # only who names a model of the hub needs it
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        with silence():
            return Path(snapshot_download(model, allow_patterns=list(wanted)))
    except HFValidationError:
        raise DataError("there is no folder {model}", model=model) from None
    except RepositoryNotFoundError as error:
        raise DataError(
            "{model} is neither a folder nor a model that the hub shows: check its name, or log in by `hf auth login`",
            model=model,
        ) from error
    except LocalEntryNotFoundError as error:
        raise DataError(
            "{model} is neither a folder nor in the cache, and the hub cannot be reached: "
            "download the model elsewhere, and give the folder",
            model=model,
        ) from error
    except Exception as error:  # of many kinds: proxies, a full disk, a hub that answers nonsense
        reason = " ".join(str(error).split())
        raise DataError(
            "{model} is no folder, and could not be had from the hub: {reason}", model=model, reason=reason
        ) from error
