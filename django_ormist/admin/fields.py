"""The fields of a proxy model: names for Django's admin, without columns."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.db import models
from django.forms import CharField, IntegerField
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from .. import fields as declarations
from ..validators import HIGHEST_COUNTER, LOWEST_COUNTER
from .value_text import to_text

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
    AnyDateTimeField = models.DateTimeField[Any, Any]
else:
    AnyField, AnyDateTimeField = models.Field, models.DateTimeField


class _Descriptor:
    """The descriptor of a field. It reads and writes the wrapped object."""

    def __init__(self, field: Any) -> None:
        self.field = field

    def __get__(self, proxy: Any, owner: type) -> Any:
        return self if proxy is None else self.field.get_value(proxy.ormist)

    def __set__(self, proxy: Any, value: Any) -> None:
        self.field.set_value(proxy.ormist, value)


class ProxyField(AnyField):
    """A field without a column."""

    descriptor_class = _Descriptor

    def db_type(self, connection: Any) -> None:
        """Return None: the field has no column."""

    def get_value(self, ormist: Any) -> Any:
        """Return the value of the object."""
        return getattr(ormist, self.name)

    def set_value(self, ormist: Any, value: Any) -> None:
        """Set the value of the object."""
        setattr(ormist, self.name, value)


class IdField(ProxyField):
    """The id. If it is left empty in a form, a random one is chosen."""

    def formfield(self, **kwargs: Any) -> Any:
        return CharField(
            required=False,
            strip=False,
            label=_("Id"),
            help_text=_("Leave it empty for a random one."),
        )


class TagsField(ProxyField):
    """The explicit tags. Lists show the tags of indexed attributes too."""

    def get_value(self, ormist: Any) -> list[str]:
        return list(ormist._state.tags)


class AttributeField(ProxyField):
    """One attribute of any type. None if it is missing."""

    def get_value(self, ormist: Any) -> Any:
        return ormist.attrs.get(self.name)

    def set_value(self, ormist: Any, value: Any) -> None:
        ormist.attrs[self.name] = value

    def formfield(self, **kwargs: Any) -> Any:
        from .formfields import OneAttributeField

        return OneAttributeField(self.name, label=capfirst(self.verbose_name))


class CounterField(ProxyField):
    """One counter of Meta.counters. bounds: its lowest and its highest value."""

    bounds: tuple[int | None, int | None] = (None, None)

    def formfield(self, **kwargs: Any) -> Any:
        low, high = self.bounds
        return IntegerField(
            min_value=LOWEST_COUNTER if low is None else low,
            max_value=HIGHEST_COUNTER if high is None else high,
            label=capfirst(self.verbose_name),
            help_text=self.help_text,
            required=False,
            initial=0,
            show_hidden_initial=True,
        )


class ExpireField(ProxyField, AnyDateTimeField):
    """The expiration time, in the time zone that forms and templates expect."""

    def get_value(self, ormist: Any) -> datetime | None:
        deadline: datetime | None = ormist.expire
        if deadline is None or settings.USE_TZ:
            return deadline
        return deadline.astimezone().replace(tzinfo=None)


class Misfit:
    """A stored value, where Django shows only yes, no and unknown.

    Django looks the icon up by the value: it finds that of None, and the text of the
    value becomes the alternative text.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(None)

    def __eq__(self, other: object) -> bool:
        return other is None


class DeclaredField(ProxyField):
    """One declared attribute. Its classes are also those of Django for its type.

    So ModelAdmin chooses the widgets, lists show the values in Django's way, and
    formfield_overrides apply.
    """

    declared: declarations.Field

    def get_value(self, ormist: Any) -> Any:
        """Return the attribute or its default; None if it has neither."""
        value = getattr(ormist, self.name, None)
        if isinstance(self, models.BooleanField) and not _is_bool(value):
            return Misfit(to_text(value).text)
        return value

    @property
    def flatchoices(self) -> list[tuple[Any, Any]]:
        """The choices by the values that are read: members of an Enum for example."""
        read = self.declared.to_python
        return [(read(value), label) for value, label in self.declared.flatchoices]

    def contribute_to_class(
        self, cls: Any, name: str, private_only: bool = False
    ) -> None:
        super().contribute_to_class(cls, name, private_only=private_only)
        display = f"get_{name}_display"
        if self.choices is not None:
            setattr(cls, display, lambda proxy: getattr(proxy.ormist, display)())

    def formfield(self, **kwargs: Any) -> Any:
        from .typed import build_formfield

        return build_formfield(self.declared, kwargs)


def _is_bool(value: Any) -> bool:
    """Return whether Django has an icon for a value: 0 is one of them."""
    return value is None or (isinstance(value, int | float) and value in (0, 1))


LONGEST_LINE = 255
"""Characters of a text that is entered in one line, as Django's CharField."""

_BASES: dict[type, type[AnyField]] = {
    forms.EmailField: models.EmailField,
    forms.URLField: models.URLField,
    forms.SlugField: models.SlugField,
    forms.UUIDField: models.UUIDField,
    forms.JSONField: models.JSONField,
    forms.CharField: models.TextField,
    forms.FloatField: models.FloatField,
    forms.DecimalField: models.DecimalField,
    forms.IntegerField: models.IntegerField,
    forms.DateTimeField: models.DateTimeField,
    forms.DateField: models.DateField,
    forms.TimeField: models.TimeField,
    forms.DurationField: models.DurationField,
    forms.BooleanField: models.BooleanField,
}
"""Django's fields, by the form fields of declared types."""


def build_field(declared: declarations.Field) -> ProxyField:
    """Return the field of a declared attribute, which is not a counter."""
    kind = type(declared.formfield())
    base = next((_BASES[each] for each in kind.__mro__ if each in _BASES), None)
    length = declared.max_length
    if base is models.TextField and length is not None and length <= LONGEST_LINE:
        base = models.CharField
    bases = (DeclaredField,) if base is None else (DeclaredField, base)
    field_class = type(f"Declared{base.__name__ if base else ''}", bases, {})
    field: DeclaredField = field_class(
        **describe(declared),
        choices=declared.choices,
        blank=declared.blank,
        null=declared.null,
        editable=declared.editable,
    )
    field.declared = declared
    return field


def build_counter(declared: declarations.Field) -> CounterField:
    """Return the field of a declared counter."""
    field = CounterField(blank=True, **describe(declared), editable=declared.editable)
    if isinstance(declared, declarations.CounterField):
        field.bounds = declared.bounds
    return field


def describe(declared: declarations.Field) -> dict[str, Any]:
    """Return the texts of a declaration, as arguments of a field."""
    return {"verbose_name": declared.verbose_name, "help_text": declared.help_text}
