"""Field: a declared attribute, which is a descriptor of its model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from enum import Enum
from itertools import count
from typing import Any, Self, TypeVar, overload

from django.core.exceptions import ValidationError
from django.core.validators import (
    MaxLengthValidator,
)
from django.utils.choices import flatten_choices
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from ..codecs import pack_value
from ..exceptions import InvalidLookupValue
from ..queries.expressions import is_expression
from ..storable import replacement
from .annotations import UnresolvedError, parse, resolve
from .arguments import check_choices, check_validators, refuse_unknown
from .containers import ListType, TupleType
from .types import REQUIRED, Choices, Validated, Validator, ValueType, run_validators

T = TypeVar("T")

Instance = Any
"""An instance of a model, whose class is in ``models``, above this package."""


class _Missing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "<no value>"


MISSING = _Missing.MISSING

_EMPTY: tuple[Any, ...] = ("", [], (), {}, set(), frozenset(), b"")
_UNCONVERTED = ("isnull", "startswith")


class ReadDefault:
    """A mutable default that was read, as the bytes that it had then.

    packed: None if it cannot be stored.
    """

    def __init__(self, packed: bytes | None) -> None:
        self.packed = packed


class Field:
    """A declared attribute of a model: its type, default and texts.

    name, model: where it is declared. attname: the name under which it is stored, which
    differs for references. verbose_name, help_text: for forms and the admin.
    editable: whether forms show it. default: the value of a new object, and of a stored
    one that lacks it; default_factory: a function that returns it. choices: pairs of a
    value and a label, which limit the values. validators: functions that raise
    ValidationError. blank: whether an empty value is valid.

    Annotations are resolved when the class is created if they can be, else on first
    use.
    """

    name: str
    attname: str
    model: type[Any]
    annotation: Any = MISSING

    # What Django's forms, serializers and views ask of a field.
    is_relation = many_to_many = many_to_one = one_to_many = one_to_one = False
    auto_created = primary_key = hidden = False
    concrete = serialize = True
    remote_field = db_default = unique_for_date = None

    @property
    def related_model(self) -> Any:
        """The model that a reference refers to, else None."""
        return None

    _number = 0
    _numbers = count()

    def __init__(
        self,
        *,
        default: Any = MISSING,
        default_factory: Callable[[], Any] | None = None,
        verbose_name: Any = None,
        help_text: Any = "",
        choices: Any = None,
        validators: Iterable[Validator] = (),
        blank: bool | None = None,
        editable: bool = True,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown)
        if default is not MISSING and default_factory is not None:
            raise TypeError("Pass default or default_factory, not both.")
        self._default, self._factory = default, default_factory
        self._verbose_name, self.help_text = verbose_name, help_text
        self._choices = check_choices(choices)
        self._blank, self.editable = blank, editable
        self.validators = check_validators(validators)
        self._scope: Mapping[str, Any] = {}
        self._stored_default: Any = MISSING
        self._read: Callable[[Instance, Any], Any] | None = self._resolve_and_read

    # Declaring it

    def contribute(self, model: type[Any], name: str) -> Self:
        """Return a copy that belongs to *model*, and make it an attribute of it."""
        own = copy(self)
        own.__dict__.pop("type", None)
        own.model, own.name, own._read = model, name, own._resolve_and_read
        own.attname = name
        own._number = next(self._numbers)
        setattr(model, name, own)
        return own

    def with_default(self, default: Any) -> Self:
        """Return a copy with another default."""
        own = copy(self)
        own._default, own._factory = default, None
        return own

    def check_default(self) -> None:
        """Raise TypeError for a default that objects would share."""
        default = self._default
        if callable(default) and not isinstance(default, type):
            raise self._error(
                f"its default {default!r} is a function. Pass "
                "ormist.field(default_factory=...)"
            )
        if not _is_hashable(default) or _is_changeable_record(default):
            raise self._error(
                f"its default is a {type(default).__name__}, which all objects would "
                f"share. Pass ormist.field(default_factory={type(default).__name__})"
            )

    def try_resolve(self, scope: Mapping[str, Any]) -> None:
        """Resolve the annotation with these local names, unless it names later ones."""
        self._scope = scope
        try:
            self.resolve()
        except UnresolvedError:
            return
        finally:
            self._scope = {}

    def resolve(self) -> None:
        """Resolve the annotation. Raises UnresolvedError, TypeError."""
        kind = self._find_type()
        self.__dict__["type"] = kind
        default = self._default
        if default is not MISSING:
            try:
                self._stored_default = kind.clean(kind.to_stored(default))
            except ValidationError as error:
                advice = error.messages[0]
                if default is None:
                    advice = f"Allow it: {kind.text} | None"
                raise self._error(
                    f"its default {default!r} is no {kind.text}. {advice}"
                ) from error
        if kind.is_mutable:
            self._read = self._read_live
        else:
            self._read = self._convert if kind.is_converted else None

    def _unresolved_error(self, error: UnresolvedError) -> TypeError:
        return self._error(
            f"its annotation names {error.name!r}, which "
            f"{error.module or self.model.__module__} does not define. Import it "
            "there, outside of TYPE_CHECKING"
        )

    def _find_type(self) -> ValueType:
        annotation = resolve(self.annotation, self.model.__module__, self._scope)
        try:
            return parse(annotation)
        except TypeError as error:
            raise self._error(str(error)) from error
        except RecursionError as error:
            raise self._error(
                "its annotation contains itself. Declare Any, a dataclass or a "
                "TypedDict"
            ) from error

    def _error(self, why: str) -> TypeError:
        return TypeError(f"{self.model.__name__}.{self.name}: {why.rstrip('.')}.")

    @cached_property
    def type(self) -> ValueType:
        """The declared type. Raises TypeError if its annotation cannot be resolved."""
        try:
            self.resolve()
        except UnresolvedError as error:
            raise self._unresolved_error(error) from error
        found: ValueType = self.__dict__["type"]
        return found

    # Reading and assigning it

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Instance, owner: Any = None) -> Any: ...
    def __get__(self, instance: Instance, owner: Any = None) -> Any:
        if instance is None:
            return self
        attrs = instance.attrs
        name = self.attname
        if name not in attrs:
            return self._read_absent(instance)
        read = self._read
        return attrs[name] if read is None else read(instance, attrs[name])

    def __set__(self, instance: Instance, value: Any) -> None:
        attrs = instance.attrs
        if self._read is None:
            attrs[self.attname] = value
            return
        attrs[self.attname] = stored = self.to_stored(value)
        if self.type.is_mutable and stored is not value:
            _live(instance)[self.attname] = (stored, value)

    def _resolve_and_read(self, instance: Instance, stored: Any) -> Any:
        _ = self.type
        return stored if self._read is None else self._read(instance, stored)

    def _convert(self, instance: Instance, stored: Any) -> Any:
        return self.to_python(stored)

    def _read_live(self, instance: Instance, stored: Any) -> Any:
        """Return the Python form, the same each time: it may be changed in place."""
        live = _live(instance)
        known = live.get(self.attname)
        if known is not None and known[0] is stored:
            return known[1]
        value = self.to_python(stored)
        if value is not stored:
            live[self.attname] = (stored, value)
        return value

    def _read_absent(self, instance: Instance) -> Any:
        """Return the default. One that a function made is the same each time."""
        if self._factory is None:
            stored = self.get_default()
            if stored is MISSING:
                raise self.absent_error(instance)
            return self.type.to_python(stored)
        live = _live(instance)
        known = live.get(self.attname)
        if known is not None and isinstance(known[0], ReadDefault):
            return known[1]
        stored = self.get_default()
        packed = self._packed(stored)  # before it is changed in place
        value = self.to_python(stored)
        live[self.attname] = (ReadDefault(packed), value)
        return value

    def absent_error(self, instance: Instance) -> AttributeError:
        """Return the error of reading it where it is absent and has no default."""
        return AttributeError(
            f"{self.model.__name__} {instance.id!r} has no {self.name!r}, which is "
            "declared without a default.",
            name=self.name,
            obj=instance,
        )

    def store_changes(self, attrs: dict[str, Any], known: Any, value: Any) -> Any:
        """Store a Python form that was changed in place. Return its stored form.

        known: the stored form from which it was made, or the ReadDefault.
        """
        if isinstance(known, ReadDefault):
            before = known.packed
        else:  # a dataclass was read with its own defaults
            before = self._packed(self.to_stored(self.to_python(known)))
        stored = self.to_stored(value)
        if before is not None and self._packed(stored) == before:
            return known
        attrs[self.attname] = stored
        return stored

    def _packed(self, stored: Any) -> bytes | None:
        """Return the bytes of a value, or None for one that save() refuses."""
        try:
            return pack_value(self.attname, stored)
        except (TypeError, ValueError):
            return None

    def value_from_object(self, obj: Instance) -> Any:
        """Return the attribute of this object, or None if it has none."""
        return getattr(obj, self.name, None)

    def save_form_data(self, instance: Instance, data: Any) -> None:
        """Set the attribute of this object."""
        setattr(instance, self.name, data)

    # Values

    def has_default(self) -> bool:
        """Return whether an object that lacks the attribute has a value of it."""
        return self._default is not MISSING or self._factory is not None

    @property
    def default_factory(self) -> Callable[[], Any] | None:
        """The function that returns the default, if one does."""
        return self._factory

    def get_default(self) -> Any:
        """Return the stored form of the default, or MISSING."""
        if self._factory is not None:
            return self.to_stored(self._factory())
        _ = self.type
        return self._stored_default

    def stored_value(self, attrs: Mapping[str, Any]) -> Any:
        """Return the stored form of the attribute, or of its default, or None."""
        if self.attname in attrs:
            return attrs[self.attname]
        default = self.get_default()
        return None if default is MISSING else default

    def converted_value(self, attrs: Mapping[str, Any]) -> Any:
        """Return stored_value() as the declared type, or as it is if that fails."""
        value = self.stored_value(attrs)
        try:
            return self.type.clean(value)
        except (ValidationError, RecursionError):
            return value

    def clean(self, value: Any, model_instance: Instance = None) -> Any:
        """Return the stored form of a value. Raises ValidationError.

        A value is converted if nothing is lost: "21" to 21.
        """
        try:
            stored = self.type.clean(self.to_stored(value))
        except ValidationError as error:
            if is_expression(value):
                raise ValidationError(
                    f"Cannot store the expression {value}. Store {replacement(value)}.",
                    code="invalid",
                ) from error
            raise
        except RecursionError as error:
            raise ValidationError(
                _("This value is nested too deeply."), code="invalid"
            ) from error
        if stored is None:
            return None
        if self._choices is not None:
            self._check_choice(stored)
        if self._blank is False and stored in _EMPTY:
            raise ValidationError(REQUIRED, code="blank")
        run_validators(self.validators, stored)
        return stored

    def _check_choice(self, stored: Any) -> None:
        if not any(
            type(value) is type(stored) and value == stored
            for value, _ in self.flatchoices
        ):
            raise ValidationError(
                "Value %(value)r is not a valid choice.",
                code="invalid_choice",
                params={"value": stored},
            )

    def required_error(self) -> ValidationError:
        """Return the error about an attribute that is absent and has no default."""
        return ValidationError(REQUIRED, code="required")

    def to_python(self, value: Any) -> Any:
        """Return the Python form of a stored value."""
        try:
            return self.type.to_python(value)
        except RecursionError:  # reading never raises
            return value

    def to_stored(self, value: Any) -> Any:
        """Return the stored form of a Python form, and any other value itself."""
        try:
            return self.type.to_stored(value)
        except RecursionError:  # clean() refuses it
            return value

    def to_lookup(self, lookup: str, value: Any) -> Any:
        """Return the value of a lookup, converted to the declared type.

        Raises InvalidLookupValue.
        """
        if lookup in _UNCONVERTED or isinstance(self.type, ListType | TupleType):
            return value
        is_many = lookup in ("in", "range") and not isinstance(value, str)
        try:
            if is_many and isinstance(value, Iterable):
                return [self._to_lookup(each) for each in value]
            return self._to_lookup(value)
        except ValidationError as error:
            name = self.name if lookup == "exact" else f"{self.name}__{lookup}"
            raise InvalidLookupValue(
                f"Cannot filter {self.model.__name__} by {name}: {error.messages[0]}"
            ) from error

    def _to_lookup(self, value: Any) -> Any:
        return None if value is None else self.type.to_lookup(value)

    # For forms, the admin and serializers

    @property
    def verbose_name(self) -> Any:
        """The name for people: that which was passed, or the name in words."""
        return self._verbose_name or self.name.replace("_", " ")

    @property
    def choices(self) -> Choices | None:
        """Pairs of a stored value and its label, if there is only a choice of them.

        A group is a pair of its label and its pairs.
        """
        if self._choices is None:
            return self.type.choices
        return [
            (value, [*map(self._stored_choice, label)])
            if isinstance(label, list)
            else self._stored_choice((value, label))
            for value, label in self._choices
        ]

    def _stored_choice(self, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        return self.type.to_stored(pair[0]), pair[1]

    @property
    def may_have_choices(self) -> bool:
        """Whether there are choices, or its annotation is not resolved yet."""
        return "type" not in self.__dict__ or self.choices is not None

    @property
    def flatchoices(self) -> Choices:
        """The pairs of the choices, those in groups too."""
        choices: Any = self.choices
        return [*flatten_choices(choices)]

    @property
    def null(self) -> bool:
        """Whether None is a valid value."""
        try:
            self.type.clean(None)
        except ValidationError:
            return False
        return True

    @property
    def blank(self) -> bool:
        """Whether a form may leave it empty.

        By default, if None is valid or the default is an empty value.
        """
        if self._blank is not None:
            return self._blank
        default = self.get_default()
        return self.null or (default is not MISSING and default in _EMPTY)

    @property
    def unique(self) -> bool:
        """Whether Meta.unique has it alone."""
        return (self.attname,) in self.model._meta.unique

    @property
    def max_length(self) -> int | None:
        """The limit of a MaxLengthValidator, if there is one."""
        found = [
            each.limit_value
            for each in self.all_validators
            if isinstance(each, MaxLengthValidator)
        ]
        return min(found, default=None)

    @property
    def all_validators(self) -> Sequence[Any]:
        """The validators of the annotation, then those that were passed."""
        kind = self.type
        own = kind.validators if isinstance(kind, Validated) else ()
        return [*own, *self.validators]

    def formfield(self, form_class: Any = None, **options: Any) -> Any:
        """Return a Django form field for the declared type, or None for bytes.

        form_class: another class. options: arguments that replace the declared ones.
        """
        from .formfields import build_formfield  # it imports django.forms: 60 ms

        default: Any = {}
        if self._factory is not None:
            # The form field calls it each time, and renders the value that it showed.
            default = {"initial": self._new_default, "show_hidden_initial": True}
        elif self.has_default():
            default = {"initial": self.to_python(self.get_default())}
        return build_formfield(self, form_class, {**default, **options})

    def _new_default(self) -> Any:
        return self.to_python(self.get_default())

    def __lt__(self, other: object) -> bool:
        """Return whether it is declared before the other one, for Django's forms."""
        return self._number < other._number if isinstance(other, Field) else False

    def __repr__(self) -> str:
        name = getattr(self, "name", None)
        owner = f": {self.model._meta.label}.{name}" if name else ""
        return f"<{type(self).__name__}{owner}>"


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_changeable_record(value: Any) -> bool:
    """Return whether it is an instance of a dataclass that is not frozen."""
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and not parameters.frozen


def _live(instance: Instance) -> dict[str, tuple[Any, Any]]:
    """Return the Python forms that may have been changed in place.

    By name, each with the stored form from which it was made, or a ReadDefault.
    """
    found: dict[str, tuple[Any, Any]] = instance.__dict__.setdefault("_live", {})
    return found
