"""The two ways a request can fail that are not bugs."""


class InputError(ValueError):
    """The input cannot be used: the message names the value, what is allowed, and where it stands."""


class TrackingError(RuntimeError):
    """The tracking store cannot be used: the message names the store and what is wrong with it."""
