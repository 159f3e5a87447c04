"""Delete the objects of a model, or every key under a prefix."""

import sys
from collections.abc import Container, Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from redis.exceptions import ResponseError

from ...connections import connections
from ...connections.executor import repeat_scan, run
from ...exceptions import OrmistError
from ...flows import update
from ...keys import Space
from ...models import Collection, Model, registry
from ...operations.expiry import sweep
from ...operations.keyspace import (
    KeyScan,
    keys_by_model,
    list_journals,
    list_quarantined,
    root,
    unlink_all,
    unlink_some,
)
from ..command import (
    OrmistCommand,
    Progress,
    align_columns,
    find_model,
    pluralize,
    printable,
    safe_url,
)
from ..moving import warn_of_other_slots

IDS_A_STEP = 500
MOST_SCANS = 5

RESUME_OBJECTS = (
    "Objects deleted so far are gone with their index entries, the others are "
    "complete. Run the same command again to go on."
)
RESUME_KEYS = (
    "Some keys are gone, and index entries may be left without their objects. Run the "
    "same command again to go on."
)


class Command(OrmistCommand):
    """A deletion with a confirmation. It deletes 500 objects at a time."""

    help = (
        "Deletes the objects of a model, or those with the given tags. Without a "
        "model, deletes every key under the alias's KEY_PREFIX, also those of "
        "unregistered models. Keys outside the prefix are never deleted. Lists the "
        "data and requires a confirmation. Stop all writers first: an object that is "
        "written at the same time may lose its index entries."
    )
    stealth_options = ("stdin",)
    resume = "No data was deleted. Run the same command again to go on."
    using_help = (
        "The alias of settings.ORMIST. Without it: the model's own, or default when no "
        "model is named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--tag",
            action="append",
            dest="tags",
            metavar="TAG",
            help="Only objects with this tag (or name:text of an indexed attribute); "
            "given again, with all of them.",
        )
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Delete without a confirmation.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Only list the data that would be deleted.",
        )

    def run_command(self, **options: Any) -> None:
        label, tags = options["model"], options["tags"]
        if tags is not None and label is None:
            raise CommandError("--tag needs a model: ormist_flush app.Model --tag ...")
        if tags is not None and not tags:  # a list that a program computed wrongly
            raise CommandError("tags is empty. Leave it out to delete all objects.")
        model = None if label is None else find_model(label)
        using = options["using"] or (model._meta.using if model else "default")
        if model is not None and tags:
            self.flush_tagged(find_tagged(model, using, tags), tags, options)
        else:
            self.flush_keys(model, using, options)

    # Objects with tags

    def flush_tagged(
        self, chosen: "Collection[Any]", tags: list[str], options: dict[str, Any]
    ) -> None:
        ids = chosen.ids()
        lines = [
            ("model", printable(chosen.model._meta.label)),
            ("tags", ", ".join(map(printable, tags))),
            ("objects", pluralize(len(ids), "object")),
        ]
        if self.should_proceed(chosen.db, lines, len(ids), options):
            self.resume = RESUME_OBJECTS
            with Progress(self, options["verbosity"]) as progress:
                number = sum(delete_in_batches(chosen, ids, progress))
            self.report(f"Deleted {pluralize(number, 'object')}.", options)

    # Everything under a prefix

    def flush_keys(
        self, model: type[Model] | None, using: str, options: dict[str, Any]
    ) -> None:
        if model is not None:
            warn_of_other_slots(self, model, using)
        prefix = connections[using].key_prefix
        start = root(prefix) if model is None else model._meta.space(using).base
        key = None if model is None else start  # all keys of a model are in its slot
        found = repeat_scan(
            lambda: run(keys_by_model(start, prefix, key), using), connections[using]
        )
        registered = {each._meta.label: each for each in registry.all_models()}
        own = {each._meta.space(using): each for each in registered.values()}
        lines = [
            (
                describe(space, own, registered),
                f"{pluralize(objects, 'object')}, {pluralize(keys, 'key')}",
            )
            for space, (objects, keys) in sorted(found.items(), key=by_label)
        ]
        quarantined = repeat_scan(
            lambda: run(list_quarantined(start, prefix, key), using), connections[using]
        )
        if quarantined:
            lines.append(("in quarantine", pluralize(len(quarantined), "key")))
        journals = []
        if model is None:
            journals = repeat_scan(
                lambda: run(list_journals(prefix), using), connections[using]
            )
        total = sum(keys for _, keys in found.values())
        total += len(quarantined) + len(journals)
        lines.append(("in all", pluralize(total, "key")))
        if not self.should_proceed(using, lines, total, options):
            return
        number, self.resume = 0, RESUME_OBJECTS
        with Progress(self, options["verbosity"]) as progress:
            for space in sorted(found.keys() & own.keys(), key=lambda s: s.model):
                number += self.delete_all(own[space], using, progress)
            self.resume = RESUME_KEYS
            keys = self.unlink_keys(start, key, using, progress)
            keys += run(unlink_all([*quarantined, *journals]), using)
        rest = f" and {pluralize(keys, 'key')} without an object" if keys else ""
        self.report(f"Deleted {pluralize(number, 'object')}{rest}.", options)

    def delete_all(self, model: type[Model], using: str, progress: Progress) -> int:
        """Delete a model's objects and return their number.

        Each object is deleted with its index entries in one step, so that an
        interruption leaves no entry without its object. Damaged objects are left for
        the removal of keys.
        """
        space, number = model._meta.space(using), 0
        try:
            while run(sweep(space, 500), using):
                pass
            everything: Collection[Any] = Collection(model, using=using)
            for each in delete_in_batches(everything, everything.ids(), progress):
                number += each
        except (OrmistError, ResponseError, ValueError) as error:
            progress.clear()
            self.stderr.write(
                f"{printable(model._meta.label)}: {error} Its keys are removed unread."
            )
        return number

    def unlink_keys(
        self, start: bytes, key: bytes | None, using: str, progress: Progress
    ) -> int:
        """Remove every key that begins with *start*, objects first. Return the number.

        An interruption then leaves index entries without objects, which reads skip, and
        never objects without index entries. A Cluster whose nodes do not tell of their
        slots is scanned until there is no key left.
        """
        objects_only, everything = (
            KeyRemoval(start, key, using, progress, only_objects=each)
            for each in (True, False)
        )
        repeat_scan(objects_only.remove, connections[using])
        for _ in range(MOST_SCANS):
            before = everything.number
            is_proven = repeat_scan(everything.remove, connections[using])
            if is_proven or everything.number == before:
                break
        else:
            progress.clear()
            self.stderr.write(
                "Keys were found in every scan. Stop the writers, wait until no slots "
                "move, and run the same command again."
            )
        return objects_only.number + everything.number

    # Confirmation and report

    def should_proceed(
        self,
        using: str,
        lines: list[tuple[str, str]],
        number: int,
        options: dict[str, Any],
    ) -> bool:
        """Return whether to delete: there is data, no dry run, and a confirmation.

        Raises CommandError if the answer is not "yes", or without a terminal.
        """
        is_dry = options["dry_run"]
        if number == 0:
            self.report("There is no data to delete.", options)
            return False
        if is_dry or options["interactive"] or options["verbosity"] > 1:
            verb = "would be" if is_dry else "will be"
            self.stdout.write(self.style.WARNING(f"This {verb} deleted for good:"))
            where = [
                ("alias", using),
                ("server", safe_url(using)),
                ("prefix", printable(connections[using].key_prefix)),
            ]
            for line in align_columns([*where, *lines]):
                self.stdout.write(f"  {line}")
        if is_dry:
            self.report("Dry run: the data was not deleted.", options)
            return False
        return not options["interactive"] or self.is_confirmed(options)

    def is_confirmed(self, options: dict[str, Any]) -> bool:
        source = options.get("stdin") or sys.stdin
        if not source.isatty():
            raise CommandError(
                "Not deleted: a confirmation needs a terminal. "
                "Use --noinput to delete without a confirmation."
            )
        self.stdout.write("Type 'yes' to go on: ", ending="")
        self.stdout.flush()
        answer = source.readline()
        if answer.strip() != "yes":
            raise CommandError("Not deleted: the answer was not 'yes'.")
        return True

    def report(self, text: str, options: dict[str, Any]) -> None:
        if options["verbosity"] > 0:
            self.stdout.write(self.style.SUCCESS(text))


def by_label(found: tuple[Space, object]) -> tuple[str, str]:
    """Return the key for sorting by the label of a model."""
    return found[0].model, found[0].slot


def describe(space: Space, own: Container[Space], labels: Container[str]) -> str:
    """Return the label of a model, and whether its keys are where it looks for them."""
    if space in own:
        return printable(space.model)
    if space.model in labels:
        return f"{printable(space.model)} (in another slot: {printable(space.name)})"
    return f"{printable(space.model)} (no model)"


def find_tagged(model: type[Model], using: str, tags: list[str]) -> "Collection[Any]":
    """Return the objects with all these tags. Raises CommandError or FieldError.

    For a model without tags: those with these indexed attributes, ``name:text``.
    """
    chosen: Collection[Any] = Collection(model, using=using)
    try:
        for tag in tags:
            name, colon, text = tag.partition(":")
            is_attribute = colon and not model.is_tagged
            chosen = chosen.find(**{name: text}) if is_attribute else chosen.find(tag)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return chosen


def delete_in_batches(
    chosen: "Collection[Any]", ids: list[str], progress: Progress
) -> Iterator[int]:
    """Delete the objects of *ids* that still match, and yield the number by 500.

    Each object is deleted with its index entries in one step. As with Django's flush,
    no on_delete applies: other models than those that were shown stay as they are.
    """
    label = printable(chosen.model._meta.label)
    for start in range(0, len(ids), IDS_A_STEP):
        some = chosen.find(pk__in=ids[start : start + IDS_A_STEP])
        yield run(update.delete_matches(some), some.db)
        progress.show(
            f"{label}: {min(start + IDS_A_STEP, len(ids))} of {len(ids)} deleted"
        )


class KeyRemoval:
    """The removal of the keys that begin with *start*. number: removed so far."""

    def __init__(
        self,
        start: bytes,
        key: bytes | None,
        using: str,
        progress: Progress,
        only_objects: bool,
    ) -> None:
        self.start, self.key = start, key
        self.using, self.progress = using, progress
        self.only_objects = only_objects
        self.number = 0

    def remove(self) -> bool:
        """Remove them in one scan. Return whether it has certainly found all."""
        found = KeyScan(self.start, self.key)
        while not found.is_over:
            self.number += run(unlink_some(found, self.only_objects), self.using)
            self.progress.show(f"{pluralize(self.number, 'key')} removed")
        return found.is_proven
