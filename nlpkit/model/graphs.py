"""An ONNX graph of a bundle, executed by onnxruntime on one thread.

A graph may be a stranger's. Before it is made fast, which executes what does not depend on its inputs, it is executed
once as it stands, for inputs of one token, with limits on memory and time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import BundleError
from nlpkit.log import get_logger
from nlpkit.model.onnx_files import check_onnx
from nlpkit.model.stored_files import MEGABYTE, largest_file
from nlpkit.plugins.telemetry import disable_telemetry

LOG = get_logger(__name__)
SILENT = 4  # of its log: but for what ends the process
SLOW = ["SkipLayerNormFusion"]  # makes one operator of a sum and a norm, which takes five times as long as the two
SECONDS = 2.0  # of a processor, for one token
SECONDS_OF_DAY = 5.0  # the same where only the time of day is known: a busy machine has others to serve
MEMORY = 1536 * MEGABYTE  # bytes, for one token; or thrice the largest file that is read
MOST_INPUTS = 1 << 24  # numbers of an input, for one token
KINDS = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
}
_one_at_a_time = threading.Lock()


class TooMuchError(Exception):
    """A graph takes more than any network that is of use."""


def import_onnxruntime() -> Any:
    """onnxruntime, imported when first needed, as a model of tables never needs it; see `nlpkit.plugins.telemetry`."""
    disable_telemetry()
    ours = "onnxruntime" not in sys.modules
    import onnxruntime

    if ours:  # else somebody may want to read its log
        onnxruntime.set_default_logger_severity(SILENT)
    return onnxruntime


class Graph:
    """A graph that is read when it is first run; threads may share it.

    :param data: ONNX.
    :param name: what to call it in errors.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name = data, name
        self._session: Any = None
        self._lock = threading.Lock()

    def run(self, output: str, **inputs: NDArray[Any]) -> NDArray[Any]:
        """Return one output for inputs by their names.

        :raises BundleError: if it is damaged, takes too much, or has no such inputs and output.
        """
        with self._report_damage():
            return np.asarray(self._open_session().run([output], inputs)[0])

    def run_all(self, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs in their order; see `run`."""
        with self._report_damage():
            return list(self._open_session().run(None, inputs))

    def _open_session(self) -> Any:
        with self._lock:
            if self._session is None:
                began = time.monotonic()
                check_onnx(self._data)
                try_once(self._data)
                self._session = open_session(self._data)
                self._data = b""  # the session has its own
                LOG.info("read the graph of %s in %.2f s", self._name, time.monotonic() - began)
            return self._session

    @contextmanager
    def _report_damage(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except TooMuchError as error:
            raise BundleError("{name} is refused: {error}", name=self._name, error=error) from error
        except Exception as error:  # onnxruntime's own errors share no base but this
            raise BundleError(
                "{name} is damaged: {splitlines:.300}", name=self._name, splitlines=(str(error).splitlines() or [""])[0]
            ) from error


def try_once(data: bytes) -> None:
    """Execute a graph for inputs of one token, as it stands.

    :raises TooMuchError: if it takes more memory or more time than any network that is of use.
    :raises Exception: of whatever class, if it fails.
    """
    runtime = import_onnxruntime()
    with _one_at_a_time:
        _limit_memory(runtime)
        session = open_session(data, tried=True)
        inputs = {each.name: _make_input(each) for each in session.get_inputs()}
        options = runtime.RunOptions()
        options.log_severity_level = SILENT
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        clock, limit = _clock_of_this_thread()
        with _limit_time(options, clock, limit) as is_over:
            try:
                session.run(None, inputs, options)
            except Exception as error:
                if is_over():
                    raise TooMuchError(f"it takes more than {limit:g} seconds for one token") from error
                if "bfc_arena" in str(error):  # the file of onnxruntime's that says so: its memory is used up
                    raise TooMuchError(
                        f"it takes more than {_limit_of_memory() // MEGABYTE} megabytes for one token"
                    ) from error
                raise


def open_session(data: bytes, *, tried: bool = False) -> Any:
    """Make what executes a graph; one that is only tried is not made fast, and has a limit on its memory."""
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # busy cores collapse with more
    options.log_severity_level = SILENT  # what goes wrong is raised, and need not be printed as well
    if tried:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.use_env_allocators", "1")
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW)


@cache
def _limit_memory(runtime: Any) -> None:
    """Register, once in a process, the memory of which graphs that are tried have their share."""
    where = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    limits = runtime.OrtArenaCfg(
        {"max_mem": _limit_of_memory(), "arena_extend_strategy": 1}
    )  # 1: no more than is asked for
    with suppress(Exception):  # the process has its own already, and so its own limits
        runtime.create_and_register_allocator(where, limits)


def _limit_of_memory() -> int:
    return min(max(MEMORY, 3 * largest_file("")), sys.maxsize)


def _make_input(description: Any) -> NDArray[Any]:
    """Make an input of one token: zeros, and true."""
    shape = [size if isinstance(size, int) and size >= 0 else 1 for size in description.shape]
    if description.type not in KINDS or np.prod(shape, dtype=np.float64) > MOST_INPUTS:
        raise ValueError(f"its input {description.name:.60} is a {description.type:.60} of shape {shape[:8]!r:.200}")
    kind = KINDS[description.type]
    return np.ones(shape, kind) if kind is np.bool_ else np.zeros(shape, kind)


@contextmanager
def _limit_time(options: Any, clock: Callable[[], float], limit: float) -> Iterator[Callable[[], bool]]:
    """Stop what runs with these options, between two of its steps, once a clock has gone on by so much."""
    done, ends = threading.Event(), clock() + limit

    def watch() -> None:
        while not done.wait(0.02):
            if clock() > ends:
                options.terminate = True
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: bool(options.terminate)
    finally:
        done.set()
        watcher.join()


def _clock_of_this_thread() -> tuple[Callable[[], float], float]:
    """Return a clock of what this thread uses of a processor, and its limit; of the time of day where there is none."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic, SECONDS_OF_DAY
    clock = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: time.clock_gettime(clock), SECONDS
