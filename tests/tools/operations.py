"""An operation for each root field of the schema."""

from typing import NamedTuple

from graphql import OperationType, parse, validate

from graph.schema import schema

ENDLESS = {"alertRaised", "jobDeleted"}
"""Streams of no one job, which end with no job."""


class Operation(NamedTuple):
    """An operation with one root field."""

    kind: OperationType
    field: str
    text: str


def operations(*, ended: str, running: str) -> list[Operation]:
    """One for each root field but endless streams: reads and streams of a job that has ended, so that they end too, and
    mutations. Raises AssertionError where a field needs arguments that this does not know.
    """
    job = 'input: { name: "x", modelName: "x", epochs: 1, learningRate: 0.5 }'
    rule = 'input: { name: "x", condition: FAILED }'
    arguments = {
        "jobs": "limit: 1",
        "job": f'id: "{ended}"',
        "node": f'id: "{ended}"',
        "jobByKey": 'key: "none"',
        "jobList": "first: 1",
        "projects": "",
        "alerts": "first: 1",
        "alertRules": f'jobId: "{ended}"',
        "metricAdded": f'jobId: "{ended}"',
        "metricsAdded": f'jobId: "{ended}"',
        "jobChanged": f'id: "{ended}"',
        "previewJob": job,
        "createJob": job,
        "updateJob": f'id: "{running}", input: {{ notes: "x" }}',
        "heartbeat": f'id: "{running}", everySeconds: 60',
        "defineSeries": f'id: "{running}", series: [{{ name: "loss", unit: "nats" }}]',
        "createAlertRule": rule,
        "updateAlertRule": f'id: "rule:1", {rule}',
        "deleteAlertRule": 'id: "rule:1"',
        "raiseAlert": f'id: "{running}", title: "x"',
        "acknowledgeAlert": 'id: "alert:1"',
        "logMetrics": f'id: "{running}", metrics: [{{ step: 1, loss: 0.5 }}]',
    }
    made = []
    for kind in OperationType:
        root = schema.graphql.get_root_type(kind)
        assert root is not None
        for name in (name for name in root.fields if name not in ENDLESS):
            given = arguments.get(name, f'id: "{running}"')
            call = f"{name}({given})" if given else name
            made.append(Operation(kind, name, f"{kind.value} {{ {call} {{ __typename }} }}"))
    assert [error for each in made for error in validate(schema.graphql, parse(each.text))] == []
    return made
