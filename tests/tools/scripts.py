"""What may be said over a socket of graphql-transport-ws, for hypothesis to draw: right, and wrong in one place."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.tools.conversation import Ask

__all__ = ["ENDINGS", "LASTING", "Ending", "Frame", "Hear", "Script", "Step", "Stop", "Twice", "scripts"]


class Long(str):
    """A text that is shown by how it begins."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{self[:40]!r}…"


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
objects = st.dictionaries(st.text(max_size=8), anything, max_size=3)
ids = st.sampled_from(["1", "2", " ", "a", "🚂", "\0", Long("x" * 200), Long("🚂" * 200)])

POINTS = "subscription ($id: ID!, $after: Int) { metricAdded(jobId: $id, after: $after) { seq step values { name } } }"
BATCHES = """subscription ($id: ID!, $after: Int, $ms: Int! = 0) {
    metricsAdded(jobId: $id, after: $after, everyMs: $ms) { seq } }"""
JOB = "query ($id: ID!) { job(id: $id) { name metrics(limit: 5) { seq } curve(points: 10) { step value } } }"
CREATE = 'mutation { createJob(input: {name: "a", modelName: "m", epochs: 1, learningRate: 1}) { __typename } }'
LOG = """mutation ($id: ID!) { logMetrics(id: $id, metrics: [{step: 1000, loss: 1}]) {
    __typename ... on LogMetricsSuccess { recorded } } }"""
FOLLOW = "subscription ($id: ID!) { jobChanged(id: $id, current: true, everyMs: 100) { status metricCount } }"
LASTING = Ask("stream", "subscription { jobChanged { id } }")
IT = {"id": "$job"}

queries = st.sampled_from(
    [
        Ask("query", JOB, IT),
        Ask("query", "{ __typename }"),
        Ask("query", "{ jobs(limit: 2) { id name metrics(limit: 2) { seq } } }"),
        Ask("query", "query A { a: __typename } query B { jobs(limit: 1) { id } }", name="B"),
        Ask("query", "{ jobs(limit: 0) { id } }"),
        Ask("query", JOB, {"id": [1]}),
        Ask("query", JOB),
    ]
)
mutations = st.sampled_from(
    [
        Ask("mutation", CREATE),
        Ask("mutation", LOG, IT),
        Ask("mutation", "mutation ($id: ID!) { simulateStep(id: $id) { __typename } }", IT),
        Ask("mutation", "mutation ($id: ID!) { startJob(id: $id) { __typename } }", IT),
        Ask("mutation", "mutation ($id: ID!) { completeJob(id: $id) { __typename } }", IT),
        Ask("mutation", 'mutation { failJob(id: "nobody") { __typename } }'),
    ]
)
points = st.sampled_from([Ask("stream", query, {**IT, "after": 0}, after=0) for query in (POINTS, BATCHES)])
"""Streams of which it is known what they bring: all that there is."""
streams = points | st.sampled_from(
    [
        Ask("stream", POINTS, {**IT, "after": 1}, after=1),
        Ask("stream", BATCHES, {**IT, "after": 1, "ms": 50}, after=1),
        Ask("stream", BATCHES, {**IT, "after": 1_000}),
        Ask("stream", POINTS, IT),
        Ask("stream", FOLLOW, IT),
        LASTING,
    ]
)
refusals = st.sampled_from(
    [
        Ask("refused", "{ jobs {"),
        Ask("refused", "{ nothing }"),
        Ask("refused", ""),
        Ask("refused", "{ __typename }", name="Nobody"),
        Ask("refused", POINTS, {"id": "99999999"}),
        Ask("refused", POINTS, {"id": [1]}),
        Ask("refused", POINTS, {**IT, "after": -1}),
        Ask("refused", Long("{" * 5_000)),
        Ask("refused", "{ jobs(limit: 500) { metrics(limit: 10000) { values { name } } } }"),
        Ask("refused", Long("{ __typename }" + " " * 50_000)),
    ]
)
wild = st.one_of(
    st.builds(Ask, st.just("any query"), st.text(max_size=50)),
    st.builds(Ask, st.just("any query"), st.sampled_from([JOB, LOG, CREATE]), objects),
    st.builds(Ask, st.just("any query"), st.just("{ a: __typename }"), name=st.text(max_size=5)),
    st.builds(Ask, st.just("any stream"), st.sampled_from([POINTS, BATCHES, FOLLOW]), objects),
    st.builds(Ask, st.just("any stream"), st.just(POINTS), st.fixed_dictionaries({"id": anything, "after": anything})),
    st.builds(
        Ask,
        st.just("any stream"),
        st.sampled_from([POINTS, BATCHES]),
        st.fixed_dictionaries({"id": st.just("$job"), "after": st.none() | st.integers(-3, 50)}),
    ),
)


@dataclass(frozen=True)
class Stop:
    """To complete one of the operations that go on, or what is none."""

    which: int | str


@dataclass(frozen=True)
class Hear:
    """To wait until something is told to one of the operations that are told something soon."""

    which: int


@dataclass(frozen=True)
class Frame:
    """To send a message that is about no operation: a right one, or the one that ends it all."""

    content: str | bytes
    text: bool | None = None


@dataclass(frozen=True)
class Twice:
    """To begin an operation that goes on, and another under the same id."""

    id: str
    second: Ask


Step = Ask | Stop | Hear | Frame | Twice
Ending = Literal["close", "hang up", "job"] | int
"""How a conversation ends: as we close it, or are gone, or once the job has ended, or with a code of the server's."""


@dataclass(frozen=True)
class Script:
    """What is said."""

    ending: Ending
    before: Sequence[Step]
    """What is right, or no fault at least."""
    wrong: Step | None
    after: Sequence[Step]
    """What is said behind that; it must not matter any more."""
    steps: int
    """How long the job is."""


def messages(*wanted: Any) -> SearchStrategy[Frame]:
    return st.sampled_from(wanted).map(lambda message: Frame(json.dumps(message)))


asks = st.tuples(st.one_of(queries, mutations, streams, refusals, wild), ids).map(
    lambda two: replace(two[0], id=two[1])
)
harmless = messages({"type": "pong"}, {"type": "pong", "payload": {"at": [1]}}, {"type": "complete", "id": "nobody"})
right: SearchStrategy[Step] = st.one_of(
    asks,
    asks,
    st.builds(Stop, st.integers(0, 5) | st.sampled_from(["nobody", Long("x" * 200)])),
    st.builds(Hear, st.integers(0, 5)),
    harmless,
)
no_types = st.text(max_size=20).filter(
    lambda text: text not in {"connection_init", "subscribe", "complete", "ping", "pong"}
)
WRONG: dict[int, SearchStrategy[Step]] = {
    4400: st.one_of(
        anything.filter(lambda value: not isinstance(value, dict)).map(lambda value: Frame(json.dumps(value))),
        st.builds(
            lambda more, kind: Frame(json.dumps({**more, "type": kind})), objects, no_types | st.none() | st.lists(ids)
        ),
        st.builds(lambda rest: Frame("}" + rest), st.text(max_size=50)),
        st.binary(max_size=100).map(Frame),
        st.sampled_from(
            [
                '{"type": NaN}',
                Long("[" * 5_000),
                Long('{"type": "ping", "payload": ' + "[" * 5_000),
                '{"type": "ping", "payload": "\\ud800"}',
                "",
            ]
        ).map(Frame),
        st.builds(
            lambda kind, long: Frame(
                Long(json.dumps({"type": kind, "id": long, "payload": {"query": "{ __typename }"}}))
            ),
            st.sampled_from(["subscribe", "complete"]),
            st.sampled_from(["x" * 257, "🚂" * 100_000]),
        ),
        messages(
            {"type": "subscribe", "id": "1"},
            {"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}},
            {"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}},
            {"type": "complete", "id": 5},
            {"type": "ping", "payload": 5},
        ),
    ),
    4401: asks,
    4409: st.builds(Twice, ids, asks),
    4429: messages({"type": "connection_init"}, {"type": "connection_init", "payload": {"token": "x"}}),
    1007: st.binary(max_size=20).map(lambda content: Frame(content + b"\xff", text=True)),
}
"""How a server of graphql-transport-ws closes a socket, and what for; 1007 is how all WebSockets do."""
HELLO = Frame('{"type": "connection_init"}')
LENGTHS = st.integers(5, 30)
ENDINGS: Sequence[Ending] = ("close", "hang up", "job", *WRONG)


@st.composite
def scripts(draw: DrawFn, ending: Ending) -> Script:
    """A conversation with an operation of each kind in it, and more; or one without a hello, where those are wrong."""
    if ending == 4401:
        before: list[Step] = draw(st.lists(harmless, max_size=3))
        after: list[Step] = [HELLO, *draw(st.lists(right, max_size=3))]
    else:
        first = [replace(draw(kind), stays=True) for kind in (queries, mutations, points, refusals)]
        before = draw(st.permutations([*first, *draw(st.lists(right, max_size=10))]))
        after = draw(st.lists(right, max_size=3))
    if not isinstance(ending, int):
        return Script(ending, before, None, (), draw(LENGTHS))
    place = draw(st.integers(0, len(before)))
    return Script(ending, before[:place], draw(WRONG[ending]), after, draw(LENGTHS))
