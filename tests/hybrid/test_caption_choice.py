"""Which captions are learnt from, and how they are written."""

import pytest

from hybrid.data.pairs import Pair
from hybrid.evaluation.metrics import cider_d, words_of
from hybrid.evaluation.metrics.cider import agreement
from hybrid.training.caption_choice import choose_captions

DOGS = Pair(
    "a.jpg",
    ("A dog runs on grass .", "My holiday", "A brown dog runs on the grass .", "A dog runs over grass"),
    "line 1",
)
BOAT = Pair("b.jpg", ("A boat on a lake .", "A man in a red boat on a very still lake"), "line 5")


def test_agreement_is_cider_d_of_a_caption_against_the_others_of_its_picture():
    pairs = [DOGS, BOAT]
    words = [[words_of(text, "words") for text in pair.captions] for pair in pairs]
    found = agreement(words)
    # A picture of its own with the same references leaves the n-grams' rarity as it is.
    for i in range(4):
        others = [text for j, text in enumerate(words[0]) if j != i]
        references = [[*others, words[0][i]], words[1]]
        of_all = 2 * cider_d([words[0][i], ("z",)], references)["cider_d"] / 10  # "z" scores 0
        itself = min(4, len(words[0][i])) / 4  # a cosine of 1 for each length of n-grams that it has
        assert found[0][i] == pytest.approx((4 * of_all - itself) / 3)
    assert found[0][1] == pytest.approx(0)
    assert max(found[0]) == found[0][0] or max(found[0]) == found[0][3]
    assert agreement([[("a", "dog")], [("a", "boat")]]) == [[0], [0]]


def test_those_that_agree_and_are_short_are_kept_in_the_order_of_agreement():
    (dogs, boat) = choose_captions([DOGS, BOAT], agreeing=2, longest=6)
    assert "My holiday" not in dogs.captions
    assert len(dogs.captions) == 2
    assert boat.captions == ("A boat on a lake .",)
    (one,) = choose_captions([BOAT], longest=1)  # a picture keeps one
    assert len(one.captions) == 1


def test_captions_are_written_plainly_and_questions_keep_their_answers():
    (plain,) = choose_captions([Pair("c.jpg", ("  A Dog  runs . ", "..."), "line 1")], plain=True)
    assert plain.captions == ("a dog runs", "...")
    asked = Pair("d.jpg", ("Yes .", "No ."), "line 2", prompts=("Is it?", "Was it?"))
    assert choose_captions([DOGS, asked], agreeing=1)[1] is asked
