"""Which addresses webhooks are sent to."""

import asyncio

import pytest

from models.alerts.webhook import is_public, why_no_webhook
from models.webhooks.receiver import NotDelivered, Receivers, Refused
from tests.tools.receivers import OK, receiving

PRIVATE = (
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "239.255.255.250",
    "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1",
    "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.5", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::10.0.0.5", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:5::1", "2001:0:7f00:1::1",
)  # fmt: skip
"""Of this machine, private networks, links, carriers, many machines, clouds' metadata; and the same within IPv6."""
PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1")
LOOPBACK = ("127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "[::1]",
            "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0")  # fmt: skip
"""Notations of this machine."""
NAMES = ("localhost", "LOCALHOST", "localhost.localdomain", "localhost.")
"""Names of it, where a machine has them."""


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_no_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_one_of_the_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_private_address_is_refused_for_a_rule_in_every_notation(host: str) -> None:
    reason = why_no_webhook(f"https://{host}/secret")
    assert reason == "must be an address of the internet, or of a host that --allowed-webhooks names."


def test_a_host_that_is_allowed_may_be_private_and_without_tls() -> None:
    allowed = {"ntfy.lan", "10.0.0.5", "fd00::5"}
    for to in (
        "http://ntfy.lan/a",
        "https://10.0.0.5",
        "http://10.0.0.5:8080/",
        "http://[fd00::5]/",
        "http://NTFY.lan",
    ):
        assert why_no_webhook(to, allowed) is None
    for to in ("http://ntfy.lan.org", "http://a@ntfy.lan", "ftp://ntfy.lan", "http://example.org", "//ntfy.lan"):
        assert why_no_webhook(to, allowed) is not None


@pytest.mark.parametrize("host", [*LOOPBACK, *NAMES])
async def test_nothing_is_sent_to_this_machine_whatever_it_is_called(host: str) -> None:
    async with receiving() as receiver:
        with pytest.raises(NotDelivered) as raised:
            await Receivers([]).post(f"http://{host}:{receiver.port}/secret", {}, b"{}")
        if "name" not in str(raised.value).lower():  # not every machine has every name
            assert isinstance(raised.value, Refused)
        assert "secret" not in str(raised.value)
        assert receiver.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
async def test_a_host_that_is_allowed_is_told(host: str) -> None:
    async with receiving() as receiver:
        assert await Receivers([host]).post(f"http://{host}:{receiver.port}", {"X-Own": "1"}, b"[]") == 200
        (request,) = receiver.requests
        assert (request.line, request.headers["host"]) == ("POST / HTTP/1.1", f"{host}:{receiver.port}")
        assert (request.headers["x-own"], request.body) == ("1", b"[]")


async def test_what_stands_in_an_address_is_sent_as_it_is_or_encoded() -> None:
    async with receiving() as receiver:
        await Receivers(["127.0.0.1"]).post(f"http://127.0.0.1:{receiver.port}/a%2Fb/{{}}?c=<d>&e=%20#f", {}, b"")
        assert receiver.requests[0].line == "POST /a%2Fb/%7B%7D?c=%3Cd%3E&e=%20 HTTP/1.1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with receiving() as inner:
        to = f"http://127.0.0.1:{inner.port}/".encode()
        answer = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, to)
        async with receiving(answer) as receiver:
            assert await Receivers(["127.0.0.1"]).post(f"http://127.0.0.1:{receiver.port}", {}, b"") == status
        assert inner.requests == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, 200),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200),
        (b"HTTP/1.0 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + bytes(300_000), 200),
        (b"hello", None),
        (b"HTTP/1.1 OK\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 300_000, None),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\n", None),
    ],
)
async def test_of_an_answer_the_status_is_read_and_not_much_more(answer: bytes, status: int | None) -> None:
    async with receiving(answer) as receiver:
        post = Receivers(["127.0.0.1"]).post(f"http://127.0.0.1:{receiver.port}", {}, b"")
        if status is None:
            with pytest.raises(NotDelivered):
                await post
        else:
            assert await post == status


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".example.org", "a..b"])
async def test_a_name_that_leads_nowhere_is_not_told(host: str) -> None:
    with pytest.raises(NotDelivered):
        await Receivers([host]).post(f"http://{host}/", {}, b"")


async def test_where_nobody_listens_nobody_is_told() -> None:
    async with receiving() as receiver:
        port = receiver.port
    with pytest.raises(NotDelivered):
        await Receivers(["127.0.0.1"]).post(f"http://127.0.0.1:{port}/", {}, b"")


async def test_a_request_that_is_given_up_leaves_nothing_behind() -> None:
    async with receiving(b"") as receiver:
        post = asyncio.create_task(Receivers(["127.0.0.1"]).post(f"http://127.0.0.1:{receiver.port}/", {}, b""))
        await receiver.until(1)
        post.cancel()
        with pytest.raises(asyncio.CancelledError):
            await post
