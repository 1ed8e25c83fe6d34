"""Metrics against values from their papers, and from COCO's own scorers (pycocoevalcap 1.2, same words)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.evaluation.metrics import (
    METRICS,
    Texts,
    bleu,
    cider_d,
    rouge_l,
    score_captions,
    without_spaces,
    words_of,
)

REFERENCES = [
    [
        "a man rides a brown horse on the beach",
        "a person riding a horse near the ocean",
        "man on horse at the shore",
    ],
    ["two dogs play with a red ball in the park", "dogs chasing a ball on grass"],
    ["a small red circle to the left of a large blue square"],
    [
        "a bowl of soup on a wooden table next to a spoon",
        "soup in a bowl with a spoon beside it",
        "a wooden table with a bowl of soup",
    ],
]
CAPTIONS = [
    "a man riding a horse on the beach",
    "two dogs with a ball",
    "a small red square to the left of a large blue circle",
    "a a bowl soup",
]


def test_all_equal_cocos_own_scorers():
    theirs = {
        "bleu_1": 0.8416308400,
        "bleu_2": 0.7141474491,
        "bleu_3": 0.5687309698,
        "bleu_4": 0.4619456050,
        "rouge_l": 0.7264876971,
        "cider_d": 3.1683241582,
    }
    scores = score_captions(CAPTIONS, REFERENCES)
    assert {name: scores[name] for name in theirs} == pytest.approx(theirs, rel=1e-8)


def test_a_word_said_again_and_again_counts_once():
    said = [words_of(text) for text in (*CAPTIONS[:3], "soup soup soup bowl bowl")]
    right = [[words_of(text) for text in texts] for texts in REFERENCES]
    assert cider_d(said, right)["cider_d"] == pytest.approx(2.9463880060, rel=1e-8)


def _of(metric, caption, *references):
    return metric([tuple(caption.split())], [[tuple(r.split()) for r in references]])


def test_bleu_of_its_papers_examples():
    references = (
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the command "
        "of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    )
    first = "It is a guide to action which ensures that the military always obeys the commands of the party"
    second = "It is to insure the troops forever hearing the activity guidebook that party direct"
    one, two = _of(bleu, first, *references), _of(bleu, second, *references)
    assert one["bleu_1"] == pytest.approx(17 / 18)
    assert one["bleu_2"] == pytest.approx(math.sqrt(17 / 18 * 10 / 17))
    short = math.exp(1 - 16 / 14)  # the nearest reference has 16 words, this one 14
    assert two["bleu_1"] == pytest.approx(short * 8 / 14)
    assert two["bleu_2"] == pytest.approx(short * math.sqrt(8 / 14 * 1 / 13))
    the = _of(bleu, "the the the the the the the", "the cat is on the mat", "there is a cat on the mat")
    assert the["bleu_1"] == pytest.approx(2 / 7)


def test_rouge_of_its_papers_examples():
    reference = "police killed the gunman"
    assert _of(rouge_l, "police kill the gunman", reference)["rouge_l"] == pytest.approx(0.75)
    assert _of(rouge_l, "the gunman kill police", reference)["rouge_l"] == pytest.approx(0.5)


def test_cider_of_identical_captions_is_ten_and_of_one_picture_nothing():
    texts = ["a red circle is here", "two blue dogs run fast", "soup on a table again"]
    assert score_captions(texts, [[text] for text in texts])["cider_d"] == pytest.approx(10)
    assert score_captions(texts[:1], [texts[:1]])["cider_d"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's dog doesn't bark.", "a man 's dog does n't bark"),
        ("Two well-dressed people, smiling!", "two well-dressed people smiling"),
        ("They\u2019re here; it\u2019ll rain (maybe)", "they 're here it 'll rain maybe"),
        ("  3 cats \n and 'one' dog ...", "3 cats and one dog"),
        ("", ""),
    ],
)
def test_words(text, words):
    assert words_of(text) == tuple(words.split())


_sentence = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=8).map(" ".join)


@given(st.lists(st.tuples(_sentence, st.lists(_sentence, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_scores_stay_in_their_range(rows):
    scores = score_captions([said for said, _ in rows], [texts for _, texts in rows])
    for name, value in scores.items():
        assert -1e-9 <= value <= (10 if name == "cider_d" else 1) + 1e-9


def test_what_cannot_be_scored_is_refused():
    for captions, references in (([], []), (["a"], []), (["a"], [[]])):
        with pytest.raises(ValueError, match="references"):
            score_captions(captions, references)


def test_metrics_have_no_state():
    said = [words_of(text) for text in CAPTIONS]
    right = [[words_of(text) for text in texts] for texts in REFERENCES]
    assert cider_d(said, right) == cider_d(said, right)


def test_combining_marks_belong_to_the_word():
    assert words_of("लड़का खेलता") == ("लड़का", "खेलता")
    assert words_of("लड़का") != words_of("लड़की")
    assert score_captions(["लड़का"], [["लड़की"]])["bleu_1"] == 0
    assert words_of("قِطّ") == ("قِطّ",)
    assert words_of("cafe\u0301, na\u0131\u0308ve") == words_of("caf\u00e9, na\u0131\u0308ve")
    assert words_of("\u1112\u1161\u11ab\u1100\u116e\u11a8") == words_of("한국")
    assert len(words_of("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")) == 1


def test_scripts_without_spaces_are_told_of_and_can_be_parted_into_characters():
    assert words_of("红狗。") == ("红狗",)
    assert words_of("2只红狗, a dog's toy", "characters") == ("2", "只", "红", "狗", "a", "dog", "'s", "toy")
    assert words_of("สีแดง", "characters") == ("สี", "แ", "ด", "ง")
    scores = score_captions(["红狗跑", "一只猫"], [["红狗睡"], ["一只猫"]], "characters")
    assert scores["bleu_1"] == pytest.approx(5 / 6)
    assert without_spaces(["一只红色的狗"])
    for text in ("a dog", "लड़का खेलता", "강아지가 뛴다", "the sign 出 is on a wall near the old wooden door"):
        assert not without_spaces([text])


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=30))
def test_spaced_scripts_are_alike_in_either_unit(text):
    assert words_of(text) == words_of(text, "characters")


def test_a_metric_may_read_the_texts_themselves(monkeypatch):
    from hybrid.evaluation import metrics

    def different(texts: Texts) -> dict[str, float]:
        return {"different": len(set(texts.captions)) / len(texts.captions)}

    monkeypatch.setattr(metrics, "METRICS", (*METRICS, different))
    assert score_captions(["a", "a"], [["a"], ["b"]])["different"] == 0.5
