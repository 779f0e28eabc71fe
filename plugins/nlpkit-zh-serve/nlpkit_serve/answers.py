"""Texts answered: short questions that come at the same time together, long ones some texts at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpkit import NlpkitError
from nlpkit.commands import Tally, TextAnswerer

from nlpkit_serve.settings import Settings
from nlpkit_serve.work import Pool, Stop

SHORT, FEW = 2_000, 16  # characters and texts of a question that is short
Count = Callable[[Tally], None]


@dataclass(eq=False)
class Question:
    """Texts that somebody wants answered.

    :param count: is told what was counted of them.
    """

    answerer: TextAnswerer
    texts: Sequence[Any]
    count: Count

    @property
    def short(self) -> bool:
        """Whether it is answered at once, and with others: drawn and numbered answers are nobody else's."""
        if len(self.texts) > FEW or self.answerer.sums or self.answerer.streams:
            return False
        return sum(len(text) for text in self.texts if isinstance(text, str)) <= SHORT


@dataclass(eq=False)
class _Waiting:
    """Short questions to one answerer, which wait until it has answered those before."""

    questions: deque[tuple[Question, asyncio.Future[list[bytes]]]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None

    def take(self, most: int) -> list[tuple[Question, asyncio.Future[list[bytes]]]]:
        """Take as many as are answered together."""
        taken, texts = [], 0
        while self.questions and texts < most:
            question, answer = self.questions.popleft()
            if not answer.done():  # whoever waited may have gone
                taken.append((question, answer))
                texts += len(question.texts)
        return taken


class Answers:
    """Answers questions.

    :param tell: is told of errors that nobody expected.
    :param tell_batch: is told how many texts were answered together.
    """

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        tell: Callable[[Exception], None],
        tell_batch: Callable[[int], None],
    ) -> None:
        self._settings, self._pool = settings, pool
        self._tell, self._tell_batch = tell, tell_batch
        self._waiting: dict[TextAnswerer, _Waiting] = {}

    async def answer(self, question: Question) -> list[bytes]:
        """Return a line of JSON for each text, or those that sum all of them up.

        :raises RequestFault: if too many wait, or it takes too long.
        :raises NlpkitError: of the model.
        """
        stop = Stop(self._settings.max_seconds)
        with self._pool.enter():
            if question.short:
                return await self._join(question, stop)
            return await self._pool.run(lambda: self._answer_long(question, stop), stop, lasts=True)

    async def stream(self, question: Question) -> AsyncIterator[str | bytes]:
        """Yield the pieces of an answer to one text as they are made, and in the end its line.

        Whoever stops listening, as a client does that goes away, ends the work.
        """
        stop, loop = Stop(self._settings.max_seconds), asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def put(piece: str) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        with self._pool.enter():
            work = asyncio.ensure_future(self._pool.run(lambda: _stream(question, put), stop, lasts=True))
            work.add_done_callback(lambda _done: pieces.put_nowait(None))
            try:
                while (piece := await pieces.get()) is not None:
                    yield piece
                yield await work
            finally:
                stop.set()
                work.cancel()

    async def _join(self, question: Question, stop: Stop) -> list[bytes]:
        """Answer a short question together with others that came while those before it were being answered."""
        waiting = self._waiting.setdefault(question.answerer, _Waiting())
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        waiting.questions.append((question, answer))
        if waiting.task is None:
            waiting.task = asyncio.ensure_future(self._drain(question.answerer, waiting))
        try:
            async with asyncio.timeout(stop.left):
                return await answer
        except TimeoutError:
            raise self._pool.too_slow() from None

    async def _drain(self, answerer: TextAnswerer, waiting: _Waiting) -> None:
        try:
            while some := waiting.take(self._settings.together):
                await self._answer_together(some)
        finally:
            del self._waiting[answerer]

    async def _answer_together(self, some: Sequence[tuple[Question, asyncio.Future[list[bytes]]]]) -> None:
        first, texts = some[0][0], [text for question, _ in some for text in question.texts]
        self._tell_batch(len(texts))
        stop = Stop(self._settings.max_seconds)
        try:
            lines = iter(await self._pool.run(lambda: self._ask(first.answerer, texts, first.count), stop, lasts=False))
        except Exception as error:
            for _, answer in some:
                if not answer.done():
                    answer.set_exception(error)
            return
        for question, answer in some:
            own = [next(lines) for _ in question.texts]
            if not answer.done():
                answer.set_result(own)

    def _answer_long(self, question: Question, stop: Stop) -> list[bytes]:
        """Answer some texts at a time, and see in between whether anybody still waits."""
        if question.answerer.sums:
            return self._ask(question.answerer, question.texts, question.count)
        size = min(question.answerer.form.together or self._settings.together, self._settings.together)
        lines: list[bytes] = []
        for at in range(0, len(question.texts), size):
            stop.check()
            lines += self._ask(question.answerer, question.texts[at : at + size], question.count)
        return lines

    def _ask(self, answerer: TextAnswerer, texts: Sequence[Any], count: Count) -> list[bytes]:
        """Answer texts; one on which the model fails has that as its reason, and the others their answers."""
        try:
            lines, tally = answerer.answer(texts)
        except NlpkitError:
            raise
        except Exception as error:
            if answerer.sums:
                raise
            self._tell(error)
            lines, tally = answerer.answer(texts, dict(find_failing(answerer, texts)))
        count(tally)
        return lines


def find_failing(answerer: TextAnswerer, texts: Sequence[Any], first: int = 0) -> Iterator[tuple[int, str]]:
    """Find texts on which a model fails, by halving; yield the position of each, and why.

    :param first: position of the first of these texts.
    """
    try:
        answerer.answer(texts)
    except NlpkitError:
        raise
    except Exception as error:
        if len(texts) == 1:
            yield first, f"the model failed: {type(error).__name__}"
            return
        half = len(texts) // 2
        yield from find_failing(answerer, texts[:half], first)
        yield from find_failing(answerer, texts[half:], first + half)


def _stream(question: Question, put: Callable[[str], None]) -> bytes:
    """Put the pieces of an answer where they are waited for, and return its line."""
    pieces = question.answerer.stream(question.texts[0])
    try:
        while True:
            put(next(pieces))
    except StopIteration as end:
        line, tally = end.value
    question.count(tally)
    return bytes(line)
