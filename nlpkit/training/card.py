"""The model card that a training run writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.model.bundle import ANSWERS, VOCABULARY

PARTS = ("embedding", "encoder", "output")


def card(name: str, config: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Markdown: what the model is, on what data, how it was made, how good it is, how it is used."""
    return {"sentiment": _sentiment, "cloze": _cloze, "generate": _generation}[config["task"]](name, config, files)


def _sentiment(name: str, config: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    return f"""# {name}

A sentiment model of nlpkit {config["nlpkit"]} with the labels {", ".join(config["labels"])}. {_megabytes(files)} MB.

## Use

```
nlpkit sentiment score reviews.txt --model {name}
```

{_data(config)}
## How it was made

{_members(config)}
{_stages(config)}
{_environment(config, files)}

## How good it is

| test rows | rows | accuracy | macro F1 | calibration error | unscored |
|---|---|---|---|---|---|
{_metrics(config)}

{_confusion(config)}

## Limits

It was made from texts like those above and knows no others: measure it on your own before you rely on it. It sees words
and their order only: irony, comparison with another product and praise of the wrong thing escape it. A text in which it
has seen no character or word before is answered by null and a reason.
"""


def _cloze(name: str, config: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    answers = json.loads(files[ANSWERS])["words"]
    return f"""# {name}

A cloze model of nlpkit {config["nlpkit"]} that can answer {len(answers):,} words. {_megabytes(files)} MB.

## Use

```
nlpkit cloze "衣服质量__哦" --model {name}
```

{_data(config)}
## How it was made

{_cloze_members(config)}
{_stages(config)}
{_environment(config, files)}

## How good it is

One word of each test row was blanked, drawn by a seed from the words that can be answered but the 50 most frequent; all
words compete for its place. A line has at most 3,000 blanks, which are drawn for it anew.

| test rows | items | top-1 | top-5 | top-10 | MRR@10 |
|---|---|---|---|---|---|
{_cloze_metrics(config)}

## Limits

It says what people would write in texts like those above, not what is true or good. It learnt from reviews as they
are, mistakes and prejudices among them. A word that stood in the training rows too seldom it cannot say at all, and
blanks whose answer stands in another sentence it fills by guessing.{_of_counts(config)}
"""


def _generation(name: str, config: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    member, *others = config["members"]
    characters = len(json.loads(files[VOCABULARY])["tokens"])
    return f"""# {name}

A model of nlpkit {config["nlpkit"]} that goes on writing, a character at a time, with {characters:,} characters.
{_megabytes(files)} MB.

## Use

```
nlpkit generate --prompt 衣服 --model {name}
```

To play with, to try encoders by, to make up text where any text will do (tests of a form, of a search), and to tell how
usual a text is.

**Not to be used** for anything that passes for a person's word: reviews above all. A review is worth something because
somebody bought and used the thing; one that is made up deceives those who read it, and is against the law in many
places. What the model writes is not true, about no thing in particular, and may insult.

{_data(config)}
## How it was made

{_language_model(member, config)}{_ngrams(others, config)}
{_environment(config, files)}

## How good it is

Of each character of the test rows, and of the end of each row, given all before it: bits, the fewer the better, and
perplexity, two to their power. Characters that the training rows do not hold are one to the model.

| test rows | texts | characters | unknown | bits a character | perplexity |
|---|---|---|---|---|---|
{_generation_metrics(config)}

## Limits

It knows what is usual in texts like those above, a sentence or two at a time: it loses its thread, contradicts itself,
and says of a phone what belongs to shoes. It learnt from texts as they are, mistakes and prejudices among them, and may
repeat a phrase of theirs word for word. From a prompt of another kind it soon comes back to what it knows.
"""


def _language_model(member: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    parts = [f"{kind} `{member[kind]['name']}` {member[kind]['config']}" for kind in PARTS]
    best = [epoch for epoch in member["history"] if epoch["best"]][-1:]
    when = f"best of {len(member['history'])} epochs: {best[0]['epoch']}" if best else "no epoch was better"
    loss = f", {best[0]['validation_loss']:.3f} nats a validation character" if best else ""
    training = config["settings"]["network"]["training"]
    return (
        f"- characters, normalised by {config['normalisation']}\n- {'; '.join(parts)}; dropout {member['dropout']}; "
        f"{training['streams']} streams, {training['span']} characters a step; {when}{loss}.\n"
    )


def _ngrams(members: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> str:
    lines = [f"- n-grams by modified Kneser-Ney, {member['config']}\n" for member in members]
    weights = config["stages"][0]["weights"]
    return "".join(lines) + (f"- probabilities mixed by the weights {weights}\n" if lines else "")


def _generation_metrics(config: Mapping[str, Any]) -> str:
    return "\n".join(
        f"| {name} | {m['texts']:,} | {m['characters']:,} | {m['unknown']:,} "
        f"| {m['bits']:.3f} | {m['perplexity']:.1f} |"
        for name, m in config["metrics"].items()
    )


def _of_counts(config: Mapping[str, Any]) -> str:
    """What tables of counts hold, if there are any."""
    if all(member["name"] != "counts" for member in config["members"]):
        return ""
    return """ Its tables of counts hold
sequences of at most a few words, with how often they stood in the training rows; they do not hold the texts."""


def _megabytes(files: Mapping[str, bytes]) -> str:
    return f"{sum(map(len, files.values())) / 1e6:.1f}"


def _data(config: Mapping[str, Any]) -> str:
    data = config["data"]
    corpora = "\n".join(f"| {corpus} | {rows:,} |" for corpus, rows in data["corpora"].items())
    labels = f", {data['conflicts']:,} texts\nstood under several labels and went with all their copies"
    labels = labels if config["task"] == "sentiment" else ""
    return f"""## Data

| corpus | rows |
|---|---|
{corpora}

{_split(data, labels)}
SHA-256 of the training rows: `{data["fingerprint"]}`.
"""


def _split(data: Mapping[str, Any], labels: str) -> str:
    """How the rows became those of training, validation and test; of texts in order, none was dropped."""
    parts = f"{data['train']:,} for training, {data['validation']:,}\nfor early stopping, mixing and calibration, "
    parts += f"{data['test']:,} for the figures below, on which nothing was tuned."
    ordered = data.get("ordered", 0)
    if ordered and ordered == data["rows"]:
        return f"All of these follow each other, and none was dropped. Each file was cut into three: {parts}"
    follow = f"\n{ordered:,} follow each other, and all of these stayed, each file cut into three." if ordered else ""
    return f"""Of these rows {data["duplicates"]:,} were copies of another (equal in letters) and went{labels},
{data["empty"]:,} held no letters. The rest was split by a hash of each text's letters: {parts}{follow}"""


def _environment(config: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    environment = config["environment"]
    return (
        f"Seed {config['settings']['seed']}; Python {environment['python']}, torch {environment['torch']},\n"
        f"threads {environment['threads']}. All settings are in config.json{_pictures(files)}."
    )


def _cloze_members(config: Mapping[str, Any]) -> str:
    lines = [f"- words by `{config['tokenizer']['name']}`, normalised by {config['normalisation']}"]
    for member in config["members"]:
        if member["kind"] == "counts":
            lines.append(f"- **{member['name']}**: counts of word sequences around the blank, {member['config']}")
            continue
        parts = [f"{kind} `{member[kind]['name']}` {member[kind]['config']}" for kind in PARTS]
        best = [epoch for epoch in member["history"] if epoch["best"]][-1:]
        when = f"best of {len(member['history'])} epochs: {best[0]['epoch']}" if best else "no epoch was better"
        loss = f", {best[0]['validation_loss']:.3f} nats a validation word alone" if best else ""
        lines.append(f"- **{member['name']}**: {'; '.join(parts)}; head {member['head']}; {when}{loss}.")
    return "\n".join(lines) + "\n"


def _cloze_metrics(config: Mapping[str, Any]) -> str:
    return "\n".join(
        f"| {name} | {m['items']:,} | {m['top1']:.1f} | {m['top5']:.1f} | {m['top10']:.1f} | {m['mrr10']:.3f} |"
        for name, m in config["metrics"].items()
    )


def _members(config: Mapping[str, Any]) -> str:
    lines = []
    for member in config["members"]:
        parts = [
            f"{kind} `{member[kind]['name']}` {member[kind]['config']}"
            for kind in ("tokenizer", "embedding", "encoder")
        ]
        best = [epoch for epoch in member["history"] if epoch["best"]][-1:]
        when = (
            f"best of {len(member['history'])} epochs: {best[0]['epoch']}"
            if best
            else "no epoch was better than the start"
        )
        accuracy = f", validation accuracy {best[0]['validation_accuracy']:.4f} alone" if best else ""
        lines.append(f"- **{member['name']}**: {'; '.join(parts)}; head {member['head']}; {when}{accuracy}.")
        if at := member.get("diverged"):
            lines.append(
                f"  The loss or its gradient was no number at epoch {at['epoch']}, step {at['step']}, where it ended."
            )
    return "\n".join(lines) + "\n"


def _stages(config: Mapping[str, Any]) -> str:
    names = [member["name"] for member in config["members"]]
    lines = []
    for stage in config["stages"]:
        mixture = " + ".join(f"{weight:.3f} x {name}" for weight, name in zip(stage["weights"], names, strict=False))
        leave = "" if stage["exit"] is None else f"; a row with a probability from {stage['exit']} on stops here"
        lines.append(f"- logits {mixture}, temperature {stage['temperature']:.3f}{leave}")
    return "\n".join(lines) + "\n"


def _metrics(config: Mapping[str, Any]) -> str:
    return "\n".join(
        f"| {name} | {m['rows']:,} | {m['accuracy']:.4f} | {m['macro_f1']:.4f} | {m['calibration_error']:.4f} "
        f"| {m['unscored']} |"
        for name, m in config["metrics"].items()
    )


def _confusion(config: Mapping[str, Any]) -> str:
    found = config["metrics"].get("all")
    if found is None:
        return "No test rows."
    answers = [*found["labels"], "none"]
    header = f"| true \\ answer | {' | '.join(answers)} |\n|{'---|' * (len(answers) + 1)}"
    rows = "\n".join(
        f"| {label} | {' | '.join(map(str, row))} |"
        for label, row in zip(found["labels"], found["confusion"], strict=True)
    )
    return f"{header}\n{rows}"


def _pictures(files: Mapping[str, bytes]) -> str:
    there = [name for name in ("history.csv", "curve.png") if name in files]
    return f", all epochs in {' and '.join(there)}" if there else ""
