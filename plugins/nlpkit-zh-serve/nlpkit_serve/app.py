"""The server of one process: routes made of what the tasks of its models say of themselves."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from nlpkit import NlpkitError, __version__, nearest
from nlpkit.tasks import Verb
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response, StreamingResponse

from nlpkit_serve import schemas
from nlpkit_serve.answers import Answers, Question
from nlpkit_serve.bodies import Asked, read_body, read_object, read_question, unless_gone
from nlpkit_serve.events import as_events
from nlpkit_serve.faults import KINDS, RequestFault, fault_of
from nlpkit_serve.files import FORMATS, SentFile
from nlpkit_serve.gate import Gate
from nlpkit_serve.journal import Journal
from nlpkit_serve.label_studio import make_prediction, read_config, read_texts
from nlpkit_serve.metrics import Metrics
from nlpkit_serve.options import read_numbers, read_options
from nlpkit_serve.page_files import PAGE, show
from nlpkit_serve.served import OpenModel, ServedModel, open_models, summary_of
from nlpkit_serve.settings import Settings
from nlpkit_serve.work import Pool, Stop

OF_FILE = ("name", "column", "sheet", "format")  # no options of a verb, in an address
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a quota, a limit
UNPACKED = 8  # times larger than what was sent a workbook may be when it is unpacked


def create_app(settings: Settings | None = None, *, journal: Journal | None = None) -> FastAPI:
    """Make the server of one process; its models are opened now, and checked when it starts.

    :param journal: where it writes what happens; None: to stderr.
    :raises NlpkitError: if a model cannot be opened.
    """
    return Server(settings or Settings(), journal).app


class Server:
    """A server: its models, its threads, its routes."""

    def __init__(self, settings: Settings, journal: Journal | None = None) -> None:
        self.settings, self.journal = settings, journal or Journal(texts=settings.log_texts)
        self.metrics, self.models = Metrics(), open_models(settings)
        self.app = FastAPI(
            title="nlpkit",
            version=__version__,
            description="nlpkit's models over HTTP.",
            openapi_url=None,  # it has a route of ours, which has the models answer its examples
            docs_url=None,  # these load scripts of other hosts
            redoc_url=None,
            lifespan=self._live,
        )
        self.app.add_middleware(Gate, settings=settings, journal=self.journal, metrics=self.metrics)
        self.app.add_exception_handler(RequestFault, _answer_fault)
        self.app.add_exception_handler(NlpkitError, _answer_fault)
        self.app.add_exception_handler(OSError, self._answer_full)
        self.app.add_exception_handler(HTTPException, self._answer_http)
        self._openapi: bytes | None = None
        self._add_routes()

    @asynccontextmanager
    async def _live(self, _app: FastAPI) -> AsyncIterator[None]:
        """Check the models, look after them, and let go of the threads in the end."""
        self._pool = Pool(self.settings, self.metrics.queue.set)
        self._answers = Answers(self.settings, self._pool, self.journal.tell_error, self.metrics.batches.observe)
        self._look, self._checked = asyncio.Event(), asyncio.Event()
        with suppress(ValueError, AttributeError, RuntimeError):  # not in the main thread, or on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._look.set)
        tasks = [asyncio.ensure_future(self._start())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            self.metrics.ready.set(0)
            self._pool.close()

    async def _start(self) -> None:
        """Check all models, then look again and again whether one was replaced."""
        for served in self.models.values():
            await asyncio.to_thread(served.check)
            for fault in served.faults:
                self.journal.tell("not ready", model=served.name, fault=fault)
        self._checked.set()
        if self._ready:
            self.metrics.ready.set(1)
            self.journal.tell("ready", models=list(self.models))
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.watch_seconds or None):
                    await self._look.wait()
            self._look.clear()
            for served in self.models.values():
                await asyncio.to_thread(self._renew, served)

    def _renew(self, served: ServedModel) -> None:
        """Let a model be replaced, if its folder was; what is wrong with a new one is said once."""
        try:
            new = served.renew()
        except NlpkitError as error:
            if served.fault != str(error):
                self.metrics.reloads.labels(served.name, "refused").inc()
                self.journal.tell("not reloaded", model=served.name, fault=str(error))
            served.fault = str(error)
            return
        except Exception as error:
            self.journal.tell_error(error, model=served.name)
            return
        if new:
            self.metrics.reloads.labels(served.name, "done").inc()
            self.journal.tell("reloaded", model=served.name, fingerprint=new)

    @property
    def _ready(self) -> bool:
        return all(served.ready for served in self.models.values())

    def _add_routes(self) -> None:
        add, responses = self.app.add_api_route, schemas.responses
        text = {"text/plain": {"schema": {"type": "string"}}}
        for address in PAGE:
            add(address, self._show_page, include_in_schema=False)
        add("/openapi.json", self._tell_openapi, include_in_schema=False)
        told = {
            "/healthz": (self._tell_health, "health", responses(), "Whether the server lives."),
            "/readyz": (self._tell_ready, "ready", responses(503), "Whether its models answer as they should."),
            "/metrics": (self._tell_metrics, "metrics", responses(ok=text), "Figures for Prometheus."),
            "/v1/models": (self._list_models, "list_models", responses(), "The models, and what they can be asked."),
        }
        for path, (endpoint, called, answers, summary) in told.items():
            add(path, endpoint, operation_id=called, responses=answers, summary=summary)
        for path in ("/healthz", "/readyz"):  # as some balancers ask
            add(path, told[path][0], methods=["HEAD"], include_in_schema=False)
        self._add_columns_route()
        for served in self.models.values():
            for verb in served.current.verbs.values():
                self._add_verb_routes(served, verb)
            self._add_short_route(served)
            if any(verb.labelled for verb in served.current.verbs.values()):
                self._add_label_studio_routes(served)

    def _add_columns_route(self) -> None:
        self.app.add_api_route(
            "/v1/columns",
            self._show_columns,
            methods=["POST"],
            operation_id="show_columns",
            summary="The columns of a file, and its first rows.",
            responses=schemas.responses(400, 408, 413, 422, 501, 503, 504),
            openapi_extra={"requestBody": schemas.file_body(), "parameters": [schemas.NAME, schemas.SHEET]},
        )

    def _add_short_route(self, served: ServedModel) -> None:
        """Let the task's name stand for its first verb, as in the shell: ``generate`` for ``text``."""
        verbs, name = served.current.verbs, served.current.task.name
        if verbs and name not in verbs:
            path, answer = f"/v1/models/{served.name}/{name}", partial(self._answer, served, next(iter(verbs)))
            self.app.add_api_route(path, answer, methods=["POST"], include_in_schema=False)

    def _add_verb_routes(self, served: ServedModel, verb: Verb) -> None:
        path = f"/v1/models/{served.name}/{verb.name}"
        self.app.add_api_route(
            path,
            partial(self._answer, served, verb.name),
            methods=["POST"],
            name=f"{served.name} {verb.name}",
            operation_id=_identify(served.name, verb.name),
            summary=summary_of(verb.about),
            responses=schemas.responses(400, 408, 413, 415, 422, 503, 504, ok=schemas.answer_content(verb)),
            openapi_extra={"requestBody": schemas.body(schemas.question_schema(verb, self.settings))},
        )
        self.app.add_api_route(
            f"{path}/file",
            partial(self._answer_file, served, verb.name),
            methods=["POST"],
            name=f"{served.name} {verb.name} file",
            operation_id=_identify(served.name, verb.name, "file"),
            summary=f"A file of rows, answered: {summary_of(verb.about)}",
            responses=schemas.responses(400, 408, 413, 422, 501, 503, 504, ok=schemas.file_content()),
            openapi_extra={
                "requestBody": schemas.file_body(),
                "parameters": [schemas.NAME, schemas.COLUMN, schemas.SHEET, schemas.FORMAT],
            },
        )

    def _add_label_studio_routes(self, served: ServedModel) -> None:
        base, responses = f"/label-studio/{served.name}", schemas.responses(400, 408, 413, 415, 422, 503, 504)
        asked = {
            "setup": (
                self._set_up,
                "Whether a labelling configuration of Label Studio can be answered.",
                schemas.SETUP,
            ),
            "predict": (self._predict, "The predictions of tasks of Label Studio.", schemas.PREDICT),
            "webhook": (self._take_event, "Nothing comes of what Label Studio tells here.", schemas.OBJECT),
        }
        self.app.add_api_route(
            f"{base}/health",
            partial(self._tell_up, served),
            name=f"{served.name} label studio health",
            operation_id=_identify("label_studio", served.name, "health"),
            summary="Whether the server lives, as Label Studio asks it.",
            responses=schemas.responses(),
        )
        for name, (endpoint, about, schema) in asked.items():
            self.app.add_api_route(
                f"{base}/{name}",
                partial(endpoint, served),
                methods=["POST"],
                name=f"{served.name} label studio {name}",
                operation_id=_identify("label_studio", served.name, name),
                summary=about,
                responses=responses,
                openapi_extra={"requestBody": schemas.body(schema, **schemas.LABEL_STUDIO_EXAMPLES.get(name, {}))},
            )

    async def _tell_openapi(self) -> Response:
        if self._openapi is None:
            self._openapi = await asyncio.to_thread(self._describe)
        return Response(self._openapi, media_type="application/json")

    def _describe(self) -> bytes:
        """Return OpenAPI; its examples are answered now."""
        app = self.app
        described = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, servers=[{"url": "/"}]
        )
        for served in self.models.values():
            schemas.add_examples(described, served.current)
        if self.settings.token is not None:
            schemas.demand_token(described)
        return json.dumps(described, ensure_ascii=False).encode("utf-8", "replace")

    async def _show_page(self, request: Request) -> Response:
        return show(request.scope["route"].path)

    async def _tell_health(self) -> dict[str, str]:
        return {"status": "ok"}

    async def _tell_ready(self) -> Response:
        if faults := [fault for served in self.models.values() for fault in served.faults]:
            return RequestFault(503, f"a model does not answer as it should: {faults[0]}").to_response()
        if not self._ready:
            return RequestFault(503, "the models are being checked: ask again soon", {"Retry-After": "1"}).to_response()
        return schemas.to_json({"status": "ready", "models": list(self.models)})

    async def _tell_metrics(self) -> Response:
        content, kind = await asyncio.to_thread(self.metrics.write)
        return Response(content, media_type=kind)

    async def _list_models(self) -> Response:
        every = enumerate(self.models.values())
        return schemas.to_json({"models": [served.current.describe(default=not at) for at, served in every]})

    async def _answer(self, served: ServedModel, verb_name: str, request: Request) -> Response:
        """Answer texts."""
        model = await self._need_ready(served)
        asked = await read_question(request, self.settings)
        verb = model.verbs[verb_name]
        question = await self._make_question(model, verb, asked, request)
        if asked.stream:
            if not verb.stream:
                raise RequestFault(422, f"{verb.name} answers in one piece: leave stream out")
            events = as_events(self._answers.stream(question), model.name, self.journal)
            unbuffered = {"X-Accel-Buffering": "no"}  # nginx would hand a whole text on, and no pieces
            return StreamingResponse(events, headers=unbuffered, media_type="text/event-stream")
        lines = await self._ask(question, request)
        sums = question.answerer.sums
        return Response(schemas.join_lines(model.name, lines, sums=sums), media_type="application/json")

    async def _make_question(self, model: OpenModel, verb: Verb, asked: Asked, request: Request) -> Question:
        """Open what answers, and note in the log what is asked."""
        request.scope["told"] = {"texts": len(asked.texts)}
        if self.settings.log_texts:
            request.scope["told"]["said"] = asked.texts
        options = read_numbers(verb, asked.options)
        answerer = model.find_answerer(verb, options)
        if answerer is None:
            answerer = await asyncio.to_thread(model.answerer, verb, options)
        return Question(answerer, asked.texts, partial(self.metrics.count_rows, model.name, verb.name))

    async def _ask(self, question: Question, request: Request) -> list[bytes]:
        """Answer a question; a long one as long as somebody waits."""
        work = self._answers.answer(question)
        return await (work if question.short else unless_gone(request, work))

    async def _set_up(self, served: ServedModel, request: Request) -> Response:
        """Tell Label Studio whether a labelling configuration can be answered."""
        model, item = await self._need_ready(served), await read_object(request, self.settings)
        if schema := item.get("schema", ""):
            read_config(schema, model.labels() or [])
        elif not isinstance(schema, str):
            raise RequestFault(422, "schema is the labelling configuration, a text")
        return schemas.to_json({"model_version": model.version})

    async def _predict(self, served: ServedModel, request: Request) -> Response:
        """Answer tasks of Label Studio."""
        model, item = await self._need_ready(served), await read_object(request, self.settings)
        choices = read_config(item.get("label_config"), model.labels() or [])
        texts = read_texts(item.get("tasks"), choices.key, self.settings.max_texts)
        verb = next(verb for verb in model.verbs.values() if verb.labelled)
        lines = await self._ask(await self._make_question(model, verb, Asked(texts, {}), request), request)
        results = [make_prediction(json.loads(line), choices, model.version) for line in lines]
        return schemas.to_json({"results": results, "model_version": model.version})

    async def _take_event(self, served: ServedModel, request: Request) -> Response:
        """Take what Label Studio tells of a project, by which nothing is learnt."""
        await read_object(request, self.settings)
        return schemas.to_json({"model_version": served.current.version})

    async def _tell_up(self, served: ServedModel) -> Response:
        """Tell Label Studio that we live."""
        return schemas.to_json({"status": "UP", "model_class": served.name})

    async def _answer_file(self, served: ServedModel, verb_name: str, request: Request) -> Response:
        """Answer the rows of a file."""
        model, said = await self._need_ready(served), request.query_params
        kind = said.get("format", "csv")
        if kind not in FORMATS:
            raise RequestFault(422, f"no format {kind[:80]!r}{nearest(kind[:80], FORMATS)}")
        verb = model.verbs[verb_name]
        options = read_options(verb, {key: text for key, text in said.items() if key not in OF_FILE})
        more = {"column": said.get("column"), "sheet": said.get("sheet")}
        answerer = model.file_answerer(verb, kind, options, probabilities=verb.labelled and kind != "jsonl", **more)
        sent, stop = await self._take_file(request), Stop(self.settings.max_seconds)
        try:
            with self._pool.enter():
                work = self._pool.run(lambda: sent.answer(answerer, stop.check), stop, lasts=True)
                target, tally = await unless_gone(request, work)
        except NlpkitError as error:
            sent.remove()
            raise RequestFault(fault_of(error).status, sent.say(str(error))) from None
        except BaseException:
            sent.remove()
            raise
        self.metrics.count_rows(model.name, verb_name, tally)
        request.scope["told"] = {"texts": tally.rows.rows}
        request.scope["at end"] = sent.remove
        return FileResponse(target, media_type=FORMATS[kind], filename=f"answers.{kind}")

    async def _show_columns(self, request: Request) -> Response:
        sent, stop = await self._take_file(request), Stop(self.settings.max_seconds)
        describe = partial(sent.describe, sheet=request.query_params.get("sheet"))
        try:
            with self._pool.enter():
                return schemas.to_json(await self._pool.run(describe, stop, lasts=True))
        except NlpkitError as error:
            raise RequestFault(fault_of(error).status, sent.say(str(error))) from None
        finally:
            sent.remove()

    async def _take_file(self, request: Request) -> SentFile:
        name = request.query_params.get("name", "")
        content = await read_body(request, self.settings.max_file_bytes, self.settings)
        most, seconds = UNPACKED * self.settings.max_file_bytes, self.settings.max_seconds
        return await asyncio.to_thread(SentFile, name, content, most, seconds)

    async def _need_ready(self, served: ServedModel) -> OpenModel:
        """Return a model that may answer; who comes while it is being checked waits.

        :raises RequestFault: if it fails its check, or that takes too long.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.max_seconds):
                await self._checked.wait()
        if served.faults:
            raise RequestFault(503, f"{served.name} does not answer as it should: {served.faults[0]}")
        if not served.ready:
            raise RequestFault(503, "the models are being checked: ask again soon", {"Retry-After": "1"})
        return served.current

    async def _answer_full(self, _request: Request, error: Exception) -> Response:
        """Answer a file for which there is no room."""
        if not isinstance(error, OSError) or error.errno not in FULL:
            raise error
        self.journal.tell_error(error)
        return RequestFault(503, "the server has no room for this file now: send fewer rows at once").to_response()

    async def _answer_http(self, request: Request, error: Exception) -> Response:
        """Answer what no route answers: say what there is."""
        if not isinstance(error, HTTPException):
            raise error
        message = self._find_advice(request.url.path) if error.status_code == 404 else str(error.detail)
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            message = f"{request.method} is not how this is asked: use {allowed}"
        status = error.status_code if error.status_code in KINDS else 400
        return RequestFault(status, message, error.headers).to_response()

    def _find_advice(self, path: str) -> str:
        parts = path.strip("/").split("/")
        if parts[:2] == ["v1", "models"] and len(parts) > 2:
            name = parts[2][:80]
            if name not in self.models:
                return f"no model {name!r}{nearest(name, self.models)}"
            if len(parts) > 3:
                verbs = self.models[name].current.verbs
                return f"{name} has no verb {parts[3][:80]!r}{nearest(parts[3][:80], verbs)}"
        return "there is nothing here: GET /v1/models says what can be asked"


def _identify(*names: str) -> str:
    """Return a name that programs of any language can have for a route."""
    return "_".join(names).replace("-", "_").replace(".", "_")


async def _answer_fault(_request: Request, error: Exception) -> Response:
    if isinstance(error, NlpkitError):
        return fault_of(error).to_response()
    if isinstance(error, RequestFault):
        return error.to_response()
    raise error
