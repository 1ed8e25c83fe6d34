"""CLIP ViT-B/32 and TinyLlama-1.1B at full size, with random weights: `python -m benchmarks.real_parts DIR`.

The files are those that the hub has of `openai/clip-vit-base-patch32` and of TinyLlama-1.1B-Chat-v1.0:
configurations, formats and dtypes; about 2.8 GB. What is said with them means nothing, what it costs does.
"""

from __future__ import annotations

import argparse
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPConfig, CLIPModel, LlamaConfig, LlamaForCausalLM

_SPECIAL = ("<unk>", "<s>", "</s>")
_BYTES = [f"<0x{value:02X}>" for value in range(256)]

CLIP = {
    "architectures": ["CLIPModel"],
    "model_type": "clip",
    "projection_dim": 512,
    "logit_scale_init_value": 2.6592,
    "text_config": {
        "model_type": "clip_text_model",
        "vocab_size": 49408,
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
        "projection_dim": 512,
        "bos_token_id": 0,
        "eos_token_id": 2,
    },
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 224,
        "patch_size": 32,
        "hidden_act": "quick_gelu",
        "projection_dim": 512,
    },
}
PREPROCESSOR = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "attention_bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 5632,
    "max_position_embeddings": 2048,
    "num_attention_heads": 32,
    "num_hidden_layers": 22,
    "num_key_value_heads": 4,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 32000,
}
TOKENIZER = {
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": "<s>",
    "clean_up_tokenization_spaces": False,
    "eos_token": "</s>",
    "legacy": False,
    "model_max_length": 2048,
    "pad_token": "</s>",
    "padding_side": "right",
    "tokenizer_class": "LlamaTokenizer",
    "unk_token": "<unk>",
}


def build(folder: Path) -> None:
    """Make both models, if they are not there.

    Args:
        folder: Gets `clip/` and `llama/`.
    """
    if not (folder / "clip" / "config.json").exists():
        _clip(folder / "clip")
    if not (folder / "llama" / "config.json").exists():
        _llama(folder / "llama")


def _clip(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(**CLIP))
    save_file(dict(_random(model, torch.float32)), folder / "model.safetensors", {"format": "pt"})
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2))
    (folder / "config.json").write_text(json.dumps(CLIP, indent=2))


def _llama(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**LLAMA))
    save_file(dict(_random(model, torch.bfloat16)), folder / "model.safetensors", {"format": "pt"})
    tokenizer(LLAMA["vocab_size"], _text()).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER, indent=2))
    ids = {"bos_token_id": 1, "eos_token_id": 2, "max_length": 2048, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(ids, indent=2))
    (folder / "config.json").write_text(json.dumps(LLAMA, indent=2))


def _random(model: torch.nn.Module, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    for name, wanted in model.state_dict().items():
        if name.endswith("norm.weight") or "layer_norm" in name or "layernorm" in name:
            yield name, torch.ones(wanted.shape, dtype=dtype)
        else:
            yield name, torch.empty(wanted.shape, dtype=dtype).normal_(0, 0.02)


def _text() -> Iterator[str]:
    """A few megabytes of what lies on every machine that runs this."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()


def tokenizer(size: Any, text: Iterable[str]) -> Tokenizer:
    """Train a tokenizer of Llama's kind: byte pairs over words that begin with a bar, bytes for the rest.

    Args:
        size: Tokens; where the text is too short for so many, the last ones are never used.
        text: What it is trained on.

    Returns:
        The tokenizer, which puts `<s>` first.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    learner.train_from_iterator(
        text, trainers.BpeTrainer(vocab_size=size - len(_SPECIAL) - len(_BYTES), show_progress=False)
    )
    learnt = json.loads(learner.to_str())["model"]
    words = [*_SPECIAL, *_BYTES, *sorted(learnt["vocab"], key=learnt["vocab"].get)]
    words += [f"<unused{i}>" for i in range(size - len(words))]
    made = Tokenizer(
        models.BPE(
            {word: i for i, word in enumerate(words)},
            [tuple(pair) for pair in learnt["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    made.add_special_tokens(list(_SPECIAL))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Make the folder, and say where it is."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_parts", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args(arguments).folder
    build(folder)
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
