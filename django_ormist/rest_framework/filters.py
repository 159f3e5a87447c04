"""Filter backends: find() by query parameters, and the order of a list."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import ValidationError as DjangoValidationError
from django.template import loader
from django.utils.text import capfirst
from rest_framework import filters
from rest_framework.exceptions import ValidationError
from rest_framework.fields import get_error_detail
from rest_framework.serializers import BooleanField, DateTimeField

from ..exceptions import FieldError, InvalidLookupValue
from ..fields import Field
from ..fields.types import Scalar, UnionType, Validated
from ..queries.conditions import Term, all_of, any_of
from ..queries.lookups import compares_text
from ..queries.query import CREATED, EXPIRE
from ..queries.ranges import LOOKUPS
from ..terms import tag_term

_LISTS = ("in", "range")
_TIMES = (CREATED, EXPIRE)
_EQUAL = ("exact", "in")
_OF_TIMES = ("exact", "in", "gt", "gte", "lt", "lte", "range", "isnull")

_SCHEMAS = {
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "float": {"type": "number"},
    "int": {"type": "integer"},
    "UUID": {"type": "string", "format": "uuid"},
}


class Lookup(NamedTuple):
    """A lookup that a view allows: the name of its parameter, and its parts."""

    parameter: str
    name: str
    lookup: str


class LookupFilter(filters.BaseFilterBackend):
    """A filter by the lookups that a view allows in ``filterset_fields``.

    That is a list of names, for equality, or a dict of names and their lookups:
    ``{"total": ["exact", "gte"]}`` allows ``?total=5`` and ``?total__gte=5``. Names are
    indexed or ordered attributes, ``id``, ``tags``, ``created`` and ``expire``. ``in``
    and ``range`` take values with commas between.

    Values are converted by the declaration. One that cannot be converted, or that no
    index holds, such as NaN, answers 400 by parameter. Other parameters and empty
    values are ignored. Raises ImproperlyConfigured for a lookup without an index.
    """

    template = "rest_framework/filters/base.html"

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        errors: dict[str, Any] = {}
        meta = queryset.model._meta
        for each in self.get_lookups(view, meta):
            values = [
                value
                for value in request.query_params.getlist(each.parameter)
                if value != ""
            ]
            if not values:
                continue
            try:
                queryset = _narrow(queryset, each, values)
            except InvalidLookupValue as error:
                cause = error.__cause__
                found = cause if isinstance(cause, DjangoValidationError) else error
                errors[each.parameter] = get_error_detail(found)
            except DjangoValidationError as error:
                errors[each.parameter] = get_error_detail(error)
            except ValidationError as error:
                errors[each.parameter] = error.detail
            except (FieldError, ValueError, TypeError):
                errors[each.parameter] = ["This value cannot be looked up."]
        if errors:
            raise ValidationError(errors)
        return queryset

    def get_lookups(self, view: Any, meta: Any) -> list[Lookup]:
        """Return the lookups that a view allows. Raises ImproperlyConfigured."""
        given = getattr(view, "filterset_fields", None) or ()
        pairs = given.items() if isinstance(given, Mapping) else _exact(given)
        found = []
        for name, lookups in pairs:
            for lookup in [lookups] if isinstance(lookups, str) else lookups:
                if (why := _refusal(meta, name, lookup)) is not None:
                    raise ImproperlyConfigured(
                        f"{type(view).__name__}.filterset_fields allows {lookup!r} of "
                        f"{name!r}, but {why}"
                    )
                parameter = name if lookup == "exact" else f"{name}__{lookup}"
                found.append(Lookup(parameter, name, lookup))
        return found

    # The schema and the browsable API

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        meta = view.get_queryset().model._meta
        return [
            {
                "name": each.parameter,
                "required": False,
                "in": "query",
                "description": _describe(meta, each),
                "schema": _schema(meta, each),
                **_style(each),
            }
            for each in self.get_lookups(view, meta)
        ]

    def to_html(self, request: Any, queryset: Any, view: Any) -> str:
        meta = queryset.model._meta
        lookups = self.get_lookups(view, meta)
        if not lookups:
            return ""
        fields = {each.parameter: _form_field(meta, each) for each in lookups}
        form_class = type("FilterForm", (forms.Form,), fields)
        form = form_class(initial=request.query_params.dict())
        found: str = loader.get_template(
            "django_ormist/rest_framework/filter_form.html"
        ).render({"form": form})
        return found


def _exact(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    if isinstance(names, str):
        raise ImproperlyConfigured(
            f"filterset_fields is a list or a dict, not the text {names!r}. Write "
            f"[{names!r}]."
        )
    return ((name, ["exact"]) for name in names)


def _refusal(meta: Any, name: str, lookup: str) -> str | None:
    """Return the reason why a view cannot allow a lookup, if any."""
    owner = f"{meta.object_name}.Meta"
    name = meta.stored_name(name)
    allowed: tuple[str, ...]
    if name in ("id", "pk"):
        allowed = _EQUAL
    elif name == "tags":
        allowed = _EQUAL if meta.model.is_tagged else ()
    elif is_time(meta, name):
        allowed = _OF_TIMES
    elif name in meta.counters:
        allowed = ()
    elif meta.is_undeclared(name):
        return str(meta.refusal(name))
    else:
        has_text = compares_text(meta, name) and name not in meta.pending_indexes
        allowed = _EQUAL if has_text else ()
        if name in meta.ordered and name not in meta.pending_indexes:
            allowed = (*_EQUAL, *LOOKUPS)
            is_text = lookup in ("startswith", "isnull") or (
                lookup in _EQUAL and has_text
            )
            if name not in meta.fields_by_name and not is_text and lookup in allowed:
                return (
                    "a parameter is a text, and the attribute has no type. Declare it "
                    "by an annotation."
                )
    if lookup in allowed:
        return None
    return f"no index answers it. Remove it, or add {name!r} to an option of {owner}."


def is_time(meta: Any, name: str) -> bool:
    """Return whether a name is that of the creation or the expiration time."""
    has_own = name in meta.fields_by_name or name in meta.ordered or meta.finds(name)
    return name in _TIMES and not has_own


def _narrow(queryset: Any, each: Lookup, values: list[str]) -> Any:
    """Return the queryset filtered by one parameter."""
    meta = queryset.model._meta
    if each.name == "tags":
        return _by_tags(queryset, each, values)
    value: Any = values[-1]
    if each.lookup == "isnull":
        value = BooleanField().run_validation(value)
    elif each.lookup in _LISTS:
        value = value.split(",")
        if each.lookup == "range" and len(value) != 2:
            raise ValidationError(["Enter two values with a comma between."])
    clean = _cleaner(meta, each)
    if clean is not None:
        is_list = each.lookup in _LISTS
        value = [clean(one) for one in value] if is_list else clean(value)
    return queryset.find(**{f"{each.name}__{each.lookup}": value})


def _cleaner(meta: Any, each: Lookup) -> Callable[[str], Any] | None:
    """Return the function that converts a text, where find() does it otherwise."""
    if each.lookup in ("isnull", "startswith"):
        return None
    field = _field(meta, each.name)
    if _is_moment(meta, each, field):  # without a warning about a naive one
        found: Callable[[str], Any] = DateTimeField().run_validation
        return found
    if field is not None and field.choices and each.lookup in _EQUAL:
        clean: Callable[[str], Any] = field.clean
        return clean  # find() accepts values that are no choice
    return None


def _is_moment(meta: Any, each: Lookup, field: Field | None) -> bool:
    return is_time(meta, each.name) if field is None else _scalar(field) == "datetime"


def _by_tags(queryset: Any, each: Lookup, values: list[str]) -> Any:
    """Return the objects with all explicit tags of these, or with any of them.

    A text that reads like an attribute finds none by it: the view did not allow that.
    """
    if each.lookup == "in":
        values = values[-1].split(",")
    indexes = queryset.model._meta.indexes
    terms = [Term(tag_term(each, indexes)) for each in values]
    collection = queryset.all()
    query = collection.query.narrow(
        (), None, (any_of(terms) if each.lookup == "in" else all_of(terms),)
    )
    return type(collection)(collection.model, query, collection.db)


def _describe(meta: Any, each: Lookup) -> str:
    field = _field(meta, each.name)
    return "" if field is None else str(field.help_text)


def _field(meta: Any, name: str) -> Field | None:
    found: Field | None = meta.fields_by_name.get(meta.stored_name(name))
    return found


def _schema(meta: Any, each: Lookup) -> dict[str, Any]:
    if each.lookup == "isnull":
        return dict(_SCHEMAS["bool"])
    schema: dict[str, Any] = {"type": "string"}
    field = _field(meta, each.name)
    if _is_moment(meta, each, field):
        schema = dict(_SCHEMAS["datetime"])
    elif field is not None:
        schema = dict(_SCHEMAS.get(_scalar(field), schema))
        if field.choices:
            schema = {**schema, "enum": [value for value, _ in field.flatchoices]}
    is_list = each.lookup in _LISTS or each.name == "tags"
    return {"type": "array", "items": schema} if is_list else schema


def _style(each: Lookup) -> dict[str, Any]:
    """Return how a list of values is written."""
    if each.lookup in _LISTS:
        return {"explode": False, "style": "form"}
    return {"explode": True, "style": "form"} if each.name == "tags" else {}


def _scalar(field: Field) -> str:
    """Return the name of the single type of an attribute, or ""."""
    kind = field.type
    while True:
        if isinstance(kind, Validated):
            kind = kind.inner
        elif isinstance(kind, UnionType) and len(kind.others) == 1:
            kind = kind.others[0]
        else:
            return kind.text if isinstance(kind, Scalar) else ""


def _form_field(meta: Any, each: Lookup) -> forms.Field:
    """Return a field of the form that the browsable API shows."""
    field = _field(meta, each.name)
    name = each.name if field is None else str(field.verbose_name)
    words = [name.replace("_", " "), "" if each.lookup == "exact" else each.lookup]
    label = capfirst(" ".join(words).strip())
    choices = None
    if each.lookup == "isnull":
        choices = [("true", "true"), ("false", "false")]
    elif field is not None and field.choices and each.lookup == "exact":
        choices = list(field.choices)
    if choices is not None:
        return forms.ChoiceField(
            label=label, required=False, choices=[("", "---------"), *choices]
        )
    return forms.CharField(label=label, required=False)


class OrderingFilter(filters.OrderingFilter):
    """The ordering filter of REST framework over the orders that a model has.

    Without ``ordering_fields``, those that the serializer shows; ``"__all__"`` is all:
    ordered attributes, ``created`` and ``expire``.
    """

    def get_default_valid_fields(
        self, queryset: Any, view: Any, context: Any = None
    ) -> list[tuple[str, Any]]:
        orders = dict(_orders(queryset.model._meta))
        fields = view.get_serializer_class()(context=context or {}).fields
        shown = {
            field.source: field.label
            for field in fields.values()
            if not getattr(field, "write_only", False)
        }
        return [(name, label) for name, label in shown.items() if name in orders]

    def get_valid_fields(
        self, queryset: Any, view: Any, context: Any = None
    ) -> list[tuple[str, Any]]:
        if getattr(view, "ordering_fields", self.ordering_fields) == "__all__":
            return list(_orders(queryset.model._meta))
        found: list[tuple[str, Any]] = super().get_valid_fields(queryset, view, context)
        return found


def _orders(meta: Any) -> Iterator[tuple[str, str]]:
    """Yield the names and labels of all orders of a model."""
    for name in meta.ordered:
        if name not in meta.pending_indexes:
            field = _field(meta, name)
            label = name.replace("_", " ") if field is None else field.verbose_name
            yield name, capfirst(str(label))
    if CREATED not in meta.ordered and CREATED not in meta.fields_by_name:
        yield CREATED, "Created"
    yield EXPIRE, "Expire"
