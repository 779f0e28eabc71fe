"""Nothing is sent anywhere: what onnxruntime would tell its makers of is switched off before it is imported.

From 1.29 on it has telemetry on Linux and macOS, too: a process that opens a graph and lives for some seconds asks for
a host of Microsoft's, and keeps a device's id and a queue of events under the cache folder. Only a variable of the
environment that is set before the import stops all of it; ``disable_telemetry_events`` comes too late.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SWITCHES = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")  # what it reads, and what its pull requests call it


def disable_telemetry(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch onnxruntime's telemetry off for whoever imports it from here on, unless the user has chosen.

    What is said by one name is said by the other, too: a release may read only one of them.
    """
    chosen = [environment[name] for name in SWITCHES if name in environment]
    for name in SWITCHES:
        environment.setdefault(name, chosen[0] if chosen else "1")
