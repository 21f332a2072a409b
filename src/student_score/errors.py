"""The ways a request can fail that are not bugs."""


class InputError(ValueError):
    """The input cannot be used: the message names the value, what is allowed, and where it stands.

    A message about an argument begins with its name, `learning_rate=0: ...`, which the configuration turns into a key.

    >>> from student_score import ARTICLE_ROWS, ARTICLE_START, InputError, split_rows, train
    >>> try:
    ...     train(split_rows(ARTICLE_ROWS), ARTICLE_START, learning_rate=-0.1, epochs=10)
    ... except InputError as error:
    ...     print(error)
    learning_rate=-0.1: it must be a positive, finite number
    """


class TrackingError(RuntimeError):
    """The tracking store cannot be used: the message names the store and what is wrong with it."""


class SweepError(RuntimeError):
    """Some jobs of a sweep failed, or could not be recorded: the message names them."""
