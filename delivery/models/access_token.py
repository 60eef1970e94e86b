from __future__ import annotations

from django.db import models


class AccessToken(models.Model):
    """What a gateway takes as proof of who we are, for a while. Minted by one worker, used by all of them.

    `holder` names the gateway, the account and the key; `failed_at` and `problem` are of the last try, where it failed.
    """

    holder = models.CharField(max_length=400, unique=True)
    sealed = models.BinaryField(editable=False, default=b"")
    minted_at = models.DateTimeField(null=True)
    renew_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    was_refused = models.BooleanField(default=False)
    problem = models.CharField(max_length=300, default="", db_default="")

    def __str__(self) -> str:
        return self.holder
