"""The captioner as a transformers model: ``from_pretrained``, ``generate`` and ``pipeline`` work on it."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationMixin,
)
from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import PreTrainedModel

from hybrid.model.configuration import HybridConfig
from hybrid.model.connectors import Connector, build_connector


@dataclass
class HybridOutput(ModelOutput):  # type: ignore[misc]
    """What a forward pass returns.

    Attributes:
        loss: Next-token cross-entropy, when labels were given.
        logits: ``(batch, length, vocabulary)``.
        past_key_values: The language model's cache.
        hidden_states: The language model's, when asked for.
        attentions: The language model's, when asked for.
        vision_tokens: ``(batch, n_tokens, hidden_size)``, when a picture was given.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    hidden_states: Any = None
    attentions: Any = None
    vision_tokens: Tensor | None = None


class HybridForConditionalGeneration(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """A vision tower, a connector and a language model that continues from the vision token.

    Args:
        config: Their configuration.

    Attributes:
        vision_tower: Any vision model of transformers, CLIP's by default.
        connector: See `hybrid.model.connectors`.
        language_model: Any causal language model of transformers, Llama by default.
    """

    config_class = HybridConfig
    config: HybridConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    # Whitened values are small differences, which do not survive half precision.
    _keep_in_fp32_modules_strict = {"connector"}  # noqa: RUF012 (transformers' own name)

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        assert config.connector is not None
        self.connector = build_connector(config.connector, config.vision_hidden_size, config.hidden_size)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # Children come first, so a connector's own start overrules what the default did to its parts.
        if isinstance(module, Connector):
            module.reset_parameters()
        else:
            super()._init_weights(module)

    def get_input_embeddings(self) -> nn.Module:
        """The language model's token embeddings."""
        return self.language_model.get_input_embeddings()  # type: ignore[no-any-return]

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's token embeddings."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The language model's head."""
        return self.language_model.get_output_embeddings()  # type: ignore[no-any-return]

    def vision_features(self, pixel_values: Tensor) -> Tensor:
        """Look at pictures.

        Args:
            pixel_values: ``(batch, 3, height, width)``, as the processor makes them.

        Returns:
            ``(batch, vision_hidden_size)``: what the connector reads, and what is worth caching in training.
        """
        seen = self.vision_tower(pixel_values=pixel_values.to(self.vision_tower.dtype))
        features: Tensor = (
            seen.last_hidden_state[:, 0] if self.config.vision_feature == "cls" else seen.pooler_output
        )
        return features

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        vision_features: Tensor | None = None,
        vision_tokens: Tensor | None = None,
        **kwargs: Any,
    ) -> HybridOutput:
        """Continue text that stands behind a picture.

        The picture is given in one of three forms: as pixels, as cached features, or as finished tokens.

        Args:
            input_ids: ``(batch, length)``, with ``config.image_token_id`` where vision tokens belong.
            pixel_values: ``(batch, 3, height, width)``.
            attention_mask: ``(batch, length)``; pad on the left to generate.
            position_ids: ``(batch, length)``.
            past_key_values: The cache of an earlier call.
            inputs_embeds: ``(batch, length, hidden_size)`` in place of ``input_ids``; then no
                picture is placed.
            labels: ``(batch, length)``; -100 where no loss is wanted.
            logits_to_keep: As in transformers: only the last so many positions' logits.
            vision_features: ``(batch, vision_hidden_size)``, what `vision_features` returned.
            vision_tokens: ``(batch, n_tokens, hidden_size)``, what the connector returned.
            **kwargs: Passed on to the language model.

        Returns:
            Logits, cache, the loss if labels were given, and the vision tokens.

        Raises:
            ValueError: If both or neither of ``input_ids`` and ``inputs_embeds`` are given, or the number of
                placeholders is not the number of vision tokens.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds must be given")
        if vision_tokens is None:
            if vision_features is None and pixel_values is not None:
                vision_features = self.vision_features(pixel_values)
            if vision_features is not None:
                vision_tokens = self.connector(vision_features)
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds = self._embed(input_ids, vision_tokens)
        out = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            logits_to_keep=logits_to_keep,
            labels=labels,
            **kwargs,
        )
        return HybridOutput(
            loss=out.loss,
            logits=out.logits,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            vision_tokens=vision_tokens,
        )

    def _embed(self, input_ids: Tensor, vision_tokens: Tensor | None) -> Tensor:
        """Embed tokens, with vision tokens in the places kept for them."""
        places = input_ids == self.config.image_token_id
        # The placeholder's id may lie outside the embedding, so it never reaches it.
        embeds: Tensor = self.get_input_embeddings()(input_ids.masked_fill(places, 0))
        if vision_tokens is None:
            return embeds
        wanted = vision_tokens.shape[0] * vision_tokens.shape[1]
        if int(places.sum()) != wanted:
            raise ValueError(
                f"input_ids must hold one placeholder (id {self.config.image_token_id}) for every vision "
                f"token: {wanted} in all, but held {int(places.sum())}. HybridProcessor places them."
            )
        return embeds.masked_scatter(places.unsqueeze(-1), vision_tokens.to(embeds))

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """The stock preparation, and the picture only where the text has not been read into the cache yet."""
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, is_first_iteration=is_first_iteration, **kwargs
        )
        if not is_first_iteration and kwargs.get("use_cache", True):
            for name in ("pixel_values", "vision_features", "vision_tokens"):
                inputs.pop(name, None)
        return inputs


AutoConfig.register("hybrid", HybridConfig, exist_ok=True)
AutoModelForImageTextToText.register(HybridConfig, HybridForConditionalGeneration, exist_ok=True)
