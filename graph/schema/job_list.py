"""Lists of jobs as connections: their filters and orders, as the API takes them."""

from datetime import datetime

import strawberry

from graph.schema.arguments import bad_argument
from graph.schema.enums import JobOrderField, JobStatus, OrderDirection, SeriesValue
from graph.schema.scalars import JSON
from models import job_list
from models.config import canonical
from models.job import searchable

__all__ = ["ConfigCondition", "JobFilter", "JobOrder", "Project", "SeriesCondition"]


@strawberry.input(description="What the value at a path of a job's config has to be: all that is said holds.")
class ConfigCondition:
    path: str = strawberry.field(description="Such as optimizer.lr: the longest literal key first, then by dots.")
    equals: JSON | None = strawberry.field(default=strawberry.UNSET, description="The value itself: any JSON.")
    above: float | None = strawberry.field(default=None, description="A number that it is above.")
    below: float | None = strawberry.field(default=None, description="A number that it is below.")


@strawberry.input(description="What a value of a job's series has to be: all that is said holds.")
class SeriesCondition:
    name: str = strawberry.field(description="The name that was logged.")
    of: SeriesValue = strawberry.field(default=SeriesValue.LAST, description="Which value is looked at.")
    above: float | None = strawberry.field(default=None, description="A number that it is above.")
    below: float | None = strawberry.field(default=None, description="A number that it is below.")


@strawberry.input(description="Which jobs are meant: those for which all that is said holds.")
class JobFilter:
    projects: list[str] | None = strawberry.field(default=None, description="In one of these.")
    status: list[JobStatus] | None = strawberry.field(default=None, description="In one of these.")
    tags: list[str] | None = strawberry.field(default=None, description="With all of these.")
    group: str | None = strawberry.field(default=None, description="In this one.")
    search: str | None = strawberry.field(
        default=None, description="With each of these words in the name or model name, whatever its case."
    )
    lost: bool | None = strawberry.field(default=None, description="Whether they are lost.")
    archived: bool | None = strawberry.field(
        default=False, description="False leaves archived jobs out, true gives them alone, null both."
    )
    created_after: datetime | None = strawberry.field(default=None, description="Created later than this.")
    created_before: datetime | None = strawberry.field(default=None, description="Created earlier than this.")
    config: list[ConfigCondition] | None = strawberry.field(
        default=None, description="With such values in their config. A masked value meets no condition."
    )
    series: list[SeriesCondition] | None = strawberry.field(default=None, description="With such values measured.")

    def of_domain(self) -> job_list.JobFilter:
        """As the domain takes it."""
        return job_list.JobFilter(
            projects=self.projects,
            status=self.status,
            tags=self.tags or (),
            group=self.group,
            words=searchable(self.search).split(),
            lost=self.lost,
            archived=self.archived,
            created_after=self.created_after,
            created_before=self.created_before,
            config=[
                job_list.ConfigCondition(
                    each.path,
                    None if each.equals is strawberry.UNSET else canonical(each.equals),
                    each.above,
                    each.below,
                )
                for each in self.config or ()
            ],
            series=[job_list.SeriesCondition(each.name, each.of, each.above, each.below) for each in self.series or ()],
        )


@strawberry.input(
    description="The order of a list: exactly one of `field`, `config` and `series`. Jobs that have no such value come "
    "last."
)
class JobOrder:
    field: JobOrderField | None = strawberry.field(default=None, description="By a field.")
    config: str | None = strawberry.field(
        default=None, description="By the value at a path of the config: numbers first, then all else as text."
    )
    series: str | None = strawberry.field(default=None, description="By a value of the series of this name.")
    of: SeriesValue = strawberry.field(default=SeriesValue.LAST, description="Which value of the series.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.DESC, description="Which end comes first.")

    def of_domain(self) -> job_list.JobOrder:
        """As the domain takes it. Raises GraphQLError unless it is exactly one."""
        if sum(each is not None for each in (self.field, self.config, self.series)) != 1:
            raise bad_argument("orderBy", "must have exactly one of field, config and series.")
        descending = self.direction is OrderDirection.DESC
        return job_list.JobOrder(self.field, self.config, self.series, self.of, descending)


@strawberry.type(description="What there is of a project.")
class Project:
    name: str = strawberry.field(description="Its name.")
    job_count: int = strawberry.field(description="How many jobs it has, archived ones included.")
    running_count: int = strawberry.field(description="How many of them are RUNNING.")
    last_activity_at: datetime = strawberry.field(description="When one of them last changed.")
