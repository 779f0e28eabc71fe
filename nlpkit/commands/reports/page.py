"""A report as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from nlpkit.commands.reports.charts import draw_groups, draw_shares, draw_time
from nlpkit.commands.reports.gathering import Gathered, Shown, group_name, put_together
from nlpkit.commands.reports.wording import STEPS, WORDING, Language, name_label, name_reason
from nlpkit.commands.reports.words import compare_words
from nlpkit.commands.screen import make_harmless
from nlpkit.commands.summary import interval
from nlpkit.errors import MissingExtra
from nlpkit.version import __version__

MOST_GROUPS = 30  # in the table; of these, so many in the chart
MOST_BARS = 15
MOST_WORD_GROUPS = 8
LONGEST = 600  # characters of a text that are shown


def make_page(
    gathered: Gathered,
    *,
    model: Any,
    file: str,
    title: str | None,
    language: Language,
    explain: Callable[[Sequence[str]], Sequence[Any]] | None,
) -> str:
    """Return the page.

    :param explain: says why texts have their labels, if the model can: see `Explanation`.
    :raises MissingExtra: if jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtra("jinja2", "report", "a report") from None

    say = WORDING[language]
    names = {label: name_label(label, language) for label in gathered.labels}
    step, days = put_together(gathered.days)
    groups = [(group_name(" / ".join(key), say["none"]), counts) for key, counts in gathered.groups.ordered()]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    unsure, worst = gathered.all.reasons["unsure"], gathered.worst_rows.rows()
    page = environment.get_template("page.html").render(
        say=say,
        title=title or say["title"].format(file=file),
        when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        version=__version__,
        model=_describe_model(model),
        rows=f"{gathered.all.rows:,}",
        scored=f"{gathered.all.rows - gathered.all.reasons.total():,}",
        unsure=f"{unsure:,}",
        unscored=f"{gathered.all.reasons.total() - unsure:,}",
        unlike=f"{gathered.unlike:,}" if gathered.unlike else "",
        shares=draw_shares(gathered.all, names),
        share_table=_list_shares(gathered, names),
        time=draw_time(days, names) if len(days) > 1 else "",
        step=STEPS[step] if language == "zh" else step,
        undated=f"{gathered.undated:,}" if gathered.undated else "",
        by=" / ".join(gathered.by),
        worst=names[gathered.worst],
        label_names=list(names.values()),
        group_chart=draw_groups(groups[:MOST_BARS], gathered.labels, gathered.worst) if gathered.by and groups else "",
        groups=_list_groups(groups[:MOST_GROUPS], gathered.labels) if gathered.by else [],
        more_groups=max(0, len(groups) - MOST_GROUPS) if gathered.by else 0,
        words=_list_words(gathered, names, say),
        tables=[
            (say["worst"].format(label=names[gathered.worst]), say["about_worst"], _show(worst, explain, say)),
            (say["unsure"], say["about_unsure"], _show(gathered.unsure_rows.rows(), explain, say)),
            (say["not_scored"], say["about_not_scored"], _show(gathered.unscored_rows.rows(), None, say, language)),
        ],
        reasons=[(name_reason(reason, language), f"{n:,}") for reason, n in gathered.all.reasons.most_common()],
    )
    return make_harmless(page)


def _describe_model(model: Any) -> dict[str, str]:
    name = Path(model.bundle.name).name
    metrics = model.bundle.config.get("metrics", {}).get("all", {})
    if not {"rows", "accuracy", "calibration_error"} <= metrics.keys():
        return {"name": name, "accuracy": ""}
    return {
        "name": name,
        "rows": f"{metrics['rows']:,}",
        "accuracy": f"{metrics['accuracy']:.1%}",
        "error": f"{metrics['calibration_error']:.1%}",
    }


def _list_shares(gathered: Gathered, names: dict[str, str]) -> list[list[str]]:
    scored = gathered.all.rows - gathered.all.reasons.total()
    lines = []
    for label, name in names.items():
        hits = gathered.all.labels[label]
        low, high = interval(hits, scored)
        share = f"{hits / scored:.1%}" if scored else "-"
        lines.append([name, f"{hits:,}", share, f"{low:.1%} – {high:.1%}" if scored else "-"])
    return lines


def _list_groups(groups: Sequence[tuple[str, Any]], labels: Sequence[str]) -> list[list[str]]:
    lines = []
    for name, counts in groups:
        figures = counts.to_json(labels)
        shares = [
            "-" if one["share"] is None else f"{one['share']:.0%} ({one['low']:.0%} – {one['high']:.0%})"
            for one in figures["labels"].values()
        ]
        lines.append([name, f"{figures['rows']:,}", f"{figures['unscored']:,}", *shares])
    return lines


def _list_words(gathered: Gathered, names: dict[str, str], say: dict[str, str]) -> list[dict[str, Any]]:
    """Return words that go with the worst label and with the most frequent other, of all rows and of each group."""
    keys = [key for key, _ in gathered.groups.ordered()][:MOST_WORD_GROUPS] if gathered.by else []
    best = max(
        (label for label in gathered.labels if label != gathered.worst), key=lambda one: gathered.all.labels[one]
    )
    found = []
    for group in [None, *keys] if len(keys) > 1 else [None]:
        lists = []
        for kind, label in (("down", gathered.worst), ("up", best)):
            own, rows = _join(gathered, group, [label])
            others, rest = _join(gathered, group, [one for one in gathered.labels if one != label])
            words = compare_words(own, others, rows=rows, others=rest)
            lists.append((kind, say["down"].format(label=names[label]), words))
        if any(words for _, _, words in lists):
            found.append({"group": group_name(" / ".join(group), say["none"]) if group else "", "lists": lists})
    return found


def _join(gathered: Gathered, group: tuple[str, ...] | None, labels: Sequence[str]) -> tuple[Counter[str], int]:
    """Return how many rows of some labels hold each word, and how many rows these are; of one group, or of all."""
    words: Counter[str] = Counter()
    for (own_group, label), of_words in gathered.words.items():
        if label in labels and group in (None, own_group):
            words.update(of_words)
    counts = [own for key, own in gathered.groups.groups.items() if group in (None, key)]
    return words, sum(own.labels[label] for own in counts for label in labels)


def _show(
    rows: Sequence[Shown],
    explain: Callable[[Sequence[str]], Sequence[Any]] | None,
    say: dict[str, str],
    language: Language = "en",
) -> list[dict[str, str]]:
    explained = explain([row.text for row in rows]) if explain and rows else [None] * len(rows)
    lines = []
    for row, why in zip(rows, explained, strict=True):
        text = row.text if len(row.text) <= LONGEST else row.text[: LONGEST - 1] + "…"
        reason = "" if why is not None or not row.answer.reason else f"({name_reason(row.answer.reason, language)}) "
        lines.append(
            {
                "place": f"{Path(row.file).name}:{row.number}",
                "group": group_name(row.group, say["none"]),
                "sure": "-" if row.answer.probability is None else f"{row.answer.probability:.2f}",
                "html": escape(reason)
                + (why.shortened(LONGEST).to_html() if why is not None else f"<bdi>{escape(text)}</bdi>"),
            }
        )
    return lines
