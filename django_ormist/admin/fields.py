"""The fields of a stub: what Django's admin may name, without a column anywhere."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.forms import CharField, IntegerField
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
    AnyDateTimeField = models.DateTimeField[Any, Any]
else:
    AnyField, AnyDateTimeField = models.Field, models.DateTimeField


class _Reading:
    """The descriptor of a field: it reads and writes the object that a stub wraps."""

    def __init__(self, field: Any) -> None:
        self.field = field

    def __get__(self, stub: Any, owner: type) -> Any:
        return self if stub is None else self.field.of(stub.ormist)

    def __set__(self, stub: Any, value: Any) -> None:
        self.field.put(stub.ormist, value)


class StubField(AnyField):
    """A field without a column."""

    descriptor_class = _Reading

    def db_type(self, connection: Any) -> None:
        """None: no database has a column for it."""

    def of(self, ormist: Any) -> Any:
        """The value of the object."""
        return getattr(ormist, self.name)

    def put(self, ormist: Any, value: Any) -> None:
        """Give the object this value."""
        setattr(ormist, self.name, value)


class IdField(StubField):
    """The id. Left empty in a form, one is drawn."""

    def formfield(self, **kwargs: Any) -> Any:
        return CharField(
            required=False,
            strip=False,
            label=_("Id"),
            help_text=_("Leave it empty to have one drawn."),
        )


class TagsField(StubField):
    """The explicit tags; those of indexed attributes are shown with these."""

    def of(self, ormist: Any) -> list[str]:
        return list(ormist._tags)


class AttributeField(StubField):
    """One attribute, of any type; None where the object does not have it."""

    def of(self, ormist: Any) -> Any:
        return ormist.attrs.get(self.name)

    def put(self, ormist: Any, value: Any) -> None:
        ormist.attrs[self.name] = value

    def formfield(self, **kwargs: Any) -> Any:
        from .formfields import OneAttributeField

        return OneAttributeField(self.name, label=capfirst(self.verbose_name))


class CounterField(StubField):
    """One counter of Meta.counters."""

    def formfield(self, **kwargs: Any) -> Any:
        return IntegerField(
            min_value=-(2**63),
            max_value=2**63 - 1,
            label=capfirst(self.verbose_name),
            required=False,
            initial=0,
            show_hidden_initial=True,
        )


class ExpireField(StubField, AnyDateTimeField):
    """The deadline, in the time that forms and templates expect."""

    def of(self, ormist: Any) -> datetime | None:
        deadline: datetime | None = ormist.expire
        if deadline is None or settings.USE_TZ:
            return deadline
        return deadline.astimezone().replace(tzinfo=None)
