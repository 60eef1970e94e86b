from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import importlib.util

        if importlib.util.find_spec("campaigns.content") is None:
            return  # until the content module lands
        from campaigns.content_source import CampaignContent
        from delivery.content import register

        register("campaign", CampaignContent())
