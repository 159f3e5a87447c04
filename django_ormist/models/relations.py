"""The other side of references: ``author.books``, and what deletions do."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.apps import apps

from ..connections.executor import arun, run
from ..exceptions import ImproperlyConfigured
from ..fields import DO_NOTHING, SET_NULL, Reference
from ..fields.annotations import UnresolvedError
from ..flows import bulk
from ..flows import delete as delete_flows
from ..flows import update as update_flows
from ..flows.transaction import atomic
from ..operations.operation import Flow
from ..storable import unwrap
from .collection import Collection
from .manager import Manager
from .writing import alters_data

_waiting: list[Reference] = []
"""References to models that are not defined yet."""


class RelatedManager(Manager[Any]):
    """The objects that refer to one object, as ``author.books``.

    New objects refer to it.
    """

    _instance: Any
    _reference: Reference

    @classmethod
    def of(cls, reference: Reference, instance: Any) -> "RelatedManager":
        """Return the manager of the objects that refer to *instance*."""
        base = type(reference.model._default_manager)
        kind = type(f"Related{base.__name__}", (cls, base), {})
        manager: RelatedManager = kind()
        manager.__dict__.update(model=reference.model)
        manager._instance, manager._reference = instance, reference
        return manager

    def get_queryset(self) -> Collection[Any]:
        """Return the objects that refer to it.

        They are on its alias if both models are on the same one, as in Django.
        """
        found: Collection[Any] = super().get_queryset()
        using, reference = self._instance._state.db, self._reference
        own, other = reference.model._meta, reference.related_model._meta
        if using is not None and getattr(other, "using", None) == own.using:
            found = found.using(using)
        found = found.find(**{self._reference.name: self._instance})
        found._known = reference.name, self._instance
        return found

    def _values(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs, self._reference.name: self._instance}

    @alters_data
    def create(self, /, *tags: str, **attrs: Any) -> Any:
        """Create an object that refers to it. See Manager.create()."""
        return super().create(*tags, **self._values(attrs))

    @alters_data
    async def acreate(self, /, *tags: str, **attrs: Any) -> Any:
        """See create()."""
        return await super().acreate(*tags, **self._values(attrs))

    @alters_data
    def get_or_create(self, /, *args: Any, **lookups: Any) -> tuple[Any, bool]:
        """See Manager.get_or_create()."""
        return super().get_or_create(*args, **self._values(lookups))

    @alters_data
    async def aget_or_create(self, /, *args: Any, **lookups: Any) -> tuple[Any, bool]:
        """See get_or_create()."""
        return await super().aget_or_create(*args, **self._values(lookups))

    @alters_data
    def update_or_create(self, /, *args: Any, **lookups: Any) -> tuple[Any, bool]:
        """See Manager.update_or_create()."""
        return super().update_or_create(*args, **self._values(lookups))

    @alters_data
    async def aupdate_or_create(
        self, /, *args: Any, **lookups: Any
    ) -> tuple[Any, bool]:
        """See update_or_create()."""
        return await super().aupdate_or_create(*args, **self._values(lookups))

    @alters_data
    def bulk_create(self, /, objs: Iterable[Any], *args: Any, **options: Any) -> Any:
        """See Manager.bulk_create(). The objects refer to it."""
        return super().bulk_create(self._assign(objs), *args, **options)

    @alters_data
    async def abulk_create(
        self, /, objs: Iterable[Any], *args: Any, **options: Any
    ) -> Any:
        """See bulk_create()."""
        return await super().abulk_create(self._assign(objs), *args, **options)

    @alters_data
    def bulk_save(self, /, objs: Iterable[Any], batch_size: int | None = None) -> int:
        """See Manager.bulk_save(). The objects refer to it."""
        return super().bulk_save(self._assign(objs), batch_size)

    @alters_data
    async def abulk_save(
        self, /, objs: Iterable[Any], batch_size: int | None = None
    ) -> int:
        """See bulk_save()."""
        return await super().abulk_save(self._assign(objs), batch_size)

    @alters_data
    def add(self, *objs: Any, bulk: bool = True) -> None:
        """Let stored objects refer to it. 1 + ceil(N / 100) round trips.

        bulk: False calls save() of each object, in one atomic() block, and takes new
        objects. Raises ValueError for an object that is not stored.
        """
        if bulk:
            run(self._add(objs), self.db)
            return
        with atomic(self.db):
            for each in self._assign(objs):
                each.save(using=self.db)

    @alters_data
    async def aadd(self, *objs: Any, bulk: bool = True) -> None:
        """See add()."""
        if bulk:
            await arun(self._add(objs), self.db)
            return
        async with atomic(self.db):
            for each in self._assign(objs):
                await each.asave(using=self.db)

    @alters_data
    def remove(self, *objs: Any) -> None:
        """Let these objects refer to nothing. See Collection.update().

        Raises DoesNotExist for an object that does not refer to it.
        """
        run(self._remove(objs), self.db)

    @alters_data
    async def aremove(self, *objs: Any) -> None:
        """See remove()."""
        await arun(self._remove(objs), self.db)

    @alters_data
    def set(self, objs: Iterable[Any], *, clear: bool = False) -> None:
        """Let these stored objects refer to it, and no others.

        If the reference cannot be None, the others are left. clear: clear all first.
        An update(), then add(): not one step.
        """
        run(self._set(objs, clear), self.db)

    @alters_data
    async def aset(self, objs: Iterable[Any], *, clear: bool = False) -> None:
        """See set()."""
        await arun(self._set(objs, clear), self.db)

    @alters_data
    def clear(self) -> int:
        """Let no object refer to it. Return their number. See Collection.update()."""
        return run(self._clear(self.get_queryset()), self.db)

    @alters_data
    async def aclear(self) -> int:
        """See clear()."""
        return await arun(self._clear(self.get_queryset()), self.db)

    def _add(self, objs: Iterable[Any]) -> Flow[int]:
        stored, using = self._checked(objs), self.db
        for each in stored:
            if each._state.adding or each._state.db != using:
                raise ValueError(
                    f"{each!r} instance isn't saved. Use bulk=False or save the object "
                    "first."
                )
        base: Collection[Any] = self.model._base_manager.using(using)
        return bulk.update(base, self._assign(stored), [self._reference.name])

    def _remove(self, objs: Iterable[Any]) -> Flow[int]:
        stored, reference = self._checked(objs), self._reference
        for each in stored:
            if reference.value_from_object(each) != self._instance.pk:
                raise reference.related_model.DoesNotExist(
                    f"{each!r} is not related to {self._instance!r}."
                )
        pks = [each.pk for each in stored]
        return self._clear(self.get_queryset().filter(pk__in=pks))

    def _set(self, objs: Iterable[Any], clear: bool) -> Flow[None]:
        new, own = self._checked(objs), self.get_queryset()
        add = self._add(new)  # raises before anything is written
        if self._reference.null:
            kept = [] if clear else [each.pk for each in new]
            yield from self._clear(own.exclude(pk__in=kept))
        yield from add

    def _clear(self, collection: Collection[Any]) -> Flow[int]:
        return update_flows.update(collection, {self._reference.name: None})

    def _assign(self, objs: Iterable[Any]) -> list[Any]:
        """Return the objects, which refer to it from now on."""
        found = self._checked(objs)
        for each in found:
            setattr(each, self._reference.name, self._instance)
        return found

    def _checked(self, objs: Iterable[Any]) -> list[Any]:
        """Return the objects. Raises TypeError for one of another model."""
        found = list(map(unwrap, objs))
        for each in found:
            if type(each) is not self.model:
                name = self.model._meta.object_name
                raise TypeError(f"{name!r} instance expected, got {each!r}")
        return found


class ReverseRelation:
    """The attribute ``books`` of an author: a RelatedManager."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return RelatedManager.of(self.reference, instance)


# ---------------------------------------------------------------- connecting


def check_references(model: Any) -> None:
    """Raise ImproperlyConfigured for a reference without an index that it needs.

    Raise TypeError for SET_NULL without None.
    """
    meta = model._meta
    for reference in meta.references.values():
        name = f"{meta.object_name}.{reference.name}"
        if reference.on_delete is SET_NULL and not reference.null:
            raise TypeError(f"{name} has on_delete=SET_NULL. Pass null=True as well.")
        uses = reference.on_delete is not DO_NOTHING or reference.related_name
        if uses and not meta.has_index(reference.attname):
            option = (
                f"related_name={reference.related_name!r}"
                if reference.on_delete is DO_NOTHING
                else f"on_delete={reference.on_delete!r}"
            )
            raise ImproperlyConfigured(
                f"{name} has {option}, and no index finds its objects. Add "
                f"{reference.name!r} to {meta.object_name}.Meta.index_attrs."
            )


def connect(model: Any) -> None:
    """Connect the references of a new model, and those that waited for it."""
    _waiting.extend(model._meta.references.values())
    connect_waiting()


def connect_waiting() -> None:
    """Connect the references whose model is defined by now."""
    waiting, _waiting[:] = list(_waiting), []
    for reference in waiting:
        try:
            target = reference.find_target()
        except UnresolvedError:
            _waiting.append(reference)
            continue
        _connect(reference, target)


def _connect(reference: Reference, target: Any) -> None:
    if reference.related_name:
        _add_reverse(reference, target)
    if reference.on_delete is DO_NOTHING:
        return
    key = target._meta.concrete_model  # deletions of proxies count
    known = delete_flows.referring_by_model.setdefault(key, [])
    known[:] = [
        each
        for each in known
        if each.model._meta.label != reference.model._meta.label
        or each.name != reference.name
    ]
    known.append(reference)
    if reference.is_to_django:
        _follow_deletions(target)


def _add_reverse(reference: Reference, target: Any) -> None:
    meta = reference.model._meta
    name = (reference.related_name or "") % {
        "class": meta.object_name.lower(),
        "model_name": meta.model_name,
        "app_label": meta.app_label or "",
    }
    known = getattr(target, name, None)
    owner_text = f"which {target.__name__} defines itself"
    if isinstance(known, ReverseRelation):
        owner = known.reference.model
        owner_text = f"which {owner.__name__}.{known.reference.name} has already"
        if name in vars(target) and _is_derived(reference.model, owner):
            return  # it gives the objects of the base
        is_ours = owner._meta.label == meta.label or name not in vars(target)
    else:
        is_ours = known is None
    if not is_ours:
        raise ImproperlyConfigured(
            f"{meta.object_name}.{reference.name} has the related_name {name!r}, "
            f"{owner_text}. Choose another one."
        )
    options = ("index_attrs", "ordered", "counters")
    given = [o for o in options if name in (getattr(target._meta, o, None) or ())]
    if given:
        raise ImproperlyConfigured(
            f"{meta.object_name}.{reference.name} has the related_name {name!r}, "
            f"which is in {target.__name__}.Meta.{given[0]}. Choose another one, or "
            "remove it there."
        )
    setattr(target, name, ReverseRelation(reference))
    target._meta.__dict__.pop("own_names", None)
    target._meta.__dict__.pop("own_setters", None)


def _is_derived(model: Any, base: Any) -> bool:
    """Return whether a model is derived from another one."""
    return issubclass(model, base) and model._meta.label != base._meta.label


def _follow_deletions(target: Any) -> None:
    """Apply on_delete when objects of this model of Django are deleted.

    Django sends the signal of the proxy that is used to delete them.
    """
    from django.db.models.signals import class_prepared, pre_delete

    concrete = target._meta.concrete_model

    def follow(sender: Any, **kwargs: Any) -> None:
        if sender._meta.concrete_model is concrete:
            pre_delete.connect(
                _on_django_delete, sender=sender, dispatch_uid="django_ormist.on_delete"
            )

    for models in apps.all_models.values():
        for model in models.values():
            follow(model)
    follow(target)
    class_prepared.connect(
        follow, weak=False, dispatch_uid=f"django_ormist.on_delete {id(concrete)}"
    )


def _on_django_delete(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    """Raise ProtectedError, or delete and change objects when the deletion commits.

    Objects of other databases than that of the references are left out.
    """
    from django.db import router, transaction

    keys, model = [instance.pk], sender._meta.concrete_model
    if using != router.db_for_write(model):
        return
    run(delete_flows.find_effects(model, keys, using), _any_alias(model))
    transaction.on_commit(partial(_apply, model, keys, using), using=using)


def _apply(model: Any, keys: list[Any], using: str) -> None:
    run(delete_flows.apply_all(model, keys, using), _any_alias(model))


def _any_alias(model: Any) -> str:
    """Return the alias of some object that refers to the model."""
    using: str = delete_flows.referring_by_model[model][0].model._meta.using
    return using
