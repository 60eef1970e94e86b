"""aioapns with its own defaults, 500 in flight. Prints {"cpu", "speed"}: CPU seconds a message, messages a second."""

import asyncio
import json
import os
import resource
import ssl
import sys
import time
import uuid
from urllib.parse import urlsplit

from aioapns import APNs, NotificationRequest, PushType, connection

asked = json.loads(os.environ["BENCH"])
place = urlsplit(asked["origin"])
connection.APNsProductionClientProtocol.APNS_SERVER = place.hostname
connection.APNsProductionClientProtocol.APNS_PORT = place.port


def used() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def request(n: int) -> NotificationRequest:
    return NotificationRequest(
        device_token=f"{n:064x}",
        message={
            "aps": {"alert": {"title": f"Name{n}, your basket is waiting", "body": "x" * 140}},
            "push": str(n),
            "receipt": "x" * 60,
            "url": "https://shop.example/cart",
            "manage": "x" * 60,
        },
        notification_id=str(uuid.UUID(int=n)),
        time_to_live=3600,
        priority=10,
        push_type=PushType.ALERT,
    )


async def main() -> None:
    context = ssl.create_default_context(cafile=asked["ca"])
    context.set_alpn_protocols(["h2"])
    client = APNs(
        key=asked["p8"],
        key_id="KEY1234567",
        team_id="TEAM123456",
        topic="com.example.shop",
        ssl_context=context,
    )
    assert (await client.send_notification(request(1))).is_successful
    began, stood = used(), time.monotonic()
    done = 0
    while done < asked["count"]:
        size = min(500, asked["count"] - done)
        answers = await asyncio.gather(*(client.send_notification(request(done + n + 2)) for n in range(size)))
        assert all(answer.is_successful for answer in answers)
        done += size
    wall = time.monotonic() - stood
    sys.stdout.write(json.dumps({"cpu": (used() - began) / done, "speed": done / wall}) + "\n")


asyncio.run(main())
