"""What a subscriber is sent, over graphql-transport-ws."""

from tests.api import Api
from tests.sockets import Socket


async def test_a_subscriber_gets_what_is_stored_then_what_is_recorded_then_the_end(api: Api, socket: Socket) -> None:
    id = await api.started(stepsPerEpoch=3)
    await api.step(id)
    stream = socket.metrics(id, fields="seq step loss")
    assert (await anext(stream))["seq"] == 1
    await api.step(id)
    assert (await anext(stream))["step"] == 2
    await api.step(id)
    await api.step(id)
    assert [point["seq"] async for point in stream] == [3]


async def test_an_unknown_job_ends_that_operation_with_not_found_and_leaves_the_socket(socket: Socket) -> None:
    id = await socket.subscribe('subscription { metricAdded(jobId: "99") { seq } }')
    message = await socket.message(id)
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"
    other = await socket.subscribe("{ jobs { id } }")
    assert await socket.next(other) == {"jobs": []}


async def test_job_changed_tells_of_each_status(api: Api, socket: Socket) -> None:
    id = await socket.subscribe("subscription { jobChanged { id status } }")
    probe = await socket.subscribe("{ __typename }")  # answered after the subscription has begun
    await socket.next(probe)
    job = await api.created()
    await api.start(job)
    await api.fail(job, "enough")
    changes = [(await socket.next(id))["jobChanged"] for _ in range(3)]
    assert changes == [{"id": job, "status": status} for status in ("QUEUED", "RUNNING", "FAILED")]
