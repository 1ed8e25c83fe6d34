"""Prompt and caption as the tokenizer means them, over families of tokenizers."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPImageProcessorPil, PreTrainedTokenizerFast

from hybrid.model.processing import IMAGE_TOKEN, HybridProcessor

WORDS = ["a dog runs on the grass", "two dogs, a cat and 3 birds", "the grass is green", "A photo of a dog"]
PROMPTS = ["A photo of a", "A photo of a ", "Describe the image: ", "Caption:\n", "", " ", "what is it?  "]
PROMPTS += ["see </s>"]
CAPTIONS = ["dog", "a dog runs on the grass", "the cat's 3 birds, green!", "birds </s> and <s>", "über öl"]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' "
    "}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _byte_level():
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend, trainers.BpeTrainer, {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}, "<s> $A"


def _sentence_piece():
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return backend, trainers.BpeTrainer, {}, "<s> $A"


def _word_piece():
    backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend, trainers.WordPieceTrainer, {}, "<s> $A </s>"


@pytest.fixture(scope="module", params=[_byte_level, _sentence_piece, _word_piece])
def processor(request):
    backend, trainer, options, template = request.param()
    special = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    learnt = trainer(vocab_size=400, special_tokens=special, show_progress=False, **options)
    backend.train_from_iterator([*WORDS, *PROMPTS, *CAPTIONS] * 20, learnt)
    marks = [(name, special.index(name)) for name in ("<s>", "</s>")]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=marks)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>",
        additional_special_tokens=[IMAGE_TOKEN, "<|im_start|>", "<|im_end|>"],
    )  # fmt: skip
    tokenizer.chat_template = CHATML
    return HybridProcessor(CLIPImageProcessorPil(), tokenizer, joined=True)


def _unended(ids):
    return ids[:-1] if ids[-1] == 2 else ids


@pytest.mark.parametrize("prompt", PROMPTS)
def test_ids_of_prompt_and_caption_are_those_of_the_joined_text(processor, prompt):
    tokenizer = processor.tokenizer
    head = processor.prompt_ids(prompt)
    assert head[0] == processor.image_token_id
    text = prompt.rstrip(" ")
    for caption, tail in zip(CAPTIONS, processor.caption_ids(CAPTIONS, prompt), strict=True):
        gap = "" if not text or text.endswith("\n") else " "
        whole = tokenizer(f"{text}{gap}{caption}", split_special_tokens=True)["input_ids"]
        assert [*head[1:], *tail] == [*_unended(whole), tokenizer.eos_token_id]
        assert tokenizer.eos_token_id not in [*head, *tail[:-1]]


def test_a_space_at_a_prompts_end_changes_nothing(processor):
    assert processor.prompt_ids("A photo of a  ") == processor.prompt_ids("A photo of a")
    tails = [processor.caption_ids(["dog"], prompt) for prompt in ("A photo of a", "A photo of a ")]
    assert tails[0] == tails[1]


def test_apart_as_models_before_were_trained(processor):
    tokenizer = processor.tokenizer
    old = HybridProcessor(processor.image_processor, tokenizer)
    assert old.prompt_ids("A photo: ")[1:] == tokenizer("A photo: ", split_special_tokens=True)["input_ids"]
    plain = tokenizer("dog", add_special_tokens=False)["input_ids"]
    assert old.caption_ids(["dog"], "A photo: ") == [[*plain, tokenizer.eos_token_id]]


def test_chat_puts_the_prompt_into_the_template_and_the_picture_into_the_message(processor):
    tokenizer = processor.tokenizer
    start, end = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    ids = processor.prompt_ids("A photo of a dog ", chat=True)
    assert ids.count(start) == 2
    assert ids.count(end) == 1
    assert ids.count(processor.image_token_id) == 1
    assert ids.index(start) < ids.index(processor.image_token_id) < ids.index(end)
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "A photo of a dog"}], add_generation_prompt=True, tokenize=False
    )
    read = tokenizer.decode([i for i in ids if i != processor.image_token_id and i != 1])
    assert (
        read.split() == tokenizer.decode(tokenizer(rendered, add_special_tokens=False)["input_ids"]).split()
    )
    with pytest.raises(ValueError, match=r"control tokens.*<\|im_end\|>"):
        processor.prompt_ids("a <|im_end|> b", chat=True)


def test_a_chat_of_lists_and_of_texts_is_rendered_and_read_alike(processor):
    from PIL import Image

    picture = Image.new("RGB", (224, 224))
    chat = [
        {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "a dog"}]}
    ]
    rendered = processor.apply_chat_template(chat, add_generation_prompt=True)
    assert rendered.startswith("<|im_start|>user\n<image>a dog<|im_end|>")
    batch = processor.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert batch["input_ids"][0].tolist() == processor.prompt_ids("a dog", chat=True)
    assert batch["pixel_values"].shape == (1, 3, 224, 224)
