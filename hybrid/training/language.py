"""Stage: a tokenizer and a tiny Llama that know how captions are written, from text alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from hybrid.data.caption_dataset import CaptionDataset, encode_captions
from hybrid.data.scenes import sample_scene
from hybrid.model.processing import IMAGE_TOKEN
from hybrid.training.fitting import fit
from hybrid.training.recipe import LanguageRecipe


def captions(n: int, seed: int) -> list[str]:
    """Captions of ``n`` scenes nobody drew."""
    rng = np.random.default_rng(seed)
    return [sample_scene(rng).caption for _ in range(n)]


def train_tokenizer(texts: Sequence[str], prompts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer of the Llama kind: any text can be written with it.

    Args:
        texts: What to learn merges from.
        prompts: Learnt too, so that they cost few tokens.
        vocabulary: At most this many tokens, the 256 bytes and 5 special ones included.

    Returns:
        A fast tokenizer that puts ``<s>`` in front and pads on the left.
    """

    def lines() -> Iterator[str]:
        for text in texts:
            yield text
            yield from prompts

    special = ["<pad>", "<s>", "<unk>", "</s>", IMAGE_TOKEN]
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(
        lines(),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", special.index("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        unk_token="<unk>",
        eos_token="</s>",
        additional_special_tokens=[IMAGE_TOKEN],
        padding_side="left",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )


def build(recipe: LanguageRecipe, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """A fresh Llama of the recipe's size, with random weights from torch's global generator."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=round(recipe.hidden_size * 8 / 3),
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config)


def prompted(
    texts: Sequence[str],
    prompts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    prefix: Sequence[int] = (),
    vision_features: np.ndarray | None = None,
) -> CaptionDataset:
    """Put prompts before captions.

    Args:
        texts: Captions.
        prompts: One is chosen for every caption: the first seven times in ten, else any.
        tokenizer: Encodes both, apart, as they are at generation.
        seed: Decides which prompt goes where.
        prefix: Ids that go in front of everything, such as the picture's placeholders.
        vision_features: ``(n, width)``, the picture of every caption, or none.
    """
    rng = np.random.default_rng(seed)
    asked = np.where(rng.random(len(texts)) < 0.7, 0, rng.integers(len(prompts), size=len(texts)))
    heads = [[*prefix, *tokenizer(prompt)["input_ids"]] for prompt in prompts]
    tails = encode_captions(tokenizer, texts)
    return CaptionDataset([heads[a] for a in asked], tails, int(tokenizer.pad_token_id), vision_features)


def train(recipe: LanguageRecipe, prompts: Sequence[str], folder: Path, text_seed: int, seed: int) -> None:
    """Train tokenizer and model, into one folder.

    Args:
        recipe: What to train.
        prompts: What stands before captions.
        folder: Where both are saved, and checkpoints on the way.
        text_seed: Decides the captions.
        seed: Everything else random follows from it.
    """
    texts = captions(recipe.captions, text_seed)
    tokenizer = train_tokenizer(texts, prompts, recipe.vocabulary)
    model = build(recipe, tokenizer)
    fit(
        model,
        prompted(texts, prompts, tokenizer, seed),
        folder / "checkpoints",
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        seed=seed,
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
