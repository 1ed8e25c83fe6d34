"""The model card: what a trained miniature knows, how it was made, and how good it was measured to be."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hybrid.data.palette import COLOURS
from hybrid.data.scenes import RELATIONS, SIZES
from hybrid.data.shapes import SHAPES
from hybrid.training.recipe import ConnectorPhase, Recipe

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
# {name}

{description}: a frozen CLIP vision tower, a quantum connector, a Llama with its LoRA merged in.

## What it knows
Drawn scenes of one or two simple objects, and nothing else: photographs get a confident sentence about shapes.

- shapes: {shapes}
- colours: {colours}
- sizes: {sizes} (of the picture's short side: up to a quarter, from about a third)
- relations: {relations}

It says the smaller object first; of two alike, the left or upper one. It is asked "{prompt}"; other prompts work
only as far as they are among the few it was trained with.

## How it is built
- vision: `CLIPVisionModel`, {vision.layers} layers of width {vision.hidden_size}, {image_size} x {image_size} pixels in
  patches of {vision.patch_size}; the connector reads the class token before the last layer norm
- connector: linear to {connector.n_qubits} angles, a circuit of {connector.n_qubits} qubits ({connector.encoding} encoding,
  {device.n_layers} {device.ansatz} layers), linear from {connector.n_qubits} Z expectation values to one vision
  token. The picture reaches the language model through these {connector.n_qubits} numbers and by no other way.
- language: `LlamaForCausalLM`, {language.layers} layers of width {language.hidden_size}, byte-level BPE

## How it was made
`hybrid train --preset {name} --seed {seed}`, in {minutes:.0f} minutes on 2 CPU cores (stages: {stages}), with
torch {torch}, transformers {transformers}, jax {jax}. {n_train:,} drawn scenes, no other data. The vision tower was trained
by contrast with captions and by naming attributes with heads that were thrown away. Connector and LoRA (rank
{connector.lora_rank}) came in five steps: a wide classical connector taught the language model to read a vision token
({connector.teacher.steps:,} steps); it was narrowed to {connector.n_qubits} numbers ({connector.bottleneck.steps:,} steps); the quantum connector matched the narrow one's
tokens, without captions ({connector.match_steps:,} steps); then it was trained on captions with LoRA ({phases}). Its values, after {connector.n_layers}
{connector.ansatz} layers, varied too little from picture to picture for a device to tell them apart. So a circuit
near the identity, whose values span [-1, 1], took its place: it matched its tokens ({device.match_steps:,} steps) and was trained on
captions with another LoRA ({device_phases}), on the first {device_pictures:,} scenes at most and with the
scatter of {device.shots:,} measurements added to every value.

## Measured
On {n_one:,} scenes with one object and {n_two:,} with two that took no part in training; greedy decoding. *Exact* is the whole
caption right to the letter, *colour and shape* that of every object in any order. *Shuffled* gives each caption another
picture's vision token, *zeroed* a token of zeros: what is left then is guessed from language. *{device.shots:,} shots* has each value
estimated from as many measurements. `docs/noise.md` has other numbers of them, and noise.

| connector | parameters | vision token | exact, one | exact, two | colour and shape, one | colour and shape, two |
|---|---|---|---|---|---|---|
{rows}

The classical connector ({vision.hidden_size} -> {connector.classical_width} -> {language.hidden_size}, no activation) had the same data, batches, LoRA and LoRA's learning
rate, and {classical_steps:,} steps behind captions. The quantum one had {quantum_steps:,}, those of its forerunners counted, and {match_steps:,} of
matching; its own learning rate is that of LoRA, the wide connector's {connector.wide_rate} of it, since more harms it. The
narrow classical connector ({vision.hidden_size} -> {connector.n_qubits} -> {language.hidden_size}, no activation) is the first forerunner, after {narrow_steps:,} steps; it passes the picture
through as many numbers as the circuit does. One seed: an illustration, not a comparison of the kinds.

## Licence
Apache-2.0, as the code. The data are drawn by the code.
"""


def write_card(folder: Path, recipe: Recipe, metrics: dict[str, Any]) -> None:
    """Write ``README.md`` beside a model.

    Args:
        folder: The model's.
        recipe: How it was trained.
        metrics: What the measuring stage found.
    """
    seconds: dict[str, float] = metrics["seconds"]
    rows = []
    shots = f"{recipe.device.shots:,} shots"
    for kind in ("quantum", "quantum forerunner", "classical", "narrow classical"):
        for token in ("picture", "shots", "shuffled", "zeroed"):
            if token not in metrics[kind]:
                continue
            m = metrics[kind][token]
            figures = [
                m.get(f"{what}_{n}", float("nan"))
                for what in ("exact", "colour_shape")
                for n in ("one", "two")
            ]
            cells = " | ".join(f"{figure:.3f}" for figure in figures)
            name = shots if token == "shots" else token
            rows.append(f"| {kind} | {metrics[kind]['connector_parameters']:,} | {name} | {cells} |")
    counts = metrics["quantum"]["picture"]
    c, device = recipe.connector, recipe.device
    own_steps = sum(phase.steps for phase in c.phases)
    card = _CARD.format(
        name=recipe.name,
        description=recipe.description[0].upper() + recipe.description[1:],
        shapes=", ".join(SHAPES),
        colours=", ".join(COLOURS),
        sizes=", ".join(SIZES),
        relations=", ".join(RELATIONS),
        prompt=recipe.prompts[0].strip(),
        vision=recipe.vision,
        image_size=recipe.scenes.image_size,
        connector=recipe.connector,
        language=recipe.language,
        seed=metrics["seed"],
        minutes=sum(seconds.values()) / 60,
        stages=", ".join(f"{name} {value / 60:.0f} min" for name, value in seconds.items()),
        torch=version("torch"),
        transformers=version("transformers"),
        jax=version("jax"),
        n_train=recipe.scenes.train,
        n_one=counts["n_one"],
        n_two=counts["n_two"],
        rows="\n".join(rows),
        phases=_said(c.phases),
        device=device,
        device_phases=_said(device.phases),
        device_pictures=max(phase.n_pictures for phase in device.phases),
        match_steps=c.match_steps + device.match_steps,
        classical_steps=c.teacher.steps + own_steps,
        narrow_steps=c.teacher.steps + c.bottleneck.steps,
        quantum_steps=c.teacher.steps
        + c.bottleneck.steps
        + own_steps
        + sum(phase.steps for phase in device.phases),
    )
    (folder / "README.md").write_text(card)


def _said(phases: Sequence[ConnectorPhase]) -> str:
    return ", then ".join(
        f"{p.steps:,} steps with scenes of one object {p.repeat_single} times as often as drawn"
        for p in phases
    )
