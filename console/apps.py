from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    name = "console"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from console import checks  # noqa: F401  (registers them)
        from console.team import ensure_roles

        # Django makes the permissions after migrating; the roles are made of them.
        post_migrate.connect(ensure_roles, sender=self)
