"""Dockerfile and compose.yaml: nothing here can run them, so that they are well-formed and name what there is."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from graph.commands import cli
from graph.settings import ENV_PREFIX, read_settings, variable_name
from graph.stores import database_of, feed_of
from models.feed.redis import RedisFeed

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = {
    "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL", "USER",
    "WORKDIR",
}  # fmt: skip


@pytest.fixture
def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]  # type: ignore[no-any-return]  # as YAML has it


@pytest.fixture
def instructions() -> list[tuple[str, str]]:
    """(instruction, what it says) of the Dockerfile, lines that go on joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    pairs = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in pairs]


def test_there_are_two_replicas_a_postgresql_and_a_valkey(services: dict[str, Any]) -> None:
    assert set(services) == {"replica-1", "replica-2", "postgres", "valkey"}
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        assert set(service.get("depends_on", {})) <= set(services)
    for name in ("postgres", "valkey"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("replica", ["replica-1", "replica-2"])
async def test_a_replica_has_settings_that_lead_to_them(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, replica: str
) -> None:
    for name, value in services[replica]["environment"].items():
        assert name.startswith(ENV_PREFIX)
        monkeypatch.setenv(name, value.replace("${POSTGRES_PASSWORD:-monitor}", "monitor"))
    settings = read_settings()
    place = database_of(settings)._backend.connection["credentials"]
    server = services["postgres"]["environment"]
    assert (place["host"], place["user"], place["database"]) == (
        "postgres", server["POSTGRES_USER"], server["POSTGRES_DB"],
    )  # fmt: skip
    feed = feed_of(settings)
    assert isinstance(feed, RedisFeed)
    assert feed._client.connection_pool.connection_kwargs["host"] == "valkey"
    assert services[replica]["ports"][0].endswith(f":{settings.port}")


def test_every_instruction_of_the_dockerfile_is_one_and_installs_locked_packages(
    instructions: list[tuple[str, str]],
) -> None:
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    assert instructions[0][0] == "FROM"
    commands = [command.split() for name, rest in instructions if name == "RUN" for command in rest.split("&&")]
    installs = [words for words in commands if "install" in words and words[0].endswith("/pip")]
    assert len(installs) == 3
    assert all("--require-hashes" in words or {"--no-index", "--no-deps"} <= set(words) for words in installs)


def test_the_image_serves_with_the_versions_that_were_tested() -> None:
    tested, served = (pins_of(name) for name in ("requirements.lock", "requirements-server.lock"))
    assert served <= tested
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {Requirement(text).name for text in project["dependencies"]} <= {pin.partition("==")[0] for pin in served}


def pins_of(lock: str) -> set[str]:
    """The packages of a lock, as name==version, without markers."""
    return set(re.findall(r"^([a-z0-9.-]+==[^ ;\\]+)", (ROOT / lock).read_text(), flags=re.MULTILINE))


def test_the_image_is_slim_runs_as_nobody_special_and_says_whether_it_is_well(
    instructions: list[tuple[str, str]],
) -> None:
    last = [rest for name, rest in instructions if name == "FROM"][-1]
    assert "slim" in last
    names = [name for name, _ in instructions]
    assert names.index("USER") < names.index("ENTRYPOINT")
    said = dict(instructions)
    assert said["USER"] not in {"root", "0"}
    check = json.loads(said["HEALTHCHECK"].partition("CMD")[2])
    compile(check[-1], "the health check", "exec")
    assert "/healthz" in check[-1]
    assert variable_name("port") in check[-1]
    assert names.index("WORKDIR") > names.index("FROM", 1), "a store without an address is a file where it runs"
    assert all(isinstance(word, str) for word in json.loads(said["ENTRYPOINT"]))
    assert json.loads(said["CMD"])[0] in {each.callback.__name__ for each in cli.registered_commands if each.callback}


def test_what_is_copied_is_there_and_is_not_left_out() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [name for name in kept if name != "web" and not (ROOT / name).exists()] == []
    assert {"graph", "models", "simulator", "pyproject.toml", "requirements.lock"} <= set(kept)
