"""The forms of a list whose rows are edited in place."""

from typing import TYPE_CHECKING, Any

from django import forms

if TYPE_CHECKING:
    AnyFormSet = forms.BaseModelFormSet[Any, Any]
else:
    AnyFormSet = forms.BaseModelFormSet


class RowFormSet(AnyFormSet):
    """A row for each object of the page: all of them are asked for in one trip."""

    def add_fields(self, form: Any, index: int | None) -> None:
        form.fields["id"] = forms.CharField(
            required=False, strip=False, widget=forms.HiddenInput
        )
        sent = form.data.get(form.add_prefix("id")) if form.is_bound else None
        form.initial["id"] = form.instance.pk if sent is None else sent
        forms.BaseFormSet.add_fields(self, form, index)

    def validate_unique(self) -> None:
        """The store does, in the step that writes."""
