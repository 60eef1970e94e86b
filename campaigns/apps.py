from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from campaigns.content_source import CampaignContent, TemplateContent
        from delivery.content import register

        register("campaign", CampaignContent())
        register("template", TemplateContent())
