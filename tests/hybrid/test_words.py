"""The stage without a language model, and what the stages behind one leave out: logits and padding."""

import numpy as np
import pytest
import torch

from hybrid.data.batches import IGNORED
from hybrid.data.caption_dataset import CaptionDataset, PairDataset
from hybrid.data.pairs import Pair
from hybrid.loading.compose import compose
from hybrid.model.connectors import fresh_connector
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.caption_trainer import ByLength, CaptionTrainer
from hybrid.training.parameters import parameter_groups
from hybrid.training.words import Naming, Words, name_words

KINDS = ("circle", "square", "star", "cross")


@pytest.fixture
def model(parts):
    torch.manual_seed(0)
    connector = fresh_connector(n_qubits=3, n_layers=1, n_tokens=2)
    return compose(parts / "clip", parts / "llama", connector, prompt="Describe the image: ")


@pytest.fixture
def data(model):
    """Pictures of four kinds, told apart by their features, with two captions each."""
    model, processor = model
    rng = np.random.default_rng(0)
    kinds = np.arange(40) % 4
    pairs = [
        Pair(f"{i}.png", (f"a {KINDS[k]}", f"there is a small {KINDS[k]}"), "") for i, k in enumerate(kinds)
    ]
    features = np.eye(4, 24, dtype=np.float32)[kinds] + 0.1 * rng.normal(size=(40, 24)).astype(np.float32)
    return PairDataset(pairs, features, processor, 128), kinds


def test_words_are_counted_a_caption_each(data, model):
    data, _ = data
    words, tokenizer = Words(data), model[1].tokenizer
    for picture in (0, 7):
        tails = [set(t[:-1].tolist()) for t, p in zip(data.tails, data.pictures, strict=True) if p == picture]
        expected = [sum(word in tail for tail in tails) / len(tails) for word in words.ids]
        np.testing.assert_allclose(words.said[picture], expected)
    assert tokenizer.eos_token_id not in words.ids


def test_the_loss_is_the_cross_entropy_of_cosines(model, data):
    model, _ = model
    data, _ = data
    words = Words(data)
    embeddings = model.get_input_embeddings().weight[words.ids]
    naming = Naming(model.connector, embeddings, torch.from_numpy(words.said.mean(0)))
    batch = words.__getitems__([0, 1, 2])
    with torch.no_grad():
        loss = float(naming(**batch)["loss"])
        tokens = model.connector(batch["vision_features"]).numpy().astype(np.float64)
    e = embeddings.detach().numpy().astype(np.float64)
    e -= e.mean(0)
    cosines = np.einsum("bkh,wh->bkw", tokens, e) / (
        np.linalg.norm(tokens, axis=-1)[..., None] * np.linalg.norm(e, axis=-1)
    )
    share = words.said.mean(0).clip(1e-4, 1 - 1e-4).astype(np.float64)
    p = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + 8 * cosines.sum(1))))
    said = batch["said"].numpy()
    assert loss == pytest.approx(-(said * np.log(p) + (1 - said) * np.log(1 - p)).sum(1).mean(), rel=1e-4)


def test_a_fresh_connector_learns_to_name_what_is_there(model, data, tmp_path):
    model, _ = model
    data, kinds = data
    model.connector.speak_to(model.get_input_embeddings().weight)
    model.connector.standardise_to(torch.from_numpy(data.features))
    recipe = CaptionRecipe(model="x", words_epochs=60, words_batch_size=20, words_share=0.3)
    name_words(model, data, tmp_path, recipe)
    tokens = model.connector(torch.from_numpy(data.features)).detach().flatten(1)
    centres = torch.stack([tokens[kinds == k].mean(0) for k in range(4)])
    nearest = torch.cdist(tokens, centres).argmin(1).numpy()
    assert (nearest == kinds).mean() > 0.9
    assert all(p.grad is None for p in model.language_model.parameters())


def test_batches_are_of_like_length_and_the_same_after_a_restart():
    lengths = np.random.default_rng(0).integers(5, 40, 1003)
    captions = CaptionDataset([()] * 1003, [range(n) for n in lengths], 0)
    sampler = ByLength(captions, 8, seed=3)
    order = list(sampler)
    assert sorted(order) == list(range(1003))
    spread = [np.ptp(lengths[order[i : i + 8]]) for i in range(0, 1000, 8)]
    assert np.mean(spread) < 4
    assert list(ByLength(captions, 8, seed=3)) == order
    sampler.set_epoch(1)
    assert list(sampler) != order
    first = [lengths[order[i]] for i in range(0, 1000, 8)]
    assert abs(np.corrcoef(np.arange(len(first)), first)[0, 1]) < 0.3  # short ones do not come first


def test_the_loss_without_the_prompts_logits_is_the_loss(model, data, tmp_path, monkeypatch):
    from transformers import TrainingArguments

    model, _ = model
    data, _ = data
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[], remove_unused_columns=False)
    trainer = CaptionTrainer(model=model.eval(), args=arguments, train_dataset=data)
    batch = data.__getitems__([0, 1, 5])
    with torch.no_grad():
        logits = model(**{k: v for k, v in batch.items() if k != "labels"}).logits
        kept = trainer.compute_loss(model, dict(batch), return_outputs=True)
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED
    )
    torch.testing.assert_close(kept[0], loss)
    prompt = int((batch["labels"][0] == IGNORED).sum())
    assert kept[1].logits.shape[1] < logits.shape[1] - 2
    assert prompt > 2


def test_a_share_gives_every_part_its_own_rate(model):
    model, _ = model
    model.requires_grad_(False)
    model.connector.requires_grad_(True)
    groups = parameter_groups(model, {"quantum": 9.0, "connector": 9.0, "lora": 9.0}, share=0.1)
    rates = model.connector.learning_rates(0.1)
    assert {group.learning_rate for group in groups} == set(rates.values())
    assert sum(group.size for group in groups) == sum(p.numel() for p in model.connector.parameters())
