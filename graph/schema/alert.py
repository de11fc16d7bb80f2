"""Alerts and the rules that raise them, as the API shows them and as it takes them."""

import math
from datetime import datetime
from typing import Annotated, Self

import strawberry
from graphql import GraphQLError

from graph.context import GraphInfo
from graph.schema.arguments import bad_argument, in_range, job_id_in
from graph.schema.enums import AlertCondition, AlertLevel
from graph.schema.errors import AlertNotFound, AlertRuleNotFound, InvalidInput, JobNotFound, failures_as_data
from graph.schema.job import Job, Node, as_job
from graph.schema.paging import PageInfo
from graph.schema.scalars import Long
from models.alert import Alert as AlertRow
from models.alerts.alerts import AlertFilter, find_alert, list_alerts, read_rules
from models.alerts.rule import AlertRule as RuleRow
from models.alerts.rule import NewRule
from models.errors import AlertNotFound as NoAlert
from models.errors import AlertRuleNotFound as NoRule
from models.errors import JobNotFound as NoJob
from models.job_reads import get_job
from models.validation import is_job_id, job_id_of

__all__ = ["Alert", "AlertMutation", "AlertQuery", "AlertRule", "alert_or_rule", "as_alert"]

MAX_PAGE = 500
"""The most alerts on one page."""


@strawberry.type(description="A rule that raises an alert where its condition begins to hold.")
class AlertRule(Node):
    """A rule of the domain to GraphQL."""

    name: str = strawberry.field(description="Its name.")
    project: str | None = strawberry.field(description="The project whose jobs it looks at; null for all.")
    series: str | None = strawberry.field(description="The series it looks at; null for conditions about the job.")
    condition: AlertCondition = strawberry.field(description="What raises an alert.")
    threshold: float | None = strawberry.field(description="What a value is compared with.")
    window: Long | None = strawberry.field(description="Steps, values or seconds, as its condition has it.")
    level: AlertLevel = strawberry.field(description="The level of its alerts.")
    enabled: bool = strawberry.field(description="Whether it raises alerts.")
    webhook_host: str | None = strawberry.field(description="Where its alerts are sent too: the host alone.")
    job_id: strawberry.ID | None = strawberry.field(description="The one job that it looks at; null for all.")

    @classmethod
    def of(cls, rule: RuleRow) -> Self:
        """The rule as the API shows it."""
        return cls(
            id=strawberry.ID(f"rule:{rule.id}"),
            name=rule.name,
            project=rule.project,
            job_id=None if rule.job_id is None else strawberry.ID(str(rule.job_id)),
            series=rule.series,
            condition=rule.condition,
            threshold=rule.threshold,
            window=None if rule.window is None else Long(rule.window),
            level=rule.level,
            enabled=rule.enabled,
            webhook_host=rule.webhook_host,
        )


@strawberry.type(description="That something needs to be looked at.")
class Alert(Node):
    """An alert of the domain to GraphQL."""

    row: strawberry.Private[AlertRow]
    title: str = strawberry.field(description="What it is about, in a line.")
    text: str | None = strawberry.field(description="More of it; null where there is no more.")
    level: AlertLevel = strawberry.field(description="How urgent it is.")
    seq: int | None = strawberry.field(description="The point that raised it; null where none did.")
    step: Long | None = strawberry.field(description="The step of that point.")
    value: float | None = strawberry.field(description="The value of that point; null where it is not finite.")
    raised_at: datetime = strawberry.field(description="When it was raised.")
    acknowledged_at: datetime | None = strawberry.field(description="When it was taken note of; null before.")

    @property
    def identity(self) -> tuple[int, datetime | None]:
        """What it is the same alert by, in the same state."""
        return self.row.id, self.row.acknowledged_at

    @strawberry.field(description="The job that it is about.")
    async def job(self, info: GraphInfo) -> Job:
        row = await info.context.job(self.row.job_id)
        if row is None:  # deleted since the alert was read
            message = f"There is no job with the id {self.row.job_id}."
            raise GraphQLError(message, extensions={"code": "NOT_FOUND"})
        return as_job(row)

    @strawberry.field(
        description="The rule that raised it; null for one that the loop raised, and where the rule is deleted."
    )
    async def rule(self, info: GraphInfo) -> AlertRule | None:
        rule = None if self.row.rule_id is None else await info.context.alert_rule(self.row.rule_id)
        return None if rule is None else AlertRule.of(rule)


def as_alert(alert: AlertRow) -> Alert:
    """An alert as the API shows it."""
    value = alert.value
    return Alert(
        id=strawberry.ID(f"alert:{alert.id}"),
        row=alert,
        title=alert.title,
        text=alert.text or None,
        level=alert.level,
        seq=alert.seq,
        step=None if alert.step is None else Long(alert.step),
        value=value if value is not None and math.isfinite(value) else None,
        raised_at=alert.raised_at,
        acknowledged_at=alert.acknowledged_at,
    )


@strawberry.type(description="An alert in a list.")
class AlertEdge:
    node: Alert = strawberry.field(description="The alert.")
    cursor: str = strawberry.field(description="Its place, for `after`. Opaque.")


@strawberry.type(description="A page of alerts.")
class AlertConnection:
    edges: list[AlertEdge] = strawberry.field(description="The alerts with their cursors.")
    nodes: list[Alert] = strawberry.field(description="The alerts alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    filter: strawberry.Private[AlertFilter]

    @strawberry.field(description="How many such alerts there are, on all pages together.")
    async def total_count(self, info: GraphInfo) -> int:
        return await info.context.count_alerts(self.filter)


@strawberry.input(description="A rule: what is to raise alerts.")
class AlertRuleInput:
    name: str = strawberry.field(description="Its name: 1 to 200 characters.")
    condition: AlertCondition = strawberry.field(description="What raises an alert.")
    project: str | None = strawberry.field(default=None, description="Only jobs of this project; all where it is null.")
    job_id: strawberry.ID | None = strawberry.field(default=None, description="Only this job; all where it is null.")
    series: str | None = strawberry.field(
        default=None, description="The series it looks at; for conditions about its values, and only for these."
    )
    threshold: float | None = strawberry.field(default=None, description="For ABOVE, BELOW and JUMP, only for these.")
    window: Long | None = strawberry.field(
        default=None,
        description="For NO_IMPROVEMENT (steps), JUMP (2 to 1000 values) and SILENT (seconds), only these.",
    )
    level: AlertLevel = strawberry.field(default=AlertLevel.WARNING, description="The level of its alerts.")
    enabled: bool = strawberry.field(default=True, description="Whether it raises alerts.")
    webhook: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Where to send its alerts too: an https address. Never shown whole; left out at an update, it "
        "stays, and null removes it.",
    )

    def new_rule(self) -> NewRule:
        """As the domain takes it. Raises JobNotFound."""
        given = vars(self) | {"job_id": None if self.job_id is None else job_id_of(self.job_id)}
        return NewRule(**given | {"webhook": None if self.webhook is strawberry.UNSET else self.webhook})


@strawberry.type(description="The rule was stored.")
class AlertRuleSuccess:
    rule: AlertRule = strawberry.field(description="The rule as it now is.")


@strawberry.type(description="The rule was deleted. The alerts that it raised stay.")
class DeleteAlertRuleSuccess:
    id: strawberry.ID = strawberry.field(description="The id that it had.")


@strawberry.type(description="The alert was raised, or taken note of.")
class AlertSuccess:
    alert: Alert = strawberry.field(description="The alert as it now is.")


AlertRuleResult = Annotated[
    AlertRuleSuccess | AlertRuleNotFound | JobNotFound | InvalidInput,
    strawberry.union("AlertRuleResult", description="Result of `createAlertRule` and `updateAlertRule`."),
]
DeleteAlertRuleResult = Annotated[
    DeleteAlertRuleSuccess | AlertRuleNotFound,
    strawberry.union("DeleteAlertRuleResult", description="Result of `deleteAlertRule`."),
]
RaiseAlertResult = Annotated[
    AlertSuccess | JobNotFound | InvalidInput,
    strawberry.union("RaiseAlertResult", description="Result of `raiseAlert`."),
]
AcknowledgeAlertResult = Annotated[
    AlertSuccess | AlertNotFound,
    strawberry.union("AcknowledgeAlertResult", description="Result of `acknowledgeAlert`."),
]
RuleId = Annotated[strawberry.ID, strawberry.argument(description="The rule's id.")]


def _number_of(kind: str, id: str) -> int | None:
    """The number in an id of that kind; None where it is none."""
    number = id.removeprefix(f"{kind}:")
    return int(number) if number != id and is_job_id(number) else None


def _rule_id(id: str) -> int:
    number = _number_of("rule", id)
    if number is None:
        raise NoRule(id[:40])
    return number


def _alert_id(id: str) -> int:
    number = _number_of("alert", id)
    if number is None:
        raise NoAlert(id[:40])
    return number


async def alert_or_rule(info: GraphInfo, id: str) -> Alert | AlertRule | None:
    """The alert or the rule with that id, or None."""
    if (number := _number_of("rule", id)) is not None:
        rule = await info.context.alert_rule(number)
        return None if rule is None else AlertRule.of(rule)
    number = _number_of("alert", id)
    alert = None if number is None else await find_alert(info.context.database.reader, number)
    return None if alert is None else as_alert(alert)


@strawberry.type
class AlertQuery:
    """The queries of alerts."""

    @strawberry.field(description="Alerts, the latest first.")
    async def alerts(
        self,
        info: GraphInfo,
        first: Annotated[int, strawberry.argument(description="The most to return: 1 to 500.")] = 50,
        after: Annotated[
            str | None, strawberry.argument(description="The cursor of the last alert already seen.")
        ] = None,
        job_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only those of this job.")] = None,
        project: Annotated[str | None, strawberry.argument(description="Only those of jobs of this project.")] = None,
        acknowledged: Annotated[
            bool | None, strawberry.argument(description="Null for those that are not, true for those that are, alone.")
        ] = None,
    ) -> AlertConnection:
        in_range("first", first, 1, MAX_PAGE)
        filter = AlertFilter(None if job_id is None else job_id_in("jobId", job_id), project, acknowledged)
        try:
            page = await info.context.operations.read(list_alerts(info.context.database.reader, filter, first, after))
        except ValueError as error:
            raise bad_argument("after", "is no cursor of alerts.") from error
        nodes = [as_alert(alert) for alert in page.alerts]
        return AlertConnection(
            edges=[AlertEdge(node=node, cursor=cursor) for node, cursor in zip(nodes, page.cursors, strict=True)],
            nodes=nodes,
            page_info=PageInfo.of(page.cursors, has_next=page.has_next, after=after),
            filter=filter,
        )

    @strawberry.field(description="All rules, or those that apply to the job, or to jobs of the project.")
    async def alert_rules(
        self,
        info: GraphInfo,
        job_id: Annotated[strawberry.ID | None, strawberry.argument(description="The job they apply to.")] = None,
        project: Annotated[str | None, strawberry.argument(description="The project they apply to.")] = None,
    ) -> list[AlertRule]:
        job = None
        if job_id is not None:
            try:
                job = await get_job(info.context.database.reader, job_id_in("jobId", job_id))
            except NoJob as error:
                raise bad_argument("jobId", error.message) from error
        return [AlertRule.of(rule) for rule in await read_rules(info.context.database.reader, job=job, project=project)]


@strawberry.type
class AlertMutation:
    """The mutations of alerts."""

    @strawberry.mutation(description="Create a rule of alerts. Points that are stored already do not count.")
    @failures_as_data
    async def create_alert_rule(
        self, info: GraphInfo, input: Annotated[AlertRuleInput, strawberry.argument(description="The rule.")]
    ) -> AlertRuleResult:
        return AlertRuleSuccess(rule=AlertRule.of(await info.context.alerts.create_rule(input.new_rule())))

    @strawberry.mutation(description="Let a rule of alerts be another; what is left out is as for a new one.")
    @failures_as_data
    async def update_alert_rule(
        self,
        info: GraphInfo,
        id: RuleId,
        input: Annotated[AlertRuleInput, strawberry.argument(description="The rule.")],
    ) -> AlertRuleResult:
        keeps = input.webhook is strawberry.UNSET
        rule = await info.context.alerts.update_rule(_rule_id(id), input.new_rule(), keeps_webhook=keeps)
        return AlertRuleSuccess(rule=AlertRule.of(rule))

    @strawberry.mutation(description="Delete a rule of alerts. The alerts that it raised stay.")
    @failures_as_data
    async def delete_alert_rule(self, info: GraphInfo, id: RuleId) -> DeleteAlertRuleResult:
        await info.context.alerts.delete_rule(_rule_id(id))
        return DeleteAlertRuleSuccess(id=id)

    @strawberry.mutation(description="Raise an alert, from the loop itself.")
    @failures_as_data
    async def raise_alert(
        self,
        info: GraphInfo,
        id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")],
        title: Annotated[str, strawberry.argument(description="What it is about: 1 to 200 characters.")],
        text: Annotated[str | None, strawberry.argument(description="More of it: at most 10000 characters.")] = None,
        level: Annotated[AlertLevel, strawberry.argument(description="How urgent it is.")] = AlertLevel.WARNING,
    ) -> RaiseAlertResult:
        return AlertSuccess(alert=as_alert(await info.context.alerts.raise_by_loop(job_id_of(id), title, text, level)))

    @strawberry.mutation(description="Take note of an alert; a second time changes nothing.")
    @failures_as_data
    async def acknowledge_alert(
        self, info: GraphInfo, id: Annotated[strawberry.ID, strawberry.argument(description="The alert's id.")]
    ) -> AcknowledgeAlertResult:
        return AlertSuccess(alert=as_alert(await info.context.alerts.acknowledge(_alert_id(id))))
