import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig, pipeline

import hybrid
from hybrid import HybridForConditionalGeneration
from hybrid.loading.compose import compose
from hybrid.loading.names import ModelError
from hybrid.model.connectors import build_connector


def _inputs(tiny, pictures, **kwargs):
    _, processor = tiny
    return processor(images=pictures, **kwargs)


@pytest.mark.parametrize("connector", [{"type": "quantum", "n_qubits": 3}, {"type": "classical", "width": 7}])
def test_widths_are_read_from_the_configs(parts, pictures, connector):
    model, processor = compose(parts / "clip", parts / "llama", connector)
    out = model(**processor(images=pictures[:2]))
    assert out.vision_tokens.shape == (2, 1, 20)
    assert out.logits.shape[-1] == model.config.text_config.vocab_size


def test_loaded_parts_are_the_ones_in_the_folders(tiny, parts):
    model, _ = tiny
    clip = load_file(parts / "clip" / "model.safetensors")
    llama = load_file(parts / "llama" / "model.safetensors")
    for name, value in model.vision_tower.state_dict().items():
        stored = clip.get(f"vision_model.{name}", clip.get(name))
        assert stored is None or torch.equal(value, stored), name
    for name, value in model.language_model.state_dict().items():
        assert torch.equal(value, llama[name]), name
    stored = [name for name in clip if name.startswith("vision_model.")]
    assert len(stored) >= len(list(model.vision_tower.parameters()))


def test_joining_makes_no_weights_but_the_connectors(parts):
    spec = {"type": "quantum", "n_qubits": 3}
    torch.manual_seed(5)
    model, _ = compose(parts / "clip", parts / "llama", spec)
    torch.manual_seed(5)
    fresh = build_connector(spec, 24, 20)
    for name, value in fresh.state_dict().items():
        assert torch.equal(model.connector.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("dtype", "wanted"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)], ids=str
)
def test_the_connector_stays_precise_when_the_rest_is_not(parts, tmp_path, pictures, dtype, wanted):
    model, processor = compose(
        parts / "clip", parts / "llama", {"type": "quantum", "n_qubits": 3}, dtype=dtype
    )
    model.config.connector_trained = None  # nothing is to be said of it
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    exact = model.state_dict()
    for again in (model, hybrid.load(tmp_path)[0], hybrid.load(tmp_path, dtype=dtype)[0]):
        assert {p.dtype for p in again.connector.parameters()} == {wanted}
        assert {p.dtype for p in again.vision_tower.parameters()} == {dtype}
        assert {p.dtype for p in again.language_model.parameters()} == {dtype}
        assert all(torch.equal(value, exact[name]) for name, value in again.state_dict().items())
    assert hybrid.caption(pictures[0], model=(again, processor), max_new_tokens=3) is not None


def test_bitsandbytes_quantises_all_but_the_connector(tiny, tiny_folder, pictures):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    model, processor = tiny
    config = BitsAndBytesConfig(load_in_8bit=True)
    small = HybridForConditionalGeneration.from_pretrained(
        tiny_folder, quantization_config=config, device_map="cpu"
    )
    quantised = [n for n, m in small.named_modules() if isinstance(m, bitsandbytes.nn.Linear8bitLt)]
    assert quantised
    assert not any(name.startswith("connector") for name in quantised)
    given = processor(images=pictures[:2], text=[processor.prompt] * 2, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(small(**given).logits, model(**given).logits, atol=0.2, rtol=0.1)


def test_the_picture_changes_what_is_said(tiny, pictures):
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    logits = model(**inputs).logits[:, -1]
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    swapped = inputs | {"pixel_values": inputs["pixel_values"].flip(0)}
    torch.testing.assert_close(model(**swapped).logits[:, -1], logits.flip(0), atol=1e-4, rtol=1e-4)


def test_the_three_ways_to_give_a_picture_agree(tiny, pictures):
    model, _ = tiny
    inputs = dict(_inputs(tiny, pictures))
    pixels = inputs.pop("pixel_values")
    by_pixels = model(pixel_values=pixels, **inputs)
    features = model.vision_features(pixels)
    by_features = model(vision_features=features, **inputs)
    by_tokens = model(vision_tokens=model.connector(features), **inputs)
    torch.testing.assert_close(by_features.logits, by_pixels.logits)
    torch.testing.assert_close(by_tokens.logits, by_pixels.logits)


def test_cls_is_taken_before_the_last_layer_norm(tiny, pictures):
    model, _ = tiny
    seen = model.vision_tower(_inputs(tiny, pictures)["pixel_values"])
    features = model.vision_features(_inputs(tiny, pictures)["pixel_values"])
    assert torch.equal(features, seen.last_hidden_state[:, 0])
    assert not torch.allclose(features, seen.pooler_output)


def test_cached_generation_equals_uncached(tiny, pictures):
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    options = {"max_new_tokens": 12, "do_sample": False}
    cached = model.generate(**inputs, use_cache=True, **options)
    assert torch.equal(cached, model.generate(**inputs, use_cache=False, **options))
    assert len({tuple(row) for row in cached[:, inputs["input_ids"].shape[1] :].tolist()}) > 1


def test_generation_from_cached_features_and_from_tokens_is_the_same(tiny, pictures):
    model, _ = tiny
    inputs = dict(_inputs(tiny, pictures))
    options = {"max_new_tokens": 6, "do_sample": False}
    wanted = model.generate(**inputs, **options)
    features = model.vision_features(inputs.pop("pixel_values"))
    assert torch.equal(model.generate(vision_features=features, **inputs, **options), wanted)
    tokens = model.connector(features)
    assert torch.equal(model.generate(vision_tokens=tokens, **inputs, **options), wanted)


@pytest.mark.parametrize("kind", ["quantum", "classical"])
def test_a_connector_standardises_what_it_reads(kind):
    connector = build_connector({"type": kind}, 6, 5)
    noise = torch.randn(400, 6, generator=torch.Generator().manual_seed(0))
    features = noise * torch.tensor([0.1, 1, 10, 100, 1, 1]) + torch.arange(6) * 7
    connector.standardise_to(features)
    seen = []
    connector.tokens = lambda x: seen.append(x) or torch.zeros(len(x), 5)
    assert connector(features).shape == (400, 1, 5)
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[0].std(0), torch.ones(6), atol=1e-4, rtol=0)


def test_generation_is_what_a_plain_loop_gives(tiny, pictures):
    model, _ = tiny
    inputs = dict(_inputs(tiny, pictures[:1]))
    generated = model.generate(**inputs, max_new_tokens=6, do_sample=False, eos_token_id=-1)
    ids = inputs.pop("input_ids")
    for _ in range(6):
        mask = torch.ones_like(ids)
        logits = model(input_ids=ids, pixel_values=inputs["pixel_values"], attention_mask=mask).logits
        ids = torch.cat([ids, logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(generated, ids)


def test_batch_equals_single_with_prompts_of_different_lengths(tiny, pictures):
    model, processor = tiny
    prompts = ["Describe the image: ", "a", "What in the world is that supposed to be? ", "", "a large"]
    batch = processor(images=pictures, text=prompts)
    out = model.generate(**batch, max_new_tokens=8, do_sample=False)[:, batch["input_ids"].shape[1] :]
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        one = processor(images=picture, text=prompt)
        alone = model.generate(**one, max_new_tokens=8, do_sample=False)[0, one["input_ids"].shape[1] :]
        said = out[i].tolist()
        assert said[: len(alone)] == alone.tolist()


@pytest.mark.parametrize("beams", [1, 3])
def test_the_vision_tower_and_the_circuit_run_once_a_generation(tiny, pictures, beams):
    model, _ = tiny
    calls = {"tower": 0, "connector": 0}
    model.vision_tower.register_forward_hook(lambda *_: calls.update(tower=calls["tower"] + 1))
    model.connector.register_forward_hook(lambda *_: calls.update(connector=calls["connector"] + 1))
    model.generate(**_inputs(tiny, pictures), max_new_tokens=5, num_beams=beams, do_sample=False)
    assert calls == {"tower": 1, "connector": 1}


def test_gradients_reach_quantum_weights_and_both_linear_maps(tiny, pictures):
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    model(**inputs, labels=inputs["input_ids"].masked_fill(inputs["input_ids"] >= 4, 5)).loss.backward()
    for name, parameter in model.connector.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_saved_and_loaded_it_says_the_same(tiny, tiny_folder, pictures):
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    wanted = model(**inputs).logits
    loaded, processor = hybrid.load(tiny_folder)
    again = processor(images=pictures)
    assert torch.equal(again["pixel_values"], inputs["pixel_values"])
    assert torch.equal(again["input_ids"], inputs["input_ids"])
    assert torch.equal(loaded(**again).logits, wanted)
    by_auto = AutoModelForImageTextToText.from_pretrained(tiny_folder).eval()
    assert torch.equal(by_auto(**AutoProcessor.from_pretrained(tiny_folder)(images=pictures)).logits, wanted)


def test_folder_is_a_plain_checkpoint(tiny_folder):
    names = {path.name for path in tiny_folder.iterdir()}
    assert {"config.json", "model.safetensors", "processor_config.json", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]


def test_pipeline(tiny, tiny_folder, pictures):
    model, processor = hybrid.load(tiny_folder)
    pipe = pipeline("image-text-to-text", model=model, processor=processor)
    out = pipe(
        images=pictures[0], text="<image>Describe the image: ", max_new_tokens=6, return_full_text=False
    )
    assert out[0]["generated_text"].split() == hybrid.caption(
        pictures[0], model=(model, processor), max_new_tokens=6
    ).split()  # fmt: skip


@pytest.mark.parametrize(
    "key", ["connector.projection.circuit.weights", "connector.mean", "vision_tower.pre_layrnorm.weight"]
)
def test_a_missing_key_is_named(tiny_folder, key):
    weights = load_file(tiny_folder / "model.safetensors")
    del weights[key]
    save_file(weights, tiny_folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=key):
        hybrid.load(tiny_folder)


def test_what_is_missing_starts_as_a_fresh_connector_does(tiny_folder):
    weights = load_file(tiny_folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("connector.")}
    save_file(kept, tiny_folder / "model.safetensors", {"format": "pt"})
    model = HybridForConditionalGeneration.from_pretrained(tiny_folder)
    angles = model.connector.projection.circuit.weights
    assert ((angles >= 0) & (angles <= 2 * np.pi)).all()
    assert angles.std() > 0.5
    assert torch.equal(model.connector.scale, torch.ones_like(model.connector.scale))
    assert 0.1 < model.connector.projection.reduce.weight.std() < 0.4  # 24 ** -0.5 = 0.2


def test_an_extra_key_and_a_wrong_width_are_named(tiny_folder):
    weights = load_file(tiny_folder / "model.safetensors")
    save_file(weights | {"gate.weight": torch.zeros(2)}, tiny_folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"gate\.weight"):
        hybrid.load(tiny_folder)
    save_file(weights, tiny_folder / "model.safetensors", {"format": "pt"})
    config = json.loads((tiny_folder / "config.json").read_text())
    config["connector"]["n_qubits"] = 4
    (tiny_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"expand\.weight is \(20, 3\), not \(20, 4\)"):
        hybrid.load(tiny_folder)


def test_placeholders_must_match_the_pictures(tiny, pictures):
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    inputs["input_ids"][:, 0] = 5
    with pytest.raises(ValueError, match="placeholder"):
        model(**inputs)


def test_placeholder_outside_the_vocabulary(tiny, pictures):
    """TinyLlama's embedding ends before the id of ``<image>``."""
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    wanted = model(**inputs).logits
    outside = model.config.text_config.vocab_size + 7
    moved = inputs["input_ids"].masked_fill(inputs["input_ids"] == model.config.image_token_id, outside)
    model.config.image_token_id = outside
    assert torch.equal(model(**(inputs | {"input_ids": moved})).logits, wanted)


def test_half_precision_model(tiny, pictures):
    model, _ = tiny
    inputs = _inputs(tiny, pictures)
    wanted = model(**inputs).logits
    out = model.to(torch.bfloat16)(**inputs).logits
    assert out.dtype == torch.bfloat16
    assert (out.float() - wanted).norm() < 0.05 * wanted.norm()


def test_a_vocabulary_is_resized_or_left_as_it_is(tiny, pictures):
    model, processor = tiny
    inputs = processor(images=pictures[:1])
    wanted = model(**inputs).logits
    before = {name: value.shape for name, value in model.state_dict().items()}
    for wrong in (0, -3):
        with pytest.raises(ValueError, match="at least 1"):
            model.resize_token_embeddings(wrong)
    assert {name: value.shape for name, value in model.state_dict().items()} == before
    size = model.config.text_config.vocab_size
    model.resize_token_embeddings(size + 5)
    assert model.config.text_config.vocab_size == size + 5
    grown = model(**inputs).logits
    assert grown.shape[-1] == size + 5
    torch.testing.assert_close(grown[..., :size], wanted)


def test_generation_from_embeddings_is_that_from_ids(tiny, pictures):
    model, processor = tiny
    inputs = dict(processor(images=pictures[:2]))
    ids = inputs["input_ids"]
    wanted = model.generate(**inputs, max_new_tokens=5, do_sample=False)[:, ids.shape[1] :]
    tokens = model.vision_tokens(model.vision_features(inputs["pixel_values"]))
    embeds = model._embed(ids, tokens)
    out = model.generate(
        inputs_embeds=embeds, attention_mask=inputs["attention_mask"], max_new_tokens=5, do_sample=False
    )
    assert torch.equal(out, wanted)


def test_the_placeholder_is_never_generated(tiny, pictures):
    model, processor = tiny
    with torch.no_grad():
        model.get_output_embeddings().weight[processor.image_token_id] = 0
        model.get_output_embeddings().weight *= -1e-3  # all others are about as likely, or less
    out = model.generate(**processor(images=pictures[:1]), max_new_tokens=40, do_sample=True, temperature=9.0)
    assert (out[0] == processor.image_token_id).sum() == 1


def test_the_last_logits_are_those_of_all_and_the_head_is_one_product(tiny, pictures):
    model, processor = tiny
    inputs = processor(images=pictures[:2])
    whole = model(**inputs).logits
    seen = []
    with model.get_output_embeddings().register_forward_pre_hook(lambda _, given: seen.append(given[0])):
        for keep in (1, 3, whole.shape[1]):
            last = model(**inputs, logits_to_keep=keep).logits
            torch.testing.assert_close(last, whole[:, -keep:])
    # A view with gaps would be multiplied row by row.
    assert all(states.is_contiguous() for states in seen)
