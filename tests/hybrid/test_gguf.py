"""A language model in a GGUF file is the one it was made of."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from hybrid.loading.compose import compose
from hybrid.loading.load import load
from hybrid.loading.names import ModelError

gguf = pytest.importorskip("gguf")

# Names of a Llama's tensors there; {} is the number of a layer.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "blk.{}.attn_norm": "model.layers.{}.input_layernorm",
    "blk.{}.attn_q": "model.layers.{}.self_attn.q_proj",
    "blk.{}.attn_k": "model.layers.{}.self_attn.k_proj",
    "blk.{}.attn_v": "model.layers.{}.self_attn.v_proj",
    "blk.{}.attn_output": "model.layers.{}.self_attn.o_proj",
    "blk.{}.ffn_norm": "model.layers.{}.post_attention_layernorm",
    "blk.{}.ffn_gate": "model.layers.{}.mlp.gate_proj",
    "blk.{}.ffn_up": "model.layers.{}.mlp.up_proj",
    "blk.{}.ffn_down": "model.layers.{}.mlp.down_proj",
}


def write(folder, path):
    """The Llama of a folder as a GGUF file, by the format's own package."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    config, weights = model.config, model.state_dict()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids = tokenizer["model"]["vocab"]
    tokens = sorted(ids, key=ids.get)
    special = {token["content"] for token in tokenizer["added_tokens"]}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    kinds = gguf.TokenType
    writer.add_token_types([kinds.CONTROL if token in special else kinds.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_add_bos_token(True)
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_pad_token_id(config.pad_token_id)
    turned = {"blk.{}.attn_q": config.num_attention_heads, "blk.{}.attn_k": config.num_key_value_heads}
    for theirs, ours in NAMES.items():
        for layer in range(config.num_hidden_layers if "{}" in ours else 1):
            tensor = weights[ours.format(layer) + ".weight"]
            if theirs in turned:  # pairs that RoPE turns lie side by side there
                halves = tensor.reshape(turned[theirs], 2, -1, tensor.shape[1])
                tensor = halves.swapaxes(1, 2).reshape(tensor.shape)
            writer.add_tensor(theirs.format(layer) + ".weight", tensor.numpy().copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_language_model_in_a_gguf_file_is_the_one_in_its_folder(parts, tmp_path, pictures):
    write(parts / "llama", tmp_path / "llama.gguf")
    connector = {"type": "classical"}
    torch.manual_seed(0)
    expected, by = compose(parts / "clip", parts / "llama", connector)
    torch.manual_seed(0)
    found, processor = compose(parts / "clip", tmp_path / "llama.gguf", connector)
    text = "Describe the image: a red circle"
    assert processor.tokenizer(text).input_ids == by.tokenizer(text).input_ids
    given = by(images=pictures[:2], text=[by.prompt] * 2, return_tensors="pt")
    torch.testing.assert_close(found(**given).logits, expected(**given).logits)
    found.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    again, _ = load(tmp_path / "saved")
    torch.testing.assert_close(again(**given).logits, expected(**given).logits)


def test_a_damaged_gguf_file_is_told_in_a_line(parts, tmp_path):
    (tmp_path / "llama.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(ModelError, match="give another GGUF file"):
        compose(parts / "clip", tmp_path / "llama.gguf")
