"""Learning from what sampled captions score: the gradient, what a sample is, and a run that is stopped."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hybrid.data.batches import IGNORED
from hybrid.data.caption_dataset import PairDataset
from hybrid.data.pairs import DataError, Pair, read_pairs
from hybrid.evaluation.metrics import score_captions, words_of
from hybrid.evaluation.metrics.cider import scorer
from hybrid.loading.adapter import read_adapter
from hybrid.loading.checkpoints import checkpoints_in
from hybrid.training import fitting, self_critical
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.captions import CaptionRun
from hybrid.training.self_critical import PictureDataset, SelfCriticalTrainer
from hybrid.training.stopping import Stopped
from tests.hybrid.conftest import stop_at

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def pictures(tiny, drawn):
    _, processor = tiny
    pairs = read_pairs(drawn)[:6]
    features = np.random.default_rng(0).normal(size=(6, 24)).astype(np.float32)
    return PictureDataset(PairDataset(pairs, features, processor, 128), pairs, processor)


@pytest.fixture
def trainer(tiny, pictures, tmp_path):
    arguments = fitting.trainer_arguments(tmp_path, 0, use_cpu=True, label_names=["labels"])
    return SelfCriticalTrainer(tiny[0], arguments, train_dataset=pictures, eval_dataset=pictures)


def test_one_caption_at_a_time_scores_what_all_do_in_the_mean():
    references = [["a dog runs", "a brown dog is running"], ["two men on a horse"], ["a dog and a man"]]
    said = ["a dog is running", "two men on a horse", "horse"]
    score = scorer([[words_of(text) for text in texts] for texts in references])
    each = [score(i, words_of(text)) for i, text in enumerate(said)]
    assert np.mean(each) == pytest.approx(score_captions(said, references)["cider_d"])
    assert each[1] > each[0] > each[2] == 0


def test_the_gradient_is_that_of_the_policy(trainer):
    """By hand, in NumPy: each sample's log probability times its reward above the mean of the others."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(10, 5, 7))
    labels = rng.integers(7, size=(10, 5))
    labels[:, 0] = IGNORED  # the prompt
    labels[3, 3:] = labels[8, 2:] = IGNORED
    rewards = rng.random((2, 5))
    trainer._rewards = torch.from_numpy(rewards)
    given = torch.from_numpy(logits).requires_grad_()
    loss = trainer._policy_loss({"logits": given.double()}, torch.from_numpy(labels), 8)
    loss.backward()

    expected, n = np.zeros_like(logits), (labels[:, 1:] != IGNORED).sum()
    for row in range(10):
        mine = rewards.flat[row]
        others = (rewards[row // 5].sum() - mine) / 4
        for place in range(1, 5):
            if (word := labels[row, place]) != IGNORED:
                p = np.exp(2 * logits[row, place - 1])  # the temperature is a half
                by_logit = 2 * (np.eye(7)[word] - p / p.sum())
                expected[row, place - 1] = -(mine - others) * by_logit / n * 2 / 8
    assert loss.item() == pytest.approx(-rewards.mean() * 2 / 8, rel=1e-5)
    np.testing.assert_allclose(given.grad, expected, atol=1e-6)


def test_samples_end_where_the_model_ends_and_are_likely_as_the_model_has_it(tiny, pictures, trainer):
    model, processor = tiny
    end = processor.tokenizer.eos_token_id
    model.get_output_embeddings().weight.data[end] *= 2  # often enough
    torch.manual_seed(0)
    features = torch.from_numpy(pictures.features)
    labels, words = pictures.say(model, features, 40)
    assert labels.shape[0] == len(words) == 240
    assert labels.shape[1] <= pictures.longest
    ended = 0
    for row, said in zip(labels.tolist(), words, strict=True):
        if IGNORED in row:
            row = row[: row.index(IGNORED)]
            assert row[-1] == end
        assert end not in row[:-1]
        assert (said[-1:] == ("</s>",)) == (row[-1] == end)
        ended += row[-1] == end
    early = (labels == IGNORED).any(1).sum()
    assert 10 < early <= ended < 220
    # The first token's frequency against the model's own probabilities at a temperature of a half.
    ids = torch.tensor([processor.prompt_ids()] * 6)
    first = torch.softmax(2 * model(input_ids=ids, vision_features=features).logits[:, -1].detach(), -1)
    seen = np.bincount(labels[:40, 0], minlength=first.shape[1]) / 40
    assert np.abs(seen - first[0].numpy()).max() < 5 * np.sqrt(0.25 / 40)


def test_what_scores_above_the_others_becomes_likelier(tiny, pictures, trainer, monkeypatch):
    model, _ = tiny
    scored = []

    def reward(_, picture, words):
        scored.append(picture)
        return float("".join(words).count("e"))

    monkeypatch.setattr(PictureDataset, "reward", reward)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    torch.manual_seed(0)
    batch = pictures.__getitems__(range(6))
    assert batch["labels"].tolist() == list(range(6))
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = trainer.compute_loss(model.train(), dict(batch))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert model.training
    assert scored[:30] == np.repeat(range(6), 5).tolist()
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.8  # minus how often a caption has the letter
    greedy = trainer.compute_loss(model.eval(), dict(batch))
    _, words = pictures.say(model, batch["vision_features"])
    assert greedy.item() == pytest.approx(-np.mean(["".join(said).count("e") for said in words]))


def test_a_run_with_rewards_goes_on_to_the_bit(start, tmp_path, monkeypatch):
    changes = {"epochs": 0.5, "reward_epochs": 1.0, "evaluate_every": 1}
    said = []
    start(tmp_path / "whole", said, **changes)
    assert any("rewards: CIDEr-D of greedy captions" in line for line in said)
    rows = [json.loads(x) for x in (tmp_path / "whole" / "rewards" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "eval_loss" in row] == [1, 2, 3]
    assert all(row["eval_loss"] <= 0 for row in rows if "eval_loss" in row)

    with monkeypatch.context() as patch:
        stop_at(patch, 1, stage="rewards")
        with pytest.raises(Stopped, match="rewards/checkpoint-1; the same command"):
            start(tmp_path / "run", **changes)
    start(tmp_path / "run", **changes)
    one, other = (tmp_path / name / "model" / "adapter.safetensors" for name in ("whole", "run"))
    assert one.read_bytes() == other.read_bytes()
    last = [checkpoints_in(tmp_path / name / "rewards")[-1] for name in ("whole", "run")]
    for file in ("optimizer.pt", "scheduler.pt"):
        a, b = (torch.load(path / file, weights_only=True) for path in last)
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    groups = torch.load(last[0] / "optimizer.pt", weights_only=True)["param_groups"]
    assert max(group["initial_lr"] for group in groups) == pytest.approx(2e-4)  # a tenth


def test_a_run_of_rewards_alone_has_lora_and_draws_no_losses(start, tmp_path):
    said = []
    start(tmp_path / "run", said, connector_epochs=0, epochs=0, reward_epochs=0.5)
    assert not any("losses" in line for line in said)
    assert read_adapter(tmp_path / "run" / "model")["lora"]["rank"] == 2


def test_bad_input(tiny, pictures, recipe, tmp_path):
    _, processor = tiny
    asked = [Pair("a.png", ("yes",), "line 1", prompts=("is it?",))]
    data = PairDataset(asked, np.zeros((1, 24), np.float32), processor, 128)
    with pytest.raises(DataError, match="answer questions of their own, which are not scored; leave"):
        PictureDataset(data, asked, processor)
    recipe = replace(recipe, reward_epochs=1.0)
    with pytest.raises(DataError, match="answer questions of their own"):
        CaptionRun(recipe, asked * 2, [], tmp_path / "run")  # before anything is trained
    with pytest.raises(ValueError, match="epochs and reward_epochs must not be negative, nor all 0"):
        CaptionRecipe(model="x", connector_epochs=0, epochs=0)
    with pytest.raises(ValueError, match="reward_rate must be positive, but was 0"):
        CaptionRecipe(model="x", reward_rate=0)
    assert self_critical._SAMPLES > 1  # or there are no others
