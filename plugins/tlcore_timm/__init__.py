"""Built-in plugin: any network of timm as a backbone, from its registry, a model hub or a local directory."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlcore.hookspecs import hookimpl
from tlcore.specs import BackboneSpec

TLCORE_API_VERSION = 1

FEATURED = (
    "mobilenetv2_100.ra_in1k",
    "mobilenetv3_small_100.lamb_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "resnet18.a1_in1k",
    "resnet34.a1_in1k",
    "resnet50.a1_in1k",
    "resnet101.a1_in1k",
    "vgg16.tv_in1k",
    "vgg19.tv_in1k",
)


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """Options of a network read from a directory."""

    image_size: int | None = field(
        default=None, metadata={"help": "input side in pixels; none = the network's own", "minimum": 16, "maximum": 2048}
    )


@dataclass(frozen=True, kw_only=True)
class HubOptions(LocalOptions):
    """Options of a network whose weights are downloaded once."""

    revision: str | None = field(default=None, metadata={"help": "branch, tag or commit of the weights; none = newest"})


@dataclass(frozen=True, kw_only=True)
class TimmOptions(HubOptions):
    """Options of a network that timm knows by name."""

    pretrained: bool = field(default=True, metadata={"help": "false = random weights, nothing is downloaded"})
    seed: int = field(default=0, metadata={"help": "of random weights", "minimum": 0})


@hookimpl
def tlcore_backbones() -> list[BackboneSpec]:
    homepage = "https://github.com/huggingface/pytorch-image-models"
    return [
        BackboneSpec(
            name="timm",
            summary="any pretrained network of timm, by its name",
            factory="tlcore_timm.factories:from_registry",
            identity="tlcore_timm.identity:of_registry",
            options=TimmOptions,
            argument="MODEL",
            catalogue="tlcore_timm.factories:model_names",
            featured=FEATURED,
            licence="each model's own",
            homepage=homepage,
        ),
        BackboneSpec(
            name="hf-hub",
            summary="a timm network from a repository of the Hugging Face hub",
            factory="tlcore_timm.factories:from_hub",
            identity="tlcore_timm.identity:of_hub",
            options=HubOptions,
            argument="ORGANISATION/NAME",
            licence="each model's own",
            homepage=homepage,
        ),
        BackboneSpec(
            name="local-dir",
            summary="a timm network from a directory with config.json and model.safetensors",
            factory="tlcore_timm.factories:from_directory",
            identity="tlcore_timm.identity:of_directory",
            options=LocalOptions,
            argument="PATH",
            licence="each model's own",
            homepage=homepage,
        ),
    ]
