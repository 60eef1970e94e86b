"""The demo's people: who they are, what they allow, how often they come by. Seeded, so that every demo is alike."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from console.demo.assortment import CATEGORIES

SEED = 20_260
COUNT = 20_000
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

FIRST_NAMES = [
    "Ada",
    "Aiko",
    "Alice",
    "Amara",
    "Amir",
    "Ana",
    "Anders",
    "Aoife",
    "Ben",
    "Bruno",
    "Carla",
    "Chen",
    "Chloé",
    "Clara",
    "Daan",
    "David",
    "Dilara",
    "Elena",
    "Emil",
    "Emma",
    "Enzo",
    "Eva",
    "Farid",
    "Felix",
    "Femi",
    "Fiona",
    "Frida",
    "Gabriel",
    "Giulia",
    "Grace",
    "Hana",
    "Hugo",
    "Ines",
    "Ingrid",
    "Ivan",
    "Jack",
    "Jana",
    "João",
    "Jonas",
    "Julia",
    "Kai",
    "Karim",
    "Kenji",
    "Lara",
    "Leila",
    "Leo",
    "Lena",
    "Liam",
    "Lina",
    "Louis",
    "Lucía",
    "Maja",
    "Malik",
    "Marco",
    "Maria",
    "Mateo",
    "Mei",
    "Mila",
    "Mina",
    "Noah",
    "Nora",
    "Olga",
    "Oliver",
    "Omar",
    "Oscar",
    "Paul",
    "Priya",
    "Rafael",
    "Rosa",
    "Ruby",
    "Sam",
    "Sara",
    "Sofia",
    "Sven",
    "Tara",
    "Theo",
    "Tom",
    "Uma",
    "Vera",
    "Wanda",
    "Yara",
    "Yusuf",
    "Zoe",
]
LAST_NAMES = [
    "Andersen",
    "Bauer",
    "Becker",
    "Brown",
    "Costa",
    "Diaz",
    "Dubois",
    "Evans",
    "Ferrari",
    "Fischer",
    "Garcia",
    "Haas",
    "Hansen",
    "Ito",
    "Jansen",
    "Jones",
    "Kaya",
    "Kim",
    "Koch",
    "Kowalski",
    "Lang",
    "Laurent",
    "Lopez",
    "Martin",
    "Meyer",
    "Moreau",
    "Müller",
    "Novak",
    "O’Brien",
    "Okafor",
    "Patel",
    "Pereira",
    "Petit",
    "Ricci",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Singh",
    "Smith",
    "Suzuki",
    "Taylor",
    "Vogel",
    "Wagner",
    "Walker",
    "Weber",
    "Wilson",
    "Wolf",
    "Yilmaz",
    "Young",
]
HOMES = (
    # zone, country, locale, share
    ("Europe/Berlin", "DE", "de-DE", 0.30),
    ("Europe/London", "GB", "en-GB", 0.22),
    ("Europe/Paris", "FR", "fr-FR", 0.14),
    ("America/New_York", "US", "en-US", 0.18),
    ("America/Los_Angeles", "US", "en-US", 0.10),
    ("Asia/Tokyo", "JP", "ja-JP", 0.06),
)
BROWSERS = (
    ("Chrome", "Android", 0.46),
    ("Chrome", "Windows", 0.28),
    ("Firefox", "Linux", 0.10),
    ("Edge", "Windows", 0.16),
)


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated profile. `visits_a_day` drives both its past and what it does while the demo runs."""

    index: int
    first_name: str | None
    last_name: str
    zone: str
    country: str
    locale: str
    favourite: str
    visits_a_day: float
    has_device: bool
    permission: str
    browser: str
    os: str
    opted_out: bool

    @property
    def external_id(self) -> str:
        return f"customer-{self.index:05d}"

    @property
    def attributes(self) -> dict[str, str]:
        said = {"last_name": self.last_name, "country": self.country, "favourite_category": self.favourite}
        if self.first_name:
            said["first_name"] = self.first_name
            said["email"] = f"{self.external_id}@example.com"
        return said


@lru_cache(maxsize=1)
def everyone(count: int = COUNT) -> tuple[Person, ...]:
    """All people of the demo, the same in every process."""
    draw = np.random.default_rng(SEED)
    homes = draw.choice(len(HOMES), count, p=[home[3] for home in HOMES])
    browsers = draw.choice(len(BROWSERS), count, p=[browser[2] for browser in BROWSERS])
    first = draw.integers(len(FIRST_NAMES), size=count)
    last = draw.integers(len(LAST_NAMES), size=count)
    favourite = draw.integers(len(CATEGORIES), size=count)
    visits = draw.gamma(0.8, 0.12, count) + 0.01
    chances = draw.random((count, 4))
    return tuple(
        Person(
            index=i,
            first_name=FIRST_NAMES[first[i]] if chances[i, 0] > 0.12 else None,
            last_name=LAST_NAMES[last[i]],
            zone=HOMES[homes[i]][0],
            country=HOMES[homes[i]][1],
            locale=HOMES[homes[i]][2],
            favourite=CATEGORIES[favourite[i]],
            visits_a_day=float(visits[i]),
            has_device=bool(chances[i, 1] < 0.78),
            permission="granted" if chances[i, 2] < 0.96 else "denied",
            browser=BROWSERS[browsers[i]][0],
            os=BROWSERS[browsers[i]][1],
            opted_out=bool(chances[i, 3] < 0.03),
        )
        for i in range(count)
    )


def private_key(index: int) -> ec.EllipticCurvePrivateKey:
    """The key of a simulated device: derived, so that the demo's push service can decrypt without a store."""
    digest = hmac.digest(str(SEED).encode(), f"device {index}".encode(), "sha256")
    return ec.derive_private_key(int.from_bytes(digest, "big") % (P256_ORDER - 1) + 1, ec.SECP256R1())


def public_key(index: int) -> str:
    """base64url, as a browser gives it."""
    point = private_key(index).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return urlsafe_b64encode(point).rstrip(b"=").decode()


def auth_secret(index: int) -> bytes:
    return hmac.digest(str(SEED).encode(), f"auth {index}".encode(), "sha256")[:16]
