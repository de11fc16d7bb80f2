"""Every setting: its name, its default, and what it does. Read once, passed in, never patched."""

from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

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
        default=10_000, description="Sockets that a worker has open at once; one more is refused with 503"
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
