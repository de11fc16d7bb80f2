"""jobList: filters that combine, any order, and cursors that stay right while jobs come and change."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, cast

import pytest

from models.validation import MAX_NAME
from tests.tools.api import Api

LIST = """query ($first: Int! = 50, $after: String, $filter: JobFilter, $order: JobOrder) {
    jobList(first: $first, after: $after, filter: $filter, orderBy: $order) {
        nodes { name } edges { cursor node { name } } totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
BY_NAME = {"field": "NAME", "direction": "ASC"}


async def listed(api: Api, filter: Any = None, order: Any = None, **page: Any) -> dict[str, Any]:
    data = await api.data(LIST, filter=filter, order=order, **page)
    return cast("dict[str, Any]", data["jobList"])


async def names(api: Api, filter: Any = None, order: Any = None) -> str:
    """The names of what is listed, by name unless said otherwise; the total must agree."""
    page = await listed(api, filter, order or BY_NAME)
    assert page["totalCount"] == len(page["nodes"])
    assert page["nodes"] == [edge["node"] for edge in page["edges"]]
    return " ".join(node["name"] for node in page["nodes"])


async def in_pages(api: Api, filter: Any, order: Any, size: int) -> list[str]:
    """The same, read page by page."""
    found: list[str] = []
    after = None
    while True:
        page = await listed(api, filter, order, first=size, after=after)
        info = page["pageInfo"]
        found += [node["name"] for node in page["nodes"]]
        assert info["hasPreviousPage"] == (after is not None)
        if page["edges"]:
            assert [info["startCursor"], info["endCursor"]] == [page["edges"][0]["cursor"], page["edges"][-1]["cursor"]]
        if not info["hasNextPage"]:
            return found
        after = info["endCursor"]


@pytest.fixture
async def four(api: Api) -> dict[str, str]:
    """Name -> id of four jobs: a runs, b was not started, c failed and is archived, d has nothing."""
    made: dict[str, dict[str, Any]] = {
        "a": {"project": "vision", "group": "g1", "tags": ["x", "y,"], "config": {"optimizer": {"lr": 0.1}, "n": 1}},
        "b": {"project": "vision", "group": "g2", "tags": ["y,"], "config": {"optimizer.lr": 3, "n": "two"}},
        "c": {"project": "text", "tags": ['q"'], "config": {"optimizer": {"lr": 0.2, "api_token": "T"}, "n": True}},
        "d": {"modelName": "ResNet ß"},
    }
    ids = {}
    for day, (name, said) in enumerate(made.items(), 1):
        at = f"2026-01-0{day}T00:00:00Z"
        ids[name] = await api.created(**{"name": name, "modelName": None, "epochs": None, "createdAt": at, **said})
    for name, losses in (("a", (1.0, 0.25, 0.5)), ("c", (2.0, "NaN"))):
        await api.start(ids[name])
        for step, loss in enumerate(losses):
            given = {"value": loss} if isinstance(loss, float) else {"nonFinite": "NAN"}
            await api.log(ids[name], [{"step": step, "values": [{"name": "loss", **given}]}])
    await api.fail(ids["c"])
    await api.data("mutation ($id: ID!) { archiveJob(id: $id) { __typename } }", id=ids["c"])
    return ids


FILTERS: list[tuple[Any, str]] = [
    (None, "a b d"),
    ({}, "a b d"),
    ({"archived": None}, "a b c d"),
    ({"archived": True}, "c"),
    ({"projects": ["vision", " text "]}, "a b"),
    ({"projects": []}, ""),
    ({"status": ["RUNNING", "FAILED"], "archived": None}, "a c"),
    ({"status": []}, ""),
    ({"tags": ["y,"]}, "a b"),
    ({"tags": ["y,", "x"]}, "a"),
    ({"tags": [",", "Y,"]}, ""),
    ({"tags": ['q"'], "archived": None}, "c"),
    ({"group": "g1"}, "a"),
    ({"search": "resnet SS"}, "d"),
    ({"search": "resnet a"}, ""),
    ({"search": "  "}, "a b d"),
    ({"search": "%"}, ""),
    ({"lost": True}, ""),
    ({"lost": False}, "a b d"),
    ({"createdAfter": "2026-01-01T00:00:00Z"}, "b d"),
    ({"createdBefore": "2026-01-02T01:00:00+01:00"}, "a"),
    ({"config": [{"path": "optimizer.lr", "above": 0.05}]}, "a b"),
    ({"config": [{"path": "optimizer.lr", "equals": 3.0}]}, "b"),
    ({"config": [{"path": "n", "equals": 1}]}, "a"),
    ({"config": [{"path": "n", "equals": "two"}]}, "b"),
    ({"config": [{"path": "n", "equals": None}]}, ""),
    ({"config": [{"path": "n"}], "archived": None}, "a b c"),
    ({"config": [{"path": "optimizer", "equals": {"lr": 0.1}}]}, "a"),
    ({"config": [{"path": "n", "equals": 1}, {"path": "optimizer.lr", "below": 0.05}]}, ""),
    ({"series": [{"name": "loss", "of": "LOWEST", "below": 0.3}], "archived": None}, "a"),
    ({"series": [{"name": "loss", "of": "HIGHEST", "above": 1.5}], "archived": None}, "c"),
    ({"series": [{"name": "loss", "above": -1}], "archived": None}, "a"),
    ({"series": [{"name": "nothing"}]}, ""),
    ({"projects": ["vision"], "tags": ["y,"], "status": ["QUEUED"], "search": "B"}, "b"),
]
"""A filter -> the names of the jobs of `four` that it means."""
ORDERS: list[tuple[Any, str]] = [
    (None, "d c b a"),
    ({"field": "CREATED_AT", "direction": "ASC"}, "a b c d"),
    ({"field": "NAME"}, "d c b a"),
    ({"field": "STARTED_AT", "direction": "ASC"}, "a c b d"),
    ({"field": "STARTED_AT"}, "c a d b"),
    ({"field": "FINISHED_AT", "direction": "ASC"}, "c a b d"),
    ({"field": "FINISHED_AT"}, "c d b a"),
    ({"config": "optimizer.lr", "direction": "ASC"}, "a c b d"),
    ({"config": "optimizer.lr"}, "b c a d"),
    ({"config": "n", "direction": "ASC"}, "a b c d"),
    ({"series": "loss", "of": "LOWEST", "direction": "ASC"}, "a c b d"),
    ({"series": "loss", "of": "LOWEST"}, "c a d b"),
    ({"series": "loss"}, "a d c b"),
    ({"series": "nothing"}, "d c b a"),
]
"""An order -> the names of `four` in it."""
TOO_MUCH: list[Any] = [
    {"tags": ["x"] * 101},
    {"search": "a " * 101},
    {"projects": ["x"] * 101},
    {"config": [{"path": "x" * 501}]},
    {"config": [{"path": "\0"}]},
]


@pytest.mark.usefixtures("four")
class TestFilters:
    async def test_combine(self, api: Api) -> None:
        for filter, found in FILTERS:
            assert await names(api, filter) == found, filter

    async def test_a_masked_value_meets_no_condition_and_no_order(self, api: Api) -> None:
        conditions = [
            {"path": "optimizer.api_token", "equals": "T"},
            {"path": "optimizer.api_token"},
            {"path": "optimizer", "equals": {"lr": 0.2, "api_token": "T"}},
        ]
        for condition in conditions:
            assert await names(api, {"archived": None, "config": [condition]}) == ""
        order = {"config": "optimizer.api_token", "direction": "DESC"}
        assert await names(api, {"archived": None}, order) == "d c b a", "as where no job has a value"

    async def test_what_is_too_much_is_refused(self, api: Api) -> None:
        for filter in TOO_MUCH:
            assert (await api.error(LIST, filter=filter))["extensions"]["code"] == "BAD_USER_INPUT"

    async def test_a_text_that_no_job_can_have_means_none(self, api: Api) -> None:
        for text in ["", "\0", "x" * (MAX_NAME + 1), "\u202e", "x" * 60_000]:
            series = [{"name": text}]
            deep: list[Any] = []
            for _ in range(150):
                deep = [deep]
            filters: list[Any] = [{"tags": [text]}, {"group": text}, {"projects": [text]}, {"series": series}]
            filters += [{"config": [{"path": "n", "equals": each}]} for each in (text, {text: 1}, deep, 10**30)]
            for filter in filters:
                assert await names(api, filter) == ""
            if text:
                assert await names(api, {"search": text}) == ""
                assert await api.data("query ($t: String) { jobs(project: $t) { id } }", t=text) == {"jobs": []}
            assert await api.data("query ($t: String!) { jobByKey(key: $t) { id } }", t=text) == {"jobByKey": None}


class TestOrders:
    @pytest.mark.usefixtures("four")
    async def test_jobs_without_a_value_come_last_and_pages_agree(self, api: Api) -> None:
        everything = {"archived": None}
        for order, found in ORDERS:
            for size in (1, 2, 3, 4, 50):
                assert " ".join(await in_pages(api, everything, order, size)) == found, order

    async def test_that_are_none_or_two_are_refused(self, api: Api) -> None:
        orders: list[Any] = [{}, {"field": "NAME", "series": "loss"}, {"config": "a", "series": "loss"}]
        for order in orders:
            assert (await api.error(LIST, order=order))["extensions"]["argument"] == "orderBy"

    async def test_equal_values_are_in_the_order_of_ids(self, api: Api) -> None:
        for number in range(5):
            await api.created(name=str(number), config={"lr": 1})
        orders: list[Any] = [{"field": "PROGRESS"}, {"field": "UPDATED_AT"}, {"config": "lr"}]
        for order in orders:
            assert await in_pages(api, None, order, 2) == list("43210")
            assert await in_pages(api, None, order | {"direction": "ASC"}, 2) == list("01234")


class TestCursors:
    async def test_stay_right_while_jobs_come_and_change(self, api: Api) -> None:
        ids = [await api.created(name=name) for name in "abcdef"]
        page = await listed(api, None, None, first=3)
        assert [node["name"] for node in page["nodes"]] == list("fed")
        await api.created(name="new")
        await api.fail(ids[3])
        await api.data("mutation ($id: ID!) { deleteJob(id: $id) { __typename } }", id=ids[3])
        page = await listed(api, None, None, first=3, after=page["pageInfo"]["endCursor"])
        assert [node["name"] for node in page["nodes"]] == list("cba"), "behind a job that is gone"
        assert page["totalCount"] == 6

    async def test_of_another_filter_or_order_are_refused(self, api: Api) -> None:
        for name in "ab":
            await api.created(name=name, group="g")
        after = (await listed(api, {"group": "g"}, BY_NAME, first=1))["pageInfo"]["endCursor"]
        assert (await listed(api, {"group": "g"}, BY_NAME, first=1, after=after))["nodes"] == [{"name": "b"}]
        for filter, order in (({"group": "h"}, BY_NAME), (None, BY_NAME), ({"group": "g"}, {"field": "NAME"})):
            error = await api.error(LIST, filter=filter, order=order, after=after)
            assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "after"}

    async def test_that_were_forged_are_refused_or_give_some_page(self, api: Api) -> None:
        await api.created()
        for order in ({"field": "CREATED_AT"}, BY_NAME, {"field": "PROGRESS"}, {"config": "n"}):
            cursor = (await listed(api, None, order))["pageInfo"]["endCursor"]
            assert cursor is not None
            key = json.loads(decoded(cursor))[0]
            values: list[Any] = [None, 1, -1e308, 2**64, True, "", "x", "\0", [], {}, "2026-01-01", "0001-01-01"]
            forged: list[Any] = [[key, phase, value, 1] for phase in (0, 1, 2) for value in values]
            forged += [[key, -1, None, 1], [key, 9, None, 1], [key, 0, "a", 2**70], [key, 0, "a", None], [key], 5, {}]
            for each in [*map(json.dumps, forged), "", "[" * 3000, r'"\ud800"']:
                after = urlsafe_b64encode(each.encode()).decode()
                answer = await api.post(LIST, {"order": order, "after": after})
                assert "errors" not in answer or answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", each
        for after in ("x", "é", "=", "\0", "a" * 10_000):
            assert (await api.error(LIST, after=after))["extensions"]["argument"] == "after"

    async def test_a_page_is_1_to_500(self, api: Api) -> None:
        for first in [0, -1, 501]:
            assert (await api.error(LIST, first=first))["extensions"]["argument"] == "first"


def decoded(cursor: str) -> bytes:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


class TestOtherReads:
    async def test_jobs_leave_archived_ones_out_and_take_a_project(self, api: Api, four: dict[str, str]) -> None:
        data = await api.data('{ jobs { name } of: jobs(project: "vision", status: [RUNNING]) { name } }')
        assert data == {"jobs": [{"name": name} for name in "dba"], "of": [{"name": "a"}]}
        assert (await api.job(four["c"]))["status"] == "FAILED", "out of lists, not out of reach"

    @pytest.mark.usefixtures("four")
    async def test_projects_by_their_last_activity(self, api: Api) -> None:
        projects = (await api.data("{ projects { name jobCount runningCount lastActivityAt } }"))["projects"]
        counts = {each["name"]: (each["jobCount"], each["runningCount"]) for each in projects}
        assert counts == {"vision": (2, 1), "text": (1, 0), "default": (1, 0)}
        assert projects[0]["name"] == "text"
        assert [each["lastActivityAt"] for each in projects] == sorted(
            (each["lastActivityAt"] for each in projects), reverse=True
        )

    async def test_node_and_key_find_a_job(self, api: Api) -> None:
        id = await api.created(name="a", key="k")
        data = await api.data(
            'query ($id: ID!) { node(id: $id) { id ... on Job { name } } jobByKey(key: " k ") { id } }', id=id
        )
        assert data == {"node": {"id": id, "name": "a"}, "jobByKey": {"id": id}}
        for none in ("99", "x", "0", "-1", "9" * 30, "\0"):
            assert await api.data("query ($id: ID!) { node(id: $id) { id } }", id=none) == {"node": None}

    async def test_children_are_a_connection_of_their_own(self, api: Api) -> None:
        parent = await api.created(name="sweep")
        for name in "abc":
            await api.created(name=name, parentId=parent)
        fields = "parent { id } children(first: 2%s) { totalCount nodes { name parent { id } } pageInfo { endCursor } }"
        job = await api.job(parent, fields % "")
        assert job["parent"] is None
        assert job["children"]["nodes"] == [{"name": name, "parent": {"id": parent}} for name in "cb"]
        assert job["children"]["totalCount"] == 3
        after = job["children"]["pageInfo"]["endCursor"]
        assert (await api.job(parent, fields % f', after: "{after}"'))["children"]["nodes"][0]["name"] == "a"
