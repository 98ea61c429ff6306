"""A plugin that is right unless told which fault to have; the conformance kit must find each one."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlcore import BackboneSpec, DatasetSpec, FineTuneSpec, HeadSpec, ObserverSpec, VisualizerSpec, hookimpl

TLCORE_API_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """Which fault to have."""

    fault: str = field(default="none", metadata={"help": "what to do wrong"})


@dataclass(frozen=True, kw_only=True)
class Unexplained:
    """Options that lack what they need."""

    steps: int = 3


@dataclass(frozen=True, kw_only=True)
class WithoutDefault:
    """Options that cannot be made."""

    steps: int = field(metadata={"help": "how many"})


@hookimpl
def tlcore_backbones() -> list[BackboneSpec]:
    return [
        BackboneSpec(
            name="faulty-network",
            summary="grid means",
            factory="faulty_backbone:create",
            identity="faulty_backbone:identify",
            options=Faulty,
            licence="MIT",
        ),
        BackboneSpec(name="faulty-files", summary="reads", factory="faulty_backbone:read", argument="PATH", licence="MIT"),
    ]


@hookimpl
def tlcore_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(name="faulty-photos", summary="colours", factory="faulty_dataset:create", options=Faulty, licence="MIT"),
    ]


@hookimpl
def tlcore_visualizers() -> list[VisualizerSpec]:
    return [
        VisualizerSpec(
            name="faulty-look", summary="looks", factory="faulty_visualizer:create", options=Faulty, licence="MIT"
        )
    ]


@hookimpl
def tlcore_finetunes() -> list[FineTuneSpec]:
    return [
        FineTuneSpec(name="faulty-tuner", summary="colours", factory="faulty_finetune:create", options=Faulty, licence="MIT")
    ]


@hookimpl
def tlcore_observers() -> list[ObserverSpec]:
    return [
        ObserverSpec(
            name="faulty-counter", summary="counts", factory="faulty_observer:create", options=Faulty, licence="MIT"
        )
    ]


@hookimpl
def tlcore_heads() -> list[HeadSpec]:
    right = "faulty_head:create"
    return [
        HeadSpec(name="faulty-means", summary="nearest class mean", factory=right, options=Faulty, licence="MIT"),
        HeadSpec(name="no-summary", summary=" ", factory=right, options=Faulty, licence="MIT"),
        HeadSpec(name="two-lines", summary="one\ntwo", factory=right, options=Faulty, licence="MIT"),
        HeadSpec(name="no-licence", summary="a head", factory=right, options=Faulty),
        HeadSpec(name="no-help", summary="a head", factory=right, options=Unexplained, licence="MIT"),
        HeadSpec(name="no-docstring", summary="a head", factory="faulty_head:bare", options=Faulty, licence="MIT"),
        HeadSpec(name="no-default", summary="a head", factory=right, options=WithoutDefault, licence="MIT"),
        HeadSpec(name="takes-all", summary="a head", factory=right, options=Faulty, argument="NAME", licence="MIT"),
        HeadSpec(name="crashes", summary="a head", factory="faulty_head:crash", argument="NAME", licence="MIT"),
        HeadSpec(name="mutters", summary="a head", factory="faulty_head:mutter", argument="NAME", licence="MIT"),
        HeadSpec(name="rambles", summary="a head", factory="faulty_head:ramble", argument="NAME", licence="MIT"),
    ]
