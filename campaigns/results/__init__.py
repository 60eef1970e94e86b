"""Read-only numbers: each is defined once, here."""
