"""A scripted FCM with its token service: checks the assertion, the access token and the message, over HTTP/2.

A step's argument is the error code: "404:UNREGISTERED"; "400:FIELD" is a BadRequest that names a field, "400:TOKEN" one
that names the token, "429:DEVICE" the quota of one device. The token service plays the script of the token "mint".
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tests.gateways import streams
from tests.gateways.scripted import Running, parts
from tests.gateways.streams import Answer, Request

MESSAGE = {"token": str, "data": dict, "notification": dict, "android": dict}
NOTIFICATION = {"title", "body", "image"}
ANDROID = {"collapse_key": str, "priority": str, "ttl": str, "notification": dict}
TEXTS = ("title", "body", "icon", "color", "sound", "tag", "channel_id", "image", "click_action")
ANDROID_NOTIFICATION = {**dict.fromkeys(TEXTS, str), "notification_count": int}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass
class Fcm(streams.Streams):
    """`accounts`: by e-mail, the public key (PEM); `granted`: the access tokens that count."""

    project: str = "shop-1"
    accounts: dict[str, str] = field(default_factory=dict)
    granted: list[str] = field(default_factory=list)
    expires_in: int = 3599
    minted: int = 0

    def step(self, token: str) -> str:
        return super().step(token) if token != "mint" or token in self.scripts else "200"

    def token_of(self, request: Request) -> str:
        if request.headers[":path"] == "/token":
            return "mint"
        try:
            return str(json.loads(request.body)["message"]["token"])
        except (KeyError, TypeError, ValueError):
            return "?"

    def opened(self, request: Request) -> dict[str, Any]:
        if request.headers[":path"] == "/token":
            return {"kind": "mint", **self.claims(request)}
        refuse = ""
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.granted:
            refuse = "401:UNAUTHENTICATED"
        try:
            assert request.headers[":path"] == f"/v1/projects/{self.project}/messages:send", request.headers[":path"]
            assert request.headers["content-type"] == "application/json"
            whole = json.loads(request.body)
            assert set(whole) <= {"message", "validate_only"}
            found = {"payload": check_message(whole["message"]), "refuse": refuse}
            return found | {"validate_only": whole.get("validate_only", False)}
        except (AssertionError, KeyError, ValueError) as problem:
            return streams.error(problem) | {"refuse": refuse or "400:INVALID_ARGUMENT"}

    def claims(self, request: Request) -> dict[str, Any]:
        """Of an assertion (RFC 7523) that Google would take."""
        try:
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            header, claims, signed, signature = parts(form["assertion"])
            assert header["alg"] == "RS256"
            load_pem_public_key(self.accounts[claims["iss"]].encode()).verify(  # type: ignore[union-attr,call-arg]
                signature, signed, PKCS1v15(), SHA256()
            )
            assert claims["aud"] == f"https://{request.headers[':authority']}/token", claims["aud"]
            assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
            assert claims["exp"] - claims["iat"] <= 3600
            assert abs(claims["iat"] - time.time()) < 600
            return {"claims": claims}
        except (AssertionError, KeyError, ValueError, InvalidSignature) as problem:
            return streams.error(problem) | {"refuse": "400:invalid_grant"}

    def said(self, status: int, argument: str, request: Request) -> Answer:
        headers = {"content-type": "application/json", **streams.retry_after(argument)}
        if request.headers[":path"] == "/token":
            if status != 200:
                return status, headers, streams.as_json({"error": argument, "error_description": "Scripted."})
            self.minted += 1
            self.granted.append(f"ya29.token-{self.minted}")
            answer = {"access_token": self.granted[-1], "expires_in": self.expires_in, "token_type": "Bearer"}
            return 200, headers, streams.as_json(answer)
        if status == 200:
            return 200, headers, streams.as_json({"name": f"projects/{self.project}/messages/0:{request.stream}%1"})
        if status not in STATUSES:
            return status, headers, b"<html>Scripted</html>"
        return status, headers, streams.as_json({"error": refusal(status, argument)})


def refusal(status: int, argument: str) -> dict[str, Any]:
    said: dict[str, Any] = {"code": status, "message": "Scripted.", "status": STATUSES[status]}
    rpc, violation = "type.googleapis.com/google.rpc.", {"field": "message.android.ttl", "description": "Scripted."}
    if argument == "FIELD":
        said["details"] = [{"@type": rpc + "BadRequest", "fieldViolations": [violation]}]
    elif argument == "TOKEN":
        said["details"] = [{"@type": rpc + "BadRequest", "fieldViolations": [violation | {"field": "message.token"}]}]
    elif argument == "DEVICE":
        violations = [{"subject": "device", "description": "Device message rate exceeded."}]
        said["details"] = [fcm_error("QUOTA_EXCEEDED"), {"@type": rpc + "QuotaFailure", "violations": violations}]
    elif (argument.isidentifier() and argument != STATUSES[status]) or argument == "INVALID_ARGUMENT":
        said["details"] = [fcm_error(argument)]
    return said


def fcm_error(code: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}


def check_message(message: dict[str, Any]) -> dict[str, Any]:
    """A message, as projects.messages documents it."""
    for name, value in message.items():
        assert isinstance(value, MESSAGE[name]), name
    for name, value in message.get("data", {}).items():
        assert isinstance(value, str), name
        assert name not in {"from", "message_type"} and not name.startswith(("google", "gcm")), name
    assert set(message.get("notification", {})) <= NOTIFICATION
    android = message.get("android", {})
    for name, value in android.items():
        assert isinstance(value, ANDROID[name]), name
    assert android.get("priority", "NORMAL") in {"NORMAL", "HIGH"}
    seconds = re.fullmatch(r"(\d+)s", android.get("ttl", "0s"))
    assert seconds and int(seconds[1]) <= 28 * 86_400
    shown = android.get("notification", {})
    assert set(shown) <= set(ANDROID_NOTIFICATION)
    assert all(type(value) is ANDROID_NOTIFICATION[name] for name, value in shown.items())
    assert re.fullmatch(r"#[0-9a-fA-F]{6}", shown.get("color", "#000000"))
    assert (
        len(
            json.dumps(
                [message.get("data"), message.get("notification")], separators=(",", ":"), ensure_ascii=False
            ).encode()
        )
        <= 4096 + 4
    )
    return message


class FcmService(Running):
    """A running FCM, as tests see it."""

    module = "tests.gateways.fcm"

    def trust(self, service_account: str, **state: Any) -> None:
        """Take assertions of this service account."""
        account = json.loads(service_account)
        key = load_pem_private_key(account["private_key"].encode(), password=None).public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.control(project=account["project_id"], accounts={account["client_email"]: pem}, **state)

    @staticmethod
    def token(number: int) -> str:
        """A registration token, in the form of Google's."""
        return f"fcm{number:08d}:APA91b-{number}_x"


if __name__ == "__main__":
    streams.run(Fcm)
