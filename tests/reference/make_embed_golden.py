"""Makes tests/data/embed/ with `transformers` and plain PyTorch as reference.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_embed_golden.py third_party/models/all-MiniLM-L6-v2

Embeddings as sentence-transformers defines them: BERT, mean over the tokens,
length 1; each text on its own, without padding. Special tokens in a text are
text. Output:
  texts.jsonl         one JSON string a line, written here by hand
  minilm.safetensors  `embeddings` [texts, 384]; `tokens` [texts]: ids that the
                      model was given
  tiny/               a random BERT of 2 layers, hidden 24, vocabulary 300,
                      sequences of at most 24, with the same two tensors in
                      golden.safetensors
  tiny_multilingual/  a random XLM-RoBERTa of that size for the tokenizer of
                      tests/data/unigram; first.safetensors: by the first token
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from make_unigram_golden import reference as without_special_tokens
from transformers import AutoModel, BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 7

TEXTS = [
    "", " ", ".", "a", "?!…", "😀👩‍👧", "\u200b\x01", "[SEP] [CLS] [MASK]", "supercalifragilisticexpialidocious",
    "The cat sits outside.", "A man is playing guitar.", "The new movie is awesome!",
    "Someone performs a song on a stringed instrument.", "Un café très serré, s'il vous plaît.",
    "The secret passkey is 482913. Remember it.", "What is the secret passkey?",
    "Where does the tenant of flat 12 leave the spare key?",
    "The tenant of flat 12 leaves the spare key with Mrs. Okonkwo, under the blue flowerpot.",
    "The annual report says revenue rose 4.2 % to €1.3 billion; margins fell.",
    "def mean(xs):\n    return sum(xs) / len(xs)\n", "https://example.org/a_b?c=d#e and user@example.org",
    "비밀번호는 482913입니다. 잊지 마세요.", "비밀번호가 무엇인가요?", "12호 세입자는 여분의 열쇠를 어디에 두나요?",
    "12호 세입자는 여분의 열쇠를 파란 화분 밑에 둡니다.", "제3조(목적) 이 계약은 양 당사자의 권리와 의무를 정한다.",
    "東京都庁は新宿にあります。", "密码是482913，请记住。", "Пароль — 482913.", "كلمة السر هي 482913",
    "word " * 253, "word " * 254, "word " * 255,
    "The committee inspected the bridge, counted the cables and described every broken valve in the ledger. " * 30,
    "관리자는 창고에서 낡은 지도를 확인했고, 어제 받은 계약서를 다시 썼습니다. " * 20,
    "first " + "가" * 40 + " " + "x" * 150 + " last",
]


def read_tokenizer(path):
    """The model's, without truncation, padding and special tokens."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    if settings["model"]["type"] == "Unigram":
        return without_special_tokens(settings), 0, 2
    ends = [settings["model"]["vocab"][token] for token in ("[CLS]", "[SEP]")]
    settings.update(truncation=None, padding=None, added_tokens=[], post_processor=None)
    return Tokenizer.from_str(json.dumps(settings)), *ends


@torch.no_grad()
def embed(model, tokenizer, first, last, text, max_tokens, by_first):
    """(embedding, number of ids)"""
    ids = tokenizer.encode(text, add_special_tokens=False).ids[:max_tokens - 2]
    ids = torch.tensor([[first, *ids, last]])
    states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
    pooled = states[0] if by_first else states.mean(0)
    return pooled / pooled.norm(), ids.shape[1]


def write_golden(path, folder, max_tokens, tokenizer_path=None, by_first=False):
    model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = read_tokenizer(tokenizer_path or folder / "tokenizer.json")
    rows = [embed(model, *tokenizer, text, max_tokens, by_first) for text in TEXTS]
    save_file({"embeddings": torch.stack([row for row, _ in rows]),
               "tokens": torch.tensor([float(count) for _, count in rows])}, path)
    print(f"{path.name}: {path.stat().st_size:,} bytes, up to {max(count for _, count in rows)} tokens")


def write_tiny_tokenizer(folder):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(
        vocab_size=300, limit_alphabet=120, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"]))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    return tokenizer.get_vocab_size()


def randomize(model):
    """Wide enough that attention is far from uniform."""
    for name, weight in model.named_parameters():
        if "LayerNorm.weight" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        else:
            torch.nn.init.normal_(weight, std=0.4)
    return model


def write_tiny_multilingual(folder):
    torch.manual_seed(SEED)
    tokenizer_path = ROOT / "tests/data/unigram/tokenizer.json"
    vocabulary = len(json.loads(tokenizer_path.read_text())["model"]["vocab"])
    randomize(XLMRobertaModel(XLMRobertaConfig(
        vocab_size=vocabulary + 3, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=34, type_vocab_size=1, layer_norm_eps=1e-5), add_pooling_layer=False)
              ).save_pretrained(folder)
    for name, by_first in ("golden", False), ("first", True):
        write_golden(folder / f"{name}.safetensors", folder, 32, tokenizer_path, by_first)


def write_tiny(folder):
    torch.manual_seed(SEED)
    vocabulary = write_tiny_tokenizer(folder)
    config = BertConfig(vocab_size=vocabulary, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                        intermediate_size=40, max_position_embeddings=32, layer_norm_eps=1e-6)
    randomize(BertModel(config, add_pooling_layer=False)).save_pretrained(folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["embeddings.position_ids"] = torch.arange(32).unsqueeze(0)  # as old files have them
    save_file(weights, path, metadata={"format": "pt"})
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}\n')
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling/config.json").write_text(
        '{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}\n')
    print(f"{path.name}: {path.stat().st_size:,} bytes")
    write_golden(folder / "golden.safetensors", folder, 24)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = ROOT / "tests/data/embed"
    (data / "tiny").mkdir(parents=True, exist_ok=True)
    (data / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in TEXTS))
    write_tiny(data / "tiny")
    (data / "tiny_multilingual").mkdir(exist_ok=True)
    write_tiny_multilingual(data / "tiny_multilingual")
    write_golden(data / "minilm.safetensors", args.model, 256)


if __name__ == "__main__":
    main()
