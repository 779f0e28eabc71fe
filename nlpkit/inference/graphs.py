"""An ONNX graph of a bundle, executed by onnxruntime on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import BundleError
from nlpkit.telemetry import disable_telemetry


def import_onnxruntime() -> Any:
    """onnxruntime, imported when it is first needed, as a model of tables never needs it; see `nlpkit.telemetry`."""
    disable_telemetry()
    import onnxruntime

    return onnxruntime


class Graph:
    """A graph that is read when it is first run.

    :param data: ONNX.
    :param name: what to call it in errors.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name = data, name

    def run(self, output: str, **inputs: NDArray[Any]) -> NDArray[Any]:
        """Return one output for inputs by their names.

        :raises BundleError: if it is damaged, or has no such inputs and output.
        """
        with self._reading():
            return np.asarray(self._session.run([output], inputs)[0])

    def run_all(self, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs in their order; see `run`."""
        with self._reading():
            return list(self._session.run(None, inputs))

    @cached_property
    def _session(self) -> Any:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # busy cores collapse with more
        options.log_severity_level = 4  # what goes wrong is raised, and need not be printed as well
        return onnxruntime.InferenceSession(self._data, options, providers=["CPUExecutionProvider"])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's own errors share no base but this
            raise BundleError(f"{self._name} is damaged: {str(error).splitlines()[0]}") from error
