"""Varied texts, the same on every machine: what an encoder and its tokenizer are compared on.

sentences(): texts as people write them, and the odd ones: empty, very long, emoji, other scripts, accents in both forms.
lines(): runs of words, special tokens, white space and characters from all of Unicode, to find where tokenizers differ.
Only random() of a seeded generator is used: it is the one function that is promised never to change.
"""
import random

SUBJECTS = "my sister|the baker|our neighbour|a colleague|Tomas|the dog|nobody|the committee|she|the old boat".split("|")
VERBS = "wants|has lost|painted|will visit|never liked|is allergic to|bought|forgot|repairs|dreams of".split("|")
OBJECTS = ("a blue bicycle|walnuts and hazelnuts|the house by the lake|Berlin in winter|her first marathon|oat milk|"
           "a broken oven|the letters from 1987|jazz|thirty-two postcards").split("|")
ENDS = ".|!|?| since last May.| again, at 7:30 pm.| (or so he says).| ... maybe| - as always.|; that is all.|".split("|")
ODD = ["", " ", "a", "\n\t\n", "\U0001f642\U0001f642 \U0001f469\u200d\U0001f469\u200d\U0001f467", "東京は夜の七時", "你好世界 mixed English",
       "Привет, мир", "한국어 문장입니다", "naïve café ÅÉÎ", "naïve cafe\u0301", "x" * 500, "[SEP] [CLS] [MASK]",
       "1234567890" * 50, "long text about nothing " * 300, "e-mail: someone@example.org", "a\u0000b".replace("\u0000", ""),
       "ﬁne ligatures ½ ²", "İstanbul ıssız", "ΑΒΓ αβγ ς", "\u202eright to left\u202c", "#hashtag @mention $5.00 100%"]
BLOCKS = [(0x20, 0x7F), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
          (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x214F),
          (0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xACFF), (0xF900, 0xFAFF), (0xFB00, 0xFEFF), (0xFF00, 0xFFEF),
          (0x1F300, 0x1F6FF), (0x1D400, 0x1D7FF), (0x10000, 0x10FFF), (0x01, 0x1F), (0x20000, 0x20100),
          (0xE000, 0xE100), (0x10, 0x10FFFF)]
PIECES = ["[SEP]", "[CLS]", "[MASK]", "[PAD", "[UNK]", " ", "\t", "\n", "\u200b", "\u00ad", "\ufeff", "-", "'"]


class Dice:
    def __init__(self, seed):
        self.generator = random.Random(seed)

    def below(self, n):
        return int(self.generator.random() * n)

    def of(self, items):
        return items[self.below(len(items))]

    def character(self, first, last):
        while True:
            c = first + self.below(last - first + 1)
            if not 0xD800 <= c < 0xE000:
                return chr(c)


def sentence(dice):
    return f"{dice.of(SUBJECTS)} {dice.of(VERBS)} {dice.of(OBJECTS)}{dice.of(ENDS)}"


def sentences(count):
    dice = Dice(1)
    texts = list(ODD)
    while len(texts) < count:
        texts.append(" ".join(sentence(dice) for _ in range(1 + dice.below(1 + dice.below(12)))))
    return texts[:count]


def line(dice):
    parts = []
    for _ in range(dice.below(40)):
        kind = dice.below(20)
        if kind < 8:
            parts.append(dice.of(sentence(dice).split()) + dice.of(["", " ", " "]))
        elif kind < 10:
            parts.append(dice.of(PIECES))
        elif kind < 11:
            parts.append("x" * (90 + dice.below(20)))
        else:
            block = dice.of(BLOCKS)
            parts.append("".join(dice.character(*block) for _ in range(1 + dice.below(6))))
    return "".join(parts)


def lines(count):
    dice = Dice(2)
    return [line(dice) for _ in range(count)]
