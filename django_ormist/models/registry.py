"""The registry of concrete models."""

from typing import TYPE_CHECKING, Any

from ..fields import references

if TYPE_CHECKING:
    from .base import Model

_models: "list[type[Model]]" = []


def register(model: "type[Model]") -> None:
    """Register a concrete model. The later of two with the same label counts."""
    _models.append(model)


def declared_models() -> "list[type[Model]]":
    """Return every concrete model, also those replaced by one of the same label."""
    return list(_models)


def all_models() -> "list[type[Model]]":
    """Return the concrete models, sorted by label."""
    by_label = {model._meta.label: model for model in _models}
    return [by_label[label] for label in sorted(by_label)]


def find(label: str) -> Any:
    """Return the model of this label, in any case, or None."""
    for model in reversed(_models):
        if model._meta.label_lower == label.lower():
            return model
    return None


references.finders.append(find)


def slots() -> list[str]:
    """Return the names in Meta.slot of all models, sorted."""
    return sorted({model._meta.slot for model in _models} - {""})


def get_model(label: str) -> "type[Model]":
    """Return the model of this label: ``app_label.Model`` or ``Model``, in any case.

    Raises LookupError with the existing labels.
    """
    models = all_models()
    for model in models:
        if model._meta.label_lower == label.lower():
            return model
    known = ", ".join(model._meta.label for model in models) or "none"
    raise LookupError(f"There is no model {label!r}. The registered ones: {known}.")
