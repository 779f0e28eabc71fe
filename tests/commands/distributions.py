"""Distributions as pip would install them, built without the network."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def install(folder: Path, site: Path) -> None:
    """Build the wheel of a folder by its own backend, which is there, and unpack it: that is all an installation is."""
    pytest.importorskip("hatchling")
    wheels = folder.parent / f"{folder.name}-wheels"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
