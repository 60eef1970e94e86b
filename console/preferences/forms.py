"""The preference page's form: a box for each topic, and the two buttons that speak of everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django import forms

from audiences.consent import NewChoice
from audiences.models import Decision, Topic

SOURCE = "preference page"
TEXT_VERSION = "preference page 1"


class PreferenceForm(forms.Form):
    """`choices` maps topic id (None for all) to the explicit decision; a topic without one follows its default."""

    deed = forms.ChoiceField(choices=[("save", ""), ("leave", ""), ("return", "")])

    def __init__(
        self,
        data: Mapping[str, object] | None = None,
        *,
        topics: Sequence[Topic],
        choices: Mapping[int | None, str],
        may_edit: bool,
    ) -> None:
        super().__init__(data)
        self.topics = topics
        self.choices = choices
        self.may_edit = may_edit
        self.is_out = choices.get(None) == Decision.OUT
        for topic in topics:
            self.fields[f"topic-{topic.pk}"] = forms.BooleanField(
                required=False, label=topic.name, help_text=topic.description, initial=self._follows(topic)
            )

    def _follows(self, topic: Topic) -> bool:
        said = self.choices.get(topic.pk)
        return topic.default_on if said is None else said == Decision.IN

    def topic_fields(self) -> list[forms.BoundField]:
        return [self[f"topic-{topic.pk}"] for topic in self.topics]

    def clean_deed(self) -> str:
        deed: str = self.cleaned_data["deed"]
        if deed != "leave" and not self.may_edit:
            raise forms.ValidationError(
                "This link is more than 30 days old: it can still switch everything off. "
                "Open the link of a newer message to change topics."
            )
        return deed

    def new_choices(self, profile_id: int) -> list[NewChoice]:
        """What the person changed: decisions that repeat what stands are not written again."""
        deed = self.cleaned_data["deed"]
        if deed == "leave":
            return [] if self.is_out else [self._decided(profile_id, None, Decision.OUT, "No notifications at all")]
        if deed == "return":
            return [self._decided(profile_id, None, Decision.IN, "Notifications on")] if self.is_out else []
        return [
            self._decided(
                profile_id, topic.pk, Decision.IN if wanted else Decision.OUT, f"{topic.name}: {topic.description}"
            )
            for topic in self.topics
            if (wanted := self.cleaned_data[f"topic-{topic.pk}"]) != self._follows(topic)
        ]

    def _decided(self, profile_id: int, topic_id: int | None, decision: Decision, text: str) -> NewChoice:
        return NewChoice(
            profile_id=profile_id,
            topic_id=topic_id,
            decision=decision,
            source=SOURCE,
            text=text,
            text_version=TEXT_VERSION,
        )
