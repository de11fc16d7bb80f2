"""hypothesis says whatever it likes over sockets to a real server: right messages, wrong ones, and no messages.

Mostly right ones, or there would be little to hear: a conversation has at most one thing wrong with it, of which it is
known how it ends. Meanwhile the job that it is about is trained.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.tools.api import Api
from tests.tools.conversation import Ask, Conversation, Operation, Over
from tests.tools.fuzzing import fuzzed
from tests.tools.process import ServerProcess
from tests.tools.scripts import ENDINGS, LASTING, Ending, Frame, Hear, Script, Step, Stop, Twice, scripts
from tests.tools.sockets import PROTOCOL, Socket, opened, websocket_url
from tests.tools.waiting import PATIENCE

T = TypeVar("T")

RIGHT, WRONG = 10, 6
"""Conversations that end in one way, where nothing is wrong with them, and where something is."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(f"sqlite://{tmp_path_factory.mktemp('fuzz') / 'fuzz.sqlite3'}") as server:
        yield server


def test_whatever_is_said_the_server_keeps_to_the_protocol_and_serves_the_others(server: ServerProcess) -> None:
    """And what is to come does come: of each kind of operation, in each conversation that goes on, its answer."""
    url = websocket_url(server.url)
    heard: Counter[tuple[str, str]] = Counter()
    endings: Counter[Ending] = Counter()
    with asyncio.Runner() as runner, closing_in(runner) as stack:
        api = Api(runner.run(stack.enter_async_context(httpx.AsyncClient(base_url=server.url, timeout=PATIENCE))))
        other = runner.run(stack.enter_async_context(opened(url)))

        def look(script: Script) -> None:
            heard.update(runner.run(hold(url, api, other, script)))
            endings[script.ending] += 1

        for ending in ENDINGS:
            examples = WRONG if isinstance(ending, int) else RIGHT
            fuzzed(examples, scripts(ending))(look)()
    assert all(endings[ending] for ending in ENDINGS), endings
    whole = endings["close"] + endings["job"]
    for told in (("next", "query"), ("complete", "query"), ("next", "mutation"), ("error", "refused")):
        assert heard[told] >= whole, heard
    assert heard["next", "stream"] >= whole, heard
    assert heard["complete", "stream"] >= endings["job"], heard
    assert server.process.poll() is None
    assert "Traceback" not in server.log
    assert httpx.get(f"{server.url}/healthz").status_code == 200


@contextmanager
def closing_in(runner: asyncio.Runner) -> Iterator[AsyncExitStack]:
    """What is closed where it was opened."""
    stack = AsyncExitStack()
    try:
        yield stack
    finally:
        runner.run(stack.aclose())


async def hold(url: str, api: Api, other: Socket, script: Script) -> Counter[tuple[str, str]]:
    """A conversation on a socket of its own, beside which the other socket is served, and a job is trained.

    Gives what was heard, by type and kind of operation.
    """
    job = await api.started(epochs=1, stepsPerEpoch=script.steps)
    await api.log(job, [{"step": step, "loss": 1 / step} for step in range(1, 6)])
    async with asyncio.timeout(PATIENCE), connect(url, subprotocols=[PROTOCOL], max_size=None) as connection:
        conversation = Conversation(connection, job)
        training = asyncio.create_task(train(api, job))
        training.add_done_callback(conversation.stir)
        try:
            with suppress(Over):
                await say(conversation, script, training)
                if script.ending == "job":
                    await training
                    await conversation.comes(lambda: not any(map(is_about_the_job, conversation.live.values())))
                if script.ending in {"job", "close"}:
                    await conversation.is_quiet()
            query = await other.subscribe("{ __typename }")
            assert await other.next(query) == {"__typename": "Query"}
            assert (await other.message(query))["type"] == "complete"
            if script.ending == "hang up":
                connection.transport.abort()
            elif not script.wrong:
                await connection.close()
            code = await conversation.end()
            assert code == (script.ending if script.wrong else 1006 if script.ending == "hang up" else 1000)
        finally:
            training.cancel()
            await asyncio.wait([training])
    if script.ending == "job":
        count = (await api.job(job))["metricCount"]
        assert all(each.last in {None, count} for each in conversation.ended), "each point, up to the last"
    return conversation.heard


async def say(conversation: Conversation, script: Script, training: asyncio.Task[None]) -> None:
    """All that the script has. Raises Over where that is enough."""
    if script.ending != 4401:
        await conversation.begin()
    for step in script.before:
        if isinstance(step, Ask):
            await conversation.ask(step)
        elif isinstance(step, Stop):
            going_on = [id for id, each in conversation.live.items() if not each.ask.stays]
            id = step.which if isinstance(step.which, str) else chosen(step.which, going_on) or "nobody"
            await conversation.stop(id)
        elif isinstance(step, Hear):
            talking = [each for each in conversation.live.values() if each.is_owed or is_about_the_job(each)]
            if operation := chosen(step.which, talking):
                await hear(conversation, operation, training)
        else:
            await send(conversation, step)
    for step in (script.wrong, *script.after) if script.wrong else ():
        await send(conversation, step)


async def send(conversation: Conversation, step: Step | None) -> None:
    """Send what is no business of the account that is kept: it is about no operation, or will not be read."""
    if isinstance(step, Frame):
        await conversation.say(step.content, text=step.text)
    elif isinstance(step, Ask):
        await conversation.say(conversation.text_of(step, step.id))
    elif isinstance(step, Twice):
        id = await conversation.ask(replace(LASTING, id=step.id))
        await conversation.say(conversation.text_of(step.second, id))
    elif isinstance(step, Stop):
        await conversation.say(json.dumps({"type": "complete", "id": str(step.which)}))


async def hear(conversation: Conversation, operation: Operation, training: asyncio.Task[None]) -> None:
    """Wait until the operation is told something more, which it surely is while the job is trained."""
    told = operation.told
    await conversation.comes(
        lambda: (
            operation.told != told
            or operation not in conversation.live.values()
            or (training.done() and not operation.is_owed)
        )
    )


async def train(api: Api, job: str) -> None:
    """Step after step, until the job has ended, by itself or because somebody ended it."""
    while (step := await api.step(job))["__typename"] == "SimulateStepSuccess" and not step["complete"]:
        pass


def chosen(which: int, among: Sequence[T]) -> T | None:
    """One of them, whichever; None where there is none."""
    return among[which % len(among)] if among else None


def is_about_the_job(operation: Operation) -> bool:
    """Whether it is a stream that ends with the job."""
    return operation.ask.kind == "stream" and operation.ask.variables is not None
