"""Chat templates of language models, for messages with pictures."""

from typing import Any

from hybrid.model.text import control_tokens_in

# Put before a language model's template, which expects text: a list of pictures and texts becomes one text.
_AS_TEXT = (
    "{%- set ns = namespace(all=[]) -%}{%- for message in messages -%}"
    "{%- if message['content'] is string or message['content'] is none or message['content'] is not "
    "defined -%}"
    "{%- set ns.all = ns.all + [message] -%}"
    "{%- else -%}{%- set ns.text = '' -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{%- set ns.text = ns.text + '<image>' -%}"
    "{%- elif part['type'] == 'text' -%}{%- set ns.text = ns.text + part['text'] -%}{%- endif -%}"
    "{%- endfor -%}{%- set ns.all = ns.all + [dict(message, content=ns.text)] -%}{%- endif -%}"
    "{%- endfor -%}{%- set messages = ns.all -%}"
)


def template(tokenizer: Any) -> str:
    """A language model's chat template, for messages whose pictures are ``<image>``.

    Raises:
        ValueError: If it has none.
    """
    found = tokenizer.chat_template
    if isinstance(found, dict):
        found = found.get("default")
    if found is None:
        raise ValueError("chat needs a chat template, but the language model has none; leave it out")
    return f"{_AS_TEXT}{found}"


def check_message(tokenizer: Any, message: Any) -> None:
    """Raise ValueError where a message spells a control token."""
    content = message.get("content") or ""
    parts = [content] if isinstance(content, str) else [part.get("text") or "" for part in content]
    for part in parts:
        if found := control_tokens_in(tokenizer, part):
            raise ValueError(
                f"a message must not spell control tokens, but held {', '.join(found)}; leave them out"
            )
