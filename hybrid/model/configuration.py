"""The configuration of the captioner, as Hugging Face stores it."""

from typing import Any, ClassVar, Literal

from transformers import CLIPVisionConfig, LlamaConfig
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto import AutoConfig

_MOST_LAYERS = 1000  # of any model known; a damaged number must not keep a machine busy for hours


class HybridConfig(PreTrainedConfig):  # type: ignore[misc]
    """A vision tower, a connector and a language model.

    Args:
        vision_config: The vision tower's configuration, or its dictionary. A CLIP vision tower by default.
        text_config: The language model's configuration, or its dictionary. A Llama by default.
        connector: ``{"type": name, **options}``: a name in `hybrid.model.connectors`, and its options.
        vision_feature: What the connector reads: ``"cls"``, the first token of the last hidden state before
            the final layer norm (as TinyLlama-VLM-LoRA does), or ``"pooled"``, the tower's pooler output.
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
    vision_feature: Literal["cls", "pooled"] = "cls"
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
        if self.vision_feature not in ("cls", "pooled"):
            raise ValueError(f"vision_feature must be 'cls' or 'pooled', but was {self.vision_feature!r}")
        if not isinstance(self.image_token_id, int) or self.image_token_id < 0:
            raise ValueError(f"image_token_id must be a token's id, but was {self.image_token_id!r}")

    @property
    def vision_hidden_size(self) -> int:
        """Width of what the connector reads."""
        return int(self.vision_config.hidden_size)

    @property
    def hidden_size(self) -> int:
        """Width of the language model, and so of a vision token."""
        return int(self.text_config.hidden_size)


def _configuration(given: Any, default: Any) -> Any:
    if given is None:
        return default()
    if isinstance(given, dict):
        given = dict(given)
        return AutoConfig.for_model(given.pop("model_type", default.model_type), **given)
    if not isinstance(given, PreTrainedConfig):
        raise ValueError(f"vision_config and text_config must be configurations, but one was {given!r}")
    return given
