"""Scores Chinese answers and lines of code: tests/data/longbench/other_metrics.json.

The metrics of LongBench/metrics.py that need packages: ROUGE-L by rouge 1.0.1, the
ratio by fuzzywuzzy 0.18.0 without python-Levenshtein (so by difflib, as LongBench's
own requirements give it). Chinese words are characters as in core/scoring/chinese.h; the
scores by jieba 0.42.1 stand beside them, to tell how far apart they are.

    pip install rouge==1.0.1 fuzzywuzzy==0.18.0 jieba==0.42.1
"""

import json
import random
import re
import string
import warnings
from collections import Counter
from pathlib import Path

import jieba
from rouge import Rouge

warnings.filterwarnings("ignore", message="Using slow pure-python")
from fuzzywuzzy import fuzz  # noqa: E402

OUT = Path(__file__).resolve().parents[2] / "tests/data/longbench/other_metrics.json"
# Of normalize_zh_answer.
CHINESE = set("！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗"
              "〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.")
ANSWERS = [
    ("他出生于1987年。", "1987年"), ("1987年3月14日", "1987年"), ("", "北京"),
    ("北京", ""), ("北京大学的校长是谁并没有说明。", "北京大学"),
    ("港口在1911年冬天疏浚。", "港口疏浚于1911年的冬天"), ("段落12", "段落12"),
    ("可能是段落3或者段落12", "段落12"), ("第12段", "段落12"), ("ＡＢＣ１２３", "abc123"),
    ("密钥是ABC123。", "ABC123"), ("我认为答案是：张伟，王芳。", "张伟和王芳"),
    ("会议讨论了预算、人员和明年的计划。", "会议主要讨论了明年的预算与人员安排"),
    ("公司今年的收入增长了20%，利润增长了5%。", "利润增长5%，收入增长20%"),
    ("这本书的作者是一位住在上海的老师", "作者是上海的一位老师"),
    ("文章认为，城市的交通问题需要依靠公共交通来解决。",
     "作者主张用公共交通解决城市交通拥堵"), ("。", "，"), ("Hello 世界 hello", "世界hello"),
    ("第一，天气不好。第二，路太远。", "天气不好而且路很远。"), ("　全角 空格　", "全角空格")]
LINES = [
    ("    return x + 1", "    return x + 1"), ("", "x"), ("x", ""), ("", ""),
    ("\n\n# a comment\n// another\n```python\nint main() {", "int main() {"),
    ("# only\n// comments", "return"), ("for i in range(10):", "for j in range(12):"),
    ("self.assertEqual(a, b)\nself.fail()", "self.assertEquals(a, b, c)"),
    ("ÀÉ = \u4e2d\u6587", "ÀE = 中文"), ("abcabcabc", "bcabcabca"), ("qabxcd", "abycdf")]
WORDS = ("for while return x y i self foo( bar) [0] == != \"a\" 中文 (a, b) "
         "size_t std::string {\u00a0} +=1 'quoted' aaaa abab").split(" ")


def fold(character):
    """Lower case of ASCII and full-width letters alone."""
    ascii_or_wide = character < "\x80" or "Ａ" <= character <= "Ｚ"
    return character.lower() if ascii_or_wide else character


def is_space(character):
    return character in string.whitespace + "\u00a0\u3000" or (
        "\u2000" <= character <= "\u200a")


def words_of(text):
    """A character each, runs of ASCII letters and digits whole."""
    return [word for word in re.findall(r"[A-Za-z0-9]+|.", text, re.S)
            if not is_space(word)]


def normalize(word):
    kept = (c for c in word if c not in string.punctuation and c not in CHINESE)
    return "".join(fold(c) for c in kept if not is_space(c))


def f1(predicted, wanted):
    predicted = [word for word in map(normalize, predicted) if word]
    wanted = [word for word in map(normalize, wanted) if word]
    same = sum((Counter(predicted) & Counter(wanted)).values())
    if not same:
        return 0.0
    precision, recall = same / len(predicted), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def rouge_l(predicted, wanted):
    try:
        scores = Rouge().get_scores([" ".join(predicted)], [" ".join(wanted)],
                                    avg=True)
    except ValueError:  # one of them holds no sentence
        return 0.0
    return scores["rouge-l"]["f"]


def retrieval(prediction, truth):
    found = re.findall("段落([0-9]+)", truth)
    numbers = re.findall("[0-9]+", prediction)
    return numbers.count(found[0]) / len(numbers) if found and numbers else 0.0


def chinese(prediction, truth):
    cut = [list(jieba.cut(text, cut_all=False)) for text in (prediction, truth)]
    words = [words_of(prediction), words_of(truth)]
    return {"prediction": prediction, "truth": truth,
            "normalized": normalize(prediction), "f1": f1(*words),
            "f1_jieba": f1(*cut), "rouge_l": rouge_l(*words),
            "rouge_l_jieba": rouge_l(*cut), "retrieval": retrieval(prediction, truth)}


def code(prediction, truth):
    first = ""
    for line in prediction.lstrip("\n").split("\n"):
        if "`" not in line and "#" not in line and "//" not in line:
            first = line
            break
    return {"prediction": prediction, "truth": truth,
            "score": fuzz.ratio(first, truth) / 100}


def main():
    rng = random.Random(1)
    characters = "的了在是我有和就不人都一上也很到说要去你会着没看好自己这12AB。，"

    def soup(most):
        return "".join(rng.choice(characters) for _ in range(rng.randrange(most)))

    def line(most):
        return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(most)))

    pairs = ANSWERS + [(soup(30), soup(30)) for _ in range(40)]
    # Long ones: from 200 characters on difflib drops the popular ones.
    lines = (LINES + [(line(12), line(12)) for _ in range(60)] +
             [(line(60), line(120)) for _ in range(30)])
    golden = {"chinese": [chinese(*pair) for pair in pairs],
              "code": [code(*pair) for pair in lines]}
    OUT.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n",
                   encoding="utf-8")
    for name in ("f1", "rouge_l"):
        of = golden["chinese"][:len(ANSWERS)]
        means = [sum(row[key] for row in of) / len(of)
                 for key in (name, name + "_jieba")]
        print(f"{name} of {len(of)} answers: {means[0]:.3f} by characters, "
              f"{means[1]:.3f} by jieba")


if __name__ == "__main__":
    main()
