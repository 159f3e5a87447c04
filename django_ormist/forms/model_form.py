"""ModelForm: a form with fields made from the declared attributes of a model."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, FieldError, ValidationError
from django.forms import models as django_forms
from django.forms.forms import DeclarativeFieldsMetaclass

from ..fields import Field
from ..fields.formfields import ValueField
from ..flows.clean import call_clean
from ..flows.unique import field_names
from ..models import Model
from ..schema import RESERVED
from .errors import (
    SAVE_ERRORS,
    VERSION,
    changed_counters,
    compute_version,
    conflict_message,
    explain_refusal,
    past_message,
    place_errors,
)

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:

    class _DjangoForm(forms.BaseForm):
        """The parts of Django's ModelForm that are used here, for any model."""

        _meta: Any
        _validate_unique: bool
        _validate_constraints: bool
        _errors: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def _get_validation_exclusions(self) -> set[str]: ...
        def _update_errors(self, errors: ValidationError) -> None: ...
        def _post_clean(self) -> None: ...
        def _save_m2m(self) -> None: ...
        def validate_unique(self) -> None: ...
        def validate_constraints(self) -> None: ...
        def save(self, commit: bool = True) -> Any: ...

    _DjangoMetaclass = DeclarativeFieldsMetaclass
else:
    _DjangoForm = django_forms.ModelForm
    _DjangoMetaclass = django_forms.ModelFormMetaclass


class ModelFormMetaclass(_DjangoMetaclass):
    """The metaclass that makes the fields of Meta.model, as Django's."""

    def __new__(mcs, name: str, bases: Any, namespace: dict[str, Any]) -> Any:
        try:
            form: Any = super().__new__(mcs, name, bases, namespace)
        except FieldError as error:
            raise FieldError(
                f"{error}. Declare an attribute by an annotation in the model, or add "
                f"a form field of that name to {name}."
            ) from error
        options = form._meta
        options.strict = getattr(getattr(form, "Meta", None), "strict", False)
        if options.model is not None:
            _check_names(form, options)
        return form


def _check_names(form: Any, options: Any) -> None:
    """Raise FieldError for a name in Meta.fields that the form cannot save."""
    meta = options.model._meta
    for name in options.fields or ():
        if name not in form.base_fields and name not in (options.exclude or ()):
            raise FieldError(
                f"{form.__name__}.Meta.fields has {name!r}, whose type has no form "
                f"field. Remove it, or add a form field of that name to "
                f"{form.__name__}."
            )
        refusal = None if name in meta.own_setters else meta.refusal(name)
        if refusal is not None and name not in RESERVED:
            raise FieldError(f"{form.__name__}.Meta.fields has {name!r}. {refusal}")


class ModelForm(_DjangoForm, Generic[M], metaclass=ModelFormMetaclass):
    """A form that creates or changes an object, as Django's ModelForm.

    Its fields are made from the declared attributes. A form field that is written in
    the class is saved too if Meta.fields names it: as an attribute, or as ``tags``,
    ``expire`` or ``id``.

    Meta: model, fields, exclude, widgets, labels, help_texts, error_messages,
    field_classes, localized_fields and formfield_callback as in Django, and strict:
    whether the form refuses to change an object that was changed since it was shown.
    """

    if TYPE_CHECKING:
        instance: M
        cleaned_data: dict[str, Any]

        def __init__(
            self,
            data: Mapping[str, Any] | None = None,
            files: Mapping[str, Any] | None = None,
            auto_id: bool | str = "id_%s",
            prefix: str | None = None,
            initial: Mapping[str, Any] | None = None,
            *,
            instance: M | None = None,
            **options: Any,
        ) -> None: ...

    else:

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._show_stored()

    _is_unique_deferred = False

    def _show_stored(self) -> None:
        """Set the initial values that Django does not find."""
        for name in self._undeclared_names():
            value = getattr(self.instance, "own_tags" if name == "tags" else name, None)
            if name == "expire" and value is not None and not settings.USE_TZ:
                value = value.astimezone().replace(tzinfo=None)
            if value is not None and not (name == "id" and self._is_new):
                self.initial.setdefault(name, value)
        for name, field in self.fields.items():
            if isinstance(field, ValueField) and name in self.initial:
                field.disabled |= not field.can_edit(self.initial[name])
        if self._meta.strict and not self._is_new:
            self.fields[VERSION] = forms.CharField(
                required=False, widget=forms.HiddenInput
            )
            self.initial[VERSION] = compute_version(self.instance)

    @property
    def _is_new(self) -> bool:
        return self.instance._state.adding

    def _undeclared_names(self) -> list[str]:
        """Return the names in Meta.fields whose form fields are written by hand."""
        declared = {field.name for field in self.instance._meta.fields}
        names = self._meta.fields or ()
        return [name for name in names if name in self.fields and name not in declared]

    def _stored_names(self) -> list[str]:
        """Return the names of the fields that the object gets."""
        chosen, excluded = self._meta.fields, self._meta.exclude or ()
        declared = [
            field.name
            for field in self.instance._meta.fields
            if field.editable and field.name in self.fields
        ]
        names = [name for name in declared if chosen is None or name in chosen]
        names += self._undeclared_names()
        return [name for name in names if name not in excluded]

    # Validation

    def _post_clean(self) -> None:
        """Set the attributes of the object, and validate it."""
        if not self._is_new:
            self._check_version()
        self._assign()
        try:
            self.instance.clean_fields(self._get_validation_exclusions())
        except ValidationError as error:
            self._update_errors(error)
        is_complete = not self._errors  # these may read what is missing
        if is_complete:
            for check in (partial(call_clean, self.instance), self.instance.validate):
                try:
                    check()
                except ValidationError as error:
                    self._update_errors(error)
        is_first = not hasattr(self, "_validate_constraints")  # in Django 5.2
        if is_first and is_complete:
            self.validate_constraints()
        if self._validate_unique:
            self.validate_unique()
        if not is_first and self._validate_constraints and is_complete:
            self.validate_constraints()

    def validate_constraints(self) -> None:
        """Add the errors that the model finds by its method of this name."""
        try:
            self.instance.validate_constraints(self._get_validation_exclusions())
        except ValidationError as error:
            self._update_errors(error)

    def _check_version(self) -> None:
        version = compute_version(self.instance)
        if self._meta.strict and self.cleaned_data.pop(VERSION, "") != version:
            error = ValidationError(conflict_message(self.instance), code="conflict")
            self.add_error(None, error)
        for name, text in changed_counters(self, self.instance):
            self.add_error(name, ValidationError(text, code="conflict"))

    def _assign(self) -> None:
        counters = self.instance._meta.counters
        for name in self._stored_names():
            if name not in self.cleaned_data or self._is_untouched(name):
                continue
            value = self.cleaned_data[name]
            if name in counters and value is None:
                value = 0
            try:
                setattr(self.instance, name, value)
            except ValidationError as error:  # of a counter
                self._update_errors(error)
            except (ValueError, OverflowError) as error:  # of tags, the id, expire
                self.add_error(name, str(error))
            else:
                if name == "expire" and self.instance.ttl() == 0:
                    self.add_error(name, past_message())

    def _is_untouched(self, name: str) -> bool:
        """Return whether the attribute keeps its value, or its default.

        Assigning a value that the user did not change would lose what the form does not
        show, such as the microseconds of a time.
        """
        field, value = self.fields[name], self.cleaned_data[name]
        if value in field.empty_values and self._keeps_default(name):
            return True
        if not self._is_new:
            return (
                name not in self.changed_data
                and not isinstance(field, forms.ModelChoiceField)
                and (field.disabled or value == field.clean(self[name].data))
            )
        return name == "id" and value in field.empty_values

    def _keeps_default(self, name: str) -> bool:
        """Return whether an attribute with a default was left out of the data."""
        meta = self.instance._meta
        declared = meta.fields_by_name.get(meta.stored_name(name))
        widget: Any = self.fields[name].widget
        # As in Django, None is no default of a reference.
        has_default = declared is not None and Field.has_default(declared)
        return (
            has_default or name in meta.counters
        ) and widget.value_omitted_from_data(
            self.data, self.files, self.add_prefix(name)
        )

    @cached_property
    def changed_data(self) -> list[str]:
        """The names of the fields that differ from what the form showed.

        As in Django, but a default whose hidden initial value is not in the data is
        compared with the value of the object.
        """
        return [name for name in self.fields if self._has_changed(self[name])]

    def _has_changed(self, bound: Any) -> bool:
        field, given = bound.field, (self.data, self.files)
        if (
            field.show_hidden_initial
            and field.hidden_widget().value_omitted_from_data(
                *given, bound.html_initial_name
            )
            and not field.widget.value_omitted_from_data(*given, bound.html_name)
        ):
            return bool(field.has_changed(bound.initial, bound.data))
        return bool(bound._has_changed())

    def _update_errors(self, errors: ValidationError) -> None:
        placed: dict[str, list[Any]] = {}
        for name, found in place_errors(errors, self.fields):
            placed.setdefault(name or NON_FIELD_ERRORS, []).extend(found)
        super()._update_errors(ValidationError(placed))

    def validate_unique(self) -> None:
        """Add an error for each unique value that another object has.

        One round trip, or none if no unique value was changed.
        """
        if self._is_unique_deferred:
            return
        try:
            self.instance.validate_unique(self._names_without_unique_check())
        except ValidationError as error:
            self._update_errors(error)

    def _names_without_unique_check(self) -> set[str]:
        """Return the invalid names, and those of constraints that are not in the form.

        A constraint of several attributes is checked if one of them is in the form.
        """
        stored, meta = set(self._stored_names()), self.instance._meta
        unique = [field_names(meta, each) for each in meta.unique]
        names = {name for each in unique for name in each} | {"id"}
        checked = {
            name for each in unique if stored.intersection(each) for name in each
        }
        return (names - checked - stored) | set(self._errors)

    async def ais_valid(self) -> bool:
        """Return is_valid(), with the round trip of unique values awaited."""
        if self._errors is None and self.is_bound:
            self._is_unique_deferred = True
            self.full_clean()
            if self._validate_unique:
                try:
                    excluded = self._names_without_unique_check()
                    await self.instance.avalidate_unique(excluded)
                except ValidationError as error:
                    self._update_errors(error)
        return self.is_valid()

    # Saving

    def save(self, commit: bool = True) -> M:
        """Save the object, and return it. One round trip.

        A new object is inserted, another one updated: attributes that others changed
        meanwhile are kept. commit: whether to save it; otherwise only return it. Raises
        ValueError if the form has errors.

        Raises IntegrityError for a unique value or an id that was taken meanwhile,
        NotUpdated if the object is gone, ConflictError with Meta.strict if it was
        changed, and ValidationError. The form then has the error too.
        """
        instance: M = super().save(commit=False)
        if commit:
            with self._show_refusal():
                instance.save(**self._save_options())
            self._save_m2m()
        return instance

    save.alters_data = True  # type: ignore[attr-defined]

    async def asave(self, commit: bool = True) -> M:
        """See save()."""
        instance: M = super().save(commit=False)
        if commit:
            with self._show_refusal():
                await instance.asave(**self._save_options())
            self._save_m2m()
        return instance

    asave.alters_data = True  # type: ignore[attr-defined]

    def _save_options(self) -> dict[str, Any]:
        if self._is_new:
            return {"force_insert": True}
        if self._meta.strict:
            return {"force_update": True, "strict": True}
        return {"force_update": True}

    @contextmanager
    def _show_refusal(self) -> Iterator[None]:
        """Add an error of the save to the form, and raise it."""
        try:
            yield
        except SAVE_ERRORS as error:
            self._update_errors(explain_refusal(error, self.instance))
            raise


if TYPE_CHECKING:
    _FORM: Any = ModelForm

    def modelform_factory(
        model: type[M],
        form: type[ModelForm[M]] = _FORM,
        fields: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        **options: Any,
    ) -> type[ModelForm[M]]:
        """Return a ModelForm class of a model. Takes the arguments of Django's."""

else:

    def modelform_factory(model, form=ModelForm, *args, **options):
        """Return a ModelForm class of a model. Takes the arguments of Django's."""
        return django_forms.modelform_factory(model, form, *args, **options)
