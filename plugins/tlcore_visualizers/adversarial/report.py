"""The pictures, the record and the lines of an attack."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tlcore.epsilon import LEVELS, in_levels
from tlcore.metrics import Share
from tlcore.visualizer import Picture, Subject, Visualization
from tlcore_visualizers.adversarial.frame import Frame
from tlcore_visualizers.adversarial.options import WITHIN_EPSILON, AdversarialOptions
from tlcore_visualizers.adversarial.verdict import Aim, Answer, NetworkWitness, Witness, amplified, change_of, judged


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an attack made of one photo.

    Attributes:
        frame: the photo.
        aim: what was wanted.
        inputs: what the network is to be fed, (height, width, 3), uint8.
        steps: gradients, or queries.
        repairs: one-level steps after rounding.
        found: ``"linf"`` and ``"l2"`` of the change before it was saved, in units of pixel values.
    """

    frame: Frame
    aim: Aim
    inputs: UInt8[np.ndarray, "height width 3"] = field(repr=False)
    steps: int
    repairs: int
    found: Mapping[str, float]


@dataclass(frozen=True)
class Findings:
    """What an attack made of all photos, in how many seconds, and whether it was interrupted."""

    entries: Sequence[Finding]
    seconds: float
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class _Told:
    """One photo's pictures and record."""

    pictures: tuple[Picture, ...]
    record: Mapping[str, Any]


def show(
    options: AdversarialOptions,
    subject: Subject,
    own: Witness,
    file: Witness | None,
    judges: Sequence[NetworkWitness],
    findings: Findings,
    settings: Mapping[str, Any],
) -> Visualization:
    """Lay out what an attack found: for each photo the original, the result and the amplified difference.

    Args:
        options: of the attack.
        subject: whose network was attacked.
        own: that network, asked about the saved files.
        file: the network as an exported ONNX file; None where it was not tried.
        judges: other networks.
        findings: what was found.
        settings: more for the record.
    """
    told = [_tell(index, finding, subject, own, file, judges) for index, finding in enumerate(findings.entries)]
    records = [entry.record for entry in told]
    return Visualization(
        pictures=tuple(picture for entry in told for picture in entry.pictures),
        record={
            "attack": {name: value for name, value in asdict(options).items() if name != "onnx"},
            "epsilon": options.radius if options.method in WITHIN_EPSILON else None,
            **settings,
            "interrupted": findings.interrupted,
            "attack_seconds": round(findings.seconds, 3),
            "fooled": _share(records, "fooled").to_dict(),
            "images": records,
        },
        lines=tuple(_lines(options, records, findings)),
        columns=3,
    )


def _tell(
    index: int, finding: Finding, subject: Subject, own: Witness, file: Witness | None, judges: Sequence[NetworkWitness]
) -> _Told:
    frame, aim = finding.frame, finding.aim
    picture = frame.with_inputs(finding.inputs)
    before, after = own.answer(frame.pixels), own.answer(picture)
    on_file = file.answer(picture) if file is not None else None
    opinions = [judged(judge, subject, aim, frame.pixels, picture) for judge in judges]
    change = change_of(frame, finding.inputs)
    difference, factor = amplified(frame, finding.inputs)
    fooled = aim.reached(after.index)
    stem = f"{index + 1:02d}-{_stem(frame.name)}"
    pictures = (
        Picture(f"{stem}-original", frame.pixels, f"{frame.name}: {before}"),
        Picture(f"{stem}-adversarial", picture, _caption(after, fooled, on_file, opinions)),
        Picture(f"{stem}-difference", difference, f"difference x {factor}: {_distance(change)}"),
    )
    record = {
        "name": frame.name,
        "original_size": list(frame.original_size),
        "saved_size": list(frame.size),
        "input_size": [finding.inputs.shape[1], finding.inputs.shape[0]],
        "target": None if aim.target is None else {"index": aim.target, "class": subject.class_name(aim.target)},
        "before": before.to_dict(),
        "after": after.to_dict(),
        "fooled": fooled,
        "onnx": None if on_file is None else {**on_file.to_dict(), "fooled": aim.reached(on_file.index)},
        "judges": opinions,
        **change,
        "steps": finding.steps,
        "repairs": finding.repairs,
        "before_saving": dict(finding.found),
        "file": f"{stem}-adversarial.png",
    }
    return _Told(pictures=pictures, record=record)


def _caption(after: Answer, fooled: bool, on_file: Answer | None, opinions: Sequence[Mapping[str, Any]]) -> str:
    parts = [f"{'' if fooled else 'not fooled: '}{after} on the saved file"]
    if on_file is not None:
        parts.append(f"exported ONNX: {on_file}")
    parts += [
        f"{PurePath(opinion['name']).name}: {opinion['after']['class']} {100 * opinion['after']['probability']:.1f} %"
        for opinion in opinions
    ]
    return "; ".join(parts)


def _distance(change: Mapping[str, Any]) -> str:
    share = 100 * change["pixels_changed"] / change["pixels"]
    return f"Linf {change['linf_levels']}/255, L2 {change['l2']:.2f}, {share:.0f} % of the pixels"


def _lines(options: AdversarialOptions, records: Sequence[Mapping[str, Any]], findings: Findings) -> list[str]:
    """Return what a person should read first."""
    fooled = _share(records, "fooled")
    bound = f" within {_bound(options)}" if options.method in WITHIN_EPSILON else ""
    lines = [
        f"{options.method}{bound}: {fooled.correct} of {fooled.total} fooled, on the PNG as read again from disk; "
        f"{findings.seconds:.1f} s"
    ]
    if findings.interrupted:
        lines.append("interrupted: this is the best so far; the exported file was not tried")
    sizes = {(tuple(record["saved_size"]), tuple(record["input_size"])) for record in records}
    if len(sizes) > 3:
        lines.append(f"saved in {len(sizes)} sizes, which the record states; resizing them there changes no pixel")
    for saved, seen in sorted(sizes) if len(sizes) <= 3 else ():
        where = "all of which" if saved == seen else f"of which {seen[0]} x {seen[1]}"
        lines.append(f"saved at {saved[0]} x {saved[1]}, {where} the network sees: resizing it there changes no pixel")
    if records and records[0]["onnx"] is not None:
        onnx = [record["onnx"]["fooled"] for record in records]
        lines.append(f"exported ONNX file: {sum(onnx)} of {len(onnx)} fooled")
    for place in range(len(records[0]["judges"]) if records else 0):
        opinions = [record["judges"][place] for record in records]
        lines.append(f"{opinions[0]['name']}: {sum(opinion['fooled'] for opinion in opinions)} of {len(opinions)} fooled")
    lines.append(_norms(options, records))
    return lines


def _norms(options: AdversarialOptions, records: Sequence[Mapping[str, Any]]) -> str:
    """Return the median distances; of the fooled ones where there are any."""
    chosen = [record for record in records if record["fooled"]] or list(records)
    linf = sorted(record["linf_levels"] for record in chosen)
    l2 = sorted(record["l2"] for record in chosen)
    told = f"Linf {np.median(linf):g}/255 (largest {linf[-1]}/255), L2 {np.median(l2):.2f} (largest {l2[-1]:.2f})"
    found = [record["before_saving"]["linf"] for record in chosen]
    ending = {
        "lesson": f"; nothing held it near the original, and before saving it had reached Linf {_levels(max(found))}",
        "minimal": f"; smallest epsilon found before saving: {_smallest(options, chosen)}",
    }
    return f"median change: {told} in units of pixel values{ending.get(options.method, '')}"


def _smallest(options: AdversarialOptions, records: Sequence[Mapping[str, Any]]) -> str:
    found = [record["before_saving"][options.norm] for record in records]
    median = float(np.median(found))
    return f"Linf {_levels(median)}" if options.norm == "linf" else f"L2 {median:.3f}"


def _levels(linf: float) -> str:
    return f"{linf * LEVELS:.2f}/255"


def _bound(options: AdversarialOptions) -> str:
    return in_levels(options.radius) if options.norm == "linf" else f"L2 {options.radius:g}"


def _share(records: Sequence[Mapping[str, Any]], name: str) -> Share:
    return Share.of(sum(bool(record[name]) for record in records), len(records))


def _stem(name: str) -> str:
    """Return a photo's name as part of a file name on every system."""
    return re.sub(r"[^A-Za-z0-9]+", "-", PurePath(name).stem).strip("-")[:40] or "image"
