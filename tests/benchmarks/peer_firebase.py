"""firebase-admin's `send_each`, 500 messages a call. Prints {"cpu", "speed"}: CPU seconds a message, messages a second."""

import datetime as dt
import json
import os
import resource
import sys
import time

import firebase_admin
import google.oauth2.credentials
from firebase_admin import credentials, messaging

asked = json.loads(os.environ["BENCH"])
messaging._MessagingService.FCM_URL = asked["origin"] + "/v1/projects/{0}/messages:send"


class Known(credentials.Base):
    """An access token that is there already: minting it is not measured."""

    def get_credential(self):
        return google.oauth2.credentials.Credentials("ya29.x", expiry=dt.datetime.utcnow() + dt.timedelta(hours=1))


def used() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def batch(first: int, count: int) -> list[messaging.Message]:
    return [
        messaging.Message(
            token=f"fcm{n:08d}:APA91b-{n}_x",
            notification=messaging.Notification(title=f"Name{n}, your basket is waiting", body="x" * 140),
            data={"push": str(n), "receipt": "x" * 60, "url": "https://shop.example/cart", "manage": "x" * 60},
            android=messaging.AndroidConfig(ttl=dt.timedelta(hours=1), priority="normal"),
        )
        for n in range(first, first + count)
    ]


app = firebase_admin.initialize_app(Known(), {"projectId": "shop-1"})
assert messaging.send_each(batch(0, 5), app=app).success_count == 5
began, stood = used(), time.monotonic()
done = 0
while done < asked["count"]:
    size = min(500, asked["count"] - done)
    sent = messaging.send_each(batch(done, size), app=app)
    assert sent.success_count == size, sent.responses[0].exception
    done += size
wall = time.monotonic() - stood
sys.stdout.write(json.dumps({"cpu": (used() - began) / done, "speed": done / wall}) + "\n")
