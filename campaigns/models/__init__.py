from campaigns.models.campaign import Campaign
from campaigns.models.catalog import CatalogItem
from campaigns.models.message_template import MessageTemplate, TemplateVersion
from campaigns.models.rollup import Rollup

__all__ = ["Campaign", "CatalogItem", "MessageTemplate", "Rollup", "TemplateVersion"]
