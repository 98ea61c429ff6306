"""Which other networks a picture is made by too."""

from __future__ import annotations

from collections.abc import Sequence

from tlcore.default_backbone import BACKBONE_IN_THE_BOX
from tlcore.errors import OptionError
from tlcore.registry import Registry
from tlcore.specs import VisualizerSpec
from tlcore.visualizer import Subject


def find_companions(
    names: Sequence[str] | None, spec: VisualizerSpec, subject: Subject, classes: Sequence[int], registry: Registry
) -> tuple[Subject, ...]:
    """Make the companions that were named, or choose them.

    Args:
        names: backbones or bundles; None for the network in the box, where it knows the classes and is not the subject.
        spec: of the visualizer that they are for.
        subject: whose companions they are.
        classes: indices of the classes asked for, among the subject's.
        registry: where names are looked up.

    Raises:
        OptionError: the visualizer takes none.
    """
    from tlcore.subject import make_subject

    if names is None:
        return _in_the_box(subject, classes, registry) if spec.takes_companions and classes else ()
    if names and not spec.takes_companions:
        raise OptionError(f"{spec.name} looks at one network alone: leave the companion {names[0]!r} out")
    return tuple(make_subject(name, registry) for name in names)


def _in_the_box(subject: Subject, classes: Sequence[int], registry: Registry) -> tuple[Subject, ...]:
    from tlcore.subject import make_subject

    if not any(offer.spec.name == BACKBONE_IN_THE_BOX for offer in registry.offers("backbone")):
        return ()
    found = make_subject(BACKBONE_IN_THE_BOX, registry)
    itself = found.record["weights_digest"] == subject.record.get("weights_digest")
    return (found,) if not itself and all(subject.class_among(found, index) is not None for index in classes) else ()
