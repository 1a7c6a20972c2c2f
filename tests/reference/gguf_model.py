"""A GGUF file as a reference model: weights under Hugging Face names (q and k
back in Hugging Face's row order), the tokenizer, and the same weights inside
`transformers`."""

from dataclasses import dataclass

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from llama import Config, Llama

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def huggingface_name(name):
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.weight"


def to_interleaved(weight, heads):
    """Rows of q or k from (first half, second half) of each head to pairs,
    as llama.cpp's converter does. weight [heads * head_dim, columns]."""
    return (weight.reshape(heads, 2, -1, weight.shape[-1])
            .swapaxes(1, 2).reshape(weight.shape))


def from_interleaved(weight, heads):
    """The inverse of to_interleaved."""
    return (weight.reshape(heads, -1, 2, weight.shape[-1])
            .swapaxes(1, 2).reshape(weight.shape))


def read_config(reader):
    def value(key):
        return reader.fields["llama." + key].contents()

    heads = value("attention.head_count")
    return Config(
        layers=value("block_count"), hidden=value("embedding_length"),
        heads=heads, kv_heads=value("attention.head_count_kv"),
        head_dim=value("embedding_length") // heads,
        mlp=value("feed_forward_length"),
        vocab=len(reader.fields["tokenizer.ggml.tokens"].data),
        rope_theta=value("rope.freq_base"),
        rms_eps=value("attention.layer_norm_rms_epsilon"),
        max_context=value("context_length"))


def read_weights(reader, config):
    weights = {}
    for tensor in reader.tensors:
        w = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name.endswith("attn_q.weight"):
            w = from_interleaved(w, config.heads)
        if tensor.name.endswith("attn_k.weight"):
            w = from_interleaved(w, config.kv_heads)
        weights[huggingface_name(tensor.name)] = torch.tensor(w)
    return weights


@dataclass(frozen=True)
class Vocabulary:
    """User text and the template's words as ids (ChatML)."""
    bpe: Tokenizer  # knows no special token: "<|im_end|>" is text
    special: dict  # special token -> id

    def encode(self, text):
        return self.bpe.encode(text).ids

    def prefix(self):
        """The system turn, up to the start of the user's text."""
        system = ("system\nYou are a helpful AI assistant named SmolLM, "
                  "trained by Hugging Face")
        start, end = self.special["<|im_start|>"], self.special["<|im_end|>"]
        return ([start] + self.encode(system) + [end] + self.encode("\n")
                + [start] + self.encode("user\n"))

    def question(self, question):
        """Closes the user's turn and opens the assistant's."""
        return (self.encode("\n\n" + question) + [self.special["<|im_end|>"]]
                + self.encode("\n") + [self.special["<|im_start|>"]]
                + self.encode("assistant\n"))

    def decode(self, ids):
        return self.bpe.decode(ids)


def read_vocabulary(reader):
    def value(key):
        return reader.fields["tokenizer.ggml." + key].contents()

    tokens, types = value("tokens"), value("token_type")
    bpe = Tokenizer(models.BPE(
        vocab={t: i for i, t in enumerate(tokens)},
        merges=[tuple(m.split(" ")) for m in value("merges")]))
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    bpe.decoder = decoders.ByteLevel()
    special = {t: i for i, t in enumerate(tokens)
               if types[i] == gguf.TokenType.CONTROL}
    return Vocabulary(bpe, special)


def load(path):
    """(Llama, Vocabulary) of a GGUF file."""
    reader = gguf.GGUFReader(path)
    config = read_config(reader)
    return Llama(config, read_weights(reader, config)), read_vocabulary(reader)


def in_transformers(model):
    """The same weights in transformers' own implementation: eager, float32."""
    from transformers import LlamaConfig, LlamaForCausalLM  # only wanted here

    c = model.config
    tied = "lm_head.weight" not in model.weights
    config = LlamaConfig(
        vocab_size=c.vocab, hidden_size=c.hidden, intermediate_size=c.mlp,
        num_hidden_layers=c.layers, num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads, head_dim=c.head_dim,
        max_position_embeddings=c.max_context, rms_norm_eps=c.rms_eps,
        rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta},
        tie_word_embeddings=tied, bos_token_id=None, eos_token_id=None,
        pad_token_id=None, attn_implementation="eager")
    net = LlamaForCausalLM(config).float().eval()
    left = net.load_state_dict(model.weights, strict=False)
    missing = [n for n in left.missing_keys if not (tied and "lm_head" in n)]
    if missing or left.unexpected_keys:
        raise ValueError(f"weights do not fit: {missing}, {left}")
    net.tie_weights()
    return net
