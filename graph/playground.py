"""The playground: GraphiQL, opened on an example of every operation."""

import functools
import json
import re

from strawberry.http.ides import get_graphql_ide_html

__all__ = ["EXAMPLES", "playground_html"]

EXAMPLES = """\
# training-monitor: put the cursor into an operation and press Ctrl-Enter to run it.
# The pane on the left documents every type and field.

query Jobs {
  jobs(limit: 20) {
    id
    name
    status
    progress
  }
}

query Job {
  job(id: "1") {
    name
    status
    progress
    failureReason
    metrics(limit: 200) {
      seq
      step
      epoch
      loss
      accuracy
      values {
        name
        value
        nonFinite
      }
    }
  }
}

mutation CreateJob {
  createJob(
    input: { name: "My first run", modelName: "resnet-18", epochs: 3, learningRate: 0.001, scenario: SPIKES }
  ) {
    __typename
    ... on CreateJobSuccess { job { id status } }
    ... on InvalidInput { field message }
  }
}

mutation StartJob {
  startJob(id: "1") {
    __typename
    ... on StartJobSuccess { job { status startedAt } }
    ... on Error { message }
  }
}

mutation SimulateStep {
  simulateStep(id: "1") {
    __typename
    ... on SimulateStepSuccess { complete progress metric { seq step loss accuracy } }
    ... on Error { message }
  }
}

mutation LogMetrics {
  logMetrics(
    id: "1"
    metrics: [
      { step: 1, loss: 2.31, values: [{ name: "val/loss", value: 2.4 }] }
      { step: 2, loss: 2.27, values: [{ name: "grad_norm", nonFinite: INFINITY }] }
    ]
  ) {
    __typename
    ... on LogMetricsSuccess { recorded job { metricCount } }
    ... on Error { message }
  }
}

mutation CompleteJob {
  completeJob(id: "1") {
    __typename
    ... on CompleteJobSuccess { job { status finishedAt } }
    ... on Error { message }
  }
}

mutation FailJob {
  failJob(id: "1", reason: "The loss went the wrong way") {
    __typename
    ... on FailJobSuccess { job { status failureReason } }
    ... on Error { message }
  }
}

subscription MetricAdded {
  metricAdded(jobId: "1", after: 0) {
    seq
    step
    loss
    accuracy
  }
}

subscription MetricsAdded {
  metricsAdded(jobId: "1", after: 0, everyMs: 500) {
    seq
    loss
  }
}

subscription JobChanged {
  jobChanged {
    id
    name
    status
  }
}
"""


@functools.cache
def playground_html() -> str:
    """Strawberry's page with our examples. Raises RuntimeError where Strawberry's page has no place for them."""
    page, places = re.subn(
        r"const EXAMPLE_QUERY = `.*?`;",
        lambda _: f"const EXAMPLE_QUERY = {json.dumps(EXAMPLES)};",
        get_graphql_ide_html(),
        flags=re.DOTALL,
    )
    if places != 1:
        raise RuntimeError("Strawberry's playground has changed: there is no EXAMPLE_QUERY in it.")
    return page.replace("<title>Strawberry GraphiQL</title>", "<title>training-monitor playground</title>")
