"""Rules and alerts over the API, and what is refused."""

from typing import Any

import pytest

from tests.tools.api import Api

RULE = "id name project jobId series condition threshold window level enabled webhookHost"
ERRORS = "... on Error { message } ... on InvalidInput { field others { field } }"
CREATE = f"""mutation ($input: AlertRuleInput!) {{ createAlertRule(input: $input) {{
    __typename ... on AlertRuleSuccess {{ rule {{ {RULE} }} }} {ERRORS} }} }}"""
UPDATE = f"""mutation ($id: ID!, $input: AlertRuleInput!) {{ updateAlertRule(id: $id, input: $input) {{
    __typename ... on AlertRuleSuccess {{ rule {{ {RULE} }} }} {ERRORS} }} }}"""
DELETE = "mutation ($id: ID!) { deleteAlertRule(id: $id) { __typename ... on DeleteAlertRuleSuccess { id } } }"
RAISE = f"""mutation ($id: ID!, $title: String!, $text: String) {{ raiseAlert(id: $id, title: $title, text: $text) {{
    __typename ... on AlertSuccess {{ alert {{ id title text level }} }} {ERRORS} }} }}"""
ACKNOWLEDGE = """mutation ($id: ID!) { acknowledgeAlert(id: $id) {
    __typename ... on AlertSuccess { alert { acknowledgedAt } } } }"""
LIST = """query ($first: Int! = 50, $after: String, $jobId: ID, $project: String, $acknowledged: Boolean) {
    alerts(first: $first, after: $after, jobId: $jobId, project: $project, acknowledged: $acknowledged) {
        totalCount nodes { title job { id } } edges { cursor } pageInfo { hasNextPage endCursor } } }"""
RULES = "query ($jobId: ID, $project: String) { alertRules(jobId: $jobId, project: $project) { name } }"
ABOVE = {"name": "high", "condition": "ABOVE", "series": "loss", "threshold": 2}


async def created(api: Api, **settings: Any) -> dict[str, Any]:
    answer = (await api.data(CREATE, input={**ABOVE, **settings}))["createAlertRule"]
    assert answer["__typename"] == "AlertRuleSuccess", answer
    rule: dict[str, Any] = answer["rule"]
    return rule


async def titles(api: Api, **arguments: Any) -> list[str]:
    return [alert["title"] for alert in (await api.data(LIST, **arguments))["alerts"]["nodes"]]


async def test_a_rule_is_served_as_it_was_made_but_for_the_address_of_its_webhook(api: Api) -> None:
    rule = await created(api, name="  high ", webhook="https://hooks.example.org/secret/path?key=1")
    assert rule.pop("id").startswith("rule:")
    assert rule == {
        **ABOVE, "project": None, "jobId": None, "window": None, "level": "WARNING", "enabled": True,
        "webhookHost": "hooks.example.org",
    }  # fmt: skip


async def test_a_webhook_that_is_left_out_at_an_update_stays_and_null_removes_it(api: Api) -> None:
    id = (await created(api, webhook="https://hooks.example.org/secret"))["id"]
    for input, host in ((ABOVE, "hooks.example.org"), ({**ABOVE, "webhook": None}, None), (ABOVE, None)):
        answer = (await api.data(UPDATE, id=id, input=input))["updateAlertRule"]
        assert answer["rule"]["webhookHost"] == host


@pytest.mark.parametrize(
    ("input", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"series": None}, ["series"]),
        ({"series": ""}, ["series"]),
        ({"threshold": None, "window": 3}, ["threshold", "window"]),
        ({"condition": "FAILED"}, ["series", "threshold"]),
        ({"condition": "SILENT", "series": None, "threshold": None, "window": 0}, ["window"]),
        ({"condition": "JUMP", "window": 1}, ["window"]),
        ({"condition": "JUMP", "window": 1001, "threshold": 0}, ["threshold", "window"]),
        ({"condition": "NO_IMPROVEMENT", "threshold": None}, ["window"]),
        ({"project": ""}, ["project"]),
        *(
            ({"webhook": address}, ["webhook"])
            for address in (
                "",
                "http://hooks.example.org",
                "https://",
                "https://a:b@example.org",
                "https://a b",
                "https://x:99999",
            )
        ),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_with_all_its_faults(
    api: Api, input: dict[str, Any], fields: list[str]
) -> None:
    answer = (await api.data(CREATE, input={**ABOVE, **input}))["createAlertRule"]
    assert answer["__typename"] == "InvalidInput"
    assert [answer["field"], *(other["field"] for other in answer["others"])] == fields


@pytest.mark.parametrize(
    "id", ["0", "x", "rule:", "rule:x", "rule:99", "alert:1", "rule:99999999999999999999", "rule:-1", ""]
)
async def test_a_rule_that_is_not_there_is_not_found(api: Api, id: str) -> None:
    assert (await api.data(UPDATE, id=id, input=ABOVE))["updateAlertRule"]["__typename"] == "AlertRuleNotFound"
    assert (await api.data(DELETE, id=id))["deleteAlertRule"]["__typename"] == "AlertRuleNotFound"


@pytest.mark.parametrize("id", ["0", "x", "alert:", "alert:99", "rule:1", "alert:99999999999999999999", ""])
async def test_an_alert_that_is_not_there_is_not_found(api: Api, id: str) -> None:
    assert (await api.data(ACKNOWLEDGE, id=id))["acknowledgeAlert"]["__typename"] == "AlertNotFound"


@pytest.mark.parametrize("id", ["99", "x", ""])
async def test_a_job_that_is_not_there_has_neither_rules_nor_alerts(api: Api, id: str) -> None:
    answer = (await api.data(CREATE, input={**ABOVE, "jobId": id}))["createAlertRule"]
    assert answer["__typename"] == "JobNotFound"
    assert (await api.data(RAISE, id=id, title="hot"))["raiseAlert"]["__typename"] == "JobNotFound"


async def test_a_deleted_rule_leaves_its_alerts(api: Api) -> None:
    id = (await created(api))["id"]
    assert (await api.data(DELETE, id=id))["deleteAlertRule"] == {"__typename": "DeleteAlertRuleSuccess", "id": id}
    assert (await api.data(RULES))["alertRules"] == []


async def test_rules_are_listed_by_the_job_that_they_apply_to_or_the_project_that_they_are_in(api: Api) -> None:
    job, other = await api.created(project="a"), await api.created(project="b")
    for name, settings in {
        "all": {}, "a": {"project": "a"}, "b": {"project": "b"}, "job": {"jobId": job}, "other": {"jobId": other},
    }.items():  # fmt: skip
        await created(api, name=name, **settings)
    for arguments, names in (
        ({}, ["all", "a", "b", "job", "other"]),
        ({"jobId": job}, ["all", "a", "job"]),
        ({"project": "b"}, ["all", "b", "other"]),
        ({"jobId": job, "project": "b"}, ["all"]),
    ):
        assert [rule["name"] for rule in (await api.data(RULES, **arguments))["alertRules"]] == names


async def test_alerts_are_listed_the_latest_first_page_by_page(api: Api) -> None:
    job = await api.created()
    for title in "abc":
        await api.data(RAISE, id=job, title=title)
    first = (await api.data(LIST, first=2))["alerts"]
    assert [alert["title"] for alert in first["nodes"]] == ["c", "b"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
    assert await titles(api, after=first["pageInfo"]["endCursor"]) == ["a"]


async def test_an_acknowledged_alert_is_listed_with_those_alone(api: Api) -> None:
    job, other = await api.created(project="a"), await api.created(project="b")
    answer = (await api.data(RAISE, id=job, title="hot", text="x\ny"))["raiseAlert"]["alert"]
    await api.data(RAISE, id=other, title="cold")
    id = answer.pop("id")
    assert answer == {"title": "hot", "text": "x\ny", "level": "WARNING"}
    at = [(await api.data(ACKNOWLEDGE, id=id))["acknowledgeAlert"]["alert"]["acknowledgedAt"] for _ in range(2)]
    assert at[0] is not None
    assert at[0] == at[1]
    assert await titles(api) == await titles(api, acknowledged=False) == ["cold"]
    assert await titles(api, acknowledged=True) == await titles(api, acknowledged=True, project="a") == ["hot"]
    assert await titles(api, acknowledged=True, project="b") == await titles(api, jobId=job) == []
    assert await titles(api, jobId=other) == ["cold"]


@pytest.mark.parametrize(
    "arguments", [{"first": 0}, {"first": 501}, {"after": "x"}, {"after": "é"}, {"after": ""}, {"jobId": "x"}]
)
async def test_a_list_of_alerts_that_makes_no_sense_is_refused(api: Api, arguments: dict[str, Any]) -> None:
    assert (await api.error(LIST, **arguments))["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("title", "text", "field"),
    [
        (" ", None, "title"),
        ("x" * 201, None, "title"),
        ("\u202e", None, "title"),
        ("a", "x" * 10_001, "text"),
        ("a", "\0", "text"),
    ],
)
async def test_an_alert_that_makes_no_sense_is_refused(api: Api, title: str, text: str | None, field: str) -> None:
    answer = (await api.data(RAISE, id=await api.created(), title=title, text=text))["raiseAlert"]
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", field)


async def test_a_value_that_crosses_a_threshold_raises_an_alert(api: Api) -> None:
    rule = await created(api)
    job = await api.started()
    follow = "query { alerts { nodes { title text seq step value level rule { id } job { id } } } }"
    await api.log(job, [{"step": 7, "loss": 3}])
    alerts: list[dict[str, Any]] = []
    while not alerts:  # the time of the test runs out where none comes
        alerts = (await api.data(follow))["alerts"]["nodes"]
    assert alerts == [{
        "title": "high: loss is 3 at step 7", "text": "A value above 2.", "seq": 1, "step": 7, "value": 3.0,
        "level": "WARNING", "rule": {"id": rule["id"]}, "job": {"id": job},
    }]  # fmt: skip


async def test_a_rule_and_an_alert_are_known_by_their_ids_as_a_job_is(api: Api) -> None:
    id, rule = await api.started(), await created(api)
    alert = (await api.data(RAISE, id=id, title="hot"))["raiseAlert"]["alert"]
    query = """query ($id: ID!) { node(id: $id) { __typename id ... on Job { name } ... on AlertRule { name }
        ... on Alert { title job { id } } } }"""
    for each, fields in (
        (id, {"__typename": "Job", "name": "run"}),
        (rule["id"], {"__typename": "AlertRule", "name": "high"}),
        (alert["id"], {"__typename": "Alert", "title": "hot", "job": {"id": id}}),
    ):
        assert (await api.data(query, id=each))["node"] == {"id": each, **fields}
    await api.complete(id)
    await api.delete(id)
    others = ["rule:0", "rule:99", "rule:x", "rule:", "alert:", "alert:99", f"alert:{9**30}", "metric:1:1", "x:1"]
    for each in [id, alert["id"], rule["id"].replace("rule", "alert") + "0", *others]:
        assert (await api.data(query, id=each))["node"] is None


@pytest.mark.parametrize("project", ["\0", "a\u202eb", "", " ", "x" * 201])
async def test_a_project_that_no_job_can_have_has_no_alerts(api: Api, project: str) -> None:
    id = await api.started()
    await api.data(RAISE, id=id, title="hot")
    await created(api, project="vision")
    assert await titles(api, project=project) == []
    assert (await api.data(RULES, project=project))["alertRules"] == []
    assert await titles(api, project=" default ") == ["hot"], "trimmed, as names are"
