"""The page on models at full size: its figures, what is built, and how a benchmark does without it."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer, CLIPImageProcessorPil

from benchmarks import real_child, real_parts, real_report
from benchmarks.documents import filled
from benchmarks.results import load
from hybrid.loading.adapter import save_adapter, trained_tensors
from hybrid.training.caption_recipe import load_caption_recipe
from tests.benchmarks.test_running import run


def test_blocks_are_those_of_the_committed_result():
    text = real_report.PAGE.read_text()
    made = real_report.sections(load(real_report.RESULT))
    assert all(f"<!-- benchmarks: {name} -->" in text for name in made)
    assert filled(text, made, "") == text, (
        "run python -m benchmarks.real_report benchmarks/results/real-models.json"
    )


def test_the_committed_result_is_within_the_limits():
    from benchmarks import test_real_models as limits

    result = load(real_report.RESULT)
    assert {row.info["batch"] for row in result.of("real training")} == {1, 8}
    for row in result.of("real training"):
        assert row.info["peak_bytes"] <= limits.TRAIN_BYTES
        assert row.info["checkpoint_bytes"] < limits.CHECKPOINT_BYTES
    assert {row.info["dtype"] for row in result.of("real caption")} == {"float32", "bfloat16"}
    assert all(row.info["peak_bytes"] <= limits.CAPTION_BYTES for row in result.of("real caption"))
    assert [row.info["limit"] for row in result.of("real connector")] == [1.03, 1.1]
    assert all(row.info["ratio"]["median"] <= row.info["limit"] for row in result.of("real connector"))
    assert all(row.info["samples_per_second"] >= 2000 for row in result.of("connector alone"))
    assert all(row.median <= row.info["limit_seconds"] for row in result.of("start"))


def test_a_file_that_is_no_result_is_refused(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert real_report.main([str(tmp_path / "a.json")]) == 2
    assert "is not a result of this suite" in capsys.readouterr().err


def test_without_the_models_the_benchmark_says_how_to_make_them():
    done = run("benchmarks/test_real_models.py", "--benchmark-only", "-rs", "-k", "fits or either")
    assert "6 skipped" in done.stdout
    assert "needs models at full size: make real-size" in done.stdout


def test_a_run_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"train failed: hybrid: --preset.*nobody"):
        real_child.run("train", "--preset", "nobody", "--output", tmp_path)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A small tokenizer of the kind that `real_parts` trains, as transformers loads it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = real_parts.tokenizer(600, ["a dog runs on the green grass", "two dogs run"] * 20)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(real_parts.TOKENIZER))
    (folder / "config.json").write_text(json.dumps(real_parts.LLAMA))
    assert made.get_vocab_size() == 600
    assert "<0xE7>" in made.encode("a dog — 犬").tokens  # what is not in the vocabulary is spelt in bytes
    return AutoTokenizer.from_pretrained(folder)


def test_the_tokenizer_is_one_of_llamas_kind(tokens):
    ids = tokens("a dog — 犬")["input_ids"]
    assert ids[0] == tokens.bos_token_id == 1
    assert (tokens.eos_token_id, tokens.pad_token) == (2, "</s>")
    assert tokens.chat_template is None
    words = tokens.convert_ids_to_tokens(ids)
    assert "<0xE7>" in words
    assert "<unk>" not in words
    assert tokens.decode(ids, skip_special_tokens=True) == "a dog — 犬"


def test_connector_and_lora_of_the_preset_take_less_than_6_mb(tokens, tmp_path):
    """The real widths, but no weights except those that are saved."""
    from hybrid import HybridConfig, HybridForConditionalGeneration, HybridProcessor

    recipe = load_caption_recipe("tinyllama")
    configs = {
        name: AutoConfig.for_model(**config)
        for name, config in (
            ("vision_config", real_parts.CLIP["vision_config"]),
            ("text_config", real_parts.LLAMA),
        )
    }
    with torch.device("meta"):
        model = HybridForConditionalGeneration(HybridConfig(**configs, connector=recipe.connector))
        recipe.lora.add_to(model)
    model.to_empty(device="cpu")  # reserved, not filled: it takes no memory
    tokens.add_tokens(["<image>"], special_tokens=True)
    save_adapter(
        tmp_path / "model", model, HybridProcessor(CLIPImageProcessorPil(), tokens), recipe.base, recipe.lora
    )
    assert sum(tensor.numel() for tensor in trained_tensors(model).values()) > 1_126_400
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 6_000_000
