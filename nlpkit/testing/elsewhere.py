"""Asks another process, fresh, what a plugin does there: what it imports, and that it says the same without torch."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit.plugins.surroundings import end_in_time, keep, list_endless
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


def ask(subject: Subject, question: str, **values: Any) -> Any:
    """Ask another process a question: ``imports``, ``tokens`` or ``logits``.

    :raises NotChecked: if the plugin's module cannot be imported by its name.
    :raises CheckError: if the process fails.
    """
    target = subject.target
    if not target.importable:
        raise NotChecked(f"another process cannot import {target.name}: it is no file on sys.path")
    plugin = [target.distribution, *([p.name, p.value, p.group] for p in target.plugin.points)]
    request = {"question": question, "plugin": plugin, "kind": subject.kind, "component": subject.name, **values}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(request, default=_pack).encode(),
        capture_output=True,
        env=environment | {"PYTHONHASHSEED": "1" if environment.get("PYTHONHASHSEED") != "1" else "2"},
        check=False,
    )
    if process.returncode:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise CheckError(f"in another process it fails: {lines[-1] if lines else f'exit code {process.returncode}'}")
    return json.loads(process.stdout)


def main() -> None:
    """Answer the question on stdin, in the other process, on stdout."""
    request = json.load(sys.stdin)
    with keep("it", ours=True) as visit:
        answer = _ANSWERS[request["question"]](request)
    if request["question"] == "imports":
        answer |= {"changes": visit.changes, "printed": visit.printed}
        answer["threads"] = [thread.name for thread in list_endless(visit.threads)]
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    end_in_time(0, lambda _: None)


def _find_imports(request: Mapping[str, Any]) -> dict[str, Any]:
    """Find heavy modules that start-up with this plugin imports, and start-up without it does not; and its seconds."""
    from nlpkit.plugins.registry import Registry

    before, plugins = set(sys.modules), Registry()
    plugin = Target.of(*request["plugin"]).register(plugins)
    plugins.import_all()
    if plugin.error:
        raise SystemExit(plugin.error)
    return {"heavy": sorted(set(HEAVY) & (set(sys.modules) - before)), "seconds": plugin.seconds}


def _tokenize(request: Mapping[str, Any]) -> dict[str, Any]:
    component = _find_component(request)
    files = {name: base64.b64decode(data) for name, data in request["files"].items()}
    tokenizer = component.create(request["config"], **({"files": files} if component.takes_files else {}))
    tokens = [tokenizer.tokenize(text) for text in request["texts"]]
    return {"tokens": tokens, "heavy": _find_heavy()}


def _decode(request: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np
    from safetensors.numpy import load

    decoder = _find_component(request).create(request["config"]).decoder(load(base64.b64decode(request["arrays"])))
    logits = decoder.logits(np.asarray(request["outputs"], dtype=np.float32))
    return {"logits": np.asarray(logits, dtype=np.float64).tolist(), "heavy": _find_heavy()}


_ANSWERS = {"imports": _find_imports, "tokens": _tokenize, "logits": _decode}


def _find_component(request: Mapping[str, Any]) -> Any:
    from nlpkit.plugins.registry import Registry

    plugins = Registry()
    plugins.take(find_core())
    if request["plugin"][0] != find_core().distribution:
        Target.of(*request["plugin"]).register(plugins)
    return plugins.get(request["kind"], request["component"])


def _find_heavy() -> list[str]:
    return sorted(set(TRAINING) & set(sys.modules))


def _pack(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"expected JSON or bytes, found: {value!r}")
