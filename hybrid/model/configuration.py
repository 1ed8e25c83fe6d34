"""The configuration of the captioner, as Hugging Face stores it."""

import sys
from typing import Any, ClassVar

from transformers import CLIPVisionConfig, LlamaConfig
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto import AutoConfig

from hybrid.model.vision import n_positions, parse_feature, width_of

_MOST_LAYERS = 1000  # of any model known; a damaged number must not keep a machine busy for hours


class HybridConfig(PreTrainedConfig):  # type: ignore[misc]
    """A vision tower, a connector and a language model.

    Args:
        vision_config: The vision tower's configuration, or its dictionary. A CLIP vision tower by default.
        text_config: The language model's configuration, or its dictionary. A Llama by default.
        connector: ``{"type": name, **options}``: a name in `hybrid.model.connectors`, and its options.
        vision_feature: What the connector reads: ``"cls"``, the first token of the last hidden state (CLIP's
            is before the final layer norm, as TinyLlama-VLM-LoRA has it); ``"pooled"``, the tower's pooler
            output; ``"gridK"``, the mean of each of K x K parts of the picture; or several, as
            ``"cls+grid2"``. See `hybrid.model.vision.read_feature`.
        vision_width: Width of what the connector reads, where the tower's configuration does not say it.
        image_token_id: The placeholder's id. It may lie outside the language model's vocabulary.
        connector_trained: Whether the connector has learnt anything; None where that is not known.
        tie_word_embeddings: Follows the language model's own setting.
    """

    model_type = "hybrid"
    sub_configs: ClassVar[dict[str, Any]] = {"vision_config": AutoConfig, "text_config": AutoConfig}

    # Configurations once built: dictionaries, as in a config.json, are converted.
    vision_config: Any = None
    text_config: Any = None
    connector: dict[str, Any] | None = None
    vision_feature: str = "cls"
    vision_width: int | None = None
    image_token_id: int = 32000
    connector_trained: bool | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.vision_config = _configuration(self.vision_config, CLIPVisionConfig)
        self.text_config = _configuration(self.text_config, LlamaConfig)
        if not isinstance(self.connector, dict | None):
            raise ValueError(f"connector must name a type and its options, but was {self.connector!r}")
        self.connector = dict(self.connector or {"type": "quantum"})
        # The language model ties its own embeddings; nothing is tied across the parts.
        self.tie_word_embeddings = bool(self.text_config.tie_word_embeddings)
        self._check()
        super().__post_init__(**kwargs)

    def _check(self) -> None:
        """Refuse what the model would trip over later, or build for hours."""
        for name in ("vision_config", "text_config"):
            layers = getattr(getattr(self, name), "num_hidden_layers", 1)
            if not isinstance(layers, int) or not 0 <= layers <= _MOST_LAYERS:
                raise ValueError(
                    f"{name}.num_hidden_layers must be at most {_MOST_LAYERS}, but was {layers!r}"
                )
        parse_feature(self.vision_feature)
        if not isinstance(self.image_token_id, int) or self.image_token_id < 0:
            raise ValueError(f"image_token_id must be a token's id, but was {self.image_token_id!r}")

    @property
    def vision_hidden_size(self) -> int:
        """Width of what the connector reads."""
        return self.vision_width or width_of(self.vision_config)

    @property
    def vision_positions(self) -> int:
        """How many feature vectors the connector reads of a picture."""
        return n_positions(self.vision_feature)

    @property
    def hidden_size(self) -> int:
        """Width of the language model's token embeddings, and so of a vision token."""
        # OPT-350m and ELECTRA embed tokens in fewer numbers than their layers have.
        names = ("word_embed_proj_dim", "embedding_size", "input_embedding_size", "hidden_size")
        return int(next(filter(None, (getattr(self.text_config, name, None) for name in names))))

    @property
    def context(self) -> int:
        """The language model's longest input in tokens; ``sys.maxsize`` where it has no limit, as Bloom."""
        lengths = (
            getattr(self.text_config, name, None) for name in ("max_position_embeddings", "max_seq_len")
        )
        return int(next(filter(None, lengths), sys.maxsize))


def _configuration(given: Any, default: Any) -> Any:
    if given is None:
        return default()
    if isinstance(given, dict):
        given = dict(given)
        return AutoConfig.for_model(given.pop("model_type", default.model_type), **given)
    if not isinstance(given, PreTrainedConfig):
        raise ValueError(f"vision_config and text_config must be configurations, but one was {given!r}")
    return given
