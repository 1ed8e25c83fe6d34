"""The captioner in the hands of transformers: pipelines, streamers, sampling, beams, Auto classes."""

import pytest
import torch
import transformers
from packaging import version
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    TextIteratorStreamer,
    pipeline,
)

import hybrid
from hybrid import HybridConfig, HybridForConditionalGeneration, HybridProcessor
from hybrid.loading.compose import compose

PROMPT = "Describe the image: "
several = pytest.mark.skipif(
    version.parse(transformers.__version__) < version.parse("5.23"),
    reason="before transformers 5.23 this pipeline gives one text where there are several",
)
NEW = {"max_new_tokens": 6, "return_full_text": False}


@pytest.fixture
def wanted(tiny, pictures):
    """What the captioner says of each picture, as the tokenizer decodes it."""
    model, processor = tiny
    inputs = processor(images=pictures)
    out = model.generate(**inputs, max_new_tokens=6, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    said = processor.tokenizer.batch_decode(out, skip_special_tokens=True)
    assert len(set(said)) > 1
    return said


def _texts(out):
    return [row["generated_text"] for row in out]


@several
def test_pipelines_take_pictures_paths_and_batches_with_plain_text(tiny_folder, pictures, wanted, tmp_path):
    pipe = pipeline("image-text-to-text", model=str(tiny_folder))
    assert isinstance(pipe.model, HybridForConditionalGeneration)
    paths = [str(tmp_path / f"{i}.png") for i in range(5)]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    assert _texts(pipe(images=pictures[0], text=PROMPT, **NEW)) == wanted[:1]
    assert _texts(pipe(paths[0], text=PROMPT, **NEW)) == wanted[:1]
    assert _texts(pipe(images=pictures[0], text=f"<image>{PROMPT}", **NEW)) == wanted[:1]
    for images in (pictures, paths):
        assert _texts(pipe(images=images, text=PROMPT, **NEW)) == wanted
        assert _texts(pipe(images=images, text=[PROMPT] * 5, batch_size=2, **NEW)) == wanted
    assert _texts(pipe(images=pictures[:2], text=PROMPT, max_new_tokens=6)) == [
        PROMPT + s for s in wanted[:2]
    ]
    mixed = pipe(images=pictures[:2], text=[PROMPT, "a large"], **NEW)
    alone = pipe(images=pictures[1], text="a large", **NEW)
    assert _texts(mixed) == [wanted[0], *_texts(alone)]


@several
def test_pipelines_search_with_beams(tiny, pictures):
    model, processor = tiny
    pipe = pipeline("image-text-to-text", model=model, processor=processor)
    inputs = processor(images=pictures[0])
    beams = {"num_beams": 3, "num_return_sequences": 2, "do_sample": False, "max_new_tokens": 6}
    out = model.generate(**inputs, **beams)[:, inputs["input_ids"].shape[1] :]
    said = pipe(images=pictures[0], text=PROMPT, return_full_text=False, generate_kwargs=beams)
    assert _texts(said) == processor.tokenizer.batch_decode(out, skip_special_tokens=True)


def test_a_streamer_gets_the_words_of_generate(tiny, pictures, wanted):
    model, processor = tiny
    streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
    model.generate(**processor(images=pictures[0]), streamer=streamer, max_new_tokens=6, do_sample=False)
    assert "".join(streamer) == wanted[0]


def test_samples_follow_the_seed_and_come_many_a_picture(tiny, pictures):
    model, processor = tiny
    inputs = processor(images=pictures[:2])
    options = {"do_sample": True, "temperature": 3.0, "num_return_sequences": 4, "max_new_tokens": 8}
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(model.generate(**inputs, **options))
    assert drawn[0].shape[0] == 8
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert len({tuple(row) for row in drawn[0].tolist()}) > 4


@pytest.mark.parametrize("beams", [2, 3])
def test_beams_of_a_batch_are_those_of_each_alone_cached_or_not(tiny, pictures, beams):
    model, processor = tiny
    prompts = [PROMPT, "a", "What in the world is that supposed to be? "]
    options = {"num_beams": beams, "do_sample": False, "max_new_tokens": 6}
    batch = processor(images=pictures[:3], text=prompts)
    start = batch["input_ids"].shape[1]
    out = model.generate(**batch, **options)[:, start:]
    assert torch.equal(model.generate(**batch, **options, use_cache=False)[:, start:], out)
    for i, prompt in enumerate(prompts):
        one = processor(images=pictures[i], text=prompt)
        alone = model.generate(**one, **options)[0, one["input_ids"].shape[1] :].tolist()
        assert out[i].tolist()[: len(alone)] == alone


def test_auto_classes_know_it(tiny_folder):
    assert isinstance(AutoConfig.from_pretrained(tiny_folder), HybridConfig)
    assert isinstance(AutoProcessor.from_pretrained(tiny_folder), HybridProcessor)
    assert isinstance(
        AutoModelForImageTextToText.from_pretrained(tiny_folder), HybridForConditionalGeneration
    )
    model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(tiny_folder))
    assert model.connector.projection.n_qubits == 3


def test_whether_the_connector_has_learnt_is_saved(parts, tiny_folder, tmp_path):
    model, processor = compose(parts / "clip", parts / "llama")
    assert model.config.connector_trained is False
    for part in (model, processor):
        part.save_pretrained(tmp_path)
    assert hybrid.load(tmp_path)[0].config.connector_trained is False
    assert hybrid.load(tiny_folder)[0].config.connector_trained is None
    assert hybrid.load("scenes-mini")[0].config.connector_trained is True
    with pytest.warns(UserWarning, match="has not been trained"):
        hybrid.caption([], model=tmp_path)
