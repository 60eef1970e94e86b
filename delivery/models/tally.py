from __future__ import annotations

from django.db import models


class Tally(models.Model):
    """What became of so many messages or pushes of a wave; a count is the sum of its rows.

    Workers add a row or two with each micro-batch, in the statement that records it; the clock folds them together.
    Of messages: the final states, and `queued` with the reason of what waits. Of pushes: every attempt's outcome.
    """

    class Kind(models.TextChoices):
        MESSAGE = "message", "message"
        PUSH = "push", "push"

    class Grain(models.IntegerChoices):
        RAW = 0, "as it happened"
        FEW_SECONDS = 1, "a few seconds"
        WHOLE = 2, "all that is older"

    wave = models.ForeignKey("delivery.Wave", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    at = models.DateTimeField()
    grain = models.SmallIntegerField(choices=Grain, default=Grain.RAW, db_default=Grain.RAW)
    kind = models.CharField(max_length=7, choices=Kind)
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=40, default="", db_default="")
    status = models.CharField(max_length=60, default="", db_default="", help_text="What the gateway answered.")
    credential = models.ForeignKey(
        "delivery.Credential", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    n = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["wave"], name="tally_of_wave"),
            models.Index(fields=["at"], name="tally_to_fold", condition=models.Q(grain__lt=2)),
        ]

    def __str__(self) -> str:
        return f"{self.wave_id}: {self.n} {self.state} {self.reason}".rstrip()
