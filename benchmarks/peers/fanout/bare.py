"""uvicorn's limit: a bare ASGI app that sends frames which are ready, and knows no GraphQL."""

import asyncio
import json
import sys
from typing import Any

import uvicorn

sockets: set[Any] = set()


def frame(seq: int) -> str:
    point = {"seq": seq, "step": seq, "epoch": 1, "loss": 1 / seq, "accuracy": 1 - 1 / seq, "learningRate": 0.1}
    return json.dumps({"id": "1", "type": "next", "payload": {"data": {"metricAdded": point}}})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        await receive()
        await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
        await receive()
        sockets.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        sockets.discard(send)
    elif scope["type"] == "http":
        variables = json.loads((await receive())["body"])["variables"]
        for seq in range(variables["first"], variables["first"] + variables["count"]):
            message = {"type": "websocket.send", "text": frame(seq)}
            for send_frame in list(sockets):
                await send_frame(message)
            await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    port = int(sys.argv[1])
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    uvicorn.run(
        app, port=port, log_level="warning", lifespan="off", ws="websockets-sansio", ws_per_message_deflate=False
    )
