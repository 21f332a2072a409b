"""What others train with: NumPy, scikit-learn, PyTorch, JAX and a loop in C, each at its best; see `methods`."""

import ctypes
import importlib
import os
import subprocess
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from student_score.arrays import Floats
from student_score.model.network import Parameters

from .methods import Training
from .problems import Problem


def numpy_loop(problem: Problem, *, epochs: int, learning_rate: float = 1e-4) -> Training:
    """One network in small arrays, ReLU; matrix products may round otherwise than the reference."""

    def train() -> Floats:
        w1, b1, w2, b2 = problem.start.w1.copy(), problem.start.b1.copy(), problem.start.w2.copy(), problem.start.b2
        for _ in range(epochs):
            for x, target in zip(problem.rows.features, problem.rows.targets, strict=True):
                h = np.maximum(x @ w1 + b1, 0.0)
                error = h @ w2 + b2 - target
                hidden_error = error * w2 * (h > 0.0)
                w2 -= learning_rate * (error * h)
                b1 -= learning_rate * hidden_error
                w1 -= learning_rate * (x[:, None] * hidden_error)
                b2 -= learning_rate * error
        return Parameters(w1, b1, w2, float(b2)).flat()

    return train


def batched_start(problem: Problem, networks: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the parameters (size, networks) and views of them: w1 (n_features, hidden_size, networks), b1, w2, b2."""
    features, units = problem.start.w1.shape
    p = np.repeat(problem.start.flat()[:, None], networks, axis=1)
    w1, b1, w2, [b2] = np.split(p, np.cumsum([features * units, units, units]))
    return p, w1.reshape(features, units, networks), b1, w2, b2


def numpy_batched(problem: Problem, *, epochs: int, learning_rates: Floats) -> Training:
    """Many networks side by side, ReLU, in the reference's order of operations: the formulas as they stand."""

    def train() -> Floats:
        p, w1, b1, w2, b2 = batched_start(problem, len(learning_rates))
        for _ in range(epochs):
            for x, target in zip(problem.rows.features.tolist(), problem.rows.targets.tolist(), strict=True):
                z = x[0] * w1[0]
                for i in range(1, len(x)):
                    z += x[i] * w1[i]
                z += b1
                active = z > 0.0
                h = np.where(active, z, 0.0)
                prediction = h[0] * w2[0]
                for j in range(1, len(w2)):
                    prediction += h[j] * w2[j]
                error = prediction + b2 - target
                hidden_error = np.where(active, error * w2, 0.0)
                w2 -= learning_rates * (error * h)
                b1 -= learning_rates * hidden_error
                for i, value in enumerate(x):
                    w1[i] -= learning_rates * (hidden_error * value)
                b2 -= learning_rates * error
        return p.T

    return train


def numpy_in_place(problem: Problem, *, epochs: int, learning_rates: Floats) -> Training:
    """The same operations, every result written into an array that is there already."""
    units, networks = problem.start.hidden_size, len(learning_rates)

    def train() -> Floats:
        p, *parameters = batched_start(problem, networks)
        units_work, work = np.empty((4, units, networks)), np.empty((2, networks))
        for _ in range(epochs):
            for x, target in zip(problem.rows.features.tolist(), problem.rows.targets.tolist(), strict=True):
                forward_in_place(x, target, parameters, units_work, work)
                backward_in_place(x, learning_rates, parameters, units_work, work[0])
        return p.T

    return train


def forward_in_place(x: list[float], target: float, parameters: list[Floats], units_work: Floats, work: Floats) -> None:
    """Write the units' outputs and slopes, and the row's error."""
    (w1, b1, w2, b2), (h, slope, _, product), (error, term) = parameters, units_work, work
    np.multiply(w1[0], x[0], out=h)
    for i in range(1, len(x)):
        np.multiply(w1[i], x[i], out=product)
        h += product
    h += b1
    np.greater(h, 0.0, out=slope)
    np.maximum(h, 0.0, out=h)
    np.multiply(h[0], w2[0], out=error)
    for j in range(1, len(w2)):
        np.multiply(h[j], w2[j], out=term)
        error += term
    error += b2
    error -= target


def backward_in_place(
    x: list[float], learning_rates: Floats, parameters: list[Floats], units_work: Floats, error: Floats
) -> None:
    """Move the parameters against the row's gradient."""
    (w1, b1, w2, b2), (h, slope, hidden_error, product) = parameters, units_work
    np.multiply(error, w2, out=hidden_error)
    hidden_error *= slope
    h *= error
    h *= learning_rates
    w2 -= h
    np.multiply(hidden_error, learning_rates, out=product)
    b1 -= product
    for i, value in enumerate(x):
        np.multiply(hidden_error, value, out=product)
        product *= learning_rates
        w1[i] -= product
    error *= learning_rates
    b2 -= error


def sklearn_training(problem: Problem, *, epochs: int, learning_rate: float = 1e-4) -> Training:
    """Scikit-learn's MLPRegressor, ReLU, set up for the article's arithmetic: no momentum, penalty or shuffling."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(problem.start.hidden_size,),
        activation="relu",
        solver="sgd",
        learning_rate="constant",
        learning_rate_init=learning_rate,
        batch_size=1,
        momentum=0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        shuffle=False,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
        warm_start=True,
        random_state=0,
    )
    model.partial_fit(
        problem.rows.features[:1], problem.rows.targets[:1]
    )  # Creates the arrays the start is written into.

    def train() -> Floats:
        w1, b1, w2, b2 = problem.start.w1, problem.start.b1, problem.start.w2, problem.start.b2
        for array, values in zip((*model.coefs_, *model.intercepts_), (w1, w2[:, None], b1, b2), strict=True):
            array[...] = values
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # As many epochs as asked for are all that is wanted.
            model.fit(problem.rows.features, problem.rows.targets)
        return np.concatenate(
            [values.ravel() for values in (model.coefs_[0], model.intercepts_[0])]
            + [model.coefs_[1].ravel(), model.intercepts_[1]]
        )

    return train


def torch_training(problem: Problem, *, epochs: int, learning_rate: float = 1e-4) -> Training:
    """PyTorch with autograd and its SGD, ReLU, one network on one thread."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    start, rows = (
        problem.start,
        list(zip(*map(torch.tensor, (problem.rows.features, problem.rows.targets)), strict=True)),
    )

    def train() -> Floats:
        parameters = [torch.tensor(a, dtype=torch.float64) for a in (start.w1, start.b1, start.w2, start.b2)]
        w1, b1, w2, b2 = (parameter.requires_grad_() for parameter in parameters)
        optimiser = torch.optim.SGD(parameters, lr=learning_rate)
        for _ in range(epochs):
            for x, target in rows:
                optimiser.zero_grad()
                half_loss = (torch.relu(x @ w1 + b1) @ w2 + b2 - target) ** 2 / 2
                half_loss.backward()
                optimiser.step()
        return np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters])

    return train


def jax_training(problem: Problem, *, epochs: int, learning_rates: Floats) -> Training:
    """JAX, ReLU: gradients by jax.grad, rows and epochs by lax.scan, networks by vmap, compiled as a whole."""
    # One thread, as for the other methods; without effect where the process has used JAX already.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp, start = jax.numpy, problem.start
    first = tuple(jnp.asarray(array) for array in (start.w1, start.b1, start.w2, start.b2))
    rows = (jnp.asarray(problem.rows.features), jnp.asarray(problem.rows.targets))

    def half_loss(parameters: Any, x: Any, target: Any) -> Any:
        w1, b1, w2, b2 = parameters
        return (jnp.maximum(x @ w1 + b1, 0.0) @ w2 + b2 - target) ** 2 / 2

    def train_one(rate: Any) -> Any:
        def row_step(parameters: Any, row: Any) -> Any:
            gradients = jax.grad(half_loss)(parameters, *row)
            return jax.tree.map(lambda value, gradient: value - rate * gradient, parameters, gradients), None

        final, _ = jax.lax.scan(lambda p, _: jax.lax.scan(row_step, p, rows), first, None, length=epochs)
        return jnp.concatenate([value.ravel() for value in final])

    compiled = jax.jit(jax.vmap(train_one))
    return lambda: np.asarray(compiled(learning_rates))


def c_loop(problem: Problem, *, epochs: int, learning_rates: Floats) -> Training:
    """The loop in loop.c, written for the article's network alone, compiled for this processor."""
    with TemporaryDirectory() as folder:
        library, source = Path(folder) / "loop.so", Path(__file__).with_name("loop.c")
        options = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
        subprocess.run(["cc", *options, "-o", library, source], check=True)
        loop = ctypes.CDLL(str(library)).train  # Loaded, the library needs its file no more.
    inputs = [
        np.ascontiguousarray(a)
        for a in (problem.start.flat(), learning_rates, problem.rows.features, problem.rows.targets)
    ]

    def train() -> Floats:
        finals = np.empty((len(learning_rates), problem.start.size))
        counts = [ctypes.c_long(count) for count in (len(learning_rates), len(problem.rows.targets), epochs)]
        loop(*(ctypes.c_void_p(a.ctypes.data) for a in inputs), *counts, ctypes.c_void_p(finals.ctypes.data))
        return finals

    return train
