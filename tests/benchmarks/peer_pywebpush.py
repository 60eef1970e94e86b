"""The loop that pywebpush's readme shows. Prints {"cpu", "speed"}: CPU seconds a message, messages a second."""

import json
import os
import resource
import sys
import time

from py_vapid import Vapid02
from pywebpush import webpush

asked = json.loads(os.environ["BENCH"])
vapid = Vapid02.from_pem(asked["private"].encode())
payload = json.dumps({"title": "Name1, your basket is waiting", "body": "x" * 200, "url": "https://shop.example/cart"})


def used() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


began, stood = used(), time.monotonic()
for number in range(asked["count"]):
    webpush(
        {
            "endpoint": f"{asked['origin']}/push/{number}",
            "keys": {"p256dh": asked["p256dh"], "auth": asked["auth"]},
        },
        payload,
        vapid_private_key=vapid,
        vapid_claims={"sub": "mailto:push@example.com"},
        ttl=60,
    )
wall = time.monotonic() - stood
sys.stdout.write(json.dumps({"cpu": (used() - began) / asked["count"], "speed": asked["count"] / wall}) + "\n")
