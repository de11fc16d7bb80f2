"""Every setting: its name, its default, and what it does. Read once, passed in, never patched."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.addresses import hosts_listed, networks_listed, origins_listed, prefix

__all__ = ["ENV_PREFIX", "Settings", "SettingsError", "environment_name", "flag_name", "read_settings"]

ENV_PREFIX = "TRAINING_MONITOR_"


class Settings(BaseSettings):
    """The settings of one server, from flags, else from the environment, else the defaults."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="The address to listen on; 0.0.0.0 for every one of this machine's"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8000, description="The port to listen on; 0 takes a free one"
    )
    root_path: Annotated[str, AfterValidator(prefix)] = Field(
        default="", description="Prefix below which a proxy serves this, as /monitor"
    )
    database_url: str = Field(
        default="sqlite://training-monitor.sqlite3",
        description="Where jobs are stored: sqlite://path from here, sqlite:///path for an absolute one, "
        "or postgres://user:password@host:5432/name",
    )
    database_connections: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Connections that each worker keeps to PostgreSQL at most"
    )
    database_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=10.0, description="Seconds to wait for the store: for a connection, another writer, an answer"
    )
    feed_url: str = Field(
        default="",
        description="What carries news between workers and replicas, Redis or Valkey: redis://host:6379/0",
    )
    feed_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=2.0, description="Seconds to wait for the feed: for a connection, for an answer"
    )
    workers: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="Processes that share the port; more than one need a feed"
    )
    max_sockets: Annotated[int, Field(ge=1)] = Field(
        default=10_000,
        description="Sockets and streams that a worker has open at once; one more is refused with 503. A tenth as many "
        "sockets may wait that have not said who they are, where that takes a token",
    )
    max_socket_operations: Annotated[int, Field(ge=1)] = Field(
        default=100, description="Operations that may run on one socket at once; one more is answered with an error"
    )
    max_message_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=4 * 2**20,
        description="Longest body or message taken; a longer one is refused with 413, or closes its socket with 1009",
    )
    init_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=10.0, description="Seconds a socket may take to begin its protocol; a slower one is closed with 4408"
    )
    ping_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=15.0,
        description="Seconds between signs of life on streams; a peer silent or reading nothing for two is cut off",
    )
    live_buffer: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=500,
        description="Newest points of a watched job kept in memory; a watcher further behind reads the store",
    )
    live_check_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=1.0,
        description="Seconds between two looks at the store for each watched job, in case news of it was lost",
    )
    open_reads: bool = Field(
        default=False, description="Let everyone read without a token; to change anything still takes one"
    )
    insecure: bool = Field(
        default=False, description="Serve beyond this machine though there is no token: to everyone who can connect"
    )
    allowed_hosts: Annotated[str, AfterValidator(hosts_listed)] = Field(
        default="",
        description="Names that this server goes by, with commas, as runs.example.org; "
        "addresses and localhost always do",
    )
    allowed_origins: Annotated[str, AfterValidator(origins_listed)] = Field(
        default="",
        description="Origins of other sites whose pages may call, with commas, as https://dash.example.org",
    )
    trusted_proxies: Annotated[str, AfterValidator(networks_listed)] = Field(
        default="",
        description="Addresses of the proxies in front, with commas: their X-Forwarded-For says who is asking",
    )
    request_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0, description="Seconds in which a request must have arrived; a slower one is refused with 408"
    )
    max_header_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=32 * 2**10, description="Bytes of a request's headers; one with more is refused with 431"
    )
    max_requests_a_second: Annotated[int, Field(ge=1)] = Field(
        default=2_000,
        description="Requests a second that a client may make, for a few seconds twice as many; one more is refused "
        "with 429. This machine's own are not counted",
    )
    max_messages_a_second: Annotated[int, Field(ge=1)] = Field(
        default=200,
        description="Messages a second that a socket may send, for a few seconds twice as many; "
        "more close it with 4429",
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
        description="Values, objects and their fields, that an operation may ask for, counted by the limits it gives; "
        "one that asks for more is refused",
    )
    max_variable_values: Annotated[int, Field(ge=500)] = Field(
        default=20_000,
        description="Values in the variables of a request, beside the points of logMetrics; one with more is refused",
    )
    max_batch: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=10_000, description="Points in one logMetrics; a call with more is answered with InvalidInput"
    )
    max_unread_bytes: Annotated[int, Field(ge=2**20)] = Field(
        default=256 * 2**20,
        description="Bytes of long answers, of all clients of a worker, that wait to be read; past them, who has read "
        "nothing for longest is cut off",
    )
    operation_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0, description="Seconds that a query or a mutation may take; a longer one is answered with an error"
    )
    introspection: bool = Field(default=True, description="Answer queries about the schema; the playground needs it")
    suggestions: bool = Field(default=True, description="Suggest names of the schema in errors about misspelt ones")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="The least that is logged; info has a line for each request"
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="How it is logged: for people, or a JSON object a line"
    )
    tracing: bool = Field(
        default=False,
        description="Send OpenTelemetry traces, a span for each operation, as the OTEL_ variables say; "
        "install training-monitor[tracing]",
    )


class SettingsError(Exception):
    """A setting has a wrong value. The message is one line that names it."""


def environment_name(setting: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + setting.upper()


def flag_name(setting: str) -> str:
    """The command line's flag of a setting."""
    return "--" + setting.replace("_", "-")


def read_settings(**flags: Any) -> Settings:
    """The settings, where a flag that is None was not given. Raises SettingsError."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = flag_name(name) if name in given else environment_name(name)
        raise SettingsError(f"{source}: {first['msg'].lower()}, got {first['input']!r}.") from error
