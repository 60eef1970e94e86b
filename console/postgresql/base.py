"""Django's PostgreSQL, which looks whether a kept connection still stands before it asks over it."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def close_if_health_check_failed(self) -> None:
        """Whoever ends a connection (the server, a proxy, the kernel when nobody answers) leaves something to read on it.
        Only then is it asked: to ask costs each request as much as a statement of its own."""
        if self.connection is not None and not self.connection.closed:
            line = select.poll()
            line.register(self.connection.fileno(), select.POLLIN)
            if not line.poll(0):
                self.health_check_done = True
        super().close_if_health_check_failed()
