"""Two replicas of the server, on PostgreSQL and Valkey from wheels; `python -m tests.tools.replicas` serves them."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.tools.postgres import Postgres
from tests.tools.process import ServerProcess
from tests.tools.valkey import Valkey


@contextlib.contextmanager
def replicas(ports: Sequence[int] = (0, 0), *options: str) -> Iterator[list[ServerProcess]]:
    """A server for each port, 0 for a free one, all of one new store; gone when the block ends, with all it kept.

    `options` are PostgreSQL's, each name=value.
    """
    with Postgres(None, *options) as postgres, Valkey() as valkey, contextlib.ExitStack() as stack:
        servers = [
            ServerProcess(postgres.url(), "--feed-url", valkey.url, port=port, is_forked=False) for port in ports
        ]
        with ThreadPoolExecutor() as starting:
            for started in [starting.submit(stack.enter_context, server) for server in servers]:
                started.result()
        yield servers


def main() -> None:
    parser = argparse.ArgumentParser(prog="make replicas", description=__doc__)
    parser.add_argument("--ports", type=int, nargs="+", default=[8001, 8002], help="one for each replica")
    ports: list[int] = parser.parse_args().ports
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            with replicas(ports) as servers:
                print("The replicas are at", *(server.url for server in servers), "(Ctrl-C ends them)", flush=True)  # noqa: T201  # what this command says
                for server in servers:
                    print("training-monitor", shlex.join(server.arguments), flush=True)  # noqa: T201  # as above
                sys.exit(_what_ended(servers))
        except RuntimeError as error:  # why one of them did not start
            sys.exit(str(error).strip())


def _what_ended(servers: Sequence[ServerProcess]) -> str:
    """Wait until one of our processes ends by itself, and tell of it."""
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    for server in servers:
        if server.process.pid == ended.si_pid:
            return f"The replica at {server.url} ended with status {server.process.wait()}.\n{server.log}".strip()
    return "PostgreSQL or Valkey ended."


if __name__ == "__main__":
    main()
