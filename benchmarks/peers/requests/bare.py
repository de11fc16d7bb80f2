"""uvicorn's limit: a bare ASGI app that answers any request with bytes that are ready, and knows no GraphQL."""

import sys
from typing import Any

import uvicorn

BODY = b'{"data":{"__typename":"Query"}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    port = int(sys.argv[1])
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    uvicorn.run(app, port=port, log_level="warning", lifespan="off")
