"""Every setting: its name, its default, and what it does. Read once, passed in, never patched."""

import difflib
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, LiteralString

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.addresses import address_in, listed, networks_in

__all__ = ["Settings", "SettingsError", "flag_name", "grouped", "misspelt_variables", "read_settings", "variable_name"]

ENV_PREFIX = "TRAINING_MONITOR_"
OF_CLIENTS = {"URL", "TOKEN", "DIR", "MODE"}
"""Variables, without the prefix, that clients read and servers ignore without a warning."""

HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
OWN = re.compile(r"/(assets|graphql|healthz|metrics|playground|readyz|session|sign-in|sign-out|training)(/.*)?")
"""Paths that the server has itself, so that they say nothing of a prefix."""


def _is_network(text: str) -> bool:
    try:
        return bool(networks_in(text))
    except ValueError:
        return False


def _list_of(matches: Callable[[str], object], rule: LiteralString) -> AfterValidator:
    """A check of each part of a list."""

    def checked(text: str) -> str:
        if not all(map(matches, listed(text))):
            raise PydanticCustomError("list", rule)
        return text

    return AfterValidator(checked)


def _prefix(text: str) -> str:
    path = text.rstrip("/")
    if not PREFIX.fullmatch(path) or OWN.fullmatch(path):
        raise PydanticCustomError("prefix", "must be a path that is none of the server's own, as /monitor")
    return path


def _public_url(text: str) -> str:
    url = text.rstrip("/")
    origin = ORIGIN.match(url)
    if url and not (origin and PREFIX.fullmatch(url[origin.end() :])):
        raise PydanticCustomError("url", "must be an address with its scheme, as https://runs.example.org/monitor")
    return url


def _is_receiver(text: str) -> bool:
    return HOST.fullmatch(text) is not None or address_in(text) is not None


def _secret_file(path: str) -> str:
    if path and not _secret_in(path):
        raise PydanticCustomError("file", "must be a file with a secret that this process can read")
    return path


def _secret_in(path: str) -> bytes:
    """The secret in a file, without the white space around it; empty where there is none, or it cannot be read."""
    try:
        return Path(path).read_bytes().strip()
    except (OSError, ValueError):
        return b""


Hosts = Annotated[str, _list_of(HOST.fullmatch, "must be names, comma-separated, as runs.example.org")]
Origins = Annotated[
    str, _list_of(ORIGIN.fullmatch, "must be origins with their scheme, comma-separated, as https://dash.example.org")
]
Networks = Annotated[str, _list_of(_is_network, "must be addresses or networks, as 10.0.0.5,10.1.0.0/16")]
Prefix = Annotated[str, AfterValidator(_prefix)]
"""Without the slash at its end."""
SecretFile = Annotated[str, AfterValidator(_secret_file)]
Receivers = Annotated[
    str, _list_of(_is_receiver, "must be names or addresses without a port, comma-separated, as ntfy.lan,10.0.0.5")
]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
"""Without the slash at its end."""
Seconds = Annotated[float, Field(gt=0, le=3600)]

GROUPS: Mapping[str, str] = {
    "host": "Address",
    "database_url": "Store and feed",
    "keep_days": "Jobs",
    "webhook_secret": "Webhooks",
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


def _setting(default: object, description: str, *, ge: float | None = None, le: float | None = None) -> Any:
    return Field(default, description=description, ge=ge, le=le)


class Settings(BaseSettings):
    """The settings of one server, from flags, else from the environment, else the defaults."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1), AfterValidator(_is_host)] = _setting(
        "127.0.0.1", "The address to listen on; 0.0.0.0 for every one of this machine's"
    )
    port: int = _setting(8000, "The port to listen on; 0 takes a free one", ge=0, le=65535)
    root_path: Prefix = _setting("", "Prefix below which a proxy serves this, as /monitor")
    public_url: PublicUrl = _setting(
        "", "The address at which people reach this, for links in webhooks, as https://runs.example.org/monitor"
    )
    workers: int = _setting(1, "Processes that share the port; more than one need a feed", ge=1, le=1000)
    database_url: str = _setting(
        "sqlite://training-monitor.sqlite3",
        "Where jobs are stored: sqlite://path from the current folder, sqlite:///path for an absolute "
        "path, or postgres://user@host:5432/name with its password in PGPASSWORD or the file PGPASSFILE: the address "
        "may have it too, but a command line is there for all users of the machine to read",
    )
    database_connections: int = _setting(10, "Connections that each worker keeps to PostgreSQL at most", ge=1, le=1000)
    database_seconds: Seconds = _setting(
        10.0, "Seconds to wait for the store: for a connection, for another writer, for a reply"
    )
    feed_url: str = _setting(
        "", "Redis or Valkey that carries events between workers and replicas: redis://host:6379/0"
    )
    feed_seconds: Seconds = _setting(2.0, "Seconds to wait for the feed: for a connection, for a reply")
    keep_days: float = _setting(
        0.0,
        "Days after its last change when a job that does not run is deleted with its points; 0 for never",
        ge=0,
    )
    fail_lost_after: float = _setting(
        0.0, "Seconds after which a job that is lost, for its loop missed its heartbeats, fails; 0 for never", ge=0
    )
    show_secrets: bool = _setting(
        False, "Show the values of a job's config and source that are masked, for their names look like a secret's"
    )
    webhook_secret: str = Field(
        default="",
        description="Signs what webhooks are sent, by HMAC-SHA256; a command line is there for all users of the "
        "machine to read",
        repr=False,
    )
    webhook_secret_file: SecretFile = _setting("", "A file with that secret, instead of the secret itself")
    allowed_webhooks: Receivers = _setting(
        "",
        "Hosts that webhooks may be sent to although their addresses are private, and by http too, comma-separated, as "
        "ntfy.lan,10.0.0.5",
    )
    open_reads: bool = _setting(False, "Let every client read without a token; to change anything still takes one")
    insecure: bool = _setting(
        False, "Serve beyond this machine although there is no token: to every client that can connect"
    )
    allowed_hosts: Hosts = _setting(
        "", "Names of this server, comma-separated, as runs.example.org; addresses and localhost always work"
    )
    allowed_origins: Origins = _setting(
        "", "Origins of other sites whose pages may call, comma-separated, as https://dash.example.org"
    )
    trusted_proxies: Networks = _setting(
        "", "Addresses of the proxies in front, comma-separated: their X-Forwarded-For is believed"
    )
    request_seconds: Seconds = _setting(
        30.0,
        "Seconds in which a request, or a message on a socket, must have arrived; a slower request is "
        "refused with 408, a slower message closes its socket with 4408",
    )
    max_header_bytes: int = _setting(32 * 2**10, "Bytes of a request's headers; more are refused with 431", ge=1024)
    max_message_bytes: int = _setting(
        8 * 2**20,
        "Bytes of a request body or a socket message; a longer body is refused with 413, a longer message"
        " closes its socket with 1009",
        ge=1024,
    )
    max_requests_a_second: int = _setting(
        2_000,
        "Requests a second from one client, twice as many for a few seconds; more are refused with 429. "
        "Requests from this machine are not counted",
        ge=1,
    )
    keep_alive_seconds: int = _setting(75, "Seconds that a connection stays open for a next request", ge=1, le=3600)
    max_arriving_bytes: int = _setting(
        64 * 2**20,
        "Bytes of unfinished bodies and messages in a worker; past them, the one that has not grown for "
        "longest is refused with 503, or closes its socket with 1013",
        ge=2**20,
    )
    max_sockets: int = _setting(
        10_000,
        "Sockets and streams open at once in a worker; one more is refused with 503. Where there are "
        "tokens, a tenth as many unauthenticated sockets may be open beside them",
        ge=1,
    )
    max_socket_operations: int = _setting(
        100, "Operations that may run on one socket at once; one more is answered with an error", ge=1
    )
    max_messages_a_second: int = _setting(
        200, "Messages a second on one socket, twice as many for a few seconds; more close it with 4429", ge=1
    )
    init_seconds: Seconds = _setting(
        10.0, "Seconds for a socket to send connection_init; a slower one is closed with 4408"
    )
    ping_seconds: Seconds = _setting(
        15.0, "Seconds between pings on streams; a peer that does not answer or read for two is cut off"
    )
    live_buffer: int = _setting(
        500, "Newest points of a watched job kept in memory; a watcher further behind reads the store", ge=1, le=100_000
    )
    live_check_seconds: Seconds = _setting(
        1.0, "Seconds between two looks at the store for each watched job, in case the feed lost an event"
    )
    max_document_characters: int = _setting(50_000, "Characters of a GraphQL document; a longer one is refused", ge=100)
    max_document_tokens: int = _setting(5_000, "Tokens of a GraphQL document; one with more is refused", ge=10)
    max_depth: int = _setting(20, "Levels of fields within fields in an operation; a deeper one is refused", ge=3)
    max_aliases: int = _setting(200, "Aliases in an operation; one with more is refused", ge=0)
    max_directives: int = _setting(100, "Directives in an operation; one with more is refused", ge=0)
    max_cost: int = _setting(
        1_000_000,
        "Values, objects and their fields, that an operation may request, computed from its limits; one "
        "that requests more is refused",
        ge=1000,
    )
    max_variable_values: int = _setting(
        20_000, "Values in the variables of a request, the points of logMetrics not counted; more are refused", ge=500
    )
    max_batch: int = _setting(10_000, "Points in one logMetrics; more are answered with InvalidInput", ge=1, le=10_000)
    operation_seconds: Seconds = _setting(
        30.0, "Seconds that a query or a mutation may take; a longer one is answered with TIMED_OUT"
    )
    introspection: bool = _setting(True, "Answer queries about the schema; the playground needs it")
    suggestions: bool = _setting(True, "Suggest names of the schema in errors about misspelt ones")
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "warning", "The lowest level that is logged; info has a line for each request"
    )
    log_format: Literal["console", "json"] = _setting(
        "console", "The log's format: text for people, or a JSON object a line"
    )
    tracing: bool = _setting(
        False, "Send OpenTelemetry traces, a span an operation, by the OTEL_ variables; needs the extra tracing"
    )

    @property
    def webhook_key(self) -> bytes:
        """What signs webhooks; empty for nothing. Raises SettingsError where its file is gone since the start."""
        if not self.webhook_secret_file:
            return self.webhook_secret.encode(errors="surrogateescape")
        if key := _secret_in(self.webhook_secret_file):
            return key
        raise SettingsError("--webhook-secret-file: there is no secret in it any more.")

    @property
    def is_for_this_machine_alone(self) -> bool:
        """Whether no other machine is meant to reach the server, directly, by a name or through a proxy."""
        return self.is_loopback and not self.allowed_hosts and not self.trusted_proxies

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect to the host that it listens on."""
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


class SettingsError(Exception):
    """A setting has a wrong value. The message is one line that names it."""


def variable_name(setting: str) -> str:
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
    known = {variable_name(setting).removeprefix(ENV_PREFIX) for setting in Settings.model_fields}
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
        source = flag_name(name) if name in given else variable_name(name)
        rule = RULES.get(first["type"], first["msg"].lower()).format_map(first.get("ctx", {}))
        raise SettingsError(f"{source}: {rule}, got {first['input']!r}.") from error


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
