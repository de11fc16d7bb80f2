"""What a run was set up with: nested JSON, merged by key, read by path, found by values, with its secrets masked."""

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from tortoise import Model, fields
from tortoise.indexes import Index

from models.store.sql import places, select
from models.store.statements import Insert, Query, Reader, Row, Work

FOUND = 10_000
"""Values of one config that can be found by: what comes beyond them is kept and read, and matches no condition."""
MAX_PATH = 500
"""Characters of the path of a value that can be found by."""
LONG_TEXT = 200
"""Characters of a value as JSON beyond which it is found by its digest."""

MASK = "********"
"""What is shown of a secret."""
SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token(?!s|izer)|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth(orization)?$"
    r"|(^|[_-])pwd$|dsn$|cookie",
    re.IGNORECASE,
)
"""What names of secrets look like: password, api_key, HF_TOKEN, aws_secret_access_key; not max_tokens or tokenizer."""


class ConfigTable(Model):
    """The config and the source of a job, apart from its row: they may be long, and lists do not read them."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField(unique=True)
    config = fields.TextField(null=True)
    source = fields.TextField(null=True)

    class Meta:
        table = "config"


class ConfigValueTable(Model):
    """A value in a config, by its path."""

    id = fields.BigIntField(primary_key=True)
    job_id = fields.BigIntField(db_index=True)
    path = fields.CharField(max_length=500)
    number = fields.FloatField(null=True)
    text = fields.CharField(max_length=200)
    """The value as canonical JSON, or the digest of a long one."""

    class Meta:
        table = "config_value"
        indexes = (
            Index(fields=("path", "number", "job_id"), name="config_value_by_number"),
            Index(fields=("path", "text", "job_id"), name="config_value_by_text"),
        )


class Config(NamedTuple):
    """What was said of how a job was set up."""

    config: Any
    source: Any


def merged(old: Any, new: Any, *, key: str = "") -> Any:
    """The old value with the new one merged into it: RFC 7396. What is null in the new one is removed.

    A masked value that is written back leaves the secret as it is.
    """
    if new == MASK and is_secret(key):
        return old
    if not isinstance(new, dict):
        return new
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value, key=name)
    return result


def is_secret(name: str) -> bool:
    """Whether the name of a value looks like a secret's."""
    return bool(name) and SECRET.search(name) is not None


def masked(value: Any) -> Any:
    """The value with its secrets masked: whatever stands under such a name but null, a boolean, or nothing."""
    if isinstance(value, dict):
        return {
            name: MASK if is_secret(name) and not (inner is None or isinstance(inner, bool)) else masked(inner)
            for name, inner in value.items()
        }
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def value_at(value: Any, path: str) -> Any:
    """What stands at a path: at each level the longest literal key first, then by dots and places; None for nothing."""
    if not path:
        return value
    if isinstance(value, list):
        place, _, rest = path.partition(".")
        return value_at(value[int(place)], rest) if place.isdecimal() and int(place) < len(value) else None
    if not isinstance(value, dict):
        return None
    ends = [*(match.start() for match in re.finditer(r"\.", path)), len(path)]
    for end in reversed(ends):
        if path[:end] in value:
            found = value_at(value[path[:end]], path[end + 1 :])
            if found is not None or end == len(path):
                return found
    return None


def canonical(value: Any) -> str:
    """A value as the text that equal ones share: whole numbers as such, the keys in order; long ones by a digest."""
    text = orjson.dumps(_whole(value), option=orjson.OPT_SORT_KEYS)
    if len(text) <= LONG_TEXT:
        return text.decode()
    return f"blake2b:{blake2b(text, digest_size=32).hexdigest()}"


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def values_of(config: Any) -> Iterator[tuple[str, Any]]:
    """(path, value) of everything in a config, what stands higher first; of one path only what `value_at` finds."""
    found: set[str] = set()
    level: list[tuple[str, Any]] = [("", config)]
    while level:
        deeper: list[tuple[str, Any]] = []
        for path, value in level:
            inner: Iterator[tuple[Any, Any]] = iter(())
            if isinstance(value, dict):
                inner = iter(sorted(value.items(), key=lambda item: -len(item[0])))
            elif isinstance(value, list):
                inner = iter(enumerate(value))
            for name, each in inner:
                at = f"{path}.{name}" if path else str(name)
                if at not in found and len(at) <= MAX_PATH:
                    found.add(at)
                    yield at, each
                    deeper.append((at, each))
        level = deeper


def stored(job_id: int, config: Any, source: Any, *, is_new: bool) -> Work[None]:
    """Store what was said of a job, in place of what was said before."""
    if not is_new:
        yield Query('DELETE FROM "config" WHERE "job_id" = ?', [job_id])
        yield Query('DELETE FROM "config_value" WHERE "job_id" = ?', [job_id])
    texts = [None if each is None else orjson.dumps(each).decode() for each in (config, source)]
    yield Insert("config", {"job_id": job_id}, ("config", "source"), [tuple(texts)])
    rows: list[Row] = []
    for path, value in values_of(config):
        if len(rows) == FOUND:
            break
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        rows.append((path, number, canonical(value)))
    if rows:
        yield Insert("config_value", {"job_id": job_id}, ("path", "number", "text"), rows)


async def read_configs(reader: Reader, job_ids: Sequence[int]) -> Mapping[int, Config]:
    """What was said of each job of which something was, in one query."""
    query = Query(select("config", ("job_id", "config", "source"), f'WHERE "job_id" IN ({places(job_ids)})'), job_ids)
    return {
        job_id: Config(*(None if text is None else orjson.loads(text) for text in texts))
        for job_id, *texts in await reader.rows(query, in_thread=True)
    }
