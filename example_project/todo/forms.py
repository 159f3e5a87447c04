"""The form of a new item."""

from django import forms

from .models import TodoItem

LIFETIMES = [
    ("60", "1 minute"),
    ("600", "10 minutes"),
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "1 week"),
    ("", "until it is done"),
]


class TodoForm(forms.Form):
    text = forms.CharField(label="What is to be done", max_length=200)
    tags = forms.CharField(
        label="Tags", max_length=200, required=False, help_text="separated by spaces"
    )
    lifetime = forms.TypedChoiceField(
        label="Keep it for",
        choices=LIFETIMES,
        coerce=int,
        empty_value=None,
        required=False,
    )

    def clean_tags(self):
        """Return the tags as a list without duplicates."""
        return list(dict.fromkeys(self.cleaned_data["tags"].replace(",", " ").split()))

    def save(self):
        """Store and return the new item, which expires after its lifetime."""
        return TodoItem.objects.create(
            *self.cleaned_data["tags"],
            text=self.cleaned_data["text"],
            expire=self.cleaned_data["lifetime"],
        )
