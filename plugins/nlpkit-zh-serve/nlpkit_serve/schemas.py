"""What the routes take and give, for OpenAPI: JSON Schemas with examples that the models have answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.plugins import options_of
from nlpkit.tasks import Verb
from starlette.responses import Response

from nlpkit_serve.files import FORMATS
from nlpkit_serve.options import describe_options
from nlpkit_serve.served import OpenModel
from nlpkit_serve.settings import Settings

FAULT = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["kind", "message"],
            "properties": {"kind": {"type": "string"}, "message": {"type": "string", "description": "One sentence."}},
        }
    },
}
OBJECT: Mapping[str, Any] = {"type": "object", "additionalProperties": True}
ANSWERS = {
    "type": "object",
    "required": ["model", "answers"],
    "properties": {
        "model": {"type": "string"},
        "answers": {"type": "array", "items": OBJECT, "description": "One a text, in order: a line of the shell's."},
        "records": {"type": "array", "items": OBJECT, "description": "In place of answers, where all are summed up."},
    },
}
CONFIG = """<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">
<Choice value="positive"/><Choice value="negative"/><Choice value="neutral"/></Choices></View>"""
SETUP: Mapping[str, Any] = {
    "type": "object",
    "properties": {"schema": {"type": "string", "description": "The labelling configuration."}, "project": {}},
}
PREDICT: Mapping[str, Any] = {
    "type": "object",
    "required": ["tasks", "label_config"],
    "properties": {
        "tasks": {"type": "array", "items": {"type": "object", "properties": {"data": {"type": "object"}}}},
        "label_config": {"type": "string", "description": "XML, with Choices of a Text."},
        "project": {},
    },
}
LABEL_STUDIO_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "setup": {"project": {"project": "1", "schema": CONFIG}},
    "predict": {"tasks": {"tasks": [{"id": 1, "data": {"text": "质量很好"}}], "label_config": CONFIG}},
}
WORDS = {
    400: "The body is no JSON, or no request.",
    401: "The token is wrong, or lacks.",
    403: "A page of another site asks.",
    404: "There is no such thing.",
    405: "This is not asked so.",
    408: "The body came too slowly.",
    413: "The body, or the number of texts, is too large.",
    415: "The body is not called JSON.",
    421: "The server was called by a name that is not its own.",
    422: "A text, an option or a file is at fault.",
    500: "The server failed.",
    501: "Something is not installed on the server.",
    503: "Too many requests wait, or the server is starting.",
    504: "It took too long.",
}
ALWAYS = (401, 403, 421, 500)
NAME = {
    "name": "name",
    "in": "query",
    "required": True,
    "description": "What the file is called; only its suffix counts.",
    "schema": {"type": "string", "pattern": r"\.(csv|tsv|txt|json|jsonl|ndjson|xlsx|xls|xlsb|xlsm|ods|parquet)$"},
    "example": "reviews.csv",
}
COLUMN = {
    "name": "column",
    "in": "query",
    "description": "The column of the text; found out if it has a usual name.",
    "schema": {"type": "string"},
    "example": "text",
}
SHEET = {
    "name": "sheet",
    "in": "query",
    "description": "That of a workbook, if several hold rows.",
    "schema": {"type": "string"},
}
FORMAT = {
    "name": "format",
    "in": "query",
    "description": "That of the answer.",
    "schema": {"enum": list(FORMATS), "default": "csv"},
}


def responses(
    *statuses: int, ok: Mapping[str, Any] | None = None, about: str = "Answered."
) -> dict[int | str, dict[str, Any]]:
    """Return what a route may answer.

    :param statuses: of faults, besides those that any route has.
    :param ok: the contents of an answer by media type.
    """
    fault = {"application/json": {"schema": FAULT}}
    faults: dict[int | str, dict[str, Any]] = {
        status: {"description": WORDS[status], "content": fault} for status in sorted({*ALWAYS, *statuses})
    }
    return {200: {"description": about, "content": ok or {"application/json": {"schema": OBJECT}}}, **faults}


def question_schema(verb: Verb, settings: Settings) -> dict[str, Any]:
    """Return what a request to a verb holds."""
    about = f"Texts, up to {settings.max_texts:,}; what is none among them has no answer but a reason."
    properties: dict[str, Any] = {
        "texts": {"type": "array", "items": {}, "description": about},
        "text": {"description": "One text, in place of several."},
        **describe_options(verb, settings),
    }
    if verb.stream:
        about = "Send the answer to one text piece by piece, as server-sent events: piece, then done, or error."
        properties["stream"] = {"type": "boolean", "default": False, "description": about}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": ["texts"]}, {"required": ["text"]}],
    }


def body(schema: Mapping[str, Any], **examples: Any) -> dict[str, Any]:
    """Return a body of JSON that a route takes."""
    named = {"examples": {name: {"value": value} for name, value in examples.items()}} if examples else {}
    return {"required": True, "content": {"application/json": {"schema": schema, **named}}}


def answer_content(verb: Verb) -> dict[str, Any]:
    """Return what a verb answers."""
    content: dict[str, Any] = {"application/json": {"schema": ANSWERS}}
    if verb.stream:
        content["text/event-stream"] = {}
    return content


def add_examples(described: Mapping[str, Any], model: OpenModel) -> None:
    """Put texts that a model was tried with into OpenAPI, and what each of its verbs answers."""
    texts = model.examples()
    for verb in model.verbs.values():
        route = described["paths"][f"/v1/models/{model.name}/{verb.name}"]["post"]
        examples = {"several": {"value": {"texts": texts}}, "one": {"value": {"text": texts[0]}}}
        route["requestBody"]["content"]["application/json"]["examples"] = examples
        lines, _ = model.answerer(verb, _bound(verb)).answer(texts)
        answer = {"model": model.name, "answers": [json.loads(line) for line in lines]}
        route["responses"]["200"]["content"]["application/json"]["example"] = answer


def _bound(verb: Verb) -> dict[str, int]:
    """Return options that keep an example short, and the same, where it is a text that is drawn."""
    names = options_of(verb.options) if verb.options else {}
    return {name: value for name, value in {"seed": 1, "length": 20}.items() if verb.stream and name in names}


def file_body() -> dict[str, Any]:
    """Return a body that is a file."""
    binary = {"schema": {"type": "string", "format": "binary"}, "example": "text\n质量很好\n"}
    return {"required": True, "content": {"application/octet-stream": binary}}


def demand_token(described: dict[str, Any]) -> None:
    """Say in OpenAPI that a token is wanted."""
    described.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]


def to_json(item: Any) -> Response:
    """Return something as a response of JSON."""
    return Response(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace"), media_type="application/json")


def join_lines(model: str, lines: Sequence[bytes], *, sums: bool = False) -> bytes:
    """Return an answer of lines of JSON, as they are: ``{"model": …, "answers": […]}``."""
    head = json.dumps(model, ensure_ascii=False).encode()
    if sums:
        return b'{"model":' + head + b',"answers":[],"records":[' + b",".join(lines) + b"]}"
    return b'{"model":' + head + b',"answers":[' + b",".join(lines) + b"]}"


def file_content() -> dict[str, Any]:
    """Return the files that a route may answer."""
    return {kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS.values()}
