"""Every setting: its name, its default, and what it does. Read once, passed in, never patched."""

import difflib
import re
import socket
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.addresses import hosts_listed, networks_listed, origins_listed, prefix

__all__ = [
    "ENV_PREFIX",
    "Settings",
    "SettingsError",
    "environment_name",
    "flag_name",
    "grouped",
    "is_loopback",
    "misspelt_variables",
    "read_settings",
]

ENV_PREFIX = "TRAINING_MONITOR_"
OF_CLIENTS = {"URL", "TOKEN", "DIR", "MODE"}
"""Variables, without the prefix, that clients read and servers ignore without a warning."""

GROUPS: Mapping[str, str] = {
    "host": "Address",
    "database_url": "Store and feed",
    "open_reads": "Access",
    "request_seconds": "Requests",
    "max_sockets": "Streams",
    "max_document_characters": "Operations",
    "log_level": "Log and traces",
}
"""The first setting of each group -> the heading of the group in help and in docs/settings.md."""


def _is_host(text: str) -> str:
    """The text, which is to be a host. Raises PydanticCustomError where it has a port."""
    if re.fullmatch(r"[^:]*:\d+|\[.*\]:\d+", text):
        raise PydanticCustomError("host", "must be a host alone: give the port with --port")
    return text


class Settings(BaseSettings):
    """The settings of one server, from flags, else from the environment, else the defaults."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1), AfterValidator(_is_host)] = Field(
        default="127.0.0.1", description="The address to listen on; 0.0.0.0 for every one of this machine's"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8000, description="The port to listen on; 0 takes a free one"
    )
    root_path: Annotated[str, AfterValidator(prefix)] = Field(
        default="", description="Prefix below which a proxy serves this, as /monitor"
    )
    workers: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="Processes that share the port; more than one need a feed"
    )
    database_url: str = Field(
        default="sqlite://training-monitor.sqlite3",
        description=(
            "Where jobs are stored: sqlite://path from the current folder, sqlite:///path for an absolute path, "
            "or postgres://user@host:5432/name with its password in PGPASSWORD or the file PGPASSFILE: the address may "
            "have it too, but a command line is there for all users of the machine to read"
        ),
    )
    database_connections: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Connections that each worker keeps to PostgreSQL at most"
    )
    database_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=10.0, description="Seconds to wait for the store: for a connection, for another writer, for a reply"
    )
    feed_url: str = Field(
        default="",
        description="Redis or Valkey that carries events between workers and replicas: redis://host:6379/0",
    )
    feed_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=2.0, description="Seconds to wait for the feed: for a connection, for a reply"
    )
    open_reads: bool = Field(
        default=False, description="Let every client read without a token; to change anything still takes one"
    )
    insecure: bool = Field(
        default=False,
        description="Serve beyond this machine although there is no token: to every client that can connect",
    )
    allowed_hosts: Annotated[str, AfterValidator(hosts_listed)] = Field(
        default="",
        description="Names of this server, comma-separated, as runs.example.org; addresses and localhost always work",
    )
    allowed_origins: Annotated[str, AfterValidator(origins_listed)] = Field(
        default="",
        description="Origins of other sites whose pages may call, comma-separated, as https://dash.example.org",
    )
    trusted_proxies: Annotated[str, AfterValidator(networks_listed)] = Field(
        default="",
        description="Addresses of the proxies in front, comma-separated: their X-Forwarded-For is believed",
    )
    request_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0,
        description=(
            "Seconds in which a request, or a message on a socket, must have arrived; a slower request is refused "
            "with 408, a slower message closes its socket with 4408"
        ),
    )
    max_header_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=32 * 2**10, description="Bytes of a request's headers; more are refused with 431"
    )
    max_message_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=4 * 2**20,
        description=(
            "Bytes of a request body or a socket message; a longer body is refused with 413, a longer message "
            "closes its socket with 1009"
        ),
    )
    max_requests_a_second: Annotated[int, Field(ge=1)] = Field(
        default=2_000,
        description=(
            "Requests a second from one client, twice as many for a few seconds; more are refused with 429. "
            "Requests from this machine are not counted"
        ),
    )
    keep_alive_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=75, description="Seconds that a connection stays open for a next request"
    )
    max_arriving_bytes: Annotated[int, Field(ge=2**20)] = Field(
        default=64 * 2**20,
        description=(
            "Bytes of unfinished bodies and messages in a worker; past them, the one that has not grown for longest "
            "is refused with 503, or closes its socket with 1013"
        ),
    )
    max_sockets: Annotated[int, Field(ge=1)] = Field(
        default=10_000,
        description=(
            "Sockets and streams open at once in a worker; one more is refused with 503. Where there are tokens, "
            "a tenth as many unauthenticated sockets may be open beside them"
        ),
    )
    max_socket_operations: Annotated[int, Field(ge=1)] = Field(
        default=100, description="Operations that may run on one socket at once; one more is answered with an error"
    )
    max_messages_a_second: Annotated[int, Field(ge=1)] = Field(
        default=200,
        description="Messages a second on one socket, twice as many for a few seconds; more close it with 4429",
    )
    init_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=10.0, description="Seconds for a socket to send connection_init; a slower one is closed with 4408"
    )
    ping_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=15.0,
        description="Seconds between pings on streams; a peer that does not answer or read for two is cut off",
    )
    live_buffer: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=500,
        description="Newest points of a watched job kept in memory; a watcher further behind reads the store",
    )
    live_check_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=1.0,
        description="Seconds between two looks at the store for each watched job, in case the feed lost an event",
    )
    max_document_characters: Annotated[int, Field(ge=100)] = Field(
        default=50_000, description="Characters of a GraphQL document; a longer one is refused"
    )
    max_document_tokens: Annotated[int, Field(ge=10)] = Field(
        default=5_000, description="Tokens of a GraphQL document; one with more is refused"
    )
    max_depth: Annotated[int, Field(ge=3)] = Field(
        default=20, description="Levels of fields within fields in an operation; a deeper one is refused"
    )
    max_aliases: Annotated[int, Field(ge=0)] = Field(
        default=200, description="Aliases in an operation; one with more is refused"
    )
    max_directives: Annotated[int, Field(ge=0)] = Field(
        default=100, description="Directives in an operation; one with more is refused"
    )
    max_cost: Annotated[int, Field(ge=1000)] = Field(
        default=1_000_000,
        description=(
            "Values, objects and their fields, that an operation may request, computed from its limits; "
            "one that requests more is refused"
        ),
    )
    max_variable_values: Annotated[int, Field(ge=500)] = Field(
        default=20_000,
        description="Values in the variables of a request, the points of logMetrics not counted; more are refused",
    )
    max_batch: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=10_000, description="Points in one logMetrics; more are answered with InvalidInput"
    )
    operation_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0, description="Seconds that a query or a mutation may take; a longer one is answered with TIMED_OUT"
    )
    introspection: bool = Field(default=True, description="Answer queries about the schema; the playground needs it")
    suggestions: bool = Field(default=True, description="Suggest names of the schema in errors about misspelt ones")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="The lowest level that is logged; info has a line for each request"
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="The log's format: text for people, or a JSON object a line"
    )
    tracing: bool = Field(
        default=False,
        description="Send OpenTelemetry traces, a span an operation, by the OTEL_ variables; needs the extra tracing",
    )

    @property
    def is_for_this_machine_alone(self) -> bool:
        """Whether no other machine is meant to reach the server, directly, by a name or through a proxy."""
        return is_loopback(self.host) and not self.allowed_hosts and not self.trusted_proxies


class SettingsError(Exception):
    """A setting has a wrong value. The message is one line that names it."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on a host."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def environment_name(setting: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + setting.upper()


def flag_name(setting: str) -> str:
    """The command line's flag of a setting."""
    return "--" + setting.replace("_", "-")


def grouped() -> dict[str, list[str]]:
    """Heading -> the settings that are listed under it, in order."""
    groups: dict[str, list[str]] = {}
    for name in Settings.model_fields:
        if name in GROUPS:
            groups[GROUPS[name]] = members = []
        members.append(name)
    return groups


def misspelt_variables(names: Iterable[str]) -> dict[str, str | None]:
    """Each environment variable that looks like a setting's and is none -> the setting's that it resembles most."""
    known = {environment_name(setting).removeprefix(ENV_PREFIX) for setting in Settings.model_fields}
    given = {name.removeprefix(ENV_PREFIX) for name in names if name.startswith(ENV_PREFIX)}
    return {
        ENV_PREFIX + name: next((ENV_PREFIX + each for each in difflib.get_close_matches(name, known, 1)), None)
        for name in sorted(given - known - OF_CLIENTS)
    }


def read_settings(**flags: Any) -> Settings:
    """The settings, where a flag that is None was not given. Raises SettingsError."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = flag_name(name) if name in given else environment_name(name)
        raise SettingsError(f"{source}: {_rule_of(first)}, got {first['input']!r}.") from error


RULES = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "string_too_short": "must not be empty",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be {expected}",
}
"""pydantic's kind of error -> the rule that was broken, in our words."""


def _rule_of(error: ErrorDetails) -> str:
    rule = RULES.get(error["type"], error["msg"].lower())
    return rule.format_map(error.get("ctx", {}))
