"""Lists of jobs as connections: their filters and orders, as the API takes them."""

from datetime import datetime

import strawberry

from graph.schema.arguments import bad_argument, path_in
from graph.schema.enums import JobOrderField, JobStatus, OrderDirection, SeriesValue
from graph.schema.scalars import JSON
from models import job_list
from models.config import canonical
from models.job import searchable
from models.validation import MAX_NAME, MAX_SERIES_NAME, has_control_characters, name_or_none

__all__ = ["ConfigCondition", "JobFilter", "JobOrder", "Project", "SeriesCondition"]

MAX_CONDITIONS = 100
"""Tags, words and conditions of one filter, and its projects."""
MAX_WORD = 4 * MAX_NAME
"""Characters of a word beyond which no name has it, also where folding its case made it longer."""
NO_JOB = job_list.JobFilter(projects=())
"""What means no job at all."""


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
        """As the domain takes it. Raises GraphQLError for what is too much."""
        words = searchable(self.search).split()
        given = [*(self.tags or ()), *words, *(self.config or ()), *(self.series or ())]
        if len(given) > MAX_CONDITIONS or len(self.projects or ()) > MAX_CONDITIONS:
            raise bad_argument("filter", f"must have at most {MAX_CONDITIONS} conditions.")
        projects = None if self.projects is None else [name for each in self.projects if (name := name_or_none(each))]
        tags = [name_or_none(tag) for tag in self.tags or ()]
        group = None if self.group is None else name_or_none(self.group)
        series = [_of_series(each) for each in self.series or ()]
        config = [_of_config(each) for each in self.config or ()]
        is_wrong = self.group is not None and group is None
        if is_wrong or None in tags or None in series or None in config or any(map(_is_in_no_name, words)):
            return NO_JOB
        return job_list.JobFilter(
            projects=projects,
            status=self.status,
            tags=[tag for tag in tags if tag],
            group=group,
            words=words,
            lost=self.lost,
            archived=self.archived,
            created_after=self.created_after,
            created_before=self.created_before,
            config=[each for each in config if each],
            series=[each for each in series if each],
        )


def _is_in_no_name(word: str) -> bool:
    return len(word) > MAX_WORD or has_control_characters(word)


def _of_config(given: ConfigCondition) -> job_list.ConfigCondition | None:
    """The condition; None where nothing can meet it."""
    try:
        equals = None if given.equals is strawberry.UNSET else canonical(given.equals)
    except (ValueError, TypeError):  # no config has it
        return None
    return job_list.ConfigCondition(path_in("filter", given.path), equals, given.above, given.below)


def _of_series(given: SeriesCondition) -> job_list.SeriesCondition | None:
    """The condition; None where nothing can meet it."""
    name = name_or_none(given.name, MAX_SERIES_NAME)
    return None if name is None else job_list.SeriesCondition(name, given.of, given.above, given.below)


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
        path = None if self.config is None else path_in("orderBy", self.config)
        series = None if self.series is None else name_or_none(self.series, MAX_SERIES_NAME) or ""
        return job_list.JobOrder(self.field, path, series, self.of, descending)


@strawberry.type(description="What there is of a project.")
class Project:
    name: str = strawberry.field(description="Its name.")
    job_count: int = strawberry.field(description="How many jobs it has, archived ones included.")
    running_count: int = strawberry.field(description="How many of them are RUNNING.")
    last_activity_at: datetime = strawberry.field(description="When one of them last changed.")
