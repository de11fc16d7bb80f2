"""The config and the source of a job: merged by key, read by path, with what looks like a secret masked."""

from functools import reduce
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.settings import Settings
from models.config import AT_ONCE, MASK, canonical, is_secret, masked, merged, value_at, values_of
from models.validation import MAX_CONFIG
from tests.tools.api import Api

UPDATE = """mutation ($id: ID!, $input: UpdateJobInput!) { updateJob(id: $id, input: $input) { __typename
    ... on UpdateJobSuccess { job { id } } ... on InvalidInput { field message others { field } } } }"""


async def update(api: Api, id: str, **input: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", (await api.data(UPDATE, id=id, input=input))["updateJob"])


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, {"b": {"c": {"d": None}}}, {"a": "foo", "b": {"c": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        (None, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_it_is_merged_as_rfc_7396_has_it(old: Any, new: Any, result: Any) -> None:
    assert merged(old, new) == result


KEYS = st.sampled_from(["a", "b", "a.b", "a.b.a", "0", "", ".", "token", "b.token"])


def jsons(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with such leaves."""

    def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)

    return st.dictionaries(KEYS, st.recursive(leaves, nested, max_leaves=12), max_size=4)


leaves = st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, "a", "0"])


@given(jsons(leaves))
def test_the_mask_written_back_changes_nothing(config: dict[str, Any]) -> None:
    assert merged(config, masked(config)) == config
    assert merged({}, {"token": MASK}) == {}


@given(jsons(leaves | st.none()))
def test_what_is_found_at_a_path_is_what_is_read_there(config: Any) -> None:
    for found in values_of(config):
        value = value_at(config, found.path)
        if not any(is_secret(part) for part in found.path.split(".")):
            assert found.text == canonical(masked(value))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        assert (found.number is not None) == is_number


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b": {"c": 1}, "l": [10, {"x": 2}]}),
        ("a.b.c", 3),
        ("a.b.d", None),
        ("a.l.1.x", 2),
        ("a.l.2", None),
        ("a.l.-1", None),
        ("a.l.\u0661", None),
        ("a.l." + "9" * 400, None),
        ("a.b.c.d", None),
        ("", None),
        (".", None),
        ("z", None),
    ],
)
def test_the_longest_literal_key_comes_first_then_dots_and_places(path: str, value: Any) -> None:
    config = {"a": {"b": {"c": 1}, "l": [10, {"x": 2}]}, "a.b": {"c": 3}, "z": None}
    assert value_at(config, path) == value


@pytest.mark.parametrize(
    "name", ["token", "HF_TOKEN", "accessToken", "password", "db_password_2", "pass", "apiKey", "api-key", "secret"]
)
def test_a_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "pad_token_id", "eos_token", "compass", "author", ""])
def test_a_name_that_only_sounds_like_it_is_not(name: str) -> None:
    assert not is_secret(name)


SAID: dict[str, Any] = {
    "lr": 1e-3,
    "api_key": "K1",
    "hub": [{"token": "T1", "on": True}],
    "secret": {"a": 1},
    "token_on": False,
    "n": None,
}
SHOWN: dict[str, Any] = {
    "lr": 1e-3,
    "api_key": MASK,
    "hub": [{"token": MASK, "on": True}],
    "secret": MASK,
    "token_on": False,
    "n": None,
}


DEEP: Any = reduce(lambda inner, _: [inner], range(150), 1)  # type: ignore[arg-type, return-value]  # any JSON


class TestOfAJob:
    async def test_secrets_are_masked_in_config_and_source_and_kept(self, api: Api) -> None:
        id = await api.created(config=SAID, source={"host": "h", "password": "P1"})
        job = await api.job(id, 'config source key: config(path: "api_key") deep: config(path: "hub.0.token")')
        assert job == {"config": SHOWN, "source": {"host": "h", "password": MASK}, "key": MASK, "deep": MASK}
        assert (await update(api, id, config=SHOWN))["__typename"] == "UpdateJobSuccess"
        assert (await api.job(id, "config"))["config"] == {name: value for name, value in SHOWN.items() if name != "n"}

    async def test_nothing_said_is_null(self, api: Api) -> None:
        assert await api.job(await api.created(), 'config source x: config(path: "a")') == dict.fromkeys(
            ("config", "source", "x")
        )

    async def test_what_cannot_be_one_is_refused_in_both_verbs(self, api: Api) -> None:
        configs: list[Any] = [
            5,
            [],
            "x",
            {"a": "x" * MAX_CONFIG},
            {"a": "\0"},
            {"\0": 1},
            {"a": DEEP},
        ]
        for config in configs:
            answer = await api.create(config=config)
            assert (answer["__typename"], answer["field"]) == ("InvalidInput", "config")
            id = await api.created(config={"b": 1})
            answer = await update(api, id, config=config)
            assert (answer["__typename"], answer["field"]) == ("InvalidInput", "config")
            assert (await api.job(id, "config"))["config"] == {"b": 1}

    async def test_a_backslash_before_u0000_is_no_nul(self, api: Api) -> None:
        config = {"a": r"\u0000", "b": "\\"}
        assert (await api.job(await api.created(config=config), "config"))["config"] == config

    async def test_it_grows_to_its_limit_and_no_further(self, api: Api) -> None:
        id = await api.created(config={"a": "x" * (MAX_CONFIG - 100)})
        assert (await update(api, id, config={"b": "x" * 200}))["field"] == "config"
        assert (await update(api, id, config={"a": None, "b": "x" * 200}))["__typename"] == "UpdateJobSuccess"

    async def test_long_ones_of_many_jobs_are_not_read_together(self, api: Api) -> None:
        for _ in range(AT_ONCE // (MAX_CONFIG - 100) + 1):
            await api.created(config={"a": "x" * (MAX_CONFIG - 100)})
        assert len((await api.data("{ jobs(limit: 8) { config } }"))["jobs"]) == 8
        answer = await api.post("{ jobs { config } }")
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"TOO_COSTLY"}
        assert {job["config"] for job in answer["data"]["jobs"]} == {None}

    async def test_a_path_that_is_none_is_refused(self, api: Api) -> None:
        id = await api.created(config={"a": 1})
        for path in ("x" * 501, "\0"):
            query = "query ($id: ID!, $p: String) { job(id: $id) { config(path: $p) } }"
            assert (await api.error(query, id=id, p=path))["extensions"]["code"] == "BAD_USER_INPUT"


class TestASettingShowsThem:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"show_secrets": True})

    async def test_read_found_and_ordered_by(self, api: Api) -> None:
        id = await api.created(config=SAID, source={"token": "x"})
        assert await api.job(id, "config source") == {"config": SAID, "source": {"token": "x"}}
        query = """{ jobList(filter: { config: [{ path: "api_key", equals: "K1" }] }, orderBy: { config: "api_key" }) {
            totalCount nodes { id } } }"""
        assert await api.data(query) == {"jobList": {"totalCount": 1, "nodes": [{"id": id}]}}


class TestUpdates:
    async def test_what_is_left_out_stays_and_null_clears(self, api: Api) -> None:
        said = {"group": "g", "tags": ["b", "a", "b"], "notes": "n\n", "batchSize": 52, "totalSteps": 2**40}
        id = await api.created(**said)
        fields = "name project group tags notes modelName epochs totalSteps stepsPerEpoch learningRate batchSize"
        before = await api.job(id, fields)
        assert before["tags"] == ["b", "a"]
        await update(api, id)
        assert await api.job(id, fields) == before
        nulls = dict.fromkeys(("group", "modelName", "epochs", "totalSteps", "learningRate", "batchSize"))
        await update(api, id, **nulls)
        assert await api.job(id, fields) == before | nulls
        await update(api, id, name=" é ", project="p", tags=[], notes="", modelName="m", stepsPerEpoch=7, epochs=2)
        changed = {"name": "é", "project": "p", "tags": [], "notes": "", "modelName": "m", "stepsPerEpoch": 7}
        assert await api.job(id, fields) == before | nulls | changed | {"epochs": 2, "totalSteps": 14}
        data = await api.data('{ jobs(search: "É") { id } }')
        assert data["jobs"] == [{"id": id}], "found by its new name"

    async def test_all_faults_are_said_at_once_and_nothing_is_changed(self, api: Api) -> None:
        id = await api.created(name="a")
        nulls = dict.fromkeys(("name", "project", "tags", "notes", "config"))
        answer = await update(api, id, **nulls, epochs=0, learningRate=-1, modelName="", group="x" * 201, batchSize=0)
        found = {answer["field"], *(each["field"] for each in answer["others"])}
        assert found == {*nulls, "epochs", "learningRate", "modelName", "group", "batchSize"}
        answer = await update(api, id, name="new", tags=["ok", "\0"], config=5)
        assert [answer["field"], *(each["field"] for each in answer["others"])] == ["tags[1]", "config"]
        assert (await api.job(id, "name tags"))["name"] == "a"
        assert (await update(api, "99"))["__typename"] == "JobNotFound"

    async def test_the_plan_of_a_job_with_simulated_points_does_not_change(self, api: Api) -> None:
        id = await api.started(stepsPerEpoch=4, seed=1)
        await api.step(id)
        answer = await update(api, id, epochs=2, stepsPerEpoch=None, totalSteps=9, learningRate=1, batchSize=64)
        found = [answer["field"], *(each["field"] for each in answer["others"])]
        assert found == ["epochs", "stepsPerEpoch", "totalSteps", "learningRate", "batchSize"]
        same = await update(api, id, epochs=1, stepsPerEpoch=4, totalSteps=None, name="new", config={"a": 1})
        assert same["__typename"] == "UpdateJobSuccess"

    async def test_a_plan_that_cannot_be_simulated_is_refused_where_a_simulation_is_asked_for(self, api: Api) -> None:
        id = await api.created(seed=1)
        assert (await update(api, id, batchSize=52))["field"] == "batchSize"
        assert (await update(api, id, epochs=None))["field"] == "epochs"
        assert (await update(api, await api.created(), batchSize=52))["__typename"] == "UpdateJobSuccess"

    async def test_progress_follows_the_total(self, api: Api) -> None:
        id = await api.started(epochs=None)
        await api.log(id, [{"step": 5, "loss": 1}])
        for total, progress in ((10, 0.5), (5, 1.0), (4, None), (None, None)):
            await update(api, id, totalSteps=total)
            assert (await api.job(id))["progress"] == progress
