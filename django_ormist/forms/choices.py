"""Form fields whose choices are the objects of a collection."""

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from django import forms

from ..models import Collection, Manager, Model

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:

    class _Choice(forms.ChoiceField):
        """Django's ModelChoiceField, for any model."""

        to_field_name: str | None
        limit_choices_to: Any
        queryset: Any

    _Choices = _Choice
else:
    _Choice, _Choices = forms.ModelChoiceField, forms.ModelMultipleChoiceField


class _Limited(_Choice):
    """Mix-in: limit_choices_to by complex_filter(), not by a subquery as Django's."""

    def get_limit_choices_to(self) -> None:
        """Return None: the collection of a form's field has the limit already."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the field of one form, with fresh choices."""
        field = super().__deepcopy__(memo)
        limit = self.limit_choices_to
        limit = limit() if callable(limit) else limit
        if limit:
            field.queryset = field.queryset.complex_filter(limit)
        return field


class ModelChoiceField(_Limited, Generic[M]):
    """A choice of one object, as Django's field over a manager or a collection.

    limit_choices_to: a Q or a dict of lookups, or a function that returns one. One
    round trip per validation. Rendering loads all objects of the collection.
    """

    if TYPE_CHECKING:

        def __init__(
            self, queryset: Collection[M] | Manager[M] | None, **options: Any
        ) -> None: ...
        def label_from_instance(self, obj: M) -> str: ...


class ModelMultipleChoiceField(_Limited, _Choices, Generic[M]):
    """A choice of several objects, whose cleaned value is a collection.

    See ModelChoiceField.
    """

    if TYPE_CHECKING:

        def __init__(
            self, queryset: Collection[M] | Manager[M] | None, **options: Any
        ) -> None: ...
        def label_from_instance(self, obj: M) -> str: ...
