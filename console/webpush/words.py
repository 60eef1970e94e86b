"""What the soft prompt says. The version is of the words themselves: the ledger records what a person agreed to."""

from __future__ import annotations

from hashlib import sha256


def prompt(site_name: str) -> dict[str, str]:
    """title, body, allow, later, and their version."""
    words = {
        "title": f"Shall {site_name} keep you posted?",
        "body": "News that fits you, as notifications in this browser. Choose topics or leave whenever you like.",
        "allow": "Yes, please",
        "later": "Not now",
    }
    return words | {"version": sha256("\n".join(words.values()).encode()).hexdigest()[:12]}
