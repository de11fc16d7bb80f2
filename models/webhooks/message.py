"""What a webhook says: one body that Slack, Discord and ntfy all show, and the headers that sign it. No I/O."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from math import isfinite

import orjson

from models.alert import AlertLevel
from models.alerts.outbox import Delivery

MAX_TEXT = 2_000
"""Characters that Discord takes."""
MAX_BYTES = 4_000
"""Bytes that ntfy takes as one message."""
PRIORITIES = {AlertLevel.INFO: 3, AlertLevel.WARNING: 4, AlertLevel.ERROR: 5}
"""ntfy's, from 1 to 5."""


def body_of(delivery: Delivery, public_url: str) -> bytes:
    """The JSON of an alert. `public_url`: where people reach the server; empty where nobody knows."""
    alert, rule, job, _ = delivery
    url = f"{public_url}/training/jobs/{job.id}" if public_url else None
    place = f"{job.name} in {job.project}"
    lines = [f"{alert.level.value} {alert.title}", f"{place}: {url}" if url else place, alert.text]
    shown = "\n".join(filter(None, lines)).encode()[:MAX_BYTES].decode(errors="ignore")[:MAX_TEXT]
    return orjson.dumps(
        {
            "text": shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),  # as Slack has it
            "content": shown,
            "allowed_mentions": {"parse": []},  # a job whose name has @everyone wakes nobody on Discord
            "alert": {
                "id": f"alert:{alert.id}",
                "level": alert.level.value,
                "title": alert.title,
                "text": alert.text or None,
                "raisedAt": alert.raised_at.isoformat(),
                "rule": {"id": f"rule:{rule.id}", "name": rule.name, "condition": rule.condition.value},
                "job": {"id": str(job.id), "name": job.name, "project": job.project, "url": url},
                "series": rule.series,
                "seq": alert.seq,
                "step": alert.step,
                "value": alert.value if alert.value is not None and isfinite(alert.value) else None,
            },
        }
    )


def headers_of(delivery: Delivery, body: bytes, secret: bytes, at: float) -> Mapping[str, str]:
    """The headers for a body that is sent at a moment, in seconds since 1970; signed where there is a secret.

    Id, time and signature are as https://www.standardwebhooks.com has them. ntfy takes from its own what to show of the
    body, which it would show whole; others do not read them.
    """
    alert = delivery.alert
    id, moment = f"alert-{alert.id}-{alert.raised_at.timestamp():.0f}", str(int(at))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "training-monitor",
        "webhook-id": id,
        "webhook-timestamp": moment,
        "X-Template": "yes",
        "X-Title": "{{.alert.job.name}}",
        "X-Message": "{{.content}}",
        "X-Priority": str(PRIORITIES[alert.level]),
    }
    if secret:
        signature = hmac.digest(secret, f"{id}.{moment}.".encode() + body, "sha256")
        headers["webhook-signature"] = f"v1,{b64encode(signature).decode()}"
    return headers
