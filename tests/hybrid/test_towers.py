"""Vision towers and language models as people have them, each at a size for tests."""

import pytest
import torch
import transformers as t
from transformers import AutoImageProcessor, AutoModel

import hybrid
from hybrid.loading.compose import compose
from hybrid.loading.names import ModelError
from hybrid.model.vision import n_positions, parse_feature

SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
# Configuration, width of what is read, and grid of a picture of 32 x 32.
TOWERS = {
    "vit": (t.ViTConfig(image_size=32, patch_size=8, **SMALL), 16, 4, "cls"),
    "dinov2": (t.Dinov2Config(image_size=32, patch_size=8, **SMALL), 16, 4, "cls"),
    "registers": (
        t.Dinov2WithRegistersConfig(image_size=32, patch_size=8, num_register_tokens=3, **SMALL),
        16,
        4,
        "cls",
    ),
    "siglip": (t.SiglipVisionConfig(image_size=32, patch_size=8, **SMALL), 16, 4, "pooled"),
    "swin": (
        t.SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=2
        ),
        16,
        4,
        "pooled",
    ),
    "resnet": (t.ResNetConfig(embedding_size=8, layer_type="basic", **STAGES), 16, 4, "pooled"),
    "convnext": (t.ConvNextConfig(num_stages=2, patch_size=4, **STAGES), 16, 4, "pooled"),
    "efficientnet": (
        t.EfficientNetConfig(
            image_size=32, hidden_dim=1280, in_channels=[32, 8], out_channels=[8, 8], kernel_sizes=[3, 3],
            strides=[2, 2], num_block_repeats=[1, 1], expand_ratios=[1, 1], depthwise_padding=[],
            width_coefficient=1.0, depth_coefficient=1.0,
        ),
        1280,
        4,
        "pooled",
    ),
}  # fmt: skip


def save_tower(config, folder):
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    square = {"height": 32, "width": 32}
    t.CLIPImageProcessorPil(size=square, crop_size=square).save_pretrained(folder)
    return model


@pytest.mark.parametrize("name", TOWERS)
def test_any_tower_is_read_by_class_token_pooler_or_grid(name, parts, tmp_path, pictures):
    config, width, side, default = TOWERS[name]
    tower = save_tower(config, tmp_path)
    pixels = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")(pictures[:2], return_tensors="pt")
    with torch.inference_mode():
        seen = tower(**pixels)
        hidden = seen.last_hidden_state
        rows = hidden.flatten(2).transpose(1, 2) if hidden.ndim == 4 else hidden
        cells = rows[:, -side * side :].unflatten(1, (2, side // 2, 2, side // 2)).mean((2, 4)).flatten(1, 2)
        first = rows[:, 0] if default == "cls" else seen.pooler_output.flatten(1)
        for feature, wanted in ((None, first), (f"{default}+grid2", torch.cat([first[:, None], cells], 1))):
            model, processor = compose(
                tmp_path, parts / "llama", {"type": "classical", "width": 5}, vision_feature=feature
            )
            assert model.config.vision_feature == (feature or default)
            torch.testing.assert_close(model.vision_features(pixels["pixel_values"]), wanted)
            out = model(**processor(images=pictures[:2]))
            assert out.vision_tokens.shape == (2, 5 if feature else 1, 20)
    assert model.config.vision_hidden_size == width


def test_a_grid_is_saved_trained_and_captioned_as_a_token_is(parts, tmp_path, pictures):
    model, processor = compose(
        parts / "clip", parts / "llama", {"type": "quantum", "n_qubits": 2}, vision_feature="cls+grid2"
    )
    inputs = processor(images=pictures[:2])
    assert (inputs["input_ids"][:, :5] == processor.image_token_id).all()
    model(**inputs, labels=inputs["input_ids"].clamp_max(5)).loss.backward()
    assert model.connector.projection.circuit.weights.grad.abs().max() > 0
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, reader = hybrid.load(tmp_path)
    with torch.inference_mode():
        assert torch.equal(again(**reader(images=pictures[:2])).logits, model.eval()(**inputs).logits)


@pytest.mark.parametrize(
    ("name", "feature", "words"),
    [
        ("swin", "cls", ("no class token", "'pooled'")),
        ("resnet", "cls", ("no class token",)),
        ("vit", "grid3", ("does not divide", "4 x 4", "1, 2, 4", "windowsK")),
        ("vit", "windows9", ("does not divide",)),
    ],
)
def test_what_a_tower_does_not_have_is_said_in_one_line(name, feature, words, parts, tmp_path):
    save_tower(TOWERS[name][0], tmp_path)
    with pytest.raises(ModelError) as caught:
        compose(tmp_path, parts / "llama", vision_feature=feature)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_windows_overlap_where_a_grid_does_not_divide(parts, tmp_path, pictures):
    tower = save_tower(TOWERS["vit"][0], tmp_path)
    model, processor = compose(tmp_path, parts / "llama", vision_feature="windows3")
    pixels = processor(images=pictures[:1])["pixel_values"]
    with torch.inference_mode():
        grid = tower(pixels).last_hidden_state[:, 1:].unflatten(1, (4, 4))
        features = model.vision_features(pixels)
    assert features.shape == (1, 9, 16)
    torch.testing.assert_close(features[0, 4], grid[0, 1:3, 1:3].mean((0, 1)))


def test_a_cnn_reads_several_pictures_with_channels_last_and_sees_the_same(parts, tmp_path, pictures):
    save_tower(TOWERS["resnet"][0], tmp_path / "resnet")
    model, processor = compose(tmp_path / "resnet", parts / "llama", None)
    pixels = torch.cat([processor.pixel_values(picture) for picture in pictures])
    last = []
    first = next(module for module in model.vision_tower.modules() if isinstance(module, torch.nn.Conv2d))
    with first.register_forward_pre_hook(
        lambda _, given: last.append(given[0].is_contiguous(memory_format=torch.channels_last))
    ):
        together = model.vision_features(pixels)
        apart = torch.cat([model.vision_features(each[None]) for each in pixels])
    torch.testing.assert_close(together, apart)
    assert last == [True, *[False] * len(pictures)]


def test_names_of_features():
    assert parse_feature("cls+grid3") == [("cls", 1), ("grid", 3)]
    assert n_positions("cls+pooled+grid") == 6
    for wrong in ("patch", "grid0", "cls+cls", "", "grid2x2", None, "cls+"):
        with pytest.raises(ValueError, match="vision_feature must be"):
            parse_feature(wrong)


def test_a_tower_without_pooler_weights_is_the_same_at_each_loading(parts, tmp_path, pictures):
    """Else random weights would be in its fingerprint, and nothing trained on it could be loaded again."""
    from hybrid.model.lora import fingerprint

    torch.manual_seed(0)
    save_tower(TOWERS["vit"][0], tmp_path)
    t.ViTModel(TOWERS["vit"][0], add_pooling_layer=False).save_pretrained(tmp_path)
    prints = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        model, _ = compose(tmp_path, parts / "llama")
        prints.add(fingerprint(model.vision_tower))
    assert len(prints) == 1
    with pytest.raises(ModelError, match=r"lacks weights.*pooler.*another vision_feature"):
        compose(tmp_path, parts / "llama", vision_feature="pooled")


def test_what_is_no_vision_tower_is_said(parts):
    with pytest.raises(ModelError, match=r"llama: (its image processor|cannot be read as a vision tower)"):
        compose(parts / "llama", parts / "llama")


SPEAKERS = {
    "opt": t.OPTConfig(
        hidden_size=16, word_embed_proj_dim=12, ffn_dim=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64,
    ),
    "bloom": t.BloomConfig(hidden_size=16, n_layer=1, n_head=2),
    "gpt2": t.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64),
    "neox": t.GPTNeoXConfig(max_position_embeddings=64, **SMALL),
}  # fmt: skip


@pytest.fixture
def speaker(request, parts, tmp_path):
    config = SPEAKERS[request.param]
    tokenizer = t.AutoTokenizer.from_pretrained(parts / "llama")
    config.vocab_size, config.eos_token_id, config.bos_token_id = len(tokenizer), 3, 1
    torch.manual_seed(0)
    t.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "speaker")
    tokenizer.save_pretrained(tmp_path / "speaker")
    return request.param, tmp_path / "speaker"


@pytest.mark.parametrize("speaker", SPEAKERS, indirect=True)
def test_a_picture_of_a_batch_is_read_by_its_own_row_alone(speaker, parts, pictures):
    """Whatever the width of the embeddings, and with or without positions."""
    name, folder = speaker
    model, processor = compose(parts / "clip", folder, {"type": "quantum", "n_qubits": 2})
    model.eval()
    assert model.config.hidden_size == (12 if name == "opt" else 16)
    with torch.inference_mode():
        both = model(**processor(images=pictures[:2])).logits
        for i in range(2):
            torch.testing.assert_close(
                both[i : i + 1], model(**processor(images=pictures[i])).logits, atol=1e-5, rtol=1e-4
            )
    model.config.connector_trained = None
    said = hybrid.caption(pictures[:2], model=(model, processor), max_new_tokens=3)
    assert len(said) == 2


def test_a_grid_goes_through_the_feature_cache_as_it_is(parts, tmp_path, pictures):
    from hybrid.data.feature_cache import features_of
    from hybrid.data.pairs import Pair

    model, processor = compose(
        parts / "clip", parts / "llama", {"type": "classical", "width": 5}, vision_feature="cls+grid2"
    )
    pairs = []
    for i, picture in enumerate(pictures[:2]):
        picture.save(tmp_path / f"{i}.png")
        pairs.append(Pair(str(tmp_path / f"{i}.png"), ("a",), "here"))
    with torch.inference_mode():
        wanted = model.eval().vision_features(processor(images=pictures[:2])["pixel_values"])
    for _ in range(2):  # looked at, and read back
        found = features_of(pairs, model, processor, tmp_path / "cache")
        torch.testing.assert_close(torch.from_numpy(found), wanted)
