"""Asks another process, fresh, what a plugin does there: what it imports, and that it says the same without torch."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from nlpkit.testing.discovery import Subject, Target, find_core
from nlpkit.testing.kit import CheckError, NotChecked

HEAVY = (  # what takes long to import, and what is not there where nothing is trained
    "gensim",
    "jax",
    "matplotlib",
    "numpy",
    "onnxruntime",
    "pandas",
    "scipy",
    "sklearn",
    "tensorflow",
    "tokenizers",
    "torch",
    "transformers",
)
TRAINING = ("gensim", "jax", "onnx", "tensorflow", "torch", "transformers")
_PROGRAM = "from nlpkit.testing.elsewhere import main; main()"


def ask(subject: Subject, question: str, **given: Any) -> Any:
    """Answer of another process to a question: ``imported``, ``tokens`` or ``logits``.

    :raises NotChecked: if the plugin's module cannot be imported by its name.
    :raises CheckError: if the process fails.
    """
    target = subject.target
    if not target.importable:
        raise NotChecked(f"another process cannot import {target.name}: it is no file on sys.path")
    plugin = [target.distribution, *([p.name, p.value, p.group] for p in target.plugin.points)]
    asked = {"question": question, "plugin": plugin, "kind": subject.kind, "component": subject.name, **given}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(asked, default=_packed).encode(),
        capture_output=True,
        env=environment | {"PYTHONHASHSEED": "1" if environment.get("PYTHONHASHSEED") != "1" else "2"},
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise CheckError(f"in another process it fails: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return json.loads(done.stdout)


def main() -> None:
    """The other process: a question on stdin, the answer on stdout."""
    asked = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        answer = _ANSWERS[asked["question"]](asked)
    json.dump(answer, sys.stdout)


def _imported(asked: Mapping[str, Any]) -> list[str]:
    """Heavy modules that start-up with this plugin imports, and start-up without it does not."""
    from nlpkit.plugins.registry import Registry

    before, found = set(sys.modules), Registry()
    plugin = Target.of(*asked["plugin"]).register(found)
    found.import_all()
    if plugin.error:
        raise SystemExit(plugin.error)
    return sorted(set(HEAVY) & (set(sys.modules) - before))


def _tokens(asked: Mapping[str, Any]) -> dict[str, Any]:
    component = _component(asked)
    files = {name: base64.b64decode(data) for name, data in asked["files"].items()}
    tokenizer = component.create(asked["config"], **({"files": files} if component.takes_files else {}))
    tokens = [tokenizer.tokenize(text) for text in asked["texts"]]
    return {"tokens": tokens, "heavy": _heavy()}


def _logits(asked: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np
    from safetensors.numpy import load

    decoder = _component(asked).create(asked["config"]).decoder(load(base64.b64decode(asked["arrays"])))
    logits = decoder.logits(np.asarray(asked["outputs"], dtype=np.float32))
    return {"logits": np.asarray(logits, dtype=np.float64).tolist(), "heavy": _heavy()}


_ANSWERS = {"imported": _imported, "tokens": _tokens, "logits": _logits}


def _component(asked: Mapping[str, Any]) -> Any:
    from nlpkit.plugins.registry import Registry

    found = Registry()
    found.take(find_core())
    if asked["plugin"][0] != find_core().distribution:
        Target.of(*asked["plugin"]).register(found)
    return found.get(asked["kind"], asked["component"])


def _heavy() -> list[str]:
    return sorted(set(TRAINING) & set(sys.modules))


def _packed(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"expected JSON or bytes, found: {value!r}")
