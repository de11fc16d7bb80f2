"""An operation for each root field of the schema."""

from typing import NamedTuple

from graphql import OperationType, parse, validate

from graph.schema import schema


class Operation(NamedTuple):
    """An operation with one root field."""

    kind: OperationType
    field: str
    text: str


def operations(*, ended: str, running: str) -> list[Operation]:
    """One for each root field: reads and streams of a job that has ended, so that they end too, and mutations that all
    change something. Raises AssertionError where a field needs arguments that this does not know.
    """
    job = 'input: { name: "x", modelName: "x", epochs: 1, learningRate: 0.5 }'
    arguments = {
        "jobs": "limit: 1",
        "job": f'id: "{ended}"',
        "metricAdded": f'jobId: "{ended}"',
        "metricsAdded": f'jobId: "{ended}"',
        "jobChanged": f'id: "{ended}"',
        "previewJob": job,
        "createJob": job,
        "logMetrics": f'id: "{running}", metrics: [{{ step: 1, loss: 0.5 }}]',
    }
    made = []
    for kind in OperationType:
        root = schema.graphql.get_root_type(kind)
        assert root is not None
        for name in root.fields:
            given = arguments.get(name, f'id: "{running}"')
            made.append(Operation(kind, name, f"{kind.value} {{ {name}({given}) {{ __typename }} }}"))
    assert [error for each in made for error in validate(schema.graphql, parse(each.text))] == []
    return made
