"""Django's shell, which also imports the models of django_ormist."""

import os
import sys
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.management import find_commands
from django.core.management.base import BaseCommand
from django.core.management.commands import shell

from ...models import Model, registry

NAME = "django_ormist"


class Command(shell.Command):
    """The shell of Django, or of an app that comes later in INSTALLED_APPS.

    Django uses the first of two apps with the same command. This one extends the
    other.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        later = find_later_shell()
        if later is None or issubclass(cls, later):
            return super().__new__(cls)
        if not issubclass(later, shell.Command) or issubclass(later, Command):
            return later(*args, **kwargs)
        return super().__new__(type("Command", (cls, later), {}))

    def get_auto_imports(self) -> Any:
        """Return import paths: those of Django, and those of our models.

        Of two models with the same name, the one of the earlier app is imported.
        """
        paths = super().get_auto_imports()
        if paths is None:
            return None
        merged = list(paths)
        for model in reversed(registry.all_models()):
            if is_importable(model):
                merged.insert(find_position(merged, model), path_of(model))
        return merged


def find_later_shell() -> type[BaseCommand] | None:
    """Return the command ``shell`` that Django would take without this app."""
    configs = list(apps.get_app_configs())
    names = [config.name for config in configs]
    for config in configs[names.index(NAME) + 1 :] if NAME in names else ():
        if "shell" in find_commands(os.path.join(config.path, "management")):
            found = import_module(f"{config.name}.management.commands.shell")
            command: type[BaseCommand] = found.Command
            return command
    return None


def is_importable(model: type[Model]) -> bool:
    """Return whether a model is in its module under its name, unlike a local class."""
    module = sys.modules.get(model.__module__)
    return getattr(module, model.__name__, None) is model


def path_of(model: type[Model]) -> str:
    """Return the import path of a model."""
    return f"{model.__module__}.{model.__name__}"


def find_position(paths: list[str], model: type[Model]) -> int:
    """Return the position of *model* among the paths, where later ones win.

    Models of earlier apps come later. The first paths are Django's own.
    """
    own = rank_of(path_of(model))
    place = 0
    for index, path in enumerate(paths):
        other = rank_of(path)
        if other is None:
            if place == index:
                place = index + 1
        elif own is not None and other >= own:
            place = index + 1
    return place


def rank_of(path: str) -> int | None:
    """Return the place in INSTALLED_APPS of the app of an import path."""
    config = apps.get_containing_app_config(path)
    return None if config is None else list(apps.get_app_configs()).index(config)
