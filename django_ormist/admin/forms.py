"""The forms of an object: the change form, and its row in a list."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import fields as declarations
from ..flows.clean import call_clean, changed_fields, clean_fields
from ..forms.errors import (
    changed_counters,
    compute_version,
    conflict_message,
    past_message,
    place_errors,
)
from ..models import Model
from .fields import CounterField, DeclaredField
from .formfields import (
    AttributesField,
    CellField,
    Changes,
    GivenTagsField,
    OneAttributeField,
)
from .typed import TextField, TextWidget, can_show
from .value_text import normalize_newlines, to_text

if TYPE_CHECKING:
    AnyForm = forms.ModelForm[Any]
else:
    AnyForm = forms.ModelForm


class ProxyForm(AnyForm):
    """The base of both forms, over the wrapped object."""

    refusal: str | None = None
    """Why the store refused the submitted values. The form shows it."""

    @property
    def ormist(self) -> Model:
        ormist: Model = self.instance.ormist
        return ormist

    def validate_unique(self) -> None:
        """Skip it: the store checks unique values when it writes."""

    def _post_clean(self) -> None:
        if self.refusal:
            self.add_error(None, self.refusal)
        self._check_counters()
        self._check_declared()
        if self.errors:
            return
        self._apply()
        for validate in (
            self._clean_changes,
            partial(call_clean, self.ormist),
            self.ormist.validate,
            partial(self.ormist.validate_constraints, self._other_declared()),
        ):
            try:
                validate()
            except ValidationError as error:
                self._add_validation_error(error)

    def validate_constraints(self) -> None:
        """Skip it: _post_clean() calls that of the wrapped object."""

    def _other_declared(self) -> set[str]:
        """Return the names of the declared attributes that are not in the form."""
        return {each.name for each in self.ormist._meta.fields} - self.fields.keys()

    def _clean_changes(self) -> None:
        names = changed_fields(self.ormist, self.ormist._alias(None))
        clean_fields(self.ormist, names)

    def typed_fields(self) -> dict[str, declarations.Field]:
        """Return the declared attributes of the form without a column for the type."""
        meta = self.ormist._meta
        stored = {name: meta.stored_name(name) for name in self.fields}
        return {
            name: meta.fields_by_name[attname]
            for name, attname in stored.items()
            if attname in meta.fields_by_name
            and attname not in meta.counters
            and not isinstance(self.fields[name], OneAttributeField | CellField)
        }

    def _show_misfits(self) -> None:
        """Let the editor of undeclared attributes show what a typed field cannot."""
        stored = self.ormist.attrs
        for name, declared in self.typed_fields().items():
            attname, each = declared.attname, self.fields[name]
            if attname in stored and not self._can_show(each, declared):
                self.fields[name] = self._build_untyped(attname, each)

    def _can_show(self, form_field: Any, declared: declarations.Field) -> bool:
        stored = self.ormist.attrs[declared.attname]
        if isinstance(declared, declarations.Reference):
            if stored is None:
                return declared.null
            is_key = declared.is_valid_key(stored)
            return is_key and getattr(self.ormist, declared.name) is not None
        return can_show(declared, form_field, stored)

    def _build_untyped(self, name: str, typed: Any) -> Any:
        return OneAttributeField(
            name,
            label=typed.label,
            help_text=_("The field of the declared type cannot show the stored value."),
        )

    def _check_declared(self) -> None:
        """Add the errors of the declaration to each field."""
        for name, declared in self.typed_fields().items():
            if name in self.cleaned_data and self._is_set(name, declared):
                try:
                    declared.clean(self.cleaned_data[name])
                except ValidationError as error:
                    self.add_error(name, error)

    def _is_set(self, name: str, declared: declarations.Field) -> bool:
        """Return whether the form sets a declared attribute.

        An unchanged one only if the object lacks it, and it has no default.
        """
        is_stored = declared.attname in self.ormist.attrs
        is_lacking = not is_stored and not declared.has_default()
        return name in self.changed_data or is_lacking

    def _check_counters(self) -> None:
        """Refuse a counter that was changed here and concurrently elsewhere."""
        if not self.instance._state.adding:
            for name, text in changed_counters(self, self.ormist):
                self.add_error(name, text)

    def _apply(self) -> None:
        """Apply the changes of the form to the object."""
        for name in self.changed_data:
            value = self.cleaned_data.get(name)
            if isinstance(value, Changes):
                self.ormist.attrs.update(value.values)
                self.ormist.unset(*value.removed)
            elif name in self.ormist._meta.counters:
                self.ormist.set(**{name: value or 0})
        for name, declared in self.typed_fields().items():
            if self._is_set(name, declared):
                setattr(self.ormist, name, self.cleaned_data[name])

    def _add_validation_error(self, error: ValidationError) -> None:
        """Add an error of validate() to its field, if the form has that field."""
        names = {each.attname: each.name for each in self.ormist._meta.fields}
        if hasattr(error, "error_dict"):
            given = error.error_dict.items()
            error = ValidationError({names.get(k, k): each for k, each in given})
        target = "attrs" if "attrs" in self.fields else None
        for name, errors in place_errors(error, self.fields, target):
            self.add_error(name, errors)


class OrmistForm(ProxyForm):
    """The add and change form: id, attributes, counters, tags, expiration.

    It contains a digest of the displayed version, and refuses to change another one.
    """

    attrs = AttributesField(label=gettext_lazy("Attributes"))
    tags = GivenTagsField(
        label=gettext_lazy("Tags"), help_text=gettext_lazy("One per line.")
    )
    _version = forms.CharField(required=False, widget=forms.HiddenInput)
    read_only: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.ormist.attrs
        self._show_misfits()
        for name, each in self.fields.items():
            if isinstance(each, OneAttributeField):
                each.show(stored)
            elif isinstance(each, TextField):
                each.show(stored.get(name))
        if "attrs" in self.fields:
            self.fields["attrs"].show(  # type: ignore[attr-defined]
                stored, self._names_of_other_fields(), self.ormist._meta.refusal
            )
        if "tags" in self.fields:
            self.fields["tags"].show(self.ormist._state.tags)  # type: ignore[attr-defined]
        if "expire" in self.fields and self.instance._state.adding:
            self.initial.setdefault("expire", self.instance.expire)
        self.initial["_version"] = compute_version(self.ormist)

    def _names_of_other_fields(self) -> Iterable[str]:
        """Return the attributes that other fields edit, or that are read-only."""
        fields = {
            f.name for f in self.fields.values() if isinstance(f, OneAttributeField)
        }
        fields.update(each.attname for each in self.typed_fields().values())
        return fields | self.ormist._meta.counters | set(self.read_only)

    def clean(self) -> Any:
        self._check_version()
        expire = self.cleaned_data.get("expire")
        if "expire" in self.changed_data and expire and _is_past(expire):
            self.add_error("expire", past_message())
        return self.cleaned_data

    def _check_version(self) -> None:
        if self.instance._state.adding or self.refusal:
            return
        if self.cleaned_data.get("_version") != compute_version(self.ormist):
            self.add_error(None, conflict_message(self.ormist))

    def _apply(self) -> None:
        super()._apply()
        ormist = self.ormist
        if self.instance._state.adding and self.cleaned_data.get("id"):
            ormist.id = self.cleaned_data["id"]
        if "tags" in self.changed_data:
            ormist.own_tags = self.cleaned_data["tags"]
        is_new = self.instance._state.adding
        if "expire" in self.changed_data or (is_new and "expire" in self.fields):
            try:
                ormist.expire = self.cleaned_data["expire"]
            except ValueError as error:  # it is too late to be stored
                self.add_error("expire", str(error))

    @property
    def changed_names(self) -> list[str]:
        """Return the names of changed attributes and fields, for the history."""
        names: list[str] = []
        for field in self.changed_data:
            value = self.cleaned_data.get(field)
            names += value.names if isinstance(value, Changes) else [field]
        return names


class RowForm(ProxyForm):
    """One row of a list with list_editable: a cell for each attribute.

    A cell keeps the stored type. It is refused if the value changed meanwhile.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._show_misfits()
        for name, each in self.fields.items():
            if isinstance(each, CellField):
                each.show(self.ormist.attrs)
                self.initial[name] = each.now.text

    def _can_show(self, form_field: Any, declared: declarations.Field) -> bool:
        stored = self.ormist.attrs[declared.attname]
        is_long = isinstance(stored, str) and "\n" in normalize_newlines(stored)
        return not is_long and super()._can_show(form_field, declared)

    def _build_untyped(self, name: str, typed: Any) -> Any:
        return CellField(name)

    def clean(self) -> Any:
        if self.instance._state.adding:
            if self.has_changed():
                self.add_error(None, _("It was deleted after this page was opened."))
            return self.cleaned_data
        for name in self.changed_data:
            now = self._find_other_value(name)
            if now is not None:
                self.add_error(
                    name,
                    _("Another user changed it to %(now)s. Your change was not saved.")
                    % {"now": now or "-"},
                )
        return self.cleaned_data

    def _find_other_value(self, name: str) -> str | None:
        """Return the stored value as a text, if the cell showed another one."""
        cell, each = self[name], self.fields[name]
        if isinstance(each, CellField):
            shown = self.data.get(cell.html_initial_name)
            return None if each.was_rendered_from(shown) else each.now.text
        if name not in self.typed_fields():
            return None
        shown = each.hidden_widget().value_from_datadict(
            self.data, self.files, cell.html_initial_name
        )
        is_same = not each.has_changed(cell.initial, shown)
        return None if is_same else to_text(self.ormist.attrs.get(name)).text


def build_cell(model_admin: Any, request: Any, field: Any, **kwargs: Any) -> Any:
    """Return the form field of a model field in an editable list."""
    if isinstance(field, CounterField):
        return field.formfield(**kwargs)
    if isinstance(field, DeclaredField):
        kwargs["show_hidden_initial"] = True
        typed = model_admin.formfield_for_dbfield(field, request, **kwargs)
        if isinstance(typed.widget, TextWidget):
            typed.widget = AdminTextInputWidget()
        if not isinstance(typed, OneAttributeField):
            return typed
    return CellField(field.name)


def _is_past(moment: datetime) -> bool:
    """Return whether a moment is past. A naive one is in local time."""
    return moment <= datetime.now(UTC if timezone.is_aware(moment) else None)


if TYPE_CHECKING:
    AnyFormSet = forms.BaseModelFormSet[Any, Any]
else:
    AnyFormSet = forms.BaseModelFormSet


class RowFormSet(AnyFormSet):
    """The rows of a page. Their objects are loaded in one round trip."""

    def add_fields(self, form: Any, index: int | None) -> None:
        form.fields["id"] = forms.CharField(
            required=False, strip=False, widget=forms.HiddenInput
        )
        sent = form.data.get(form.add_prefix("id")) if form.is_bound else None
        form.initial["id"] = form.instance.pk if sent is None else sent
        forms.BaseFormSet.add_fields(self, form, index)

    def validate_unique(self) -> None:
        """Skip it: the store checks unique values when it writes."""
