"""Each check of the conformance kit is shown failing on an object with the fault it is there to find."""

from __future__ import annotations

from typing import Any

import faulty_plugin
import pytest

from tlcore.testing import (
    BackboneConformance,
    Conformance,
    ConformanceFailure,
    DatasetConformance,
    FineTuneConformance,
    HeadConformance,
    ObserverConformance,
    VisualizerConformance,
    check_names,
    run_checks,
)

pytestmark = pytest.mark.usefixtures("unchecked_types")

KINDS: dict[type[Conformance], str] = {
    BackboneConformance: "faulty-network",
    DatasetConformance: "faulty-photos",
    HeadConformance: "faulty-means",
    VisualizerConformance: "faulty-look",
    FineTuneConformance: "faulty-tuner",
    ObserverConformance: "faulty-counter",
}

BACKBONE = [
    ("seeds", "using_it_changes_no_global_state", "making and using it changed numpy random state"),
    ("no-size", "info_is_complete", "info.feature_size must be at least 1, got 0"),
    ("digest", "info_is_complete", "info.weights_digest must be a SHA-256 in hexadecimal, got 'weights'"),
    ("parameters", "info_is_complete", "info.parameters must not be negative, got -1"),
    ("fickle-info", "info_is_complete", "info differs when it is asked twice"),
    ("float64", "features_have_the_promised_shape", "returned float64 (1, 6) features, expected float32 (1, 6)"),
    ("nan", "features_have_the_promised_shape", "returned features that are not finite"),
    ("noise", "features_are_deterministic", "the same images gave other features the second time"),
    ("batch", "features_do_not_depend_on_the_batch", "features depend on the other images of the batch"),
    ("constant", "features_depend_on_the_image", "noise, ramps and one colour all have the same features"),
    ("writes", "input_is_left_alone", "compute_features changed the array it was given"),
    ("unseeded", "making_it_again_gives_the_same", "made twice, its info differs in weights_digest"),
    ("process", "another_process_gives_the_same", "in another process its weights_digest differs"),
    ("layers", "feature_maps_are_well_formed", "layers() names a layer twice"),
    ("maps-float64", "feature_maps_are_well_formed", "feature maps of 'grid' must be float32, got float64"),
    ("maps-batch", "feature_maps_are_well_formed", "feature maps of 'grid' depend on the batch"),
    ("torch-training", "torch_network_is_a_fresh_copy_in_evaluation_mode", "returned modules in training mode"),
    ("torch-shared", "torch_network_is_a_fresh_copy_in_evaluation_mode", "changed the backbone; return a copy"),
    ("torch-bias", "torch_classifier_computes_the_linear_layer", "is off from its features and the layer by"),
    ("torch-embedder", "torch_embedder_gives_features_and_maps", "torch_embedder() gives features that are off by"),
    (
        "torch-embedder-maps",
        "torch_embedder_gives_features_and_maps",
        "must give maps (images, features, rows, columns), got (2, 3",
    ),
    ("files-weights", "network_files_read_back", "read back from its files its weights_digest differs"),
    ("files-crop", "network_files_read_back", "read back from its files its preprocess differs"),
    ("unidentified", "what_is_remembered_is_what_is_built", "what is remembered of it differs in weights_digest"),
    ("torch-export", "exports_to_onnx", "exported to ONNX, its logits are off by"),
]

DATASET = [
    ("one-class", "has_classes_with_names", "a classifier needs two classes or more, got 1"),
    ("nameless", "has_classes_with_names", "class names must be text of one line, got [' ']"),
    ("empty-class", "every_class_has_images", "class 'grey' has no image"),
    ("order", "reading_it_again_gives_the_same", "read twice, samples, labels or their order differ"),
    ("absolute", "sample_names_travel", "sample name '/data/2.png' must be relative with forward slashes"),
    ("backslash", "sample_names_travel", "must be relative with forward slashes"),
    ("no-read", "images_decode", "2.png: image must have read() -> bytes, got str"),
    ("text", "images_decode", "2.png: read() must return bytes, got str"),
    ("damaged", "images_decode", "2.png: not an image that can be read"),
    ("fickle", "images_read_the_same_twice", "2.png: read twice, the bytes differ"),
    ("locked", "another_process_reads_the_same", "its samples cannot be pickled"),
    ("process", "another_process_reads_the_same", "in another process its images read differently"),
    ("numpy-label", "labels_are_plain_integers", "labels must be int, got int64"),
    ("unlicensed", "states_its_licence", "the dataset states no licence; every bundle keeps it"),
    ("torch", "knows_nothing_of_tensors", "reading it imports torch; a dataset knows nothing of tensors"),
]

HEAD = [
    ("seeds", "using_it_changes_no_global_state", "making and using it changed numpy random state"),
    ("float64", "learns_what_is_easy", "FittedMeans returned float64 (90, 3) logits, expected float32 (90, 3)"),
    ("blind", "learns_what_is_easy", "finds 33% of well separated points, expected over 90%"),
    ("batch", "logits_do_not_depend_on_the_batch", "logits depend on the other images of the batch"),
    ("unseeded", "fit_is_deterministic", "fitted twice with one seed, its logits differ by"),
    (
        "short-logits",
        "validation_logits_fit_the_validation_images",
        "validation_logits must be float32 (18, 3), got float32 (17",
    ),
    (
        "empty-logits",
        "validation_logits_fit_the_validation_images",
        "without validation images validation_logits must be None",
    ),
    ("peeks", "validation_logits_come_from_unseen_images", "foresees 100% of random validation labels; it has learnt"),
    ("needs-all", "works_on_hard_cases", "fails on one image per class and a class without any: a class has no image"),
    ("writes", "data_is_left_alone", "fit changed the arrays it was given"),
    ("objects", "restores_from_its_tensors", "tensor means holds objects; bundles keep plain arrays only"),
    ("tensors", "restores_from_its_tensors", "restored from its tensors, its logits differ by"),
    ("process", "restores_from_its_tensors", "restored in another process, its logits differ by"),
    ("key-error", "refuses_foreign_tensors", "restore of foreign tensors must raise a HeadError, got KeyError: 'means'"),
    ("anything", "refuses_foreign_tensors", "restore accepted the tensors of something else; raise a HeadError"),
    ("two-lines", "refuses_foreign_tensors", "restore's error must be one line"),
    ("folded", "linear_equals_its_logits", "linear() is off from its logits by"),
    ("module", "exports_to_onnx", "exported to ONNX, its logits are off by"),
    ("record", "record_is_json", "the record of the fit is not JSON"),
    ("deaf", "progress_cancels", "swallowed the exception that its progress callback raised to cancel"),
]

VISUALIZER = [
    ("seeds", "using_it_changes_no_global_state", "making and using it changed torch random state"),
    ("float", "pictures_have_names_of_files", "picture 'gradient-0' must be uint8 (height, width, 3), got float32"),
    ("same-name", "pictures_have_names_of_files", "two pictures are named 'x'"),
    ("slashed", "pictures_have_names_of_files", "picture name 'a/0' is no file name on every system"),
    ("caption", "pictures_have_names_of_files", "the caption of picture gradient-0 is more than one line"),
    ("sizes", "frames_show_how_pictures_came_about", "the frames of picture 'gradient-0' differ in size"),
    ("fickle-frames", "frames_show_how_pictures_came_about", "asked for frames, it made other pictures"),
    ("unseeded", "same_seed_gives_the_same", "the same seed gave other pictures the second time"),
    ("training", "network_is_left_as_it_was", "left the network with other weights, modes"),
    ("frozen", "network_is_left_as_it_was", "left the network with other requires_grad"),
    ("hook", "network_is_left_as_it_was", "left the network with other hooks"),
    ("weights", "network_is_left_as_it_was", "left the network with other weights"),
    ("gradients", "network_is_left_as_it_was", "left the network with other gradients"),
    ("draws", "images_are_left_as_they_were", "drew into the images it was given"),
    ("record", "record_is_json", "the record is not JSON"),
    ("needs-images", "without_images_it_works_or_says_so", "must work or raise a TlcoreError, got ValueError"),
    ("two-lines", "without_images_it_works_or_says_so", "its error without images must be one line"),
    ("deaf", "progress_cancels", "swallowed the exception that its progress callback raised to cancel"),
    ("cancelled-training", "progress_cancels", "cancelled, it left the network with other modes"),
    ("keeps-nothing", "interrupted_it_keeps_what_is_whole", "interrupted, what it kept is no visualization"),
    ("keeps-a-tensor", "interrupted_it_keeps_what_is_whole", "interrupted, the record of what it kept is not JSON"),
    ("interrupted-training", "interrupted_it_keeps_what_is_whole", "interrupted, it left the network with other modes"),
]

FINETUNE = [
    ("seeds", "using_it_changes_no_global_state", "making and using it changed torch random state"),
    ("idle", "it_learns", "log-loss 1.609 after training, guessing has 1.609"),
    ("training", "it_learns", "ColourTuner returned a network in training mode"),
    ("grows", "it_learns", "returned a network whose tensor 'more.bias' is not as it was"),
    ("infinite", "it_learns", "is not finite"),
    ("unseeded", "same_seed_gives_the_same_bits", "the same seed gave other weights the second time"),
    ("deaf", "goes_on_from_where_it_was_cancelled", "swallowed the exception"),
    ("forgets", "goes_on_from_where_it_was_cancelled", "it ends with other weights than unbroken"),
    ("begins-anew", "goes_on_from_where_it_was_cancelled", "it began anew instead of going on from a checkpoint"),
    ("any-checkpoint", "refuses_the_checkpoint_of_another_task", "went on from a checkpoint of another seed"),
    ("two-lines", "refuses_the_checkpoint_of_another_task", "its error must be one line"),
    ("no-start", "events_tell_the_run", "events must begin with 'started' and end with 'finished'"),
    ("leaps", "events_tell_the_run", "steps must be 1, 2, 3, ..., got [2, 4]"),
    ("nan", "events_tell_the_run", "step tells loss that is no finite float"),
    ("event-record", "events_tell_the_run", "the record of finished is not JSON"),
    ("record", "record_is_json", "the record is not JSON"),
]

OBSERVER = [
    ("environment", "using_it_changes_no_global_state", "changed environment"),
    ("one-run", "takes_a_run", "raised RuntimeError: has one run already"),
    ("one-start", "takes_a_run_that_goes_on", "raised FileExistsError"),
    ("needs-loss", "takes_numbers_of_any_name", "raised KeyError: 'loss'"),
    ("slow", "is_quick", "s for a hundred updates"),
]

SPECS = [
    ("no-summary", "spec_is_documented", "the spec has no summary; listings show it"),
    ("two-lines", "spec_is_documented", "the summary must be one line of at most 120 characters, got 'one\\ntwo'"),
    ("no-licence", "spec_is_documented", "the spec states no licence; bundles keep it"),
    ("no-help", "spec_is_documented", "option steps has no help text; give it metadata={'help': ...}"),
    ("no-docstring", "spec_is_documented", "the factory faulty_head:bare has no docstring"),
    ("no-default", "options_have_working_defaults", "an option has no default"),
    ("takes-all", "refuses_a_senseless_argument", "the wrong argument 'no-such-thing-here' was accepted"),
    ("crashes", "refuses_a_senseless_argument", "a wrong argument must raise a TlcoreError of its own, it failed with"),
    ("mutters", "refuses_a_senseless_argument", "the wrong argument 'no-such-thing-here' does not repeat it: 'no'"),
    ("rambles", "refuses_a_senseless_argument", "the error for a wrong argument must be one line"),
]  # fmt: skip

FAULTS = [
    *((BackboneConformance, *entry) for entry in BACKBONE),
    *((DatasetConformance, *entry) for entry in DATASET),
    *((HeadConformance, *entry) for entry in HEAD),
    *((VisualizerConformance, *entry) for entry in VISUALIZER),
    *((FineTuneConformance, *entry) for entry in FINETUNE),
    *((ObserverConformance, *entry) for entry in OBSERVER),
]


def suite(kind: type[Conformance], fault: str) -> Any:
    members = {"name": KINDS[kind], "options": {"fault": fault}, "modules": (faulty_plugin,)}
    return type("Faulty", (kind,), members)


@pytest.mark.parametrize(("kind", "fault", "check", "told"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_fault_is_found(kind: type[Conformance], fault: str, check: str, told: str) -> None:
    (result,) = run_checks(suite(kind, fault), fault, [f"test_{check}"])
    assert result.outcome == "failed"
    assert told in result.message


@pytest.mark.parametrize(("name", "check", "told"), SPECS)
def test_fault_of_a_spec_is_found(name: str, check: str, told: str) -> None:
    checked = type("Faulty", (HeadConformance,), {"name": name, "modules": (faulty_plugin,)})
    with pytest.raises(ConformanceFailure) as raised:
        getattr(checked(), f"test_{check}")()
    assert told in str(raised.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_without_a_fault_every_check_passes(kind: type[Conformance]) -> None:
    results = list(run_checks(suite(kind, "torch-sound" if kind is BackboneConformance else "none"), "sound"))
    assert [result for result in results if result.outcome == "failed"] == []
    assert sum(result.outcome == "passed" for result in results) >= len(results) - 2


def test_a_sound_module_of_a_head_exports() -> None:
    (result,) = run_checks(suite(HeadConformance, "module-sound"), "sound", ["test_exports_to_onnx"])
    assert (result.outcome, result.message) == ("passed", "")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_check_is_shown_failing(kind: type[Conformance]) -> None:
    shown = {f"test_{check}" for of_kind, _, check, _ in FAULTS if of_kind is kind}
    shown |= {f"test_{check}" for _, check, _ in SPECS}
    shown |= {"test_using_it_changes_no_global_state", "test_fit_returns_what_it_promises"}
    assert set(check_names(kind)) <= shown


def test_a_subject_that_cannot_be_made_is_one_failure() -> None:
    broken = type("Broken", (HeadConformance,), {"name": "no-such-head", "modules": (faulty_plugin,)})
    (result,) = run_checks(broken, "broken")
    assert (result.check, result.outcome) == ("make", "failed")
    assert "unknown head 'no-such-head'" in result.message
