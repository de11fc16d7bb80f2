"""What is delivered, where, and how often: over failures, by one of several processes, past receivers that are dead."""

import asyncio
import contextlib
import hmac
import json
import logging
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from models.alert import AlertLevel, Condition
from models.alerts.alerts import Alerts, alerts_after
from models.alerts.checker import AlertChecker
from models.alerts.outbox import ATTEMPTS, LEASE, claimed, due_deliveries, postponed
from models.alerts.rule import AlertRule
from models.housekeeping import Housekeeping
from models.job import Job, now
from models.webhooks.receiver import Receivers
from models.webhooks.sender import Outcome, Webhooks
from tests.alerts.rules import new_rule
from tests.tools.domain import Domain, a_point, opened_domain
from tests.tools.logged import logged
from tests.tools.outside import Outside
from tests.tools.receivers import FAILING, OK, SILENT, Receiver, receiving
from tests.tools.waiting import PATIENCE, eventually

HOST = "127.0.0.1"
PAST = "2020-01-01 00:00:00+00:00"


class Deployment:
    """A store with rules and alerts, and processes that tell of them."""

    def __init__(self, domain: Domain, outside: Outside) -> None:
        self.domain = domain
        self.outside = outside
        self.alerts = Alerts(domain.database, domain.feed, {HOST})
        self.checker = AlertChecker(domain.database, domain.feed, PATIENCE)
        self.outcomes: list[Outcome] = []

    def sender(self, of: Domain | None = None, **settings: Any) -> Webhooks:
        """What one process tells, looking often. `of`: another one's connection to the store."""
        of, given = of or self.domain, {"check_seconds": 0.02, "counted": self.outcomes.append, **settings}
        return Webhooks(of.database, of.feed, Receivers({HOST}), **given)

    async def rule(self, receiver: Receiver, path: str = "", **settings: Any) -> AlertRule:
        """A rule with a webhook."""
        webhook = f"http://{HOST}:{receiver.port}/{path}"
        return await self.alerts.create_rule(new_rule(**settings)._replace(webhook=webhook))

    async def raised(self, **settings: Any) -> Job:
        """A job for which each rule about losses above 10 has raised an alert."""
        job = await self.domain.job(**settings)
        await self.domain.jobs.log(job.id, [a_point(7, loss=11.5)])
        await self.checker.look({job.id: None})
        return job

    def waiting(self) -> list[Any]:
        """The attempts so far of what is still to be delivered."""
        return [row[0] for row in self.outside.execute("SELECT attempts FROM alert_delivery ORDER BY id")]

    async def until_due_again(self) -> None:
        """Let time pass, once attempts are over."""
        count = len(self.outcomes)
        self.outside.execute(f"UPDATE alert_delivery SET due_at = '{PAST}'")
        await eventually(lambda: len(self.outcomes) > count)


@pytest.fixture
async def deployment(domain: Domain, outside: Outside) -> Deployment:
    return Deployment(domain, outside)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_an_alert_is_told_once_with_what_is_known_of_it(deployment: Deployment, receiver: Receiver) -> None:
    rule = await deployment.rule(receiver, "T0/B0?key=1", name="high")
    async with deployment.sender(public_url="https://runs.example.org/monitor").running():
        job = await deployment.raised(name="run <1>", project="vision")
        (request,) = await receiver.until(1)
        await eventually(lambda: deployment.outcomes == [Outcome.DELIVERED])
    assert deployment.waiting() == []
    (alert,) = await alerts_after(deployment.domain.database.reader, 0, 10)
    url = f"https://runs.example.org/monitor/training/jobs/{job.id}"
    shown = f"WARNING high: loss is 11.5 at step 7\nrun <1> in vision: {url}\nA value above 10."
    assert request.line == "POST /T0/B0?key=1 HTTP/1.1"
    assert request.json == {
        "text": shown.replace("<", "&lt;").replace(">", "&gt;"), "content": shown, "allowed_mentions": {"parse": []},
        "alert": {
            "id": f"alert:{alert.id}", "level": "WARNING", "title": alert.title, "text": "A value above 10.",
            "raisedAt": alert.raised_at.isoformat(),
            "rule": {"id": f"rule:{rule.id}", "name": "high", "condition": "ABOVE"},
            "job": {"id": str(job.id), "name": "run <1>", "project": "vision", "url": url},
            "series": "loss", "seq": 1, "step": 7, "value": 11.5,
        },
    }  # fmt: skip
    assert "webhook-signature" not in request.headers


async def test_a_secret_signs_id_time_and_body(deployment: Deployment, receiver: Receiver) -> None:
    await deployment.rule(receiver)
    async with deployment.sender(secret=b"s3cret").running():
        await deployment.raised()
        (request,) = await receiver.until(1)
    version, _, signature = request.headers["webhook-signature"].partition(",")
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    assert (version, b64decode(signature)) == ("v1", hmac.digest(b"s3cret", signed, "sha256"))


async def test_an_alert_about_a_job_has_no_value_and_one_that_is_not_finite_null(
    deployment: Deployment, receiver: Receiver
) -> None:
    await deployment.rule(receiver, condition=Condition.FAILED)
    await deployment.rule(receiver, condition=Condition.NOT_FINITE)
    async with deployment.sender().running():
        job = await deployment.domain.job()
        await deployment.domain.jobs.log(job.id, [a_point(7, loss=float("nan"))])
        await deployment.domain.jobs.fail(job.id, "x" * 2_000)
        await deployment.checker.look({job.id: None})
        bodies = sorted(
            (request.json for request in await receiver.until(2)), key=lambda body: body["alert"]["rule"]["id"]
        )
    failed, not_finite = (body["alert"] for body in bodies)
    assert (failed["series"], failed["step"], failed["value"]) == (None, None, None)
    assert len(failed["text"]) == 2_000
    assert len(bodies[0]["content"]) == 2_000
    assert (not_finite["step"], not_finite["value"], not_finite["job"]["url"]) == (7, None, None)


async def test_what_fails_is_told_again_with_the_same_id_until_it_is_answered(
    deployment: Deployment, receiver: Receiver
) -> None:
    receiver.answer = FAILING
    await deployment.rule(receiver)
    async with deployment.sender().running():
        await deployment.raised()
        await receiver.until(1)
        await eventually(lambda: len(deployment.outcomes) == 1)
        await deployment.until_due_again()
        receiver.answer = OK
        await deployment.until_due_again()
    assert deployment.outcomes == [Outcome.FAILED, Outcome.FAILED, Outcome.DELIVERED]
    assert deployment.waiting() == []
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1


async def test_pauses_double_to_an_hour_and_half_of_each_is_chance(deployment: Deployment, receiver: Receiver) -> None:
    await deployment.rule(receiver)
    await deployment.raised()
    database, at = deployment.domain.database, now()
    for attempts, part, seconds in ((0, 0.0, 2.5), (0, 1.0, 5), (3, 1.0, 40), (13, 0.0, 1800), (13, 1.0, 3600)):
        deployment.outside.execute("UPDATE alert_delivery SET attempts = ?, due_at = ?", [attempts, PAST])
        assert await database.write(partial(claimed, 1, at), lambda _: None)
        assert await due_deliveries(database.reader, at + LEASE * 0.99) == []
        await database.write(partial(postponed, 1, attempts + 1, at, part), lambda _: None)
        for moment, count in ((seconds * 0.99, 0), (seconds, 1)):
            assert len(await due_deliveries(database.reader, at + timedelta(seconds=moment))) == count


async def test_what_fails_too_often_is_given_up_with_a_line_that_has_no_secret(
    deployment: Deployment, receiver: Receiver
) -> None:
    receiver.answer = FAILING
    await deployment.rule(receiver, "T0/s3cret?key=s3cret")
    await deployment.raised()
    deployment.outside.execute("UPDATE alert_delivery SET attempts = ?", [ATTEMPTS - 1])
    with logged("models.webhooks.sender", logging.DEBUG) as lines:
        async with deployment.sender().running():
            await eventually(lambda: deployment.outcomes == [Outcome.GIVEN_UP] and not deployment.waiting())
    (line,) = lines
    assert (line["level"], "s3cret" in json.dumps(line)) == ("warning", False)
    assert line["event"] == (
        f"gave up: alert 1 was not delivered to {HOST} by attempt {ATTEMPTS} of {ATTEMPTS}: it answered with 503"
    )


async def test_what_ends_its_process_each_time_is_given_up_too(deployment: Deployment, receiver: Receiver) -> None:
    await deployment.rule(receiver)
    await deployment.raised()
    deployment.outside.execute("UPDATE alert_delivery SET attempts = ?", [ATTEMPTS])
    async with deployment.sender().running():
        await eventually(lambda: deployment.outcomes == [Outcome.GIVEN_UP])
    assert (deployment.waiting(), len(receiver.requests)) == ([], 0)


@pytest.mark.parametrize("name", ["localhost", "2130706433"])
async def test_a_private_address_that_is_not_allowed_is_given_up_at_once(
    deployment: Deployment, receiver: Receiver, name: str
) -> None:
    """Also where a rule was made while it was allowed, or its name led elsewhere."""
    await deployment.rule(receiver)
    deployment.outside.execute("UPDATE alert_rule SET webhook = ?", [f"https://{name}:{receiver.port}/s3cret"])
    with logged("models.webhooks.sender", logging.DEBUG) as lines:
        async with deployment.sender().running():
            await deployment.raised()
            await eventually(lambda: deployment.outcomes == [Outcome.GIVEN_UP] and not deployment.waiting())
    assert receiver.requests == []
    assert "which is no address of the internet" in lines[0]["event"]
    assert "s3cret" not in json.dumps(lines)


async def test_a_redirect_is_a_failure_and_not_followed(deployment: Deployment, receiver: Receiver) -> None:
    to = f"http://{HOST}:{receiver.port}/"
    answer = f"HTTP/1.1 307 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answer.encode()) as moved:
        await deployment.rule(moved)
        async with deployment.sender().running():
            await deployment.raised()
            await eventually(lambda: deployment.outcomes == [Outcome.FAILED])
    assert receiver.requests == []


async def test_a_receiver_that_does_not_answer_delays_no_other_no_loop_and_no_end(
    deployment: Deployment, receiver: Receiver
) -> None:
    async with receiving(SILENT) as dead:
        for _ in range(3):
            await deployment.rule(dead)
        await deployment.rule(receiver)
        async with deployment.sender().running():
            for count in range(1, 4):
                await deployment.raised()
                await receiver.until(count)
            await eventually(lambda: deployment.outcomes == 3 * [Outcome.DELIVERED])
        assert len(dead.requests) == 1, "one at a time, and the end waits for none"
    assert sorted(deployment.waiting()) == [*(8 * [0]), 1]


async def test_what_was_under_way_at_the_end_is_told_by_the_next_process(deployment: Deployment) -> None:
    async with receiving(SILENT) as receiver:
        await deployment.rule(receiver)
        await deployment.raised()
        async with deployment.sender().running():
            await receiver.until(1)
        receiver.answer = OK
        async with deployment.sender().running():
            await deployment.until_due_again()
    assert deployment.outcomes == [Outcome.DELIVERED]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


async def test_of_several_processes_one_tells(deployment: Deployment, receiver: Receiver, database_url: str) -> None:
    await deployment.rule(receiver)
    jobs = [await deployment.raised() for _ in range(10)]
    async with opened_domain(database_url) as other, contextlib.AsyncExitStack() as stack:
        theirs = deployment.sender(of=other)
        for sender in (deployment.sender(), theirs, deployment.sender()):
            await stack.enter_async_context(sender.running())
        await eventually(lambda: len(deployment.outcomes) == 10 and not deployment.waiting())
    assert sorted(int(request.json["alert"]["job"]["id"]) for request in receiver.requests) == [job.id for job in jobs]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 10


async def test_what_another_process_has_taken_is_left_to_it(deployment: Deployment, receiver: Receiver) -> None:
    await deployment.rule(receiver)
    await deployment.raised()
    write, at = deployment.domain.database.write, now()
    found = await asyncio.gather(*(write(lambda: claimed(1, at), lambda _: None) for _ in range(5)))
    assert len([delivery for delivery in found if delivery]) == 1


async def test_alerts_of_a_loop_and_of_rules_without_a_webhook_are_told_to_nobody(deployment: Deployment) -> None:
    await deployment.alerts.create_rule(new_rule())
    job = await deployment.raised()
    await deployment.alerts.raise_by_loop(job.id, "look", None, AlertLevel.INFO)
    assert len(await alerts_after(deployment.domain.database.reader, 0, 10)) == 2
    assert deployment.waiting() == []


async def test_a_rule_that_is_deleted_or_has_its_webhook_removed_and_a_deleted_job_tell_nobody(
    deployment: Deployment, receiver: Receiver
) -> None:
    rule = await deployment.rule(receiver)
    await deployment.raised()
    await deployment.alerts.delete_rule(rule.id)
    assert deployment.waiting() == []
    rule = await deployment.rule(receiver)
    await deployment.raised()
    await deployment.alerts.update_rule(rule.id, new_rule(), keeps_webhook=False)
    async with deployment.sender().running():
        await eventually(lambda: not deployment.waiting())
    await deployment.rule(receiver)
    job = await deployment.raised()
    await deployment.domain.jobs.complete(job.id)
    await deployment.domain.jobs.delete(job.id)
    async with deployment.sender().running():
        await eventually(lambda: not deployment.waiting())
    job = await deployment.raised()
    await deployment.domain.jobs.complete(job.id)
    await deployment.domain.jobs.delete(job.id)
    await Housekeeping(deployment.domain.jobs, fail_lost_after=0, keep_days=0).sweep()
    assert deployment.waiting() == deployment.outcomes == []
    assert receiver.requests == []


async def test_another_address_of_a_rule_is_told_of_what_the_last_one_did_not_take(
    deployment: Deployment, receiver: Receiver
) -> None:
    async with receiving(FAILING) as wrong:
        rule = await deployment.rule(wrong)
        async with deployment.sender().running():
            await deployment.raised()
            await wrong.until(1)
            new = new_rule()._replace(webhook=f"http://{HOST}:{receiver.port}/")
            await deployment.alerts.update_rule(rule.id, new, keeps_webhook=False)
            await eventually(lambda: deployment.outcomes == [Outcome.FAILED])
            await deployment.until_due_again()
    assert len(receiver.requests) == 1


async def test_an_outage_of_the_store_is_outlasted(deployment: Deployment, receiver: Receiver) -> None:
    await deployment.rule(receiver)
    await deployment.raised()
    deployment.outside.execute("ALTER TABLE alert_delivery RENAME TO taken_away")
    with logged("models.webhooks.sender") as lines:
        async with deployment.sender().running():
            await eventually(lambda: len(lines) > 1)
            deployment.outside.execute("ALTER TABLE taken_away RENAME TO alert_delivery")
            await receiver.until(1)
            await eventually(lambda: not deployment.waiting())
