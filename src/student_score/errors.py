"""The ways a request can fail that are not bugs."""


class InputError(ValueError):
    """The input cannot be used: the message names the value, what is allowed, and where it stands.

    A message about an argument begins with its name, `learning_rate=0: ...`, which the configuration turns into a key.
    """


class TrackingError(RuntimeError):
    """The tracking store cannot be used: the message names the store and what is wrong with it."""


class SweepError(RuntimeError):
    """Some jobs of a sweep failed, or could not be recorded: the message names them."""
