"""Pictures by matplotlib, an optional library: as PNG, or as SVG whose text stays text."""

from __future__ import annotations

import io
import os
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from nlpkit.errors import MissingExtra

CHINESE_FONTS = (
    "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip


def import_figure(purpose: str) -> Any:
    """Import matplotlib's Figure; when imported it lists all fonts, and would keep the list in the user's cache folder.

    :param purpose: what it is needed for.
    :raises MissingExtra: if matplotlib is not installed.
    """
    names = () if _has_font_list() else ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    before = {name: os.environ.get(name) for name in names}
    try:
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            os.environ.update(dict.fromkeys(names, folder))
            from matplotlib.figure import Figure  # a second to import, once a run
    except ImportError:
        raise MissingExtra("matplotlib", "report", purpose) from None
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return Figure


def _has_font_list() -> bool:
    """Whether matplotlib has its list of fonts already, or a place for it that the user chose."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "matplotlib"
    places = (cache, Path("~/.matplotlib").expanduser())
    return "MPLCONFIGDIR" in os.environ or any(list(place.glob("fontlist-*.json")) for place in places)


def save_figure(figure: Any, form: Literal["png", "svg"] = "png") -> bytes:
    """Return a figure as a picture, Chinese by a font that the machine has; of SVG, whoever shows it has the font."""
    import matplotlib

    picture = io.BytesIO()
    style: Any = {"font.sans-serif": [*_find_fonts(), "DejaVu Sans"], "svg.fonttype": "none"}
    with matplotlib.rc_context(style | {"svg.hashsalt": "nlpkit"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may hold characters that no font has: boxes stand for them
        metadata = {"Date": None} if form == "svg" else {}
        figure.savefig(picture, format=form, dpi=120, metadata=metadata)
    return picture.getvalue()


@cache
def _find_fonts() -> list[str]:
    """Return the fonts with Chinese characters that there are."""
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in CHINESE_FONTS if name in names]
