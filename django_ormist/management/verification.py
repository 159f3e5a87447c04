"""Verification and repair of models, and the report of their faults."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import CommandError

from ..connections import connections
from ..connections.executor import repeat_scan, run
from ..exceptions import TopologyChanged
from ..flows.record import Record
from ..flows.references import find_dangling
from ..keys import Space, all_key, parse_key
from ..models import Model, registry
from ..operations import move, scan, verify
from ..operations.keyspace import KeyScan, root
from ..operations.objects import Image
from ..operations.operation import Flow, Operation
from ..operations.repair import (
    NO_FINDINGS,
    NOTES,
    CheckedModel,
    Fault,
    Findings,
    quarantine,
)
from ..operations.verify import KEYS_PER_ROUND_TRIP, IndexCursor
from .command import (
    OrmistCommand,
    Progress,
    Rate,
    align_columns,
    find_models,
    printable,
)

OBJECTS_A_STEP = 500

MOST_SHOWN = 1000
"""Faults described in the report. All of them are counted."""


def build_checked_model(
    model: type[Model], using: str, is_repairing: bool, spares_unreadable: bool
) -> CheckedModel:
    """Return the model as the verification reads it on the alias *using*."""
    meta = model._meta
    refusal = meta.reserved

    def read_image(packed: bytes, key: bytes) -> tuple[Image, Findings]:
        contents = Record.of(packed, key)
        image = contents.stored_image(packed, meta)
        renewed = contents.upgrade_image(packed, meta)
        faults = [("reserved-name", name) for name in contents.attrs if refusal(name)]
        moved = meta.counters & contents.attrs.keys()
        if renewed is None and not faults and not moved:
            return image, NO_FINDINGS
        if renewed is not None:
            faults.append(("old-format", ""))
        if not moved:
            return image, Findings(faults, renewed)
        faults += [("packed-counter", name) for name in sorted(moved)]
        return image, Findings(faults, *contents.split_counters(packed, meta))

    return CheckedModel(meta.schema(using), read_image, is_repairing, spares_unreadable)


@dataclass
class Verdict:
    """The faults of one model, counted by kind."""

    model: str
    using: str
    objects: int = 0
    entries: int = 0
    found: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)

    @property
    def faults(self) -> int:
        return self.found.total()

    @property
    def left(self) -> int:
        return self.found.total() - self.repaired.total()

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "using": self.using,
            "objects": self.objects,
            "entries": self.entries,
            "faults": dict(+self.found),
            "notes": dict(+self.notes),
            "repaired": dict(+self.repaired),
            "left": self.left,
        }


class Verification:
    """The verification of some models on one alias.

    report: called with a Verdict and each Fault as it is found. includes_orphans:
    check every key under the prefix, also keys without a model. repairs_orphans: move
    those to the quarantine.
    """

    def __init__(
        self,
        models: Iterable[type[Model]],
        using: str,
        progress: Progress,
        report: Callable[[Verdict, Fault], None],
        is_repairing: bool = False,
        includes_orphans: bool = False,
        repairs_orphans: bool = False,
        spares_unreadable: bool = False,
    ) -> None:
        self.using = using
        self.progress = progress
        self.report = report
        self.is_repairing = is_repairing
        self.includes_orphans = includes_orphans
        self.repairs_orphans = repairs_orphans
        self.prefix = connections[using].key_prefix
        self.models = {model._meta.label: model for model in models}
        self.subjects = {
            label: build_checked_model(model, using, is_repairing, spares_unreadable)
            for label, model in self.models.items()
        }
        self.verdicts = {label: Verdict(label, using) for label in self.subjects}
        self.orphans: Counter[Space] = Counter()
        self.skipped: set[str] = set()
        self.interruption: TopologyChanged | None = None
        """Why keys may have been missed."""

    def check_all(self) -> list[Verdict]:
        """Check all models and return their verdicts."""
        for subject in self.subjects.values():
            self.record(subject, self.run(verify.check_main_keys(subject)))
        self.check_index()
        if not self.includes_orphans:
            self.check_other_slots()
        for subject in self.subjects.values():
            if subject.label not in self.skipped:
                self.check_objects(subject)
                self.check_references(subject)
        return [*self.verdicts.values(), *self.report_orphans()]

    # First round: from the index to the objects

    def check_index(self) -> None:
        starts = [subject.space.base for subject in self.subjects.values()]
        if self.includes_orphans:
            starts = [root(self.prefix)]
        for start in starts:
            self.scan_keys(start, None if self.includes_orphans else start)

    def scan_keys(self, start: bytes, key: bytes | None) -> None:
        rate = Rate(self.run(verify.database_size()))
        scanned = KeyScan(start, key)

        def next_page() -> list[bytes]:
            keys: list[bytes] = self.run(scanned.next_page())
            return keys

        try:
            self.check_keys(repeat_scan(next_page, connections[self.using]), rate)
            while not scanned.is_over:
                self.check_keys(next_page(), rate)
        except TopologyChanged as error:
            self.interruption = error

    def check_keys(self, keys: Sequence[bytes], rate: Rate) -> None:
        by_space = dict[Space, list[bytes]]()
        for key in dict.fromkeys(keys):
            space, _ = parse_key(key, self.prefix)
            by_space.setdefault(space, []).append(key)
        for space, some in by_space.items():
            label, subject = space.model, self.subjects.get(space.model)
            if subject is None:
                self.quarantine(some)
            if subject is None or space != subject.space:
                self.orphans[space] += len(some)
                continue
            if label in self.skipped:
                continue
            flow = verify.check_keys(subject, some)
            faults, indexes = self.run(flow)
            self.record(subject, faults)
            self.check_entries(subject, [IndexCursor(key) for key in indexes], rate)
        rate.count(len(keys))
        self.progress.show(rate.text("keys"))

    def quarantine(self, keys: Sequence[bytes]) -> None:
        if self.is_repairing and self.repairs_orphans:
            space = next(iter(self.subjects.values())).space
            # Each key has its own slot in a Cluster, and its quarantine the same.
            run([quarantine(space, key, b"") for key in keys], self.using)

    def check_entries(
        self, subject: CheckedModel, cursors: list[IndexCursor], rate: Rate
    ) -> None:
        while cursors:
            some, cursors = cursors[:KEYS_PER_ROUND_TRIP], cursors[KEYS_PER_ROUND_TRIP:]
            done = self.run(verify.scan_entries(subject, some))
            self.record(subject, done.faults)
            self.verdicts[subject.label].entries += done.entries
            self.progress.show(f"{rate.text('keys')}; {printable(subject.label)}")
            cursors = done.rest + cursors

    # Second round: from the objects to the index

    def check_objects(self, subject: CheckedModel) -> None:
        verdict = self.verdicts[subject.label]
        rate = Rate(self.run(scan.count_ids(subject.space)))
        cursors = [IndexCursor(all_key(subject.space))]
        while cursors:
            done = self.run(verify.scan_entries(subject, cursors))
            self.record(subject, done.faults)
            verdict.objects += done.entries
            rate.count(done.entries)
            self.progress.show(f"{printable(subject.label)}: {rate.text('objects')}")
            cursors = done.rest

    def check_references(self, subject: CheckedModel) -> None:
        """Note references to objects that do not exist."""
        model, after = self.models[subject.label], -1
        while model._meta.references and (
            page := self.run(scan.ids_by_creation(subject.space, after, OBJECTS_A_STEP))
        ):
            pks, after = [pk for pk, _ in page], page[-1][1]
            for pk, name in self.run(find_dangling(model, pks, self.using)):
                key = subject.space.objects + pk
                fault = Fault("dangling-reference", key, pk, name.encode())
                self.record(subject, [fault])

    # The faults

    def record(self, subject: CheckedModel, faults: Iterable[Fault]) -> None:
        verdict = self.verdicts[subject.label]
        for fault in faults:
            if fault.kind in NOTES:
                verdict.notes[fault.kind] += 1
            else:
                verdict.found[fault.kind] += 1
            verdict.repaired[fault.kind] += fault.is_repaired
            if fault.key == all_key(subject.space) and (
                (fault.kind, fault.is_repaired) == ("mistyped-key", False)
            ):  # its entries cannot be checked
                self.skipped.add(subject.label)
            self.report(verdict, fault)

    def report_orphans(self) -> list[Verdict]:
        """Return a verdict for each label under the prefix that has no model.

        Keys of a model in another slot are a fault of that model.
        """
        verdicts = []
        for space, number in sorted(self.orphans.items(), key=lambda o: o[0].base):
            detail = f"{number} keys".encode()
            if space.model in self.subjects:
                self.report_other_slot(space, number, detail)
                continue
            verdict = Verdict(space.model, self.using)
            is_repaired = self.is_repairing and self.repairs_orphans
            verdict.found["unknown-model"] = number
            verdict.repaired["unknown-model"] = number * is_repaired
            fault = Fault("unknown-model", space.base, b"", detail, is_repaired)
            self.report(verdict, fault)
            verdicts.append(verdict)
        return verdicts

    def check_other_slots(self) -> None:
        """Report objects of the models in the slots of other models, without a scan."""
        for subject in self.subjects.values():
            flow = move.count_elsewhere(subject.space, registry.slots())
            for space, number in self.run(flow).items():
                self.report_other_slot(space, number, f"{number} objects".encode())

    def report_other_slot(self, space: Space, number: int, detail: bytes) -> None:
        verdict = self.verdicts[space.model]
        verdict.found["wrong-slot"] += number
        self.report(verdict, Fault("wrong-slot", space.base, b"", detail))

    def run(self, flow: Flow[Any] | Operation) -> Any:
        return run(flow, self.using)


def fault_to_dict(verdict: Verdict, fault: Fault) -> dict[str, Any]:
    """Return a fault as a dict for JSON, with bytes that are not text escaped."""
    return {
        "model": verdict.model,
        "using": verdict.using,
        "kind": fault.kind,
        "key": _decode(fault.key),
        "id": _decode(fault.pk) or None,
        "detail": _decode(fault.detail) or None,
        "repaired": fault.is_repaired,
    }


def format_fault(verdict: Verdict, fault: Fault) -> str:
    """Return a fault as a line for people."""
    parts = [
        f"{printable(verdict.model)}: {fault.kind} at {printable(_decode(fault.key))}"
    ]
    if fault.pk:
        parts.append(f"id {printable(_decode(fault.pk))}")
    if fault.detail:
        parts.append(printable(_decode(fault.detail)))
    if fault.is_repaired:
        parts.append("repaired")
    return ", ".join(parts)


def _decode(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


class Inspection:
    """The options of ``ormist_inspect --verify`` and ``--repair``, and their run."""

    def __init__(self, command: OrmistCommand, options: dict[str, Any]) -> None:
        self.command = command
        self.options = options
        self.is_repairing: bool = options["repair"]
        self.is_json = options["format"] == "json"
        self.shown: list[dict[str, Any]] = []
        self.progress = Progress(command, options["verbosity"], to_errors=self.is_json)

    def run(self) -> None:
        """Run it. Raises CommandError (exit code 1) if faults were found or remain."""
        verdicts: list[Verdict] = []
        interruption: TopologyChanged | None = None
        with self.progress:
            for using, models in self.group_by_alias().items():
                verification = Verification(
                    models,
                    using,
                    self.progress,
                    self.report,
                    self.is_repairing,
                    includes_orphans=self.options["model"] is None,
                    repairs_orphans=self.options["orphans"],
                )
                verdicts += verification.check_all()
                interruption = interruption or verification.interruption
        if self.is_json:
            found = {
                "sound": not any(verdict.faults for verdict in verdicts)
                and interruption is None,
                "models": [verdict.to_dict() for verdict in verdicts],
                "faults": self.shown,
            }
            self.command.stdout.write(json.dumps(found, indent=2))
        elif self.options["verbosity"] > 0:
            self.command.stdout.write("\n".join(format_verdicts(verdicts)))
        self.raise_for(verdicts, interruption)

    def group_by_alias(self) -> dict[str, list[type[Model]]]:
        """Return the requested models, by their alias."""
        chosen: dict[str, list[type[Model]]] = {}
        for model in find_models(self.options["model"]):
            using = self.options["using"] or model._meta.using
            chosen.setdefault(using, []).append(model)
        return chosen

    def report(self, verdict: Verdict, fault: Fault) -> None:
        if len(self.shown) >= MOST_SHOWN:
            return
        self.shown.append(fault_to_dict(verdict, fault))
        if not self.is_json and self.options["verbosity"] > 0:
            self.progress.clear()
            self.command.stdout.write(format_fault(verdict, fault))

    def raise_for(
        self, verdicts: Sequence[Verdict], interruption: TopologyChanged | None
    ) -> None:
        faults = sum(verdict.faults for verdict in verdicts)
        left = sum(verdict.left for verdict in verdicts)
        if interruption is not None:
            raise CommandError(f"{interruption} Faults found: {faults}.")
        if left:
            raise CommandError(self.describe_left(verdicts, faults, left))

    def describe_left(self, verdicts: Sequence[Verdict], faults: int, left: int) -> str:
        """Return the number of faults that are left, and how to repair each kind."""
        misplaced = {
            each.model: each.found["wrong-slot"]
            for each in verdicts
            if each.found["wrong-slot"]
        }
        orphans = sum(
            each.found["unknown-model"] - each.repaired["unknown-model"]
            for each in verdicts
        )
        others = left - sum(misplaced.values()) - orphans
        using = self.options["using"]
        alias = f" --using {using}" if using else ""
        if self.is_repairing:
            text = f"{left} of {faults} faults are left."
            advice = (
                'The page "Finding and repairing damage" of the manual says how to '
                "repair each kind."
            )
        else:
            text = f"Faults found: {faults}."
            each = f"{others} of them" if misplaced or orphans else "them"
            advice = f"Repair {each} with --repair."
        moves = [
            f"Move the keys in a wrong slot with ormist_reindex {label}{alias} --move."
            for label in misplaced
        ]
        if orphans:
            moves.append(
                "Add the apps of unknown models to INSTALLED_APPS, or quarantine their "
                "keys with --repair --orphans."
            )
        return " ".join([text, *([advice] if others else []), *moves])


def format_verdicts(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the verdicts as lines of a table."""
    names = ("model", "using", "objects", "entries", "faults", "repaired")
    rows: list[tuple[str, ...]] = [names]
    for each in verdicts:
        numbers = (each.objects, each.entries, each.faults, each.repaired.total())
        rows.append((printable(each.model), each.using, *map(str, numbers)))
    return align_columns(rows, numeric=(2, 3, 4, 5))
