from django.db import models


class IdempotentAnswer(models.Model):
    """What a POST with an Idempotency-Key was answered, written in the transaction of its effect; kept for 30 days."""

    api_key = models.ForeignKey("console.ApiKey", on_delete=models.CASCADE, related_name="+")
    endpoint = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical body.")
    status = models.PositiveSmallIntegerField()
    answer = models.BinaryField()
    made_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "endpoint", "key"], name="answer_once")]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.status}"
