"""The captioner as a transformers model: ``from_pretrained``, ``generate`` and ``pipeline`` work on it."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationMixin,
)
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel

from hybrid.model.configuration import HybridConfig
from hybrid.model.connectors import Connector, build_connector
from hybrid.model.vision import laid_out, read_feature


@dataclass
class HybridOutput(CausalLMOutputWithPast):  # type: ignore[misc]
    """What a forward pass returns: all that the language model returns, and the vision tokens.

    Attributes:
        loss: Next-token cross-entropy, when labels were given.
        logits: ``(batch, length, vocabulary)``.
        vision_tokens: ``(batch, n_tokens, hidden_size)``, when a picture was given.
    """

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
    _keep_in_fp32_modules = {"connector"}  # noqa: RUF012 (which bitsandbytes leaves alone)

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        assert config.connector is not None
        self.connector = build_connector(config.connector, config.vision_hidden_size, config.hidden_size)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        width = self.get_input_embeddings().embedding_dim
        if width != config.hidden_size:
            raise ValueError(
                f"text_config must say how wide the language model's embeddings are, but said "
                f"{config.hidden_size} "
                f"where a {config.text_config.model_type!r} model has {width}; choose another language model"
            )
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

    def set_output_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's head."""
        self.language_model.set_output_embeddings(value)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, *args: Any, **kwargs: Any
    ) -> nn.Module:
        """Change the size of the vocabulary, see transformers; the language model does it.

        Raises:
            ValueError: If the size is below 1; nothing has changed then.
        """
        if new_num_tokens is not None and new_num_tokens < 1:
            raise ValueError(f"new_num_tokens must be at least 1, but was {new_num_tokens}")
        embeddings: nn.Module = self.language_model.resize_token_embeddings(new_num_tokens, *args, **kwargs)
        self.config.text_config.vocab_size = self.language_model.config.vocab_size
        return embeddings

    @property
    def n_vision_tokens(self) -> int:
        """Vision tokens of a picture, each in the place of one placeholder."""
        return self.config.vision_positions * self.connector.n_tokens

    def vision_features(self, pixel_values: Tensor) -> Tensor:
        """Look at pictures.

        Args:
            pixel_values: ``(batch, 3, height, width)``, as the processor makes them.

        Returns:
            ``(batch, vision_hidden_size)``, or ``(batch, positions, vision_hidden_size)`` where
            ``config.vision_feature`` has several: what the connector reads, and what is worth caching in
            training.

        Raises:
            ValueError: If the tower does not have the feature that is to be read.
        """
        pixels = laid_out(pixel_values.to(self.vision_tower.dtype), self.vision_tower)
        seen = self.vision_tower(pixel_values=pixels)
        return read_feature(
            seen, self.config.vision_feature, self.config.vision_config, pixel_values.shape[-2:]
        )

    def vision_tokens(self, features: Tensor) -> Tensor:
        """Make vision tokens ``(batch, n_vision_tokens, hidden_size)`` of what `vision_features` returned."""
        tokens: Tensor = self.connector(features)
        return tokens.flatten(1, -2)

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
        cache: Any = None,
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
            inputs_embeds: ``(batch, length, hidden_size)`` in place of ``input_ids`` and of a picture.
            labels: ``(batch, length)``; -100 where no loss is wanted.
            logits_to_keep: As in transformers: only the last so many positions' logits.
            vision_features: What `vision_features` returned.
            vision_tokens: What `vision_tokens` returned.
            cache: What newer releases of transformers call ``past_key_values``.
            **kwargs: Passed on to the language model.

        Returns:
            Logits, cache, the loss if labels were given, and the vision tokens.

        Raises:
            ValueError: If both or neither of ``input_ids`` and ``inputs_embeds`` are given, a picture is
                given with ``inputs_embeds``, or a row does not have a placeholder for each of its picture's
                tokens.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds must be given")
        if vision_tokens is None:
            if vision_features is None and pixel_values is not None:
                vision_features = self.vision_features(pixel_values)
            if vision_features is not None:
                vision_tokens = self.vision_tokens(vision_features)
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds = self._embed(input_ids, vision_tokens)
        elif vision_tokens is not None:
            raise ValueError(
                "inputs_embeds were given with a picture, but have no placeholders to put it in; give "
                "input_ids, or "
                "put the vision tokens into inputs_embeds and leave the picture out"
            )
        given = {
            "attention_mask": attention_mask,
            "position_ids": position_ids,
            "past_key_values": past_key_values,
            "cache": cache,
            "labels": labels,
        }
        # Not every language model knows every argument: Bloom, for one, has no positions.
        kwargs |= {name: value for name, value in given.items() if value is not None}
        if not (isinstance(logits_to_keep, int) and logits_to_keep == 0):
            kwargs["logits_to_keep"] = _places(logits_to_keep, inputs_embeds)
        kwargs["return_dict"] = True
        out = self.language_model(inputs_embeds=inputs_embeds, **kwargs)
        names = {field.name for field in fields(HybridOutput)}
        known = {name: value for name, value in out.items() if name in names}
        result = HybridOutput(**known, vision_tokens=vision_tokens)
        for name, value in out.items():  # such as the state of a recurrent language model
            if name not in names:
                result[name] = value
        return result

    def _embed(self, input_ids: Tensor, vision_tokens: Tensor | None) -> Tensor:
        """Embed tokens, with vision tokens in the places kept for them."""
        places = input_ids == self.config.image_token_id
        counts = places.sum(1)
        n, rows = (
            (0, len(input_ids)) if vision_tokens is None else (vision_tokens.shape[1], len(vision_tokens))
        )
        if rows != len(input_ids) or bool((counts != n).any()):
            raise ValueError(
                f"input_ids must hold one placeholder (id {self.config.image_token_id}) for every vision "
                f"token of "
                f"its row's picture: {n} in each of {rows} rows, but held {counts.tolist()[:8]} in "
                f"{len(input_ids)} "
                "rows. HybridProcessor places them."
            )
        # The placeholder's id may lie outside the embedding, so it never reaches it.
        embeds: Tensor = self.get_input_embeddings()(input_ids.masked_fill(places, 0))
        if vision_tokens is None:
            return embeds
        return embeds.masked_scatter(places.unsqueeze(-1), vision_tokens.to(embeds))

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """See transformers. The placeholder is never generated: it would stand for no picture."""
        if self.config.image_token_id < int(self.get_input_embeddings().num_embeddings):  # type: ignore[arg-type]
            kwargs["suppress_tokens"] = [*(kwargs.get("suppress_tokens") or []), self.config.image_token_id]
        return super().generate(*args, **kwargs)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        inputs_embeds: Tensor | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The stock preparation, and the picture only where the text has not been read into the cache yet."""
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, inputs_embeds=inputs_embeds, is_first_iteration=is_first_iteration, **kwargs
        )
        if not is_first_iteration and kwargs.get("use_cache", True):
            for name in ("pixel_values", "vision_features", "vision_tokens"):
                inputs.pop(name, None)
        return inputs


def _places(keep: int | Tensor, embeds: Tensor) -> int | Tensor:
    """The last places by their numbers, which language models take as well as how many there are.

    Cut off by numbers, the states lie together in memory, and the head is one matrix product. Cut off by a
    slice, torch multiplies row by row and reads the whole head, the largest matrix of all, for each.
    """
    length = embeds.shape[1]
    if isinstance(keep, Tensor) or not 0 < keep < length:
        return keep
    return torch.arange(length - keep, length, device=embeds.device)


AutoConfig.register("hybrid", HybridConfig, exist_ok=True)
AutoModelForImageTextToText.register(HybridConfig, HybridForConditionalGeneration, exist_ok=True)
