from campaigns.models.campaign import Campaign
from campaigns.models.catalog import CatalogItem
from campaigns.models.message_template import MessageTemplate, TemplateVersion

__all__ = ["Campaign", "CatalogItem", "MessageTemplate", "TemplateVersion"]
