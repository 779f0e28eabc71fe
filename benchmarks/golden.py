"""Golden files: what nlpkit computes today, by which the code of another day is judged. It is run as a command alone.

`golden.py make FOLDER` trains tiny models of each task, straight and once more with a SIGKILL in between; lets these
and the shipped models answer made-up texts; takes the time of three commands; and writes down what bad calls say.
`golden.py compare OLD NEW` fails unless weights are equal byte for byte, and answers to 1e-6; graphs, figures, times
and errors are shown, but not judged. `golden.py read OLD` opens the models of OLD with the code at hand, which must
answer as the code of then did. The code is that of the working folder; weights depend on the machine, too: make both
folders on one.

FOLDER/
  texts/                   made-up rows, the same each time
  models/NAME, resumed/NAME     models as trained straight, and as killed and resumed
  unfinished/NAME.training      runs as the kill left them
  answers/NAME.jsonl       of the shipped models, and of those trained
  digests.json, times.json, errors.json
"""

import argparse
import functools
import hashlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from processes import ONE_THREAD, cost

ENVIRONMENT = ONE_THREAD | {"NO_COLOR": "1", "COLUMNS": "120", "PYTHONUTF8": "1"}
WEIGHTS = ("model.safetensors", "arrays.safetensors", "vocabulary.json")
GRAPH = "model.onnx"
KILLED_AT = {"sentiment": 24, "cloze": 45, "generate": 55}  # steps: in the second epoch
TIMED = 50_000  # rows
TOLERANCE = 1.001e-6  # answers have six digits, of which the last may be rounded otherwise
SHIPPED = {"sentiment": "reviews", "cloze": "reviews-cloze", "generate": "reviews-chars"}

THINGS = (  # of two characters each
    "手机电脑衣服裤子鞋子帽子毛巾杯子桌子椅子窗帘台灯风扇冰箱空调电视相机耳机键盘鼠标书包雨伞手表眼镜"
    "牙刷香水面膜苹果香蕉葡萄牛奶面包蛋糕咖啡茶叶饺子火锅小说字典地图酒店房间早餐被子床单浴室"
)
SIDES = "质量颜色味道做工包装价格服务物流发货速度手感款式大小效果声音屏幕电池态度卫生位置"
DEGREES = ("很", "非常", "比较", "真的很", "有点", "太", "特别", "不太")
GOOD = ("好", "不错", "满意", "漂亮", "舒服", "快", "划算", "干净", "热情", "结实", "方便", "喜欢", "实惠")
BAD = ("差", "失望", "难看", "难受", "慢", "贵", "脏", "冷淡", "粗糙", "麻烦", "糟糕", "难闻", "吵")
ENDS = {
    True: ("值得推荐", "下次还来", "会再买", "朋友也说好", "五星好评", "很喜欢", "没有后悔", "物有所值"),
    False: ("不建议买", "再也不来", "要求退货", "浪费钱", "客服不理人", "后悔死了", "差评", "上当了"),
}
FILLERS = ("", "", "哈哈", "说实话", "用了一个星期", "昨天收到的", "给妈妈买的", "第二次买了", "看了评论才买")
ODD: tuple[str, ...] = (
    "",
    "   ",
    "OK",
    "12345",
    "!!!",
    "😀😀",
    "質量很好，下次還會來",
    "Very good 质量",
    "ＡＢＣ１２３很好",
)
ODD += ("好" * 300, "龘靐齉", "\t好")


class Bundle(NamedTuple):
    """A tiny model: how it is trained, and in which states (``NAME.safetensors``) its run is killed in turn."""

    task: str
    corpora: tuple[str, ...]
    options: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    kills: tuple[str, ...] = ("network",)
    config: str = ""


def sets(*settings: str) -> tuple[str, ...]:
    return tuple(part for setting in settings for part in ("--set", setting))


CASCADE = """\
exits = [0.7]
labels = { negative = "bad", positive = "good" }

[[members]]
name = "characters"
tokenizer = { name = "char" }
embedding = { name = "ngrams", low = 1, high = 2, bits = 11 }
encoder = { name = "none" }
head = { pooling = "sqrtn", projection = false }
training = { epochs = 2, learning_rate = 0.01, weight_decay = 0.0, schedule = "linear", warmup = 0.0, batch_size = 16 }
weights = "int8"

[[members]]
name = "words"
tokenizer = { name = "rjieba" }
embedding = { name = "trainable", dim = 16, min_count = 2, start = "ppmi", dropout = 0.1 }
encoder = { name = "lstm", hidden = 12, dropout = 0.2 }
head = { pooling = "max+attention", dropout = 0.3 }
training = { epochs = 2, batch_size = 16, r_drop = 1.0, pretrain = 2, label_smoothing = 0.05 }
max_length = 40
weights = "int8"
"""
MIXED = """\
[[members]]
name = "averaged"
tokenizer = { name = "char" }
embedding = { name = "trainable", dim = 12 }
encoder = { name = "none" }
head = { pooling = "max+mean", hidden = 8, norm = "layer", dropout = 0.1 }
training = { epochs = 2, loss = "bce", class_weights = "balanced", batch_size = 16, optimizer = "sgd" }

[[members]]
name = "convolved"
tokenizer = { name = "char" }
embedding = { name = "trainable", dim = 12 }
encoder = { name = "cnn", filters = 8 }
head = { pooling = "max" }
training = { epochs = 2, batch_size = 16, monitor = "accuracy" }
"""
CODES = """\
[tokenizer]
name = "rjieba"

[answers]
min_count = 2

[network]
embedding = { name = "trainable", dim = 16 }
encoder = { name = "gru", hidden = 16, bidirectional = false }
output = { name = "binary-codes", source = "itq", bits = 16, loss = "softmax", negatives = 20 }
head = { hidden = [16], dropout = 0.1 }
training = { epochs = 2, batch_tokens = 256, blanked = 0.1 }
"""
SMALL_CLOZE: tuple[str, ...] = ("embedding.dim=16", "output.dim=16", "output.negatives=20", "head.hidden=[16]")
SMALL_CLOZE += ("answers.min_count=2", "training.epochs=2", "training.batch_tokens=256")
ONE_WAY_CLOZE = ("encoder.hidden=16", "training.focus=[0.35,0.6]", "training.precision=bfloat16")
MASKED_CLOZE = ("encoder.dim=16", "encoder.layers=1", "encoder.heads=2", "encoder.causal=false")
SMALL_CHARACTERS: tuple[str, ...] = ("embedding.dim=16", "output.dim=16", "encoder.hidden=16", "training.epochs=2")
SMALL_CHARACTERS += ("training.streams=8", "training.span=32")
IN_ORDER = ("ngrams.order=0", "training.focus=[0.35,0.6]", "training.shuffle=false")
STACKED = ("encoder.hidden=12", "encoder.layers=2", "encoder.dropout=0.2", "embedding.dim=12", "training.epochs=2")
STEPS = "training.batch_size=16"
ROWS, FIRST, BOTH = ("rows.csv",), ("first.txt",), ("first.txt", "second.txt")
IN_TURN = ("characters", "words.language-model", "words")
BUNDLES = {
    "sentiment-ngrams": Bundle("sentiment", ROWS, (), ("embedding.bits=11", STEPS), ("characters",)),
    "sentiment-lstm": Bundle("sentiment", ROWS, ("--encoder", "lstm", "--tokenizer", "jieba"), (*STACKED, STEPS)),
    "sentiment-cascade": Bundle("sentiment", ROWS, kills=IN_TURN, config=CASCADE),
    "sentiment-mixed": Bundle("sentiment", ROWS, kills=("averaged", "convolved"), config=MIXED),
    "cloze-lstm": Bundle("cloze", BOTH, ("--encoder", "lstm"), SMALL_CLOZE + ONE_WAY_CLOZE),
    "cloze-masked": Bundle("cloze", FIRST, ("--encoder", "transformer"), SMALL_CLOZE + MASKED_CLOZE),
    "cloze-codes": Bundle("cloze", FIRST, config=CODES),
    "generate-lstm": Bundle("generate", FIRST, (), (*SMALL_CHARACTERS, "ngrams.order=4")),
    "generate-gru": Bundle("generate", BOTH, ("--encoder", "gru"), SMALL_CHARACTERS + IN_ORDER),
}
PARTS = (*BUNDLES, *SHIPPED.values(), "times", "errors")


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def nlpkit(*arguments: object, allowed: Sequence[int] | None = (0,)) -> Result:
    """Run a command.

    :param allowed: exit codes; None allows all.
    :raises RuntimeError: for another.
    """
    done = subprocess.run(command(*arguments), capture_output=True, env=os.environ | ENVIRONMENT, check=False)
    result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
    if allowed is not None and result.code not in allowed:
        raise RuntimeError(f"nlpkit {' '.join(map(str, arguments))}: {result.code}: {result.out}{result.err}")
    return result


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nlpkit", *map(str, arguments)]


# texts


def review(draw: random.Random, *, good: bool) -> str:
    """One made-up review; one clause in six says the contrary."""
    clauses = []
    for _ in range(draw.randint(1, 4)):
        side = GOOD if good == (draw.random() < 5 / 6) else BAD
        clauses.append(pair(draw, THINGS) + pair(draw, SIDES) + draw.choice(DEGREES) + draw.choice(side))
    if filler := draw.choice(FILLERS):
        clauses.insert(0, filler)
    if draw.random() < 0.5:
        clauses.append(draw.choice(ENDS[good]))
    return "，".join(clauses) + draw.choice("。！～ ").strip()


def pair(draw: random.Random, words: str) -> str:
    """One of words of two characters each."""
    at = 2 * draw.randrange(len(words) // 2)
    return words[at : at + 2]


def reviews(seed: int, rows: int) -> list[tuple[str, bool]]:
    """Made-up reviews and whether they are good; no two are the same."""
    draw = random.Random(seed)
    made: dict[str, bool] = {}
    while len(made) < rows:
        good = draw.random() < 0.55
        made[review(draw, good=good)] = good
    return list(made.items())


def with_blanks(seed: int, rows: int) -> list[str]:
    """Made-up reviews in which a word is a blank; in some two are."""
    draw, made = random.Random(seed), []
    for text, _ in reviews(seed, rows):
        words = [word for word in (*GOOD, *BAD, "质量", "价格", "手机", "酒店") if word in text]
        for word in draw.sample(words, min(len(words), 1 + (draw.random() < 0.1))):
            text = text.replace(word, "__", 1)
        made.append(text)
    return made


def write_texts(folder: Path, rows: int) -> None:
    """Write all that is trained on and answered.

    :param rows: how many texts the shipped models answer; a fifth has blanks, a fiftieth are prompts.
    """
    folder.mkdir(parents=True)
    table = "text,label\n" + "".join(f"{text},{'positive' if good else 'negative'}\n" for text, good in reviews(0, 500))
    (folder / "rows.csv").write_text(table, encoding="utf-8")
    plain = [text for text, _ in reviews(1, rows)]
    for at, odd in enumerate(ODD):
        plain[at * rows // len(ODD)] = odd
    prompts = [text[: 1 + at % 7] for at, (text, _) in enumerate(reviews(2, max(1, rows // 50)))]
    lines = {
        "first": [text for text, _ in reviews(3, 500)],
        "second": [text for text, _ in reviews(4, 200)],
        "answered": plain,
        "blanks": with_blanks(5, max(1, rows // 5)),
        "prompts": prompts,
        "one-label": ["text,label", *(f"{text},good" for text, _ in reviews(6, 20))],
    }
    for name, texts in lines.items():
        (folder / f"{name}.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    (folder / "one-label.txt").rename(folder / "one-label.csv")


# training


def train_command(name: str, folder: Path, target: Path) -> list[object]:
    """The arguments by which a model is trained."""
    made = BUNDLES[name]
    config: tuple[object, ...] = ()
    if made.config:
        config = ("--config", folder / "texts" / f"{name}.toml")
        Path(str(config[1])).write_text(made.config, encoding="utf-8")
    without = sets("counts.order=0") if made.task == "cloze" and counts_known(folder) else ()
    corpora = [folder / "texts" / corpus for corpus in made.corpora]
    options = ("--threads", "1", "--save-every", "0", *sets("seed=0"))
    return [
        made.task,
        "train",
        *corpora,
        "-o",
        target,
        *config,
        *made.options,
        *sets(*made.settings),
        *without,
        *options,
    ]


@functools.cache
def counts_known(folder: Path) -> bool:
    """Whether a cloze model may still have a member of counts, which would have to be left out."""
    missing = folder / "texts" / "missing.txt"
    said = nlpkit("cloze", "train", missing, "-o", folder / "none", *sets("counts.order=0"), allowed=(1, 2)).err
    return "counts" not in said


def train(name: str, folder: Path) -> None:
    """Train a model straight; then once more, killed in each of its states and resumed."""
    nlpkit(*train_command(name, folder, folder / "models" / name))
    target = folder / "resumed" / name
    run = target.with_name(f"{name}.training")
    arguments = train_command(name, folder, target)
    for number, kill in enumerate(BUNDLES[name].kills):
        kill_at(arguments, run / f"{kill}.safetensors", KILLED_AT[BUNDLES[name].task])
        if not number:
            shutil.copytree(run, folder / "unfinished" / run.name)
            arguments = [BUNDLES[name].task, "train", "-o", target, "--resume", "--save-every", "0"]
    nlpkit(*arguments)
    print(f"{name}: trained, killed and resumed", file=sys.stderr)


def kill_at(arguments: Sequence[object], state: Path, saves: int) -> None:
    """Run a command, and kill it when a state was saved so many times.

    :raises RuntimeError: if it ends before.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command(*arguments), stdout=said, stderr=said, env=os.environ | ENVIRONMENT)
        seen: set[tuple[int, int]] = set()
        while len(seen) < saves and process.poll() is None:
            if state.exists():
                found = state.stat()
                seen.add((found.st_ino, found.st_mtime_ns))
            time.sleep(0.0005)
        process.kill()
        if process.wait() >= 0:
            said.seek(0)
            raise RuntimeError(f"it ended before {state.name} was saved {saves} times: {said.read().decode()}")
    if (state.parent / "trained" / state.stem).exists():
        raise RuntimeError(f"{state.name} was done before the kill")


def digests(folder: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """SHA-256 of the weights and of the graphs of all models, and what config.json says of how good they are."""
    made: dict[str, Any] = {"weights": {}, "graphs": {}, "figures": {}}
    for way in ("models", "resumed"):
        for model in sorted(folder.glob(f"{way}/*/")):
            files = {path.relative_to(model).as_posix(): path for path in sorted(model.rglob("*")) if path.is_file()}
            sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
            for kind, names in (("weights", WEIGHTS), ("graphs", (GRAPH,))):
                chosen = {name: value for name, value in sums.items() if name.rpartition("/")[2] in names}
                made[kind].setdefault(way, {})[model.name] = chosen
            config = json.loads((model / "config.json").read_text(encoding="utf-8"))
            made["figures"].setdefault(way, {})[model.name] = config.get("metrics")
    assert set(made["weights"].get("models", {})) == set(BUNDLES) & set(wanted)
    return made


# answers


def answers(task: str, model: object, folder: Path) -> str:
    """What a model answers to the made-up texts, as JSON lines.

    :param model: a name or a folder.
    """
    texts, lines = folder / "texts", ("--model", model, "--format", "jsonl")
    if task == "sentiment":
        return nlpkit("sentiment", "score", texts / "answered.txt", *lines).out.replace(str(folder), "FOLDER")
    if task == "cloze":
        return nlpkit("cloze", "fill", "--file", texts / "blanks.txt", "--top", 5, *lines).out.replace(
            str(folder), "FOLDER"
        )
    prompts = (texts / "prompts.txt").read_text(encoding="utf-8").splitlines()
    asked = [part for prompt in prompts for part in ("--prompt", prompt)]
    measured = nlpkit("generate", "evaluate", texts / "answered.txt", "--model", model, "--format", "json").out
    written = nlpkit("generate", "text", "--seed", 1, "--length", 60, *asked, *lines).out
    return json.dumps(json.loads(measured), ensure_ascii=False) + "\n" + written


def answering(folder: Path, wanted: Sequence[str]) -> Iterator[tuple[str, str, object]]:
    """The name, the task and the model, for each that answers."""
    yield from ((name, task, name) for task, name in SHIPPED.items() if name in wanted)
    yield from ((name, BUNDLES[name].task, folder / "models" / name) for name in BUNDLES if name in wanted)


# times


def best_times(folder: Path, rows: int, runs: int) -> dict[str, float]:
    """The fewest CPU seconds, user and system, of three commands, run in turn."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        many, scored = Path(scratch, "many.txt"), Path(scratch, "scored.csv")
        many.write_text("".join(f"{text}\n" for text, _ in reviews(7, rows)), encoding="utf-8")
        commands = {
            "nlpkit --help": command("--help"),
            "sentiment score of one text": command("sentiment", "score", "--text", "质量很好，下次还来"),
            f"sentiment score of {rows:,} rows": command("sentiment", "score", many, "-o", scored, "--force"),
        }
        spent = [{name: cost(said)[0] for name, said in commands.items()} for _ in range(runs)]
    return {name: min(times[name] for times in spent) for name in commands}


# errors


def bad_calls(folder: Path) -> dict[str, list[object]]:
    """Calls that should fail, each by its name."""
    texts, new = folder / "texts", folder / "bad" / "new"
    rows, blank = texts / "rows.csv", "衣服质量__哦"
    sentiment: list[object] = ["sentiment", "train", rows, "-o", new]
    cloze: list[object] = ["cloze", "train", texts / "first.txt", "-o", new]
    generate: list[object] = ["generate", "train", texts / "first.txt", "-o", new]
    lstm = [*sentiment, "--encoder", "lstm"]
    calls: dict[str, list[object]] = {
        "no such command": ["sentimant"],
        "no such option": ["sentiment", "score", "--modle", "reviews"],
        "missing file": ["sentiment", "score", texts / "missing.txt"],
        "missing column": ["sentiment", "score", rows, "--column", "texd"],
        "missing model": ["sentiment", "score", "--text", "好", "--model", "reviws"],
        "folder that is no model": ["sentiment", "score", "--text", "好", "--model", texts],
        "model of another task": ["cloze", "fill", blank, "--model", "reviews"],
        "model with a changed file": ["sentiment", "score", "--text", "好", "--model", folder / "bad" / "changed"],
        "output that is there": ["sentiment", "score", rows, "-o", rows],
        "unknown format": ["sentiment", "score", rows, "--format", "xml"],
        "unknown encoding": ["sentiment", "score", rows, "--encoding", "klingon"],
        "no text": ["sentiment", "evaluate", folder / "bad" / "empty.csv"],
        "text without a blank": ["cloze", "fill", "衣服质量", "--strict"],
        "wrong pattern": ["cloze", "fill", blank, "--pattern", "("],
        "wrong temperature": ["generate", "text", "--temperature", "-1"],
        "evaluate a missing file": ["generate", "evaluate", texts / "missing.txt"],
        "show no model": ["models", "show", "reviws"],
        "check no model": ["models", "check", texts],
        "train on a missing file": ["sentiment", "train", texts / "missing.csv", "-o", new],
        "train without an output": ["sentiment", "train", rows],
        "train on one label": ["sentiment", "train", texts / "one-label.csv", "-o", new],
        "unknown recipe": [*sentiment, "--recipe", "ngram"],
        "recipe that is no TOML": [*sentiment, "--config", folder / "bad" / "broken.toml"],
        "two members of a name": [*sentiment, "--config", folder / "bad" / "twice.toml"],
        "unknown encoder": [*sentiment, "--encoder", "lstmm"],
        "unknown tokenizer": [*sentiment, "--tokenizer", "jeiba"],
        "unknown output": [*cloze, *sets("output.name=sofmax")],
        "encoder that sees what it foretells": [*generate, "--encoder", "cnn"],
        "resume nothing": [*sentiment, "--resume"],
        "cloze resume nothing": [*cloze, "--resume"],
        "model that is there": ["sentiment", "train", rows, "-o", folder / "bad" / "changed"],
    }
    unfinished = folder / "bad" / "unfinished"
    calls["unfinished run"] = ["sentiment", "train", rows, "-o", unfinished]
    calls["resume with other settings"] = ["sentiment", "train", rows, "-o", unfinished, "--resume", *sets("seed=1")]
    wrong = {
        "encoder.hiden=3": lstm,
        "encoder.hidden=abc": lstm,
        "encoder.hidden=1.5": lstm,
        "encoder.hidden=true": lstm,
        "encoder.hidden=-1": lstm,
        "embedding.dim=0": lstm,
        "head.pooling=maxx": lstm,
        "training.epochs=0": sentiment,
        "training.loss=crossentropy": sentiment,
        "training.learning_rate=nan": sentiment,
        "weights=int9": sentiment,
        "test=1.5": sentiment,
        "seed=-1": sentiment,
        "nonsense": sentiment,
        "nonsense=1": sentiment,
        "network.head.dropout=1": cloze,
        "training.focus=[0.5,0.5]": cloze,
        "answers.min_count=0": cloze,
        "training.streams=0": generate,
        "ngrams.order=1": generate,
    }
    return calls | {f"{call[0]} --set {setting}": [*call, *sets(setting)] for setting, call in wrong.items()}


def errors(folder: Path, run: Callable[..., Any]) -> dict[str, Any]:
    """What the bad calls say, and their exit codes.

    :param run: maps a function on a sequence.
    """
    bad = folder / "bad"
    bad.mkdir()
    (bad / "empty.csv").write_text("text,label\n", encoding="utf-8")
    (bad / "broken.toml").write_text("[[members]\n", encoding="utf-8")
    (bad / "twice.toml").write_text(MIXED.replace("convolved", "averaged"), encoding="utf-8")
    small = ["sentiment", "train", folder / "texts" / "rows.csv", *sets("embedding.bits=8", "training.epochs=1")]
    nlpkit(*small, "-o", bad / "changed")
    kill_at(
        [*small, "-o", bad / "unfinished", "--save-every", "0"], bad / "unfinished.training/characters.safetensors", 2
    )
    for path in sorted((bad / "changed").rglob("arrays.safetensors")):
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    calls = bad_calls(folder)
    said = run(lambda call: nlpkit(*call, allowed=None), calls.values())
    shown = {name: {"call": call, **result._asdict()} for (name, call), result in zip(calls.items(), said, strict=True)}
    shutil.rmtree(bad)
    text = json.dumps(shown, ensure_ascii=False, default=str)
    return dict(json.loads(text.replace(str(folder), "FOLDER").replace(str(Path.cwd()), "CODE")))


# commands


def make(folder: Path, *, wanted: Sequence[str], rows: int, timed: int, runs: int, jobs: int) -> None:
    """Write golden files.

    :param wanted: parts of them, of `PARTS`.
    """
    folder.mkdir(parents=True)
    write_texts(folder / "texts", rows)
    for name in ("answers", "unfinished"):
        (folder / name).mkdir()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda name: train(name, folder), [name for name in BUNDLES if name in wanted]))
        write_json(folder / "digests.json", digests(folder, wanted))
        asked = list(answering(folder, wanted))
        said = pool.map(lambda who: answers(who[1], who[2], folder), asked)
        for (name, _, _), lines in zip(asked, said, strict=True):
            (folder / "answers" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        if "errors" in wanted:
            write_json(folder / "errors.json", errors(folder, pool.map))
    if "times" in wanted:
        write_json(folder / "times.json", best_times(folder, timed, runs))


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Where two JSON values differ, numbers by more than the tolerance; what is new beside the old does not count."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old:
            inner = f"{place}.{name}" if place else str(name)
            yield from differences(old[name], new[name], inner) if name in new else [f"{inner} is not there"]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{place}[{position}]")
    elif isinstance(old, float) and isinstance(new, float | int) and not isinstance(new, bool):
        if not math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{place} was {old}, is {new}"
    elif old != new:
        yield f"{place} was {shown(old)}, is {shown(new)}"


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:100]}…"


def weight_faults(old: Any, new: Any) -> list[str]:
    """Weights that differ between two folders, or within one between a straight run and one that was resumed."""
    faults = [f"weights: {line}" for line in differences(old, new)]
    for which, there in (("OLD", old), ("NEW", new)):
        resumed = differences(there.get("models"), there.get("resumed"))
        faults += [f"weights of {which}, straight and resumed: {line}" for line in resumed]
    return faults


def answer_faults(old: Path, new: Path) -> list[str]:
    faults = []
    for path in sorted(old.glob("answers/*.jsonl")):
        other = new / "answers" / path.name
        if not other.exists():
            faults.append(f"{path.stem}: answers are not there")
            continue
        lines = list(differences(read_lines(path), read_lines(other)))
        faults += [f"{path.stem}: {line}" for line in lines[:10]]
        faults += [f"{path.stem}: {len(lines) - 10} more"] if len(lines) > 10 else []
    return faults


def compare(old: Path, new: Path) -> list[str]:
    """Print what is only shown; return what is a fault."""
    then, now = (read_json(folder / "digests.json") for folder in (old, new))
    for kind in ("graphs", "figures"):
        lines = list(differences(then[kind], now[kind]))
        print(f"{kind} (not judged): {len(lines) or 'no'} differences", *lines, sep="\n  ")
    times, others = (read_json(folder / "times.json") for folder in (old, new))
    for name in [name for name in times if name in others]:
        ratio = others[name] / times[name]
        print(f"{name}: {times[name]:.3f} CPU s, {others[name]:.3f} CPU s: {ratio:.3f} of it (not judged)")
    said, others = (read_json(folder / "errors.json") for folder in (old, new))
    for name in dict.fromkeys([*said, *others]):
        before, after = (errors.get(name, {}) for errors in (said, others))
        parts = [part for part in ("code", "out", "err") if before.get(part) != after.get(part)]
        if parts:
            print(f"error (not judged): {name}")
        for part in parts:
            print(f"  {part} was: {before.get(part)}\n  {part} is:  {after.get(part)}")
    return [*weight_faults(then["weights"], now["weights"]), *answer_faults(old, new)]


def read(old: Path) -> list[str]:
    """Open and ask the models of a folder with the code at hand; say what becomes of a run of each task."""
    faults = []
    models = sorted(old.glob("models/*/")) + sorted(old.glob("resumed/*/"))
    for model in models:
        checked = nlpkit("models", "check", model, allowed=None)
        if checked.code:
            faults.append(f"{model}: {checked.out}{checked.err}")
    with tempfile.TemporaryDirectory() as scratch:
        names = [path.name for path in sorted(old.glob("models/*/"))]
        Path(scratch, "answers").mkdir()
        for name, task, trained in answering(old, names):
            try:
                Path(scratch, "answers", f"{name}.jsonl").write_text(answers(task, trained, old), encoding="utf-8")
            except RuntimeError as error:
                faults.append(str(error))
        faults += [fault for fault in answer_faults(old, Path(scratch)) if fault.partition(":")[0] in names]
        one_each = {path.name.partition("-")[0]: path for path in sorted(old.glob("unfinished/*/"))}
        for run in one_each.values():
            shutil.copytree(run, Path(scratch, run.name))
            name = run.name.removesuffix(".training")
            resumed = nlpkit(BUNDLES[name].task, "train", "-o", Path(scratch, name), "--resume", allowed=None)
            print(f"{name}, resumed (not judged): {resumed.code}: {resumed.err.strip().splitlines()[-1:]}")
    return faults


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    making.add_argument("--rows", type=int, default=1000, help="texts that the models answer")
    making.add_argument("--timed", type=int, default=TIMED, help="rows of which scoring is timed")
    making.add_argument("--runs", type=int, default=3, help="of what is timed")
    making.add_argument("--jobs", type=int, default=2, help="commands at a time, but for those that are timed")
    comparing = verbs.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    verbs.add_parser("read").add_argument("old", type=Path)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Make, compare or read golden files, and exit with 1 where something is at fault."""
    told = arguments(argv)
    if told.verb == "make":
        sizes = {"rows": told.rows, "timed": told.timed, "runs": told.runs, "jobs": told.jobs}
        make(told.folder.resolve(), wanted=told.only, **sizes)
        return
    faults = compare(told.old, told.new) if told.verb == "compare" else read(told.old.resolve())
    print(*(f"FAULT: {fault}" for fault in faults), f"{len(faults)} faults" if faults else "the same", sep="\n")
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
