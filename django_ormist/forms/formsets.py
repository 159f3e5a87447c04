"""Formsets: several forms of one model on a page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import models as django_forms

from ..flows.unique import field_names
from ..models import Collection, Manager, Model
from ..terms import unique_value
from ..validators import clean_pk
from .choices import ModelChoiceField
from .model_form import ModelForm

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:

    class _DjangoFormSet(forms.BaseFormSet[Any]):
        """The parts of Django's BaseModelFormSet that are used here."""

        edit_only: bool
        initial_extra: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def save_new(self, form: Any, commit: bool = True) -> Any: ...
        def save_existing(self, form: Any, obj: Any, commit: bool = True) -> Any: ...
        def delete_existing(self, obj: Any, commit: bool = True) -> None: ...
        def save_new_objects(self, commit: bool = True) -> Any: ...
        def get_unique_error_message(self, unique_check: tuple[str, ...]) -> str: ...
        def get_form_error(self) -> str: ...

else:
    _DjangoFormSet = django_forms.BaseModelFormSet


class _IdField(forms.CharField):
    """The hidden id of an object. The cleaned value is the object, or None.

    instance: the object that the form changes. None if it is gone, or is not among
    those of the formset.
    """

    widget: Any = forms.HiddenInput

    def __init__(self, instance: Model | None, **options: Any) -> None:
        super().__init__(strip=False, **options)
        self.instance = instance

    def clean(self, value: Any) -> Any:
        pk = super().clean(value)
        if pk and (self.instance is None or self.instance.pk != pk):
            message = ModelChoiceField.default_error_messages["invalid_choice"]
            raise ValidationError(message, code="invalid_choice")
        return self.instance

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class BaseModelFormSet(_DjangoFormSet, Generic[M]):
    """Forms for the objects of a collection and for new ones, as Django's.

    queryset: a manager or a collection; all objects by default. The objects of a
    submitted formset are loaded in one round trip. Each form is saved by itself.
    """

    model: type[M]
    if TYPE_CHECKING:
        changed_objects: list[tuple[M, list[str]]]
        deleted_objects: list[M]
        new_objects: list[M]
        saved_forms: list[ModelForm[M]]
        forms: list[ModelForm[M]]

        def __init__(
            self,
            data: Mapping[str, Any] | None = None,
            files: Mapping[str, Any] | None = None,
            auto_id: str = "id_%s",
            prefix: str | None = None,
            queryset: Collection[M] | Manager[M] | None = None,
            *,
            initial: list[dict[str, Any]] | None = None,
            **options: Any,
        ) -> None: ...
        def save(self, commit: bool = True) -> list[M]: ...

    queryset: Any
    _queryset: Collection[M]
    _object_dict: dict[str, M]

    def get_queryset(self) -> Collection[M]:
        """Return the collection, which is evaluated once."""
        if not hasattr(self, "_queryset"):
            given = self.model._default_manager if self.queryset is None else None
            found = (given or self.queryset).all()
            # Its forms need the same order when they are sent.
            self._queryset = found if found.totally_ordered else found.order_by()
        return self._queryset

    def _existing_object(self, pk: str) -> M | None:
        """Return an object of the collection. All of them are loaded at once."""
        if not hasattr(self, "_object_dict"):
            found = self.get_queryset()
            if not found.query.is_sliced:
                numbers = range(self.initial_form_count())
                pks = [self.data.get(f"{self.add_prefix(i)}-id") for i in numbers]
                found = found.find(pk__in=[each for each in pks if _is_pk(each)])
            self._object_dict = {each.pk: each for each in found}
        return self._object_dict.get(pk)

    def _construct_form(self, i: int, **options: Any) -> Any:
        number = self.initial_form_count()
        if i < number:
            if self.is_bound:
                pk = self.data.get(f"{self.add_prefix(i)}-id")
                options["instance"] = self._existing_object(pk) if pk else None
            else:
                options["instance"] = self.get_queryset()[i]
        elif self.initial_extra and i - number < len(self.initial_extra):
            options["initial"] = self.initial_extra[i - number]
        return forms.BaseFormSet._construct_form(self, i, **options)  # type: ignore[attr-defined]

    def add_fields(self, form: Any, index: int | None) -> None:
        """Add the hidden id, and Django's fields for the order and deletion."""
        is_existing = index is not None and index < self.initial_form_count()
        if is_existing or "id" not in form.fields:
            instance = None if form.instance._state.adding else form.instance
            form.fields["id"] = _IdField(
                instance,
                required=is_existing,
                initial=instance.pk if instance is not None else None,
            )
        forms.BaseFormSet.add_fields(self, form, index)

    def validate_unique(self) -> None:
        """Raise ValidationError if two forms have the same unique value."""
        errors = []
        valid = [
            form
            for form in self.forms
            if form.is_valid() and form not in self.deleted_forms and form.has_changed()
        ]
        for names in self.model._meta.unique:
            seen: set[bytes] = set()
            for form in valid:
                value = unique_value([form.instance.attrs.get(name) for name in names])
                if value not in seen:
                    seen.update([value] if value is not None else [])
                    continue
                names = field_names(self.model._meta, names)
                errors.append(self.get_unique_error_message(names))
                form._errors[NON_FIELD_ERRORS] = self.error_class(
                    [self.get_form_error()], renderer=form.renderer
                )
                for name in names:
                    form.cleaned_data.pop(name, None)
        if errors:
            raise ValidationError(errors)

    def save_existing_objects(self, commit: bool = True) -> list[M]:
        """Save the forms that were changed, and delete the objects of those marked."""
        self.changed_objects, self.deleted_objects = [], []
        saved: list[M] = []
        for form in self.initial_forms:
            instance = form.instance
            if instance._state.adding:  # a form of an object that is gone
                continue
            if form in self.deleted_forms:
                self.deleted_objects.append(instance)
                self.delete_existing(instance, commit=commit)
            elif form.has_changed():
                self.changed_objects.append((instance, form.changed_data))
                saved.append(self.save_existing(form, instance, commit=commit))
                if not commit:
                    self.saved_forms.append(form)
        return saved


def _is_pk(text: Any) -> bool:
    """Return whether an object can have this id."""
    try:
        return clean_pk("", text) is not None
    except (TypeError, ValueError):
        return False


if TYPE_CHECKING:
    _FORM: Any = ModelForm
    _FORMSET: Any = BaseModelFormSet

    def modelformset_factory(
        model: type[M],
        form: type[ModelForm[M]] = _FORM,
        formset: type[BaseModelFormSet[M]] = _FORMSET,
        **options: Any,
    ) -> type[BaseModelFormSet[M]]:
        """Return a formset class of a model. Takes the arguments of Django's."""

else:

    def modelformset_factory(
        model,
        form=ModelForm,
        formfield_callback=None,
        formset=BaseModelFormSet,
        *args,
        **options,
    ):
        """Return a formset class of a model. Takes the arguments of Django's."""
        return django_forms.modelformset_factory(
            model, form, formfield_callback, formset, *args, **options
        )
