"""A client that is not ours, the `gql` package, against a real server: over HTTP, and over graphql-transport-ws."""

from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.async_transport import AsyncTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLSchema, build_schema, lexicographic_sort_schema, print_schema

from graph.schema import schema
from tests.tools.sockets import websocket_url

CREATE = """mutation ($input: CreateJobInput!) { createJob(input: $input) {
    ... on CreateJobSuccess { job { id status } } ... on InvalidInput { field message } } }"""
START = "mutation ($id: ID!) { startJob(id: $id) { __typename ... on StartJobSuccess { job { status } } } }"
STEP = """mutation ($id: ID!) { simulateStep(id: $id) {
    ... on SimulateStepSuccess { complete progress metric { seq } } ... on Error { message } } }"""
READ = "query ($id: ID!) { job(id: $id) { name status metrics { seq step loss } } }"
WATCH = "subscription ($id: ID!, $after: Int) { metricAdded(jobId: $id, after: $after) { seq step loss } }"


pytestmark = pytest.mark.sqlite_alone("the store has no part in it")


def connecting(transport: AsyncTransport) -> Client:
    """Not connected yet; fetches the schema when it is, and holds every operation against it before it is sent."""
    return Client(transport=transport, fetch_schema_from_transport=True, introspection_args={"specified_by_url": True})


@pytest.fixture
async def over_http(address: str) -> Client:
    return connecting(HTTPXAsyncTransport(url=f"{address}/graphql"))


@pytest.fixture
async def over_websocket(address: str) -> Client:
    """The same, over a socket that speaks graphql-transport-ws and nothing else."""
    transport = WebsocketsTransport(
        url=websocket_url(address), subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    )
    return connecting(transport)


async def run(session: AsyncClientSession, operation: str, **variables: Any) -> Any:
    return await session.execute(GraphQLRequest(operation, variable_values=variables))


async def started(session: AsyncClientSession, **settings: Any) -> str:
    given = {"name": "run", "modelName": "resnet", "epochs": 1, "learningRate": 0.1, **settings}
    id: str = (await run(session, CREATE, input=given))["createJob"]["job"]["id"]
    assert (await run(session, START, id=id))["startJob"] == {
        "__typename": "StartJobSuccess",
        "job": {"status": "RUNNING"},
    }
    return id


async def stepped_to_its_end(session: AsyncClientSession, id: str) -> None:
    while not (await run(session, STEP, id=id))["simulateStep"]["complete"]:
        pass


@pytest.fixture(params=["http", "websocket"])
async def client(request: pytest.FixtureRequest, over_http: Client, over_websocket: Client) -> Client:
    return over_http if request.param == "http" else over_websocket


async def test_it_queries_and_mutates(client: Client) -> None:
    async with client as session:
        id = await started(session, name="from gql", stepsPerEpoch=2)
        await stepped_to_its_end(session, id)
        job = (await run(session, READ, id=id))["job"]
        assert (job["name"], job["status"]) == ("from gql", "COMPLETE")
        assert [(point["seq"], point["step"]) for point in job["metrics"]] == [(1, 1), (2, 2)]
        over = (await run(session, STEP, id=id))["simulateStep"]
        assert over == {"message": f"Job {id} is COMPLETE: only a RUNNING job can be stepped."}


async def test_the_schema_it_fetches_is_the_one_that_is_printed(client: Client) -> None:
    async with client:
        assert isinstance(client.schema, GraphQLSchema)
        fetched, printed = (
            print_schema(lexicographic_sort_schema(known)) for known in (client.schema, build_schema(schema.as_str()))
        )
        assert fetched == printed


async def test_an_error_of_the_server_reaches_it_and_the_session_goes_on(client: Client) -> None:
    async with client as session:
        with pytest.raises(TransportQueryError, match="'abc' is no job id") as refused:
            await run(session, READ, id="abc")
        assert refused.value.errors is not None
        assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert (await run(session, READ, id="999"))["job"] is None


async def test_a_subscription_gives_what_is_stored_and_what_is_recorded_and_ends_with_the_job(
    over_http: Client, over_websocket: Client
) -> None:
    async with over_http as caller, over_websocket as watcher:
        id = await started(caller, stepsPerEpoch=5)
        await run(caller, STEP, id=id)
        await run(caller, STEP, id=id)
        seen = []
        async for answer in watcher.subscribe(GraphQLRequest(WATCH, variable_values={"id": id, "after": 1})):
            seen.append(answer["metricAdded"])
            if len(seen) == 1:
                await stepped_to_its_end(caller, id)
        stored = (await run(caller, READ, id=id))["job"]["metrics"]
        assert seen == stored[1:]
        assert [point["seq"] for point in seen] == [2, 3, 4, 5]
