"""The article's three students; data/student_scores.csv holds the same rows, and a test compares the two."""

import numpy as np

from student_score.data.rows import Rows

ARTICLE_FEATURES = ("hours_studied", "hours_slept")
ARTICLE_TARGET = "exam_score"

ARTICLE_ROWS = Rows(
    features=np.array([[5.0, 8.0], [2.0, 6.0], [8.0, 7.0]]),
    targets=np.array([85.0, 60.0, 95.0]),
)
"""Hours studied and slept, and the exam score they led to."""
