"""Training on one's own captions: what is trained, what is saved, and that nothing is ever lost."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import hybrid
from hybrid import cli
from hybrid.data.batches import IGNORED
from hybrid.data.caption_dataset import PairDataset
from hybrid.data.pairs import DataError, Pair
from hybrid.loading.adapter import WEIGHTS, read_adapter, write_adapter
from hybrid.loading.checkpoints import CheckpointError, checkpoints_in
from hybrid.loading.compose import compose
from hybrid.loading.load import load_adapter
from hybrid.loading.names import ModelError
from hybrid.model.connectors import fresh_connector
from hybrid.model.lora import Lora, fingerprint, merge_lora
from hybrid.training import caption_stage, caption_trainer, captions, fitting
from hybrid.training.average import average
from hybrid.training.caption_recipe import CaptionRecipe, load_caption_recipe
from hybrid.training.caption_trainer import CaptionTrainer
from hybrid.training.captions import CaptionRun, Setting
from hybrid.training.parameters import parameter_groups, parameter_table
from hybrid.training.plot import plot_losses
from hybrid.training.run_folder import RunFolder
from hybrid.training.stopping import Stopped
from tests.hybrid.conftest import one_line, stop_at

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One whole run, made by the first test that needs it."""
    return tmp_path_factory.mktemp("runs") / "whole"


@pytest.fixture
def whole(done, start, monkeypatch):
    if not (done / "model").exists():
        said = []
        with monkeypatch.context() as patch:
            patch.setattr(captions, "plot_losses", plot_losses)
            start(done, said)
        (done / "said").write_text("\n".join(said))
    return done


def _same(one, other):
    """Weights, optimiser, learning rates and random states are the same to the bit."""
    assert (one / "model" / "adapter.safetensors").read_bytes() == (
        other / "model" / "adapter.safetensors"
    ).read_bytes()
    for stage in ("connector", "lora"):
        mine, theirs = (checkpoints_in(run / stage) for run in (one, other))
        assert [path.name for path in mine] == [path.name for path in theirs]
        for file in ("optimizer.pt", "scheduler.pt"):
            a, b = (torch.load(path[-1] / file, weights_only=True) for path in (mine, theirs))
            torch.testing.assert_close(a, b, rtol=0, atol=0)
        a, b = (torch.load(path[-1] / "rng_state.pth", weights_only=False) for path in (mine, theirs))
        assert torch.equal(a["cpu"], b["cpu"])
        assert a["python"] == b["python"]


def test_a_run_ends_in_a_small_model_that_loads(whole, drawn, parts):
    folder = whole / "model"
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter.json",
        "adapter.safetensors",
        "digests.json",
    ]
    tensors = load_file(folder / "adapter.safetensors")
    assert all(name.startswith("connector.") or "lora_" in name for name in tensors)
    model, processor = hybrid.load(folder)
    assert model.connector.projection.n_qubits == 3
    assert isinstance(hybrid.caption(drawn / "0.png", model=(model, processor)), str)
    base, _ = compose(parts / "clip", parts / "llama", model.config.connector)
    assert fingerprint(base.vision_tower) == fingerprint(model.vision_tower)
    assert fingerprint(base.language_model) != fingerprint(model.language_model)  # LoRA is merged
    for name, tensor in tensors.items():
        if name.startswith("connector."):
            assert torch.equal(model.state_dict()[name], tensor)


def test_what_is_said_logged_and_drawn(whole):
    said = (whole / "said").read_text()
    assert "19 pictures with" in said
    assert "18 of them quantum" in said  # 3 qubits, 2 layers, 3 angles
    rows = [json.loads(line) for line in (whole / "lora" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "eval_loss" in row] == [2, 4, 6, 8]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))
    assert (whole / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_run_goes_on_to_the_bit(start, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(Stopped, match="lora/checkpoint-3; the same command") as stop:
            start(tmp_path / "run")
    assert stop.value.number == signal.SIGTERM
    said = []
    start(tmp_path / "run", said)
    assert any(f"goes on from {tmp_path}/run/lora/checkpoint-3" in line for line in said)
    _same(tmp_path / "run", whole)
    rows = [json.loads(line) for line in (tmp_path / "run" / "lora" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))


def test_a_finished_run_is_not_done_again_and_another_recipe_refused(start, whole):
    before = (whole / "model" / "adapter.safetensors").read_bytes()
    said = []
    start(whole, said)
    assert [line for line in said if "done already" in line] == [
        "connector: done already",
        "lora: done already",
    ]
    assert (whole / "model" / "adapter.safetensors").read_bytes() == before
    with pytest.raises(ValueError, match="another recipe or data"):
        start(whole, seed=1)


def _copy(whole, tmp_path):
    """A run that was stopped in its second stage."""
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "lora" / "done.json").unlink()
    return tmp_path / "run", checkpoints_in(tmp_path / "run" / "lora")[-1]


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"])
def test_one_flipped_bit_is_refused_by_name(start, whole, tmp_path, file):
    run, last = _copy(whole, tmp_path)
    data = bytearray((last / file).read_bytes())
    data[len(data) // 2] ^= 1
    (last / file).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{last.name}: {re.escape(file)} is not what was saved"):
        start(run)


def test_a_damaged_checkpoint_can_be_deleted_to_go_on_from_the_one_before(start, whole, tmp_path):
    run, last = _copy(whole, tmp_path)
    shutil.rmtree(last)
    shutil.rmtree(run / "model")
    start(run)
    assert (run / "model" / "adapter.safetensors").read_bytes() == (
        whole / "model" / "adapter.safetensors"
    ).read_bytes()


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_hostile_pickle_in_a_checkpoint_is_not_run(start, whole, tmp_path):
    from hybrid.loading.checkpoints import _seal

    run, last = _copy(whole, tmp_path)
    shutil.rmtree(last.parent / "nothing", ignore_errors=True)
    step = int(last.name[11:])
    state = json.loads((last / "trainer_state.json").read_text())
    log = [row for row in state["log_history"] if row["step"] < step]
    state |= {"global_step": step - 1, "log_history": log}  # something is left to do
    shutil.move(last, last.with_name(f"checkpoint-{step - 1}"))
    last = last.with_name(f"checkpoint-{step - 1}")
    (last / "trainer_state.json").write_text(json.dumps(state))
    torch.save({"state": _Canary(tmp_path / "canary")}, last / "optimizer.pt")
    _seal(last)
    with pytest.raises(CheckpointError, match="something else than numbers"):
        start(run)
    assert not (tmp_path / "canary").exists()


def test_a_full_disk_is_told_and_the_checkpoint_before_stays(start, whole, tmp_path, monkeypatch):
    import resource

    save = caption_trainer.trained_tensors
    saved = []

    def small_disk(model):
        saved.append(1)
        if len(saved) == 2:  # as on a full disk, writing fails in the middle of a file
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
        return save(model)

    monkeypatch.setattr(caption_trainer, "trained_tensors", small_disk)
    try:
        with pytest.raises(CheckpointError, match=r"checkpoint-4: cannot be written .*make room"):
            start(tmp_path / "run", connector_epochs=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    monkeypatch.undo()
    assert [path.name for path in checkpoints_in(tmp_path / "run" / "lora")] == ["checkpoint-2"]
    assert not (tmp_path / "run" / "lora" / "checkpoint-4").exists()
    start(tmp_path / "run", connector_epochs=0)


def test_merging_saves_a_whole_model_that_says_the_same(start, whole, tmp_path, drawn):
    folder = start(tmp_path / "run", merge=True)
    assert json.loads((folder / "config.json").read_text())["connector_trained"] is True
    one, other = hybrid.load(folder)[0].state_dict(), hybrid.load(whole / "model")[0].state_dict()
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-6, atol=1e-7)


def test_early_stopping_keeps_the_best(start, tmp_path):
    said = []
    rates = {"quantum_rate": 0.3, "connector_rate": 0.3, "lora_rate": 0.3}
    start(tmp_path / "run", said, connector_epochs=0, epochs=20, patience=1, evaluate_every=1, **rates)
    log = [json.loads(line) for line in (tmp_path / "run" / "lora" / "log.jsonl").read_text().splitlines()]
    losses = {row["step"]: row["eval_loss"] for row in log if "eval_loss" in row}
    assert len(losses) < 60
    best = min(losses, key=losses.get)
    assert f"validation loss {losses[best]:.4f} at step {best}" in said[-2]
    tensors = load_file(tmp_path / "run" / "lora" / f"checkpoint-{best}" / "model.safetensors")
    kept = load_file(tmp_path / "run" / "model" / "adapter.safetensors")
    assert all(torch.equal(tensors[name], kept[name]) for name in kept)


def test_early_stopping_counts_on_where_a_run_was_stopped(start, tmp_path, monkeypatch):
    rates = {"quantum_rate": 0.3, "connector_rate": 0.3, "lora_rate": 0.3}
    options = {"connector_epochs": 0, "epochs": 20, "patience": 3, "evaluate_every": 1} | rates
    start(tmp_path / "whole", **options)
    last = checkpoints_in(tmp_path / "whole" / "lora")[-1]
    stop_at(monkeypatch, int(last.name[11:]) - 1)
    with pytest.raises(Stopped):
        start(tmp_path / "run", **options)
    monkeypatch.undo()
    start(tmp_path / "run", **options)
    shutil.copytree(tmp_path / "run", tmp_path / "killed")  # as before the stage was noted to be done
    (tmp_path / "killed" / "lora" / "done.json").unlink()
    start(tmp_path / "killed", **options)
    wanted = (tmp_path / "whole" / "model" / "adapter.safetensors").read_bytes()
    for name in ("run", "killed"):
        assert checkpoints_in(tmp_path / name / "lora")[-1].name == last.name
        assert (tmp_path / name / "model" / "adapter.safetensors").read_bytes() == wanted


def test_pictures_without_a_difference_are_refused_and_not_trained_to_nan(recipe, cache, drawn, tmp_path):
    for name in "ab":
        shutil.copy(drawn / "0.png", tmp_path / f"{name}.png")
    pairs = [Pair(str(tmp_path / f"{name}.png"), ("a circle",), name) for name in "ab"]
    setting = Setting(cache=cache, use_cpu=True, log=lambda _: None)
    for few, words in ((pairs, "sees no difference"), (pairs[:1], "at least 2 pictures")):
        with pytest.raises(DataError, match=words):
            CaptionRun(recipe, few, [], tmp_path / "run", setting).run()
    assert not (tmp_path / "run").exists()


def test_a_start_that_fails_leaves_no_folder_and_a_second_run_is_refused(start, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        start(tmp_path / "run", language="/nowhere/llama")
    assert not (tmp_path / "run").exists()
    with (
        RunFolder(tmp_path / "run"),
        pytest.raises(CheckpointError, match=f"in use by process {os.getpid()}"),
    ):
        start(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tensorboard_files_are_written(start, tmp_path):
    pytest.importorskip("tensorboard")
    start(tmp_path / "run", tensorboard=True, connector_epochs=0, epochs=0.5)
    assert list((tmp_path / "run" / "lora").rglob("events.out.tfevents.*"))


def test_bfloat16_trains_and_the_connector_stays_in_float32(start, tmp_path, tiny):
    start(tmp_path / "run", precision="bf16", connector_epochs=0, epochs=0.5)
    model, _ = tiny
    features = torch.randn(6, 24)
    model.connector.standardise_to(features)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        token = model.connector(features)
    assert token.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(token, model.connector(features))


def test_auto_precision_is_bfloat16_where_the_processor_multiplies_it(recipe, tmp_path, monkeypatch):
    auto = CaptionRecipe(**(vars(recipe) | {"precision": "auto"}))
    stage = caption_stage.Stage("lora", 2, 1.0, tmp_path, auto, Setting(use_cpu=True))
    for capabilities, expected in (
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx512_f": True}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found, raising=False)
        arguments = stage.arguments()
        assert (arguments.bf16, arguments.fp16) == (expected, False)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not stage.arguments().bf16


def test_labels_are_smoothed_in_training_alone(tiny, tmp_path):
    model, _ = tiny
    arguments = fitting.trainer_arguments(tmp_path, 0, use_cpu=True)
    trainer = CaptionTrainer(model=model, args=arguments)
    trainer.label_smoothing = 0.3
    image = model.config.image_token_id
    ids = torch.tensor([[image, 5, 6, 7, 8], [image, 9, 10, 11, 0]])
    labels = torch.tensor([[IGNORED, IGNORED, 6, 7, 8], [IGNORED, IGNORED, 10, 11, IGNORED]])
    batch = {"input_ids": ids, "labels": labels, "vision_features": torch.randn(2, 24)}
    with torch.no_grad():
        each = model(input_ids=ids, vision_features=batch["vision_features"]).logits.double().log_softmax(-1)
    plain = smooth = 0.0
    for row, place in ((0, 2), (0, 3), (0, 4), (1, 2), (1, 3)):
        said = each[row, place - 1]
        plain -= float(said[labels[row, place]]) / 5
        smooth -= float(0.7 * said[labels[row, place]] + 0.3 * said.mean()) / 5
    with torch.no_grad():
        assert float(trainer.compute_loss(model.train(), batch)) == pytest.approx(smooth, rel=1e-5)
        half = trainer.compute_loss(model, batch, num_items_in_batch=torch.tensor(10))
        assert float(half) == pytest.approx(smooth / 2, rel=1e-5)
        assert float(trainer.compute_loss(model.eval(), batch)) == pytest.approx(plain, rel=1e-5)
    with pytest.raises(ValueError, match=r"label_smoothing must be from 0 to below 1, but was 1\.0"):
        CaptionRecipe(model="x", label_smoothing=1.0)


def test_the_mean_of_two_captioners_is_one(whole, tmp_path):
    found, tensors = read_adapter(whole / "model"), load_file(whole / "model" / WEIGHTS)
    write_adapter(tmp_path / "moved", found, {name: tensor + 2 for name, tensor in tensors.items()})
    mean = average([whole / "model", tmp_path / "moved"], tmp_path / "mean")
    for name, tensor in load_file(mean / WEIGHTS).items():
        torch.testing.assert_close(tensor, tensors[name] + 1)
    load_adapter(mean)
    write_adapter(tmp_path / "other", found | {"prompt": "else"}, tensors)
    with pytest.raises(ValueError, match=r"other has another prompt than .*model$"):
        average([whole / "model", tmp_path / "other"], tmp_path / "mean")
    elsewhere = found["fingerprints"] | {"language": {"a copy": "0" * 32}}
    write_adapter(tmp_path / "another", found | {"fingerprints": elsewhere}, tensors)
    with pytest.raises(ValueError, match=r"another was trained on another language model than .*model$"):
        average([whole / "model", tmp_path / "another"], tmp_path / "mean")
    with pytest.raises(ValueError, match="at least two"):
        average([whole / "model"], tmp_path / "mean")


def test_groups_have_their_rates_and_the_table_counts(tiny):
    model, _ = tiny
    model.requires_grad_(False)
    model.connector.requires_grad_(True)
    Lora(rank=2, targets=("q_proj",)).add_to(model)
    for name, p in model.language_model.named_parameters():
        p.requires_grad_("lora_" in name)
    groups = parameter_groups(model, {"quantum": 1.0, "connector": 2.0, "lora": 3.0})
    sizes = {group.kind: (group.size, group.learning_rate) for group in groups}
    connector = (
        24 * 3 + 3 + 3 * 20 + 20
        if model.connector.projection.reduce.bias is not None
        else 24 * 3 + 3 * 20 + 20
    )
    assert sizes == {"quantum": (18, 1.0), "connector": (connector, 2.0), "lora": (2 * 2 * (20 + 20), 3.0)}
    assert parameter_table(model, groups)[-1].endswith("18 of them quantum")
    assert not any("lora_" in name for name, _ in model.vision_tower.named_parameters())


def test_the_end_is_learnt_and_the_prompt_is_not(tiny):
    _, processor = tiny
    pairs = [Pair("a", ("a red </s> circle", "b"), "line 1"), Pair("b", ("c",), "line 2")]
    features = np.arange(8, dtype=np.float32).reshape(2, 4)
    data = PairDataset(pairs, features, processor, 128)
    batch = data.__getitems__([0, 1, 2])
    eos, head = processor.tokenizer.eos_token_id, processor.prompt_ids()
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        end = int(mask.sum())
        assert ids[: len(head)].tolist() == head
        assert (labels[: len(head)] == IGNORED).all()
        assert torch.equal(labels[len(head) : end], ids[len(head) : end])
        assert labels[end - 1] == eos
        assert (labels[end:] == IGNORED).all()
        assert (ids == eos).sum() == 1  # </s> in a caption is four letters
    assert batch["vision_features"].tolist() == features[[0, 0, 1]].tolist()
    with pytest.raises(DataError, match=r"line 2: a caption of b takes 2 tokens.*context is"):
        PairDataset([Pair("b", ("c",), "line 2")], features, processor, len(head) + 1)


def test_lora_is_merged_exactly(tiny):
    model, _ = tiny
    Lora(rank=2, dropout=0.0).add_to(model)
    for name, p in model.language_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
    ids = torch.arange(5, 15)[None]
    with torch.no_grad():
        model.eval()
        before = model(input_ids=ids).logits
        merge_lora(model)
        torch.testing.assert_close(model(input_ids=ids).logits, before, rtol=1e-4, atol=1e-5)


def _adapter(whole, tmp_path, change):
    from hybrid.loading.checkpoints import _seal

    folder = tmp_path / "model"
    shutil.copytree(whole / "model", folder)
    described = json.loads((folder / "adapter.json").read_text())
    tensors = load_file(folder / "adapter.safetensors")
    described = change(described, tensors) or described
    (folder / "adapter.json").write_text(json.dumps(described))
    save_file(tensors, folder / "adapter.safetensors")
    _seal(folder)
    return folder


def _set(*path, to):
    def change(described, _):
        for key in path[:-1]:
            described = described[key]
        described[path[-1]] = to

    return change


def _move(old, new):
    return lambda _, tensors: tensors.update({new: tensors.pop(old)})


def _cut(name):
    return lambda _, tensors: tensors.update({name: tensors[name][..., :1].clone()})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda *_: None, None),
        (_set("version", to=9), "version 1"),
        (_set("base", "model", to="scenes-mini"), "either a model"),
        (_set("base", "vision", to=7), "by texts"),
        (_set("base", "vision", to="/nowhere/clip"), "no such folder"),
        (_set("base", "extra", to="x"), "must name its base"),
        (_set("connector", to={"type": "quantom"}), "Did you mean 'quantum'"),
        (_set("connector", to={"type": "quantum", "n_qubits": 5}), "connector.projection"),
        (_set("connector", to={"type": "quantum", "__class__": "os.system"}), "does not fit"),
        (_set("lora", to={"rank": "8"}), "must give LoRA"),
        (_set("lora", "targets", to=["nothing_proj"]), "does not fit"),
        (_set("lora", to=None), "is not part of it"),
        (_set("fingerprints", "vision", to="0" * 32), "another vision model"),
        (_set("fingerprints", "language", to="0" * 32), "another language model"),
        (_move("connector.mean", "connector.median"), "connector.mean is missing; connector.median is not"),
        (_cut("connector.mean"), r"connector.mean is (1,), not (24,)"),
        (lambda *_: [1], "version 1"),
    ],
)
def test_what_does_not_fit_its_base_or_its_description_is_named(whole, tmp_path, change, words):
    folder = _adapter(whole, tmp_path, change)
    if words is None:
        hybrid.load(folder)
        return
    with pytest.raises(ModelError) as caught:
        hybrid.load(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_or_missing_file_in_a_small_model_is_refused(whole, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(whole / "model", folder)
    data = bytearray((folder / "adapter.safetensors").read_bytes())
    data[-1] ^= 64
    (folder / "adapter.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"adapter\.safetensors is not what was saved"):
        hybrid.load(folder)
    (folder / "adapter.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter\.safetensors is missing"):
        hybrid.load(folder)
    (folder / "digests.json").write_text(json.dumps({"../../etc/passwd": "x"}))
    with pytest.raises(ModelError, match="is missing"):
        hybrid.load(folder)


def test_an_adapter_of_an_adapter(whole, start, tmp_path, drawn):
    folder = start(
        tmp_path / "run", model=str(whole / "model"), vision=None, language=None, connector=None, epochs=0.5
    )
    described = json.loads((folder / "adapter.json").read_text())
    assert described["base"]["model"] == str((whole / "model").resolve())
    model, _ = load_adapter(folder)
    assert model.config.connector["n_qubits"] == 3


@pytest.mark.parametrize("kind", ["bin", "code"])
def test_a_hostile_base_model_is_not_run(parts, tmp_path, kind):
    folder = tmp_path / "llama"
    shutil.copytree(parts / "llama", folder)
    if kind == "bin":
        (folder / "model.safetensors").unlink()
        torch.save({"model.embed_tokens.weight": _Canary(tmp_path / "canary")}, folder / "pytorch_model.bin")
    else:
        config = json.loads((folder / "config.json").read_text())
        config |= {
            "model_type": "evil",
            "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"},
        }
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "evil.py").write_text(
            f"import os\nos.mkdir({str(tmp_path / 'canary')!r})\nclass Evil: pass\n"
        )
    with pytest.raises(ModelError, match="language model cannot be loaded"):
        compose(parts / "clip", folder)
    assert not (tmp_path / "canary").exists()


def test_presets_and_what_changes_them():
    tiny = load_caption_recipe("tinyllama", batch_size=3)
    assert (tiny.vision, tiny.batch_size) == ("openai/clip-vit-base-patch32", 3)
    assert tiny.connector == {"type": "quantum", "n_qubits": 4, "n_layers": 3}
    assert tiny.lora.targets == ("q_proj", "v_proj")
    other = load_caption_recipe("tinyllama", model="scenes-mini")
    assert (other.vision, other.connector, other.model) == (None, None, "scenes-mini")
    with pytest.raises(ValueError, match="did you mean tinyllama"):
        load_caption_recipe("tinylama")
    with pytest.raises(ValueError, match="either model, or vision and language"):
        load_caption_recipe(None)
    with pytest.raises(ValueError, match="together"):
        load_caption_recipe(None, vision="x")
    assert load_caption_recipe("photos").start_from == "photos"
    assert load_caption_recipe("photos", model="scenes-mini").start_from is None
    assert load_caption_recipe("smollm2", start_from="runs/mine").language is None


def test_a_fresh_connector_brings_its_rates_unless_others_are_given():
    fresh = fresh_connector(n_qubits=3)
    assert load_caption_recipe("tinyllama").share is None
    assert load_caption_recipe("tinyllama", connector=fresh).share == 0.05
    assert load_caption_recipe("tinyllama", connector=fresh, share=0.2).share == 0.2
    assert load_caption_recipe("tinyllama", connector=fresh, connector_rate=1e-4).share is None
    assert load_caption_recipe("tinyllama", connector={"type": "quantum"}).share is None
    assert load_caption_recipe("smollm2", connector_rate=1e-4).share is None


def test_words_come_first_and_are_not_learnt_twice(start, tmp_path):
    changes = {
        "connector": fresh_connector(n_qubits=3, n_layers=1, n_tokens=2),
        "words_epochs": 3.0,
        "words_batch_size": 5,
        "share": 0.05,
        "connector_epochs": 0,
        "epochs": 0.5,
    }
    start(tmp_path, said := [], **changes)
    first = load_file(tmp_path / "model" / "adapter.safetensors")
    assert any(line.startswith("words: stage 0, 3 epochs") for line in said)
    losses = [json.loads(line) for line in (tmp_path / "words" / "log.jsonl").read_text().splitlines()]
    shutil.rmtree(tmp_path / "model")
    shutil.rmtree(tmp_path / "lora")
    start(tmp_path, **changes)
    again = load_file(tmp_path / "model" / "adapter.safetensors")
    assert all(torch.equal(first[name], again[name]) for name in first)
    more = [json.loads(line) for line in (tmp_path / "words" / "log.jsonl").read_text().splitlines()]
    assert more == losses


def test_a_small_checkpoint_is_trained_further_as_it_is(whole, start, tmp_path):
    changes = {"vision": None, "language": None, "connector": None, "connector_epochs": 0, "epochs": 1}
    start(tmp_path / "on", start_from=str(whole / "model"), plain_captions=True, **changes)
    before, after = (
        json.loads((run / "model" / "adapter.json").read_text()) for run in (whole, tmp_path / "on")
    )
    assert before == after  # the same base, connector and LoRA: none is put on top
    old, new = (load_file(run / "model" / "adapter.safetensors") for run in (whole, tmp_path / "on"))
    assert old.keys() == new.keys()
    near = [name for name in old if "lora_A" in name]
    assert all(torch.allclose(old[name], new[name], atol=0.02) for name in near)  # it began there
    assert any(not torch.equal(old[name], new[name]) for name in near)
    with pytest.raises(ValueError, match="prompt must be left out with start_from"):
        CaptionRecipe(start_from="photos", prompt="A photo of")


def test_siglip_is_read_by_its_pooler(parts, tmp_path):
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    SiglipVisionModel(config).save_pretrained(tmp_path)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    model, _ = compose(tmp_path, parts / "llama", {"type": "classical", "width": 4})
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(
            model.vision_features(pixels), model.vision_tower(pixel_values=pixels).pooler_output
        )


def _command(recipe, drawn, cache, folder):
    r = vars(recipe) | {"epochs": 1}
    options = ["vision", "language", "connector_epochs", "epochs", "batch_size", "accumulate", "lora_rank"]
    options += ["evaluate_every"]
    named = [x for o in options for x in (f"--{o.replace('_', '-')}", str(r[o]))]
    more = ["--n-qubits", "3", "--n-layers", "2", "--validation-share", "0.2", "--device", "cpu"]
    where = ["--data", str(drawn), "--cache", str(cache), "--output", str(folder)]
    return ["train", *named, *more, *where]


def _begun(arguments, errors, environment=None):
    """The command in a process forked from one that has imported what it takes, which lasts seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "jax"])
    process = context.Process(target=_in_a_process, args=(arguments, errors, environment or {}))
    process.start()
    return process


def _in_a_process(arguments, errors, environment):
    os.environ.update(environment)
    with errors.open("w") as stream:
        os.dup2(stream.fileno(), 2)
    sys.argv = ["hybrid", *arguments]
    cli.main()


def test_killed_and_interrupted_it_goes_on_to_the_bit(run, recipe, drawn, cache, tmp_path, monkeypatch):
    """A kill leaves what is on disk: here while the second checkpoint is being written."""
    folders = tmp_path / "whole", tmp_path / "run"
    whole, again = (_command(recipe, drawn, cache, folder) for folder in folders)
    save, saved = caption_trainer.trained_tensors, []

    def killed(model):
        saved.append(1)
        if len(saved) == 2:
            shutil.copytree(*folders)
        return save(model)

    with monkeypatch.context() as patch:
        patch.setattr(caption_trainer, "trained_tensors", killed)
        code, out, err = run(*whole)
    assert (code, out) == (0, f"{folders[0]}/model\n"), err
    assert [path.name for path in checkpoints_in(folders[1] / "connector")] == ["checkpoint-2"]
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGINT)
        code, _, err = run(*again)
    assert code == 130, err
    assert "interrupted; saved in" in err.splitlines()[-1]
    assert run(*again)[0] == 0
    _same(*folders)


def test_command_errors(run, drawn, parts, tmp_path, monkeypatch):
    code, _, err = run("train", "--data", drawn)
    assert code == 2
    one_line(err, "either model, or vision and language")
    code, _, err = run("train", "--epochs", 2)
    assert code == 2
    one_line(err, "--epochs needs --data")
    code, _, err = run("train")
    assert code == 2
    one_line(err, "--preset or --data")
    code, _, err = run("train", "--preset", "tinylama", "--data", drawn)
    assert code == 2
    one_line(err, "did you mean tinyllama")
    code, _, err = run("train", "--preset", "tinyllama", "--data", tmp_path / "none")
    assert code == 1
    one_line(err, "no such file or folder")
    monkeypatch.setattr("hybrid.loading.hub._reachable", lambda *_: False)
    began = time.monotonic()
    code, _, err = run("train", "--preset", "tinyllama", "--data", drawn, "--output", tmp_path / "run")
    assert code == 1
    one_line(
        err.splitlines()[-1], "openai/clip-vit-base-patch32", "the hub cannot be reached", "give a folder"
    )
    assert time.monotonic() - began < 60


def test_two_processes_learn_what_one_learns_on_the_joint_batch(run, recipe, drawn, cache, tmp_path):
    def command(folder, accumulate):
        changed = ("--validation-share", "0", "--lora-dropout", "0", "--evaluate-every", "4")
        return [*_command(recipe, drawn, cache, folder), *changed, "--accumulate", accumulate]

    # First, so that the two find its programs compiled.
    code, _, err = run(*command(tmp_path / "one", "2"))
    assert code == 0, err
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    # What `torchrun` sets.
    together = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        _begun(command(tmp_path / "two", "1"), tmp_path / rank, together | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    for process in processes:
        process.join()
    said = "".join((tmp_path / rank).read_text() for rank in "01")
    assert [process.exitcode for process in processes] == [0, 0], said[-3000:]
    assert said.count("lora: stage 2") == 1
    one, two = (load_file(tmp_path / name / "model" / "adapter.safetensors") for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
    rows = (tmp_path / "two" / "lora" / "log.jsonl").read_text().splitlines()
    assert len([row for row in rows if '"loss"' in row]) == 4


def test_the_preset_runs_from_the_hubs_cache_and_pins_what_it_found(hub, run, drawn, cache, tmp_path):
    options = ["--preset", "tinyllama", "--n-qubits", 3, "--n-layers", 2, "--epochs", 0.5, "--device", "cpu"]
    options += ["--data", drawn, "--cache", cache]
    code, _, err = run("train", *options, "--output", tmp_path / "run", "--offline")
    assert code == 0, err
    assert "11 of them quantum" in err
    described = json.loads((tmp_path / "run" / "model" / "adapter.json").read_text())
    assert described["base"] == {
        "model": None,
        "revision": None,
        "vision": "openai/clip-vit-base-patch32",
        "vision_revision": "a" * 40,
        "language": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        "language_revision": "a" * 40,
        "adapter": None,
        "adapter_revision": None,
        "vision_feature": None,
    }
    assert described["lora"]["targets"] == ["q_proj", "v_proj"]
    hub("me/mine", tmp_path / "run" / "model")
    here, there = hybrid.load(tmp_path / "run" / "model")[0], hybrid.load("me/mine")[0]
    for name, weight in here.state_dict().items():
        assert torch.equal(weight, there.state_dict()[name])
    code, _, err = run("train", *options, "--output", tmp_path / "other", "--vision-revision", "b" * 40)
    assert code == 1
    one_line(err, "openai/clip-vit-base-patch32", "at revision bbbb", "hub cannot be reached")
