"""Stage: captions are sampled, and those that score above the picture's others are made likelier.

Self-critical training: Rennie et al. (2017), arXiv:1612.00563. What a caption is compared with is the mean of
the other samples, as in Kool et al., "Buy 4 REINFORCE samples, get a baseline for free!" (2019), and Luo
(2020), arXiv:2003.09971.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybrid.data.batches import IGNORED
from hybrid.data.caption_dataset import CaptionDataset, PairDataset
from hybrid.data.pairs import DataError, Pair
from hybrid.evaluation.metrics.cider import scorer
from hybrid.evaluation.metrics.words import Words, words_of
from hybrid.inference.prompting import Question
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from hybrid.training.caption_trainer import CaptionTrainer, LossFunction

_SAMPLES = 5
# Samples at 1 are much worse than greedy captions, and what is learnt first is to be less various. At a half
# they score about as much, so that what is compared is what could be said.
_TEMPERATURE = 0.5
_END = "</s>"  # counts as a word: a caption that breaks off after "in the" would lose nothing by it otherwise


def refuse_questions(pairs: Sequence[Pair]) -> None:
    """Raise a DataError if captions answer questions of their own: those of a picture are not alike."""
    if any(pair.prompts for pair in pairs):
        raise DataError(
            "data: its captions answer questions of their own, which are not scored; leave "
            "--reward-epochs out"
        )


class PictureDataset(CaptionDataset):
    """Pictures behind the prompt, and how well a caption of each agrees with what people wrote.

    Args:
        data: Gives features and views, one row a picture, and how long captions may be.
        pairs: The pictures with all of their captions.
        processor: Gives the prompt, and the text of token ids.

    Raises:
        DataError: If captions answer questions of their own.
    """

    features: np.ndarray

    def __init__(self, data: PairDataset, pairs: Sequence[Pair], processor: HybridProcessor) -> None:
        refuse_questions(pairs)
        n = len(pairs)
        super().__init__([processor.prompt_ids()] * n, [()] * n, data.pad, data.features)
        self.views, self.processor = data.views, processor
        self.longest = max(map(len, data.tails))
        self._score = scorer([[(*words_of(text, "words"), _END) for text in pair.captions] for pair in pairs])

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """See `CaptionDataset`; the labels are the pictures' numbers."""
        batch = super().__getitems__(indices)
        return batch | {"labels": torch.from_numpy(self._order[np.asarray(indices)])}

    def say(
        self, model: HybridForConditionalGeneration, features: Tensor, samples: int = 0
    ) -> tuple[Tensor, list[Words]]:
        """Caption pictures.

        Args:
            model: The captioner.
            features: ``(batch, ...)`` of the pictures.
            samples: How many captions of each are drawn at the temperature of training; one greedy if 0.

        Returns:
            Labels ``(batch * max(1, samples), length)``, a picture's captions one after the other, each up to
            its end, the end included; and what `reward` takes.
        """
        options: dict[str, Any] = {}
        if samples:
            options = {"do_sample": True, "temperature": _TEMPERATURE, "top_k": 0, "top_p": 1.0}
            options["num_return_sequences"] = samples
        question = Question(model, self.processor, None, self.longest, options)
        ids = question.generate(features).clone()  # out of inference mode
        ends = torch.isin(ids, torch.tensor(question.options["eos_token_id"], device=ids.device))
        over = nn.functional.pad(ends.cumsum(1)[:, :-1], (1, 0)) > 0
        texts = self.processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        whole = ends.any(1).tolist()
        words = [(*words_of(text, "words"), *[_END] * end) for text, end in zip(texts, whole, strict=True)]
        return ids.masked_fill(over, IGNORED), words

    def reward(self, picture: int, words: Words) -> float:
        """CIDEr-D of a caption against all that people wrote of its picture, the end taken for a word."""
        return self._score(picture, words)


class SelfCriticalTrainer(CaptionTrainer):
    """Learns from a `PictureDataset`; its loss is minus the captions' reward.

    In training that is the mean of samples, and what follows from it is the policy's gradient: the log
    probability of each sample times what its reward is above the others'. In evaluation it is that of
    greedy captions.
    """

    train_dataset: PictureDataset
    eval_dataset: PictureDataset | None

    @staticmethod
    def verdict(best: float) -> str:
        """See `CaptionTrainer.verdict`."""
        return f"CIDEr-D of greedy captions of validation, ends counted, {-best:.4f}"

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor | tuple[Tensor, Any]:
        """See Trainer."""
        own = self.accelerator.unwrap_model(model)
        features, pictures = inputs["vision_features"], inputs["labels"].tolist()
        if not model.training:
            assert self.eval_dataset is not None
            _, words = self.eval_dataset.say(own, features)
            found = [self.eval_dataset.reward(*pair) for pair in zip(pictures, words, strict=True)]
            loss = features.new_tensor(-sum(found) / len(found))
            return (loss, {}) if kwargs.get("return_outputs") else loss
        own.eval()  # without dropout: a caption is what the captioner would say
        labels, words = self.train_dataset.say(own, features, _SAMPLES)
        own.train()
        pictures = np.repeat(pictures, _SAMPLES).tolist()
        rewards = [self.train_dataset.reward(*pair) for pair in zip(pictures, words, strict=True)]
        self._rewards = features.new_tensor(rewards).view(-1, _SAMPLES)
        ids, mask = (inputs[name].repeat_interleave(_SAMPLES, 0) for name in ("input_ids", "attention_mask"))
        said = labels != IGNORED
        batch = {
            "input_ids": torch.cat([ids, labels.masked_fill(~said, self.train_dataset.pad)], 1),
            "attention_mask": torch.cat([mask, said.to(mask)], 1),
            "labels": torch.cat([torch.full_like(ids, IGNORED), labels], 1),
            "vision_features": features.repeat_interleave(_SAMPLES, 0),
        }
        return super().compute_loss(model, batch, *args, **kwargs)

    def loss_function(self, model: nn.Module) -> LossFunction | None:  # noqa: ARG002
        """See `CaptionTrainer.loss_function`."""
        return self._policy_loss

    def _policy_loss(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Minus the mean reward, with the gradient of its estimate; items are pictures here."""
        logits, labels = outputs["logits"][:, :-1].float() / _TEMPERATURE, labels[:, 1:]
        likely = -nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
        )
        rewards = self._rewards
        others = (rewards.sum(1, keepdim=True) - rewards) / (_SAMPLES - 1)
        above = (rewards - others).flatten()
        gain = (above * likely.view(labels.shape).sum(1)).sum() / (labels != IGNORED).sum()
        share = 1 if num_items_in_batch is None else len(rewards) / num_items_in_batch
        return (gain.detach() - gain - rewards.mean()) * share
