"""Every concrete model that was declared."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Model

_models: "list[type[Model]]" = []


def register(model: "type[Model]") -> None:
    """Remember a concrete model. Declared again (a reload), the later one stands."""
    _models.append(model)


def declared() -> "list[type[Model]]":
    """Every concrete model, those that another one of the same label stands for too."""
    return list(_models)


def all_models() -> "list[type[Model]]":
    """The concrete models, by label; of two with one label the later."""
    by_label = {model._meta.label: model for model in _models}
    return [by_label[label] for label in sorted(by_label)]


def get_model(label: str) -> "type[Model]":
    """The model of this label (``app_label.Model`` or ``Model``, in any case).

    Raises LookupError that names the label and those that there are.
    """
    models = all_models()
    for model in models:
        if model._meta.label_lower == label.lower():
            return model
    known = ", ".join(model._meta.label for model in models) or "none"
    raise LookupError(f"There is no model {label!r}. The registered ones: {known}.")
