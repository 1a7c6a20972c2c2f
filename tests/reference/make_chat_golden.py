"""Makes tests/data/chat.json with transformers' apply_chat_template.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_chat_golden.py

The templates are our own short ones: those of the models named beside them without tools,
images and checks, with the same output for one turn. SmolLM2's whole template is in
tests/data/tokenizer/chat.json. Each is rendered for one user turn, with and without a
system message, with add_generation_prompt and enable_thinking=False; the date is the one
that core/text/chat_families.cc has. Vocabularies: those of tests/data/pre_tokenizers,
with the family's special tokens behind.
Each case: template, tokenizer (of tests/data/pre_tokenizers), special (tokens added), rstrip
(they take the white space behind them), bos; for "plain" and "system" the
text and the ids of the whole prompt, null where the template refuses.
"""

import datetime
import json
import pathlib

import jinja2
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYSTEM = "Answer in one word."
# DOCUMENT and QUESTION as gistd joins them.
USER = "The red valve opened.\n\nWho signed it?"


class Today(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 8)


chat_template_utils.datetime = Today

CHATML = ("{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
QWEN25 = """{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
QWEN3 = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' + message.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
SMOLLM3 = """{%- set reasoning_mode = "/think" if enable_thinking is not defined or enable_thinking else "/no_think" -%}
{{- "<|im_start|>system\\n" -}}
{%- if messages[0].role == "system" -%}
{%- set custom = messages[0].content.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "## Metadata\\n\\n" -}}
{{- "Knowledge Cutoff Date: June 2025\\n" -}}
{{- "Today Date: " ~ strftime_now("%d %B %Y") ~ "\\n" -}}
{{- "Reasoning Mode: " + reasoning_mode + "\\n\\n" -}}
{{- "## Custom Instructions\\n\\n" -}}
{%- if custom -%}
{{- custom + "\\n\\n" -}}
{%- elif reasoning_mode == "/think" -%}
{{- "You are a helpful AI assistant named SmolLM, trained by Hugging Face. Use: <think> Thought section </think> Solution section.\\n\\n" -}}
{%- else -%}
{{- "You are a helpful AI assistant named SmolLM, trained by Hugging Face.\\n\\n" -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == "user" -%}
    {{ "<|im_start|>" + message.role + "\\n"  + message.content + "<|im_end|>\\n" }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{%- if reasoning_mode == "/think" -%}
    {{ "<|im_start|>assistant\\n" }}
{%- else -%}
    {{ "<|im_start|>assistant\\n" + "<think>\\n\\n</think>\\n"  }}
{%- endif -%}
{%- endif -%}
"""
LLAMA3 = ("{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim"
          " + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")
LLAMA31 = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- set system = messages[0]['content'] | trim if messages[0]['role'] == 'system' else "" %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system }}
{{- "<|eot_id|>" }}
{%- for m in messages if m['role'] != 'system' %}
    {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
LLAMA2 = ("{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}"
          "{% for m in messages %}{% set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + m['content'] if loop.first and system else m['content'] %}"
          "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% endfor %}")
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
MISTRAL1 = ("{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
            "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")


def mistral(before, after):
    """Since 2024: the system message stands in the last user turn."""
    return ("{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- endif %}{{- bos_token }}"
            "{%- if false %}{{ raise_exception('Only user and assistant roles are supported, with the exception of"
            " an initial optional system message!') }}{%- endif %}{%- for m in messages %}{%- if m['role'] == 'user' %}"
            f"{{%- if system_message is defined %}}{{{{- '{before}' + system_message + '\\n\\n' + m['content'] + '{after}' }}}}"
            f"{{%- else %}}{{{{- '{before}' + m['content'] + '{after}' }}}}{{%- endif %}}{{%- endif %}}{{%- endfor %}}")


# Since version 7 of Mistral's format: a turn of its own for the system message.
MISTRAL7 = ("{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST]SPACE' + m['content'] + '[/INST]' }}"
            "{% elif m['role'] == 'system' %}{{ '[SYSTEM_PROMPT]SPACE' + m['content'] + '[/SYSTEM_PROMPT]' }}"
            "{% else %}{{ raise_exception('Only user, system and assistant roles are supported!') }}{% endif %}{% endfor %}")
MISTRAL_SMALL3 = """{%- set today = strftime_now("%Y-%m-%d") %}
{%- set default_system_message = "You are Mistral Small 3.\\nThe current date is " + today + ".\\n\\nAsk back (e.g. \\"Where?\\") if it isn't clear." %}
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
{%- else %}
    {%- set system_message = default_system_message %}
{%- endif %}
{{- '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}
        {{- '[INST]' + message['content'] + '[/INST]' }}
    {%- endif %}
{%- endfor %}
"""
# Zephyr, TinyLlama, StableLM Zephyr: line ends count.
ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
ZEPHYR_TIGHT = ZEPHYR.replace("\n{", "{").replace("'<|assistant|>' }}", "'<|assistant|>\\n' }}")
GEMMA2 = ("{{ bos_token }}" + REFUSES + "{% for m in messages %}{{ '<start_of_turn>' + m['role'] + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
          "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}")
GEMMA3 = """{{ bos_token }}
{%- set first_user_prefix = messages[0]['content'] + '\n\n' if messages[0]['role'] == 'system' else "" -%}
{%- for m in messages if m['role'] != 'system' -%}
    {{ '<start_of_turn>' + m['role'] + '\n' + (first_user_prefix if loop.first else "") }}
    {{- m['content'] | trim }}
    {{- '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
"""
PHI3 = ("{% for m in messages %}{% if m['role'] == 'system' %}{{'<|system|>\n' + m['content'] + '<|end|>\n'}}{% elif m['role'] == 'user' %}"
        "{{'<|user|>\n' + m['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}")
PHI4 = ("{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}{# <|user|> #}")

IM = ["<|im_start|>", "<|im_end|>"]
HEADERS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>"]
TURNS = ["<start_of_turn>", "<end_of_turn>"]
PHI = ["<|system|>", "<|user|>", "<|end|>", "<|assistant|>"]
SYSTEM_MARKS = ["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"]
TEKKEN = ["<s>", "</s>", "[INST]", "[/INST]", *SYSTEM_MARKS]
EOS = {"zephyr": "</s>", "zephyr-tight": "<|endoftext|>"}
# Name: template, vocabulary, special tokens, bos, whether they take space behind them.
CASES = {
    "chatml": (CHATML, "gpt-4o", IM, None, False),
    "qwen2.5": (QWEN25, "qwen2", IM, None, False),
    "qwen3": (QWEN3, "qwen2", IM, None, False),
    "smollm3": (SMOLLM3, "llama-bpe", IM, None, False),
    "llama3": (LLAMA3, "llama-bpe", HEADERS, "<|begin_of_text|>", False),
    "llama3.1": (LLAMA31, "llama-bpe", HEADERS, "<|begin_of_text|>", False),
    "llama2": (LLAMA2, "llama2", [], "<s>", False),
    "mistral-0.1": (MISTRAL1, "llama2", [], "<s>", False),
    "mistral-0.2": (mistral(" [INST] ", " [/INST]"), "llama2", [], "<s>", False),
    "mistral-0.3": (mistral("[INST] ", "[/INST]"), "mistral", ["[INST]", "[/INST]"], "<s>", False),
    "mistral-nemo": (mistral("[INST]", "[/INST]"), "tekken", ["<s>", "</s>", "[INST]", "[/INST]"], "<s>", False),
    "mistral-large-2411": (MISTRAL7.replace("SPACE", " "), "mistral", ["[INST]", "[/INST]", *SYSTEM_MARKS], "<s>", False),
    "mistral-v7-tekken": (MISTRAL7.replace("SPACE", ""), "tekken", TEKKEN, "<s>", False),
    "mistral-small-3": (MISTRAL_SMALL3, "tekken", TEKKEN, "<s>", False),
    "zephyr": (ZEPHYR, "llama2", ["</s>"], "<s>", False),
    "zephyr-tight": (ZEPHYR_TIGHT, "gpt-4o", ["<|endoftext|>"], None, False),
    "gemma2": (GEMMA2, "gemma", TURNS, "<bos>", False),
    "gemma3": (GEMMA3, "gemma", TURNS, "<bos>", False),
    "phi3": (PHI3, "llama2", PHI, "<s>", True),
    "phi4-mini": (PHI4, "gpt-4o", PHI, None, False),
}


def vocabulary(name):
    file = json.loads((ROOT / f"tests/data/pre_tokenizers/{name}.json").read_text())["tokenizer"]
    return dict(file, post_processor=None)


def rendered(tokenizer, messages, template):
    arguments = dict(chat_template=template, add_generation_prompt=True, enable_thinking=False, date_string="26 Jul 2024")
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, **arguments)
    except jinja2.exceptions.TemplateError:
        return None
    return {"text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]}


def main():
    cases = {}
    for name, (template, words, special, bos, strips) in CASES.items():
        made = Tokenizer.from_str(json.dumps(vocabulary(words)))
        made.add_special_tokens([AddedToken(t, special=True, normalized=False, rstrip=strips) for t in special])
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token=bos, eos_token=EOS.get(name))
        user = [{"role": "user", "content": USER}]
        cases[name] = {"template": template, "tokenizer": words, "special": special, "bos": bos, "rstrip": strips,
                       "plain": rendered(tokenizer, user, template),
                       "system": rendered(tokenizer, [{"role": "system", "content": SYSTEM}, *user], template)}
    path = ROOT / "tests/data/chat.json"
    parts = {"system": SYSTEM, "user": USER, **cases}
    path.write_text("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in parts.items()) + "}\n")
    print(f"{path}: {path.stat().st_size:,} bytes, {len(cases)} cases")


if __name__ == "__main__":
    main()
