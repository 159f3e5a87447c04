"""The fields of a proxy model: names for Django's admin, without columns."""

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


class ExpireField(ProxyField, AnyDateTimeField):
    """The expiration time, in the time zone that forms and templates expect."""

    def get_value(self, ormist: Any) -> datetime | None:
        deadline: datetime | None = ormist.expire
        if deadline is None or settings.USE_TZ:
            return deadline
        return deadline.astimezone().replace(tzinfo=None)
