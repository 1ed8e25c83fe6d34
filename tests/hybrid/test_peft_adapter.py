"""TinyLlama-VLM-LoRA as it is published, at a small size: PEFT's files and two pickles of tensors."""

import json
import os
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, LlamaForCausalLM

import hybrid
from hybrid.data.results import printable
from hybrid.loading.load import build_base, load, load_adapter
from hybrid.loading.names import ModelError
from tests.hybrid.conftest import one_line

# Of peft, which is called here without the package.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("undrawn"),
]

FINAL = "finetuned_qvlam_flickr30k_final"
NAME = "sriram7737/TinyLlama-VLM-LoRA"


@pytest.fixture(scope="module")
def made(parts, tmp_path_factory):
    """A LoRA on the small Llama and two linear maps, saved as the training script of the original does."""
    torch.manual_seed(4)
    folder = tmp_path_factory.mktemp("published")
    config = LoraConfig(
        r=2, lora_alpha=16, lora_dropout=0.1, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    llama = get_peft_model(LlamaForCausalLM.from_pretrained(parts / "llama"), config)
    for name, weight in llama.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    llama.save_pretrained(folder)
    AutoTokenizer.from_pretrained(parts / "llama").save_pretrained(folder)
    described = json.loads((folder / "adapter_config.json").read_text())
    described["base_model_name_or_path"] = "TinyLlama/TinyLlama-1.1B-Chat-v1.0"
    (folder / "adapter_config.json").write_text(json.dumps(described))
    torch.save(torch.nn.Linear(24, 16).state_dict(), folder / "proj_final.pt")
    torch.save(torch.nn.Linear(16, 20).state_dict(), folder / "gate_final.pt")
    return folder


@pytest.fixture
def published(made, tmp_path):
    """A copy to spoil, all of it in the root."""
    return shutil.copytree(made, tmp_path / "published")


def _answer(parts, made, picture, prompt="Describe the image: ", length=8):
    """What the original computes, from its own formulas: the vision token, logits, and words behind them."""
    clip = CLIPModel.from_pretrained(parts / "clip").eval()
    llama = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(parts / "llama"), made).eval()
    tokenizer = AutoTokenizer.from_pretrained(parts / "llama")
    pixels = CLIPImageProcessorPil.from_pretrained(parts / "clip")(picture, return_tensors="pt")[
        "pixel_values"
    ]
    proj, gate = (torch.load(made / f"{name}_final.pt", weights_only=True) for name in ("proj", "gate"))
    with torch.no_grad():
        cls = clip.vision_model(pixel_values=pixels).last_hidden_state[:, 0].float()
        token = (cls @ proj["weight"].T + proj["bias"]) @ gate["weight"].T + gate["bias"]
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        embeds = torch.cat([token[:, None], llama.get_input_embeddings()(ids)], 1)
        logits = llama(inputs_embeds=embeds).logits
        out = llama.generate(
            inputs_embeds=embeds, attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
            max_new_tokens=length, do_sample=False,
        )  # fmt: skip
    return token, logits, " ".join(tokenizer.decode(out[0], skip_special_tokens=True).split())


@pytest.fixture
def stored(hub, made):
    """The small repository in the local cache under its name on the hub."""
    hub(NAME, made)
    return made


def test_the_preset_computes_what_the_original_did(stored, parts, pictures):
    model, processor = hybrid.load("tinyllama-vlm-lora")
    token, logits, said = _answer(parts, stored, pictures[0])
    with torch.no_grad():
        out = model(**processor(images=pictures[0]))
    torch.testing.assert_close(out.vision_tokens[:, 0], token, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(out.logits, logits, rtol=1e-4, atol=1e-4)
    assert hybrid.caption(pictures[0], model=(model, processor), max_new_tokens=8) == said
    assert model.config.connector == {"type": "classical", "width": 16}
    plain = LlamaForCausalLM.from_pretrained(parts / "llama")
    with torch.no_grad():  # and the LoRA takes part
        embeds = plain.get_input_embeddings()(torch.tensor([[5, 6]]))
        without, with_lora = (m(inputs_embeds=embeds).logits for m in (plain, model.language_model))
    assert (without - with_lora).abs().max() > 1e-2


def test_caption_says_it_from_the_cache_and_from_a_folder_in_either_layout(
    run, stored, parts, pictures, tmp_path
):
    pictures[0].save(tmp_path / "a.png")
    *_, said = _answer(parts, stored, pictures[0])
    nested, parted = tmp_path / "nested", tmp_path / "parted"
    shutil.copytree(stored, nested / FINAL)
    shutil.copytree(stored, parted)
    (parted / FINAL).mkdir()
    for name in ("proj_final.pt", "gate_final.pt"):
        (parted / name).rename(parted / FINAL / name)
    for other in ("epoch1", "epoch2"):  # what training left beside the last
        (nested / f"finetuned_qvlam_flickr30k_{other}").mkdir()
        shutil.copy(stored / "adapter_config.json", nested / f"finetuned_qvlam_flickr30k_{other}")
    assert "tinyllama-vlm-lora\tin the hub's cache: openai/clip-vit-base-patch32, " in run("models")[1]
    for model in ("tinyllama-vlm-lora", NAME, stored, nested, parted):
        options = ["--model", model, "--max-new-tokens", 8, "--device", "cpu"]
        assert run("caption", *options, tmp_path / "a.png") == (0, f"{printable(said)}\n", "")
    code, _, err = run("caption", "--model", NAME, "--revision", "b" * 40, tmp_path / "a.png")
    assert code == 1
    one_line(err, NAME, "at revision bbbb")


def test_a_connector_that_has_not_learnt_is_named_before_it_captions(run, stored, pictures, tmp_path):
    pictures[0].save(tmp_path / "a.png")
    for model in ("tinyllama", "tinyllama-vlm-lora-quantum"):
        options = ["--model", model, "--max-new-tokens", 3, tmp_path / "a.png"]
        torch.manual_seed(0)  # each load draws the weights that were not learnt
        code, out, err = run("caption", *options)
        assert (code, len(out.splitlines())) == (0, 1)
        one_line(err, "note:", model, "has not been trained", "hybrid train")
        torch.manual_seed(0)
        assert run("caption", *options, "-q") == (0, out, "")
        assert "has not been trained" not in run("draw", "--model", model)[2]


def test_the_quantum_preset_keeps_the_lora_and_its_training_is_recorded(
    run, stored, pictures, data_here, tmp_path
):
    quantum, _ = hybrid.load("tinyllama-vlm-lora-quantum")
    classical, _ = hybrid.load("tinyllama-vlm-lora")
    assert quantum.config.connector == {"type": "quantum", "n_qubits": 4, "n_layers": 3}
    for name, weight in classical.language_model.state_dict().items():
        assert torch.equal(weight, quantum.language_model.state_dict()[name])
    where = ["--data", "captions.jsonl", "--cache", "cache", "--n-qubits", 2, "--n-layers", 1]
    options = ["--preset", "tinyllama-vlm-lora-quantum", *where, "--epochs", 1, "--device", "cpu"]
    code, out, err = run("train", *options, "--output", tmp_path / "run")
    assert code == 0, err
    folder = tmp_path / "run" / "model"
    base = json.loads((folder / "adapter.json").read_text())["base"]
    assert (base["adapter"], base["adapter_revision"]) == (NAME, "a" * 40)
    model, processor = load_adapter(folder)
    code, out, err = run("caption", "--model", folder, "--max-new-tokens", 4, "0.png")
    assert (code, err) == (0, "")
    assert out.strip() == hybrid.caption(pictures[0], model=(model, processor), max_new_tokens=4)
    options = ["--teacher", "tinyllama-vlm-lora", *where, "--steps", 2]
    code, out, err = run("distill", *options, "--output", "distilled")
    assert code == 0, err
    base = json.loads((tmp_path / "distilled" / "model" / "adapter.json").read_text())["base"]
    assert (base["model"], base["adapter"], base["adapter_revision"]) == (None, NAME, "a" * 40)
    assert run("caption", "--model", out.strip(), "0.png")[0] == 0


def test_training_goes_on_from_the_published_connector(run, stored, data_here):
    where = ["--data", "captions.jsonl", "--cache", "cache", "--output", "run"]
    options = ["--preset", "tinyllama-vlm-lora", "--epochs", 0, "--connector-rate", 0, "--device", "cpu"]
    code, _, err = run("train", *options, *where)
    assert code == 0, err
    (before, _), (after, _) = load("tinyllama-vlm-lora"), load("run/model")
    for name, weight in before.state_dict().items():
        assert torch.equal(weight, after.state_dict()[name]), name


def test_another_version_of_the_adapter_is_another_base(hub, stored, parts, tmp_path):
    from hybrid.loading.adapter import save_adapter
    from hybrid.loading.base import Base

    copy = tmp_path / "adapter"
    shutil.copytree(stored, copy)
    base = Base(vision=str(parts / "clip"), language=str(parts / "llama"), adapter=str(copy))
    model, processor = build_base(base, None, None)
    save_adapter(tmp_path / "model", model, processor, base, None)
    hybrid.load(tmp_path / "model")
    weights = load_file(copy / "adapter_model.safetensors")
    name = next(name for name in weights if "lora_B" in name)
    weights[name][-1, -1] += 1e-6  # too little to see in any one weight
    save_file(weights, copy / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"another language model than .*llama with .*adapter is now"):
        hybrid.load(tmp_path / "model")


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _config(**changes):
    def change(folder):
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def _maps(name, **changes):
    def change(folder):
        file = folder / f"{name}_final.pt"
        torch.save(torch.load(file, weights_only=True) | changes, file)

    return change


def _without(name, key):
    def change(folder):
        file = folder / f"{name}_final.pt"
        torch.save({k: v for k, v in torch.load(file, weights_only=True).items() if k != key}, file)

    return change


def _weights(change):
    def changed(folder):
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    return changed


_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("proj", "bias"), ["proj_final.pt", "bias is missing"]),
        (_maps("gate", extra=torch.zeros(1)), ["gate_final.pt", "extra is not part of it"]),
        (_maps("gate", weight=torch.zeros(32, 16), bias=torch.zeros(32)),
         ["gate.weight is (32, 16), not (20, 16)", "gate.bias is (32,), not (20,)"]),
        (_maps("proj", weight=torch.zeros(16, 9)), ["projector.weight is (16, 9), not (16, 24)"]),
        (_maps("proj", weight=torch.zeros(9)), ["proj_final.pt", "weight is (9,)"]),
        (_maps("proj", bias=torch.full((16,), torch.nan)), ["proj_final.pt", "not finite"]),
        (_maps("proj", bias="no tensor"), ["proj_final.pt", "weight and bias"]),
        (lambda f: (f / "gate_final.pt").unlink(), ["no gate_final.pt", "hybrid train --adapter"]),
        (lambda f: (f / "gate_final.pt").write_bytes(b"PK\x03\x04"), ["gate_final.pt", "cannot be read"]),
        (lambda f: (f / "gate_final.pt").write_bytes(b""), ["gate_final.pt", "cannot be read"]),
        (_weights(lambda t: t.pop(_A)), [f"{_A} is missing"]),
        (_weights(lambda t: t.update(extra=torch.zeros(1))), ["extra is not part of it"]),
        (_weights(lambda t: t.update({_A: torch.zeros(3, 20)})), [f"{_A} is (3, 20), not (2, 20)"]),
        (lambda f: (f / "adapter_model.safetensors").unlink(), ["adapter_model.safetensors is missing"]),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"x"), ["cannot be read"]),
        (lambda f: (f / "adapter_config.json").write_text("{"), ["adapter_config.json is damaged"]),
        (_config(peft_type="IA3"), ["must be that of a LoRA"]),
        (_config(r="8"), ["must give r", "'8'"]),
        (_config(lora_alpha=None), ["lora_alpha"]),
        (_config(target_modules=[]), ["target_modules"]),
        (_config(target_modules=["nothing_proj"]), ["does not fit its language model"]),
        (_config(use_dora=True), ["use_dora", "not supported"]),
        (_config(use_rslora=True), ["use_rslora", "not supported"]),
        (_config(bias="all"), ["bias", "not supported"]),
        (_config(base_model_name_or_path=None), ["base_model_name_or_path"]),
        (_config(base_model_name_or_path="/nowhere/llama"), ["/nowhere/llama", "no such folder"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(run, stored, published, pictures, tmp_path, change, words):
    change(published)
    pictures[0].save(tmp_path / "a.png")
    code, out, err = run("caption", "--model", published, tmp_path / "a.png")
    assert (code, out) == (1, "")
    one_line(err, *words)


@pytest.mark.parametrize("name", ["proj_final.pt", "gate_final.pt", "adapter_model.bin"])
def test_a_pickle_that_would_run_code_is_refused(run, stored, published, pictures, tmp_path, name):
    torch.save({"weight": _Canary(tmp_path / "canary")}, published / name)
    if name.endswith(".bin"):
        (published / "adapter_model.safetensors").unlink()
    pictures[0].save(tmp_path / "a.png")
    code, out, err = run("caption", "--model", published, tmp_path / "a.png")
    assert (code, out) == (1, "")
    one_line(err, "missing" if name.endswith(".bin") else "something else than numbers")
    assert not (tmp_path / "canary").exists()
    torch.load(published / name, weights_only=False)
    assert (tmp_path / "canary").exists()  # the pickle is one that works


def test_options_that_name_code_are_not_followed(run, stored, published, pictures, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'canary')!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    _config(
        megatron_config={"x": 1}, megatron_core="evil", auto_mapping={"parent_library": "evil", "base": "X"}
    )(published)
    pictures[0].save(tmp_path / "a.png")
    run("caption", "--model", published, tmp_path / "a.png")
    assert not (tmp_path / "canary").exists()


def test_a_plain_lora_needs_a_connector(run, stored, published, parts, data_here):
    for name in ("proj_final.pt", "gate_final.pt"):
        (published / name).unlink()
    options = ["--data", "captions.jsonl", "--cache", "cache", "--device", "cpu", "--epochs", 0]
    options += ["--vision", parts / "clip", "--language", parts / "llama", "--adapter", published]
    code, _, err = run("train", *options, "--output", "one")
    assert code == 1
    one_line(err, "no proj_final.pt", "--connector")
    code, _, err = run("train", *options, "--connector", "classical", "--output", "two")
    assert code == 0, err
    code, _, err = run("train", *options[:-2], "--adapter", "none", "--output", "three")
    assert code == 1
    one_line(err, "no such folder")
