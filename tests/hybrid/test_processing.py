import pytest
import torch
from transformers import CLIPImageProcessorPil

from hybrid.model.processing import DEFAULT_PROMPT


def test_vision_token_stands_before_the_prompt(tiny, pictures):
    _, processor = tiny
    out = processor(images=pictures[:2])
    ids = out["input_ids"]
    assert out["pixel_values"].shape == (2, 3, 32, 32)
    assert (ids[:, 0] == processor.image_token_id).all()
    assert (ids[:, 1] == processor.tokenizer.bos_token_id).all()
    assert processor.tokenizer.decode(ids[0, 2:]) == DEFAULT_PROMPT


def test_shorter_prompts_are_padded_on_the_left(tiny, pictures):
    _, processor = tiny
    out = processor(images=pictures[:2], text=["Describe the image: ", "a"])
    mask = out["attention_mask"]
    assert (mask[:, -1] == 1).all()
    assert mask[1, 0] == 0
    assert (out["input_ids"] == processor.image_token_id).sum(1).tolist() == [1, 1]


def test_control_tokens_in_a_prompt_are_plain_text(tiny, pictures):
    _, processor = tiny
    text = "a </s> b <s> c <image> d <pad>"
    ids = processor(images=pictures[0], text=text)["input_ids"][0]
    tokenizer = processor.tokenizer
    special = {
        processor.image_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
    }
    assert not special & set(ids[2:].tolist())
    assert tokenizer.decode(ids[2:]) == text


def test_one_leading_placeholder_is_the_picture(tiny, pictures):
    _, processor = tiny
    plain = processor(images=pictures[0], text="a red circle")["input_ids"]
    assert processor(images=pictures[0], text="<image>a red circle")["input_ids"].equal(plain)


def test_numbers_must_match(tiny, pictures):
    _, processor = tiny
    with pytest.raises(ValueError, match="2 for 3 images"):
        processor(images=pictures[:3], text=["a", "b"])
    with pytest.raises(ValueError, match="images or text"):
        processor()


def test_square_resize_equals_pillows(pictures, tmp_path):
    """What the miniature was trained on is what its processor makes."""
    import numpy as np
    from PIL import Image

    from hybrid.data.features import normalise

    square = {"height": 32, "width": 32}
    processor = CLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False)
    for picture in pictures:
        small = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC))
        wanted = normalise(small[None])
        torch.testing.assert_close(processor(picture, return_tensors="pt")["pixel_values"], wanted)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"height": 32, "width": 48}, "do_center_crop": False},
        {"size": {"height": 48, "width": 32}, "crop_size": {"height": 16, "width": 16}},
        {"size": {"height": 32, "width": 32}, "do_center_crop": False, "resample": 2, "do_normalize": False},
        {"size": {"height": 32, "width": 32}, "crop_size": {"height": 40, "width": 40}, "do_resize": False},
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    ],
)
def test_pixels_are_the_image_processors_to_the_bit(tiny, pictures, settings):
    """Whatever of its work is done for it."""
    _, processor = tiny
    towers = processor.image_processor = CLIPImageProcessorPil(**settings)
    for picture in (*pictures, pictures[0].resize((50, 70)), pictures[1].resize((33, 20))):
        wanted = towers(picture, return_tensors="pt")["pixel_values"]
        assert torch.equal(processor.pixel_values(picture), wanted)
