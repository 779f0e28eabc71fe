"""Install torch into the environment at hand, and say what that will download where no CPU wheel of it is at hand."""

import json
import subprocess
import sys

TRIED = "2.13.0"  # with which all is tried; another that pip finds will do
PIP = [sys.executable, "-m", "pip", "install"]


def plan(wanted: str) -> list[str] | None:
    """Return the names of what pip would install; None if it finds none."""
    done = subprocess.run([*PIP, "--dry-run", "--quiet", "--report", "-", wanted], capture_output=True, check=False)
    if done.returncode:
        return None
    return [entry["metadata"]["name"].lower() for entry in json.loads(done.stdout)["install"]]


def main() -> None:
    """Install it."""
    wanted = f"torch=={TRIED}"
    names = plan(wanted)
    if names is None:
        wanted = "torch>=2.9,<3"
        names = plan(wanted) or []
    if cuda := [name for name in names if name.startswith(("nvidia-", "cuda-", "triton"))]:
        print(
            f"no CPU build of torch is at hand: {wanted} brings {len(cuda)} packages of CUDA, about 3 GB to download; "
            "to avoid that, set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds",
            file=sys.stderr,
        )
    subprocess.run([*PIP, wanted], check=True)


if __name__ == "__main__":
    main()
