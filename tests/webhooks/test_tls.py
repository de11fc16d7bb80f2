"""Webhooks over TLS: the certificate is that of the name, though the connection is to an address."""

import ssl
from pathlib import Path

import pytest
import trustme

from models.webhooks.receiver import NotDelivered, Receivers
from tests.tools.receivers import receiving

AUTHORITY = trustme.CA()


def serving_as(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


async def test_a_receiver_whose_certificate_is_of_its_name_is_told(trusted: None) -> None:
    async with receiving(tls=serving_as("localhost")) as receiver:
        assert await Receivers(["localhost"]).post(f"https://localhost:{receiver.port}/", {}, b"x") == 200


async def test_one_whose_certificate_is_of_another_name_is_not(trusted: None) -> None:
    async with receiving(tls=serving_as("example.org")) as receiver:
        with pytest.raises(NotDelivered, match="certificate"):
            await Receivers(["localhost"]).post(f"https://localhost:{receiver.port}/", {}, b"x")
        assert receiver.requests == []


async def test_nor_one_whose_authority_nobody_knows() -> None:
    async with receiving(tls=serving_as("localhost")) as receiver:
        with pytest.raises(NotDelivered, match="certificate"):
            await Receivers(["localhost"]).post(f"https://localhost:{receiver.port}/", {}, b"x")
        assert receiver.requests == []
