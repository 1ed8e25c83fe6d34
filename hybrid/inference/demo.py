"""The web page of ``hybrid demo``: captions and expectation values of a picture."""

from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from hybrid.data.formats import SUFFIXES
from hybrid.data.images import ImageError, open_image
from hybrid.inference.measuring import expectation_values
from hybrid.inference.out_of_distribution import Detector
from hybrid.inference.prompting import Question
from hybrid.inference.streaming import stream_answer
from hybrid.model.connectors.quantum import QuantumConnector
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from qproj.noise import Channel, NoiseModel

_WORDS = """# What a circuit sees
A picture reaches the language model through the expectation values of one quantum circuit, and by no other
way. Drop a picture; then let another backend run the circuit, with shots or with noise, and see what is said
of it.
"""
_STRANGE = "This picture is unlike anything the model was trained on: what it says of it means nothing."
_MAX_NEW_TOKENS = 50
_SHOWN_SIDE = 640  # pixels


class Page:
    """The page's functions; `build` lays it out.

    Args:
        model: A captioner with a quantum connector.
        processor: Its processor.
        backends: Names to choose from.

    Raises:
        ValueError: If the connector has no circuit.
    """

    def __init__(
        self, model: HybridForConditionalGeneration, processor: HybridProcessor, backends: list[str]
    ) -> None:
        if not isinstance(model.connector, QuantumConnector):
            raise ValueError("the model's connector must be a quantum one, but has no circuit")
        self.model, self.backends = model, backends
        self.connector: QuantumConnector = model.connector
        detector = Detector.load(model.config.name_or_path)
        self.question = Question(model, processor, None, _MAX_NEW_TOKENS, {}, detector=detector)

    def see(
        self, path: str | None, backend: str, shots: int | None, error: float
    ) -> Iterator[tuple[Any, str, str, str, Figure | None]]:
        """Caption a picture, exactly and with the settings asked for.

        Args:
            path: Of the picture, or none.
            backend: Who runs the circuit the second time.
            shots: Measurements for each value then; 0 or none for exact values.
            error: Probability of an error after each gate then.

        Yields:
            The picture as HTML (once, then no change), its caption so far, a note, the other caption so far,
            and the values as bars.
        """
        if path is None:
            yield "", "", "", "", None
            return
        try:
            picture = open_image(path)
        except ImageError as fault:
            raise gr.Error(f"{Path(path).name}: {fault.reason}", print_exception=False) from None
        features, (strange,) = self.question.see([self.question.look_at(picture)])
        note = _STRANGE if strange else ""
        exact = expectation_values(self.connector, features)
        runs, caption, other = {"exact": exact}, "", ""
        yield _shown(picture), caption, note, other, _bars(runs)
        for piece in self._said_of(exact):
            caption += piece
            yield gr.skip(), caption, note, other, _bars(runs)
        if backend != "jax" or shots or error:
            name = f"{backend}, {f'{error:.1%} errors' if error else f'{shots} shots' if shots else 'exact'}"
            try:
                noise = NoiseModel(Channel("DepolarizingChannel", error)) if error else None
                values = expectation_values(
                    self.connector, features, backend=backend, shots=int(shots or 0) or None, noise=noise
                )
            except (ValueError, ImportError, RuntimeError) as fault:
                raise gr.Error(str(fault).splitlines()[0], print_exception=False) from None
            runs[name] = values
            for piece in self._said_of(values):
                other += piece
                yield gr.skip(), caption, note, other, _bars(runs)

    def _said_of(self, values: Tensor) -> Iterator[str]:
        with torch.no_grad():
            tokens = self.connector.tokens_of(values)
        tokens = tokens.reshape(len(values), self.connector.n_tokens, self.connector.hidden_size)
        return stream_answer(self.question, tokens, "vision_tokens")

    def build(self) -> gr.Blocks:
        """Lay the page out."""
        with gr.Blocks(title="hybrid", analytics_enabled=False) as page:
            gr.Markdown(_WORDS)
            with gr.Row():
                with gr.Column():
                    path = gr.File(label="Drop a picture", file_types=sorted(SUFFIXES), elem_id="picture")
                    shown = gr.HTML(label="As it is read", elem_id="shown")
                with gr.Column():
                    caption = gr.Textbox(label="Caption", interactive=False, elem_id="caption")
                    note = gr.Markdown(elem_id="note")
                    backend = gr.Dropdown(self.backends, value="jax", label="Backend", elem_id="backend")
                    shots = gr.Number(0, label="Shots (0: exact)", minimum=0, precision=0, elem_id="shots")
                    error = gr.Slider(
                        0, 0.05, 0, step=0.001, elem_id="error",
                        label="Probability of an error after each gate",
                    )  # fmt: skip
                    other = gr.Textbox(label="Caption then", interactive=False, elem_id="other")
            values = gr.Plot(label="Expectation values", elem_id="values")
            gr.Code(str(self.connector.projection.circuit.circuit), label="Circuit", elem_id="circuit")
            settings: dict[str, Any] = {
                "fn": self.see,
                "inputs": [path, backend, shots, error],
                "outputs": [shown, caption, note, other, values],
                "concurrency_id": "model",  # one picture at a time
            }
            gr.on([path.change, backend.change, shots.submit, error.release], **settings)
        return page


def _shown(picture: Image.Image) -> str:
    """A picture within the page itself: as a file, gradio would write it anew while another tab reads it."""
    small, data = picture.copy(), BytesIO()
    small.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    small.save(data, "JPEG", quality=85)
    return f'<img alt="the picture" src="data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}">'


def _bars(runs: dict[str, Tensor]) -> Figure:
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(runs)
    for i, (name, values) in enumerate(runs.items()):
        places = [qubit + (i - (len(runs) - 1) / 2) * width for qubit in range(values.shape[1])]
        axes.bar(places, values[0].tolist(), width, label=name)
    axes.set_xlabel("observable")
    axes.set_ylabel("expectation value")
    axes.axhline(0, color="black", linewidth=0.5)
    axes.legend()
    return figure
