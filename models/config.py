"""What a run was set up with: nested JSON, merged by key, read by path, found by values, with its secrets masked."""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
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
MAX_DEPTH = 101
"""Objects and lists in each other, and what is in the last of them."""
MAX_PLACE = 10
"""Digits of a place in a list."""

AT_ONCE = 16 * 2**20
"""Characters of the configs, and sources, of jobs that are read together: they are held in memory, parsed."""
FEW = 8
"""Jobs whose configs cannot be longer than that."""

MASK = "********"
"""What is shown of a secret."""
SECRET = re.compile(
    r"passw(or)?d|passphrase|(^|[_-])pass$|secret|(?<!pad_)(?<!eos_)(?<!bos_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!mask_)"
    r"token(?!s|iz|_?ids?$)|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth(orization)?$"
    r"|(^|[_-])pwd$|dsn$|cookie",
    re.IGNORECASE,
)
"""What names of secrets look like: password, api_key, HF_TOKEN, aws_secret_access_key; not max_tokens or
pad_token_id."""


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
    job_id = fields.BigIntField()
    path = fields.CharField(max_length=500)
    number = fields.FloatField(null=True)
    text = fields.CharField(max_length=200)
    """The value as canonical JSON, or the digest of a long one."""

    class Meta:
        table = "config_value"
        indexes = (
            Index(fields=("job_id", "path"), name="config_value_by_job"),
            Index(fields=("path", "number", "job_id"), name="config_value_by_number"),
            Index(fields=("path", "text", "job_id"), name="config_value_by_text"),
        )


class Config(NamedTuple):
    """What was said of how a job was set up."""

    config: Any
    source: Any


def merged(old: Any, new: Any) -> Any:
    """The old value with the new one merged into it: RFC 7396. What is null in the new one is removed.

    A masked value that is written back leaves the secret as it is.
    """
    if not isinstance(new, dict):
        return _unmasked(old, new)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        elif value != MASK or not is_secret(name):
            result[name] = merged(result.get(name), value)
    return result


def _unmasked(old: Any, new: Any) -> Any:
    """The new value, which takes the place of the old one, with the secrets of this where it has masks."""
    if isinstance(new, list):
        olds = old if isinstance(old, list) else []
        return [_unmasked(olds[place] if place < len(olds) else None, each) for place, each in enumerate(new)]
    if not isinstance(new, dict):
        return new
    olds_of = old if isinstance(old, dict) else {}
    return {
        name: olds_of[name]
        if value == MASK and is_secret(name) and name in olds_of
        else _unmasked(olds_of.get(name), value)
        for name, value in new.items()
    }


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
    found = _found(value, path)
    return None if found is _NOTHING else found


_NOTHING = object()


def _found(value: Any, path: str | None) -> Any:
    if path is None:
        return value
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = [(key, each) for key, each in value.items() if path == key or path.startswith(f"{key}.")]
        inner.sort(key=lambda item: -len(item[0]))
    elif isinstance(value, list):
        place = path.partition(".")[0]
        if place.isascii() and place.isdecimal() and len(place) < MAX_PLACE and int(place) < len(value):
            inner = [(place, value[int(place)])]
    for key, each in inner:
        found = _found(each, None if path == key else path[len(key) + 1 :])
        if found is not _NOTHING:
            return found
    return _NOTHING


def canonical(value: Any) -> str:
    """A value as the text that equal ones share: whole numbers as such, the keys in order; long ones by a digest.

    Raises ValueError for one that cannot be in a config.
    """
    return _canonical(value, 0)


def _canonical(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, dict):
        pairs = (f"{_leaf(name)}:{_canonical(each, depth + 1)}" for name, each in sorted(value.items()))
        return _short(f"{{{','.join(pairs)}}}")
    if isinstance(value, list):
        return _short(f"[{','.join(_canonical(each, depth + 1) for each in value)}]")
    return _leaf(value)


def _leaf(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return _short(orjson.dumps(value).decode())


def _short(text: str) -> str:
    """The text, or its digest. Texts of JSON begin otherwise, so no two values have one."""
    if len(text) <= LONG_TEXT:
        return text
    return f"blake2b:{blake2b(text.encode(), digest_size=32).hexdigest()}"


class Found(NamedTuple):
    """A value that a config can be found by."""

    depth: int
    path: str
    number: float | None
    text: str


def values_of(config: Any) -> list[Found]:
    """What a config can be found by, what stands higher first; of one path what `value_at` finds.

    What has secrets in it is found as it is shown, with these masked.
    """
    found: dict[str, Found] = {}
    _collect(config, None, 0, found)
    return sorted(found.values(), key=itemgetter(0))[:FOUND]


def _collect(value: Any, path: str | None, depth: int, found: dict[str, Found]) -> str:
    """Add what is in a value, in the order in which `value_at` looks for it, and give its text."""
    is_first = path is not None and path not in found and len(path) <= MAX_PATH
    if is_first and path is not None:
        found[path] = Found(depth, path, None, "")  # its place: what is in it comes after it
    if isinstance(value, dict):
        texts = {}
        for name, each in sorted(value.items(), key=lambda item: -len(item[0])):
            text = _collect(each, _below(path, name), depth + 1, found)
            texts[name] = _leaf(MASK) if is_secret(name) and not (each is None or isinstance(each, bool)) else text
        text = _short("{" + ",".join(f"{_leaf(name)}:{texts[name]}" for name in sorted(texts)) + "}")
    elif isinstance(value, list):
        inner = [_collect(each, _below(path, str(place)), depth + 1, found) for place, each in enumerate(value)]
        text = _short(f"[{','.join(inner)}]")
    else:
        text = _leaf(value)
    if is_first and path is not None:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        found[path] = Found(depth, path, number, text)
    return text


def _below(path: str | None, name: str) -> str:
    if path is None:
        return name
    return f"{path}.{name}" if len(path) <= MAX_PATH else path


def stored(job_id: int, config: Any, source: Any, *, is_new: bool) -> Work[None]:
    """Store what was said of a job, in place of what was said before."""
    if not is_new:
        yield Query('DELETE FROM "config" WHERE "job_id" = ?', [job_id])
        yield Query('DELETE FROM "config_value" WHERE "job_id" = ?', [job_id])
    texts = [None if each is None else orjson.dumps(each).decode() for each in (config, source)]
    yield Insert("config", {"job_id": job_id}, ("config", "source"), [tuple(texts)])
    rows: list[Row] = [(each.path, each.number, each.text) for each in values_of(config)]
    if rows:
        yield Insert("config_value", {"job_id": job_id}, ("path", "number", "text"), rows)


class TooLong(ValueError):
    """Configs that are too long together."""


async def read_configs(reader: Reader, job_ids: Sequence[int]) -> Mapping[int, Config]:
    """What was said of each job of which something was, in two queries. Raises TooLong beyond AT_ONCE characters."""
    if len(job_ids) > FEW:
        total = f"""SELECT COALESCE(sum(COALESCE(length("config"), 0) + COALESCE(length("source"), 0)), 0)
            FROM "config" WHERE "job_id" IN ({places(job_ids)})"""  # noqa: S608  # places
        ((length,),) = await reader.rows(Query(total, job_ids), in_thread=True)
        if length > AT_ONCE:
            raise TooLong(
                f"config: {len(job_ids)} jobs have {length} characters of config and source; one request reads at most "
                f"{AT_ONCE}: ask for them of fewer jobs."
            )
    query = Query(select("config", ("job_id", "config", "source"), f'WHERE "job_id" IN ({places(job_ids)})'), job_ids)
    return {
        job_id: Config(*(None if text is None else orjson.loads(text) for text in texts))
        for job_id, *texts in await reader.rows(query, in_thread=True)
    }
