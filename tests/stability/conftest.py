"""What tests of derivatives and of thresholds share."""

import numpy as np
import pytest

from student_score.model.network import ARTICLE_START
from student_score.stability.landscape import Landscape
from student_score.training.train import train


@pytest.fixture(scope="module")
def minimum(article_split):
    """Return the article's landscape and the minimum that its network reaches, in the file's order, at rate 0.001."""
    end = train(article_split, ARTICLE_START, learning_rate=0.001, epochs=60_000).final.flat()
    landscape = Landscape(article_split.train, 2)
    assert np.abs(landscape.residuals(end)).max() < 1e-12
    return landscape, end
