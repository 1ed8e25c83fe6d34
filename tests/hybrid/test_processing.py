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
    assert processor.tokenizer.decode(ids[0, 2:]) == DEFAULT_PROMPT.rstrip()


def test_shorter_prompts_are_padded_on_the_left(tiny, pictures):
    _, processor = tiny
    out = processor(images=pictures[:2], text=["Describe the image: ", "a"])
    mask = out["attention_mask"]
    assert (mask[:, -1] == 1).all()
    assert mask[1, 0] == 0
    assert (out["input_ids"] == processor.image_token_id).sum(1).tolist() == [1, 1]


def test_control_tokens_in_a_prompt_are_plain_text(tiny, pictures):
    _, processor = tiny
    text = "a </s> b <s> c d <pad>"
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
    for text in (5, [None], {"a": 1}):
        with pytest.raises(ValueError, match="text must be a prompt or a list of prompts, but was"):
            processor(images=pictures[0], text=text)
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


def test_a_placeholder_says_where_the_picture_is(tiny, pictures):
    _, processor = tiny
    tokenizer, image = processor.tokenizer, processor.image_token_id
    ids = processor(images=pictures[0], text="a red <image> circle")["input_ids"][0].tolist()
    place = ids.index(image)
    assert tokenizer.decode(ids[1:place]) == "a red "
    assert tokenizer.decode(ids[place + 1 :]) == " circle"
    assert ids[0] == tokenizer.bos_token_id
    for images, text, words in (
        (pictures[0], "<image> a <image>", "one <image>.*held 2"),
        (pictures[:2], ["<image><image> differ?"] * 2, "held 2"),
        ([pictures[:2]], ["what differs?"], "one picture, but had .2."),
        (pictures[:2], ["one prompt"], "1 for 2 images"),
        (None, "<image> a", "must have a picture"),
        (None, "a <image> b", "must have a picture"),
    ):
        with pytest.raises(ValueError, match=words):
            processor(images=images, text=text)


def test_placeholders_are_counted_row_by_row(tiny, pictures):
    model, processor = tiny
    inputs = dict(processor(images=pictures[:2], text=["a red circle", "a red square"]))
    ids = inputs["input_ids"].clone()
    ids[0, 1], ids[1, 0] = processor.image_token_id, 5  # two in one row, none in the other
    with pytest.raises(ValueError, match=r"1 in each of 2 rows, but held \[2, 0\]"):
        model(**(inputs | {"input_ids": ids}))
    with pytest.raises(ValueError, match="0 in each"):
        model(input_ids=inputs["input_ids"])
    embeds = model.get_input_embeddings()(ids.clamp_max(5))
    with pytest.raises(ValueError, match="with a picture"):
        model(inputs_embeds=embeds, pixel_values=inputs["pixel_values"])


def test_text_options_are_honoured(tiny, pictures):
    _, processor = tiny
    text = ["a large red circle", "a"]
    pad = processor.tokenizer.pad_token_id
    plain = processor(images=pictures[:2], text=text)["input_ids"]
    right = processor(images=pictures[:2], text=text, padding_side="right")["input_ids"]
    assert right[1, -1] == pad != plain[1, -1]
    wide = processor(images=pictures[:2], text=text, padding="max_length", max_length=30)["input_ids"]
    assert wide.shape == (2, 30)
    cut = processor(images=pictures[:2], text=text, truncation=True, max_length=3)["input_ids"]
    assert cut.tolist() == [plain[0, :3].tolist(), cut[1].tolist()]
    bare = processor(images=pictures[0], text="a", add_special_tokens=False)["input_ids"][0].tolist()
    assert bare == [i for i in processor(images=pictures[0], text="a")["input_ids"][0].tolist() if i != 1]
    rows = processor(images=pictures[:2], text=text, padding=False, return_tensors=None)["input_ids"]
    assert len(rows[0]) > len(rows[1])
    nested = processor(images=pictures[:2], text=text, text_kwargs={"padding_side": "right"})
    assert torch.equal(nested["input_ids"], right)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_length": 5}, "max_length goes with"),
        ({"truncation": True, "max_length": 0}, "leave room"),
        ({"padding": False}, "padding must be True"),
        ({"return_overflowing_tokens": True}, "return_overflowing_tokens must not"),
        ({"stride": 3}, "stride must not"),
        ({"return_attention_mask": False}, "return_attention_mask must be True"),
        ({"images": None, "do_resize": False}, "goes with images"),
    ],
)
def test_text_options_that_cannot_be_honoured_are_refused(tiny, pictures, options, words):
    _, processor = tiny
    with pytest.raises(ValueError, match=words):
        processor(**({"images": pictures[:2], "text": ["a large red circle", "a"]} | options))
