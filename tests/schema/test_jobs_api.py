"""The list of jobs: its order, its pages, its filters."""

from typing import Any

from tests.tools.api import Api
from tests.tools.outside import Outside

NAMES = ["Plain", "50% off", "5000 off", "snake_case", "snakeXcase", "back\\slash", 'it\'s "quoted"', "ÉTÉ à Paris"]
SEARCHES = [
    ("plain", ["Plain"]),
    ("PLAIN", ["Plain"]),
    ("lai", ["Plain"]),
    ("%", ["50% off"]),
    ("50%", ["50% off"]),
    ("0% o", ["50% off"]),
    ("_", ["snake_case"]),
    ("E_C", ["snake_case"]),
    ("\\", ["back\\slash"]),
    ("\\s", ["back\\slash"]),
    ("'", ['it\'s "quoted"']),
    ('"', ['it\'s "quoted"']),
    ("off", ["50% off", "5000 off"]),
    (" ", ["50% off", "5000 off", 'it\'s "quoted"', "ÉTÉ à Paris"]),
    ("paris", ["ÉTÉ à Paris"]),
    ("à", ["ÉTÉ à Paris"]),
    ("été À", ["ÉTÉ à Paris"]),
    ("*", []),
    ("[a-z]", []),
    ("\0", []),
    ("P\0", []),
    ("x" * 201, []),
    ("%" * 60_000, []),
]


async def test_a_hundred_jobs_are_a_page_unless_asked_otherwise(api: Api, outside: Outside) -> None:
    await api.created()
    columns = ", ".join(name for name in outside.columns("job") if name != "id")
    for _ in range(10):  # 1024 in the end
        outside.execute(f"INSERT INTO job ({columns}) SELECT {columns} FROM job")
    assert len(await listed(api)) == 100
    assert len(await listed(api, limit=500)) == 500


async def test_pages_give_every_job_once_over_ties_to_the_end(api: Api, outside: Outside) -> None:
    """Also where a later id was created earlier, as clocks of several machines will have it."""
    ids = [await api.created() for _ in range(7)]
    early, middle, late = "2024-05-01 12:00:00+00:00", "2024-05-01 12:00:00.000001+00:00", "2024-05-01 12:00:01+00:00"
    for id, time in zip(ids, [late, middle, early, middle, middle, late, early], strict=True):
        outside.execute("UPDATE job SET created_at = ? WHERE id = ?", [time, int(id)])
    expected = [ids[place] for place in (5, 0, 4, 3, 1, 6, 2)]
    assert await listed(api) == expected
    for limit in (1, 2, 3, 500):
        assert await paged(api, limit) == expected


async def test_a_page_goes_on_where_the_last_ended_while_jobs_are_made(api: Api) -> None:
    """A page by number would give the last one of the page before again."""
    ids = [await api.created() for _ in range(4)]
    first = await listed(api, limit=2)
    await api.created()
    assert await listed(api, limit=2, after=first[-1]) == ids[1::-1]


async def test_jobs_of_some_statuses_only(api: Api) -> None:
    """All where none are named by null; none where none are named by an empty list."""
    ids = {"F": await api.created(), "C": await api.started(), "R": await api.started(), "Q": await api.created()}
    await api.fail(ids["F"])
    await api.complete(ids["C"])
    for status, expected in (
        (None, "QRCF"),
        ([], ""),
        (["QUEUED"], "Q"),
        (["RUNNING"], "R"),
        (["COMPLETE", "FAILED"], "CF"),
        (["FAILED", "QUEUED", "FAILED"], "QF"),
        (["QUEUED", "RUNNING", "COMPLETE", "FAILED"], "QRCF"),
    ):
        assert await listed(api, status=status) == [ids[letter] for letter in expected]
        assert await paged(api, 1, status=status) == [ids[letter] for letter in expected]


async def test_a_page_may_begin_below_a_job_that_the_filter_leaves_out(api: Api) -> None:
    ids = [await api.created(name=name) for name in ("a", "b", "a")]
    assert await listed(api, search="a", after=ids[1]) == ids[:1]


async def test_a_search_finds_its_text_in_names_as_it_is_whatever_its_case(api: Api) -> None:
    """No character stands for others: % and _ and \\ are found where they are."""
    for name in reversed(NAMES):
        await api.created(name=name, modelName="m")
    for search, expected in SEARCHES:
        jobs = await api.data("query ($search: String) { jobs(search: $search) { name } }", search=search)
        assert [job["name"] for job in jobs["jobs"]] == expected


async def test_a_search_looks_at_the_model_too_and_goes_with_the_other_filters(api: Api) -> None:
    ids = [
        await api.created(name="vit", modelName="resnet"),
        await api.started(name="run", modelName="ViT-base"),
        await api.created(name="run", modelName="resnet"),
    ]
    assert await listed(api, search="vit") == [ids[1], ids[0]]
    assert await listed(api, search="vit", status=["QUEUED"]) == [ids[0]]
    assert await listed(api, search="vit", after=ids[1]) == [ids[0]]
    assert await listed(api, search="") == await listed(api, search=None) == ids[::-1]


async def listed(api: Api, **arguments: Any) -> list[str]:
    """The ids of a page, in its order."""
    data = await api.data(
        """query ($status: [JobStatus!], $search: String, $after: ID, $limit: Int! = 100) {
            jobs(status: $status, search: $search, after: $after, limit: $limit) { id } }""",
        **arguments,
    )
    return [job["id"] for job in data["jobs"]]


async def paged(api: Api, limit: int, **arguments: Any) -> list[str]:
    """The ids of all pages, each begun below the last of the one before."""
    found: list[str] = []
    while page := await listed(api, limit=limit, after=found[-1] if found else None, **arguments):
        assert len(page) <= limit
        found += page
    return found
