import numpy as np
import pytest

from jaxgan.data.labels import read_labels
from jaxgan.errors import InputError

NAMES = ("1.jpg", "2.jpg", "3.jpg")
VALUES = [[True, False], [False, True], [True, True]]
FILES = {
    "own, 0 and 1": "image,Bald,Male\n1.jpg,1,0\n2.jpg,0,1\n3.jpg,1,1\n",
    "own, -1 and 1": "image,Bald,Male\n1.jpg,1,-1\n2.jpg,-1,1\n3.jpg,1,1\n",
    "kaggle": "image_id,Bald,Male\r\n1.jpg,1,-1\r\n2.jpg,-1,1\r\n3.jpg,1,1\r\n",
    "authors": "3\nBald Male \n1.jpg  1 -1\n2.jpg -1  1\n3.jpg  1  1\n",
    "authors, windows": "3\r\nBald Male \r\n1.jpg  1 -1 \r\n2.jpg -1  1\r\n3.jpg  1  1\r\n\r\n",
}


@pytest.mark.parametrize("case", FILES)
def test_the_layouts(tmp_path, case):
    (tmp_path / "labels").write_text(FILES[case], newline="")
    labels = read_labels(tmp_path / "labels")
    assert labels.images == NAMES
    assert labels.attributes == ("Bald", "Male")
    np.testing.assert_array_equal(labels.values, VALUES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3\nBald Male\n1.jpg 1 -1\n", "says that it has 3 images; 1 lines of images follow"),
        ("3\n", "says that it has 3 images; 0 lines"),
        ("9" * 5000 + "\nBald\n", "the first line must be image"),
        ("0\nBald\n", "has a first line and no images"),
        ("1\nBald Male\n1.jpg 1\n", "'1.jpg' has 1 values, not 2"),
        ("1\nBald\n1.jpg 2\n", "Bald of '1.jpg' is '2', not 0, 1 or -1"),
        ("2\nBald Bald\n1.jpg 1 1\n2.jpg 1 1\n", "the first line must be image"),
        ("file,Bald\n1.jpg,1\n", "the first line must be image"),
    ],
)
def test_bad_labels_are_one_line(tmp_path, text, message):
    (tmp_path / "labels").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_labels(tmp_path / "labels")
    assert "\n" not in str(caught.value)


def test_the_published_layouts_of_celeba_say_the_same(shared):
    kaggle = read_labels(shared("cases/labels/kaggle_list_attr_celeba.csv"))
    official = read_labels(shared("cases/labels/official_list_attr_celeba.txt"))
    assert kaggle.images == official.images
    assert kaggle.attributes == official.attributes
    assert len(kaggle.attributes) == 40
    assert len(kaggle.images) == 200
    np.testing.assert_array_equal(kaggle.values, official.values)
    assert official.values[0][kaggle.attributes.index("Young")]
