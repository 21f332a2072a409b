"""What a training returns, and its file."""

import copy
import gc
import math
import tracemalloc
import zipfile
from dataclasses import fields
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.data.rows import Rows, Scale, split_rows
from student_score.errors import InputError
from student_score.model.network import ARTICLE_START, Initialisation, Parameters, initialise
from student_score.model.outcome import EndState, Outcome
from student_score.training.setup import Observable
from student_score.training.train import train
from student_score.training.trajectory import Trajectory, log_spaced_epochs

ROWS = Rows(
    np.array([[5.0, 8], [2, 6], [8, 7], [6, 7], [3, 5], [9, 8], [1, 4]]), np.array([85.0, 60, 95, 85, 60, 105, 45])
)
STUDENTS = ROWS.take([0, 1, 2])


def bits(value):
    """Return a value as bytes, with its type and shape, so that equal means equal in every bit."""
    if isinstance(value, Parameters):
        return bits(value.flat()), value.w1.shape
    if isinstance(value, EndState):
        return [bits(getattr(value, field.name)) for field in fields(value)]
    if value is None:
        return None
    array = np.asarray(value)
    return type(value), array.dtype, array.shape, array.tobytes()


TRAJECTORIES = {
    "slow": lambda: train(split_rows(STUDENTS), ARTICLE_START, learning_rate=1e-4, epochs=30),
    "collapsed": lambda: train(split_rows(STUDENTS), ARTICLE_START, learning_rate=0.01, epochs=30),
    "diverged, with inf": lambda: train(split_rows(STUDENTS), ARTICLE_START, learning_rate=3.0, epochs=300),
    "diverged at once": lambda: train(split_rows(STUDENTS), ARTICLE_START, learning_rate=1e308, epochs=3),
    "test rows, scaled, five units": lambda: train(
        split_rows(ROWS, test_fraction=0.3, scale=Scale.features_and_target),
        initialise(Initialisation.he, n_features=2, hidden_size=5),
        learning_rate=0.01,
        epochs=300,
    ),
    "observed": lambda: train(
        split_rows(STUDENTS), ARTICLE_START, learning_rate=1e-4, epochs=30, observe=[Observable.sharpness]
    ),
    "a single epoch": lambda: train(split_rows(STUDENTS), ARTICLE_START, learning_rate=1e-4, epochs=1),
}


@pytest.mark.parametrize("make", TRAJECTORIES.values(), ids=TRAJECTORIES.keys())
def test_a_saved_trajectory_is_loaded_equal_in_every_bit(tmp_path, make):
    """Curves, parameters, flags and epochs come back with their types; inf, nan and None among them."""
    trajectory = make()
    path = tmp_path / "trajectory.npz"
    trajectory.save(path)
    loaded = Trajectory.load(path)
    for field in fields(Trajectory):
        assert bits(getattr(loaded, field.name)) == bits(getattr(trajectory, field.name)), field.name
    assert loaded.outcome is trajectory.outcome
    assert [path.name for path in tmp_path.iterdir()] == ["trajectory.npz"]


def test_a_file_from_before_parameters_were_observed_is_loaded(tmp_path):
    """Without the array the trajectory simply has none."""
    path = tmp_path / "trajectory.npz"
    TRAJECTORIES["observed"]().save(path)
    with np.load(path) as content:
        arrays = {name: array for name, array in content.items() if name != "observed"}
    np.savez(path, **arrays)
    assert Trajectory.load(path).observed is None


def test_a_trajectory_is_read_from_memory_under_a_name(tmp_path):
    """Bytes do as well as a file, and a refusal calls them by the name they are given."""
    path, trajectory = tmp_path / "trajectory.npz", TRAJECTORIES["a single epoch"]()
    trajectory.save(path)
    loaded = Trajectory.load(BytesIO(path.read_bytes()))
    assert loaded.final.flat().tobytes() == trajectory.final.flat().tobytes()
    with pytest.raises(InputError, match=r"^the curves of run 7 is not a recorded trajectory"):
        Trajectory.load(BytesIO(path.read_bytes()[:-100]), name="the curves of run 7")


def test_the_saved_trajectories_differ_in_what_matters():
    """Among the cases above are None and numbers for both epochs, inf in a curve, test rows and several outcomes."""
    made = {name: make() for name, make in TRAJECTORIES.items()}
    assert {Outcome.slow, Outcome.collapsed, Outcome.diverged} <= {trajectory.outcome for trajectory in made.values()}
    assert made["slow"].collapse_epoch is made["slow"].diverged_epoch is None
    assert made["collapsed"].collapse_epoch is not None
    assert made["diverged, with inf"].avg_loss[-1] == math.inf
    assert made["diverged at once"].diverged_epoch == 1
    assert len(made["diverged at once"].train_mse) == 0
    assert len(made["test rows, scaled, five units"].test_mse) > 1
    assert made["slow"].observed is None
    assert made["observed"].observed.shape == (len(made["observed"].recorded_epochs), 9)


@pytest.mark.parametrize("content", [b"", b"learning", b"\x00" * 100], ids=["empty", "text", "zeros"])
def test_what_is_no_trajectory_is_refused(tmp_path, content):
    """A file that is no archive, a folder or nothing at all is bad input; the message names it."""
    path = tmp_path / "trajectory.npz"
    path.write_bytes(content)
    for place in (path, tmp_path, tmp_path / "absent.npz"):
        with pytest.raises(InputError, match="is not a recorded trajectory") as caught:
            Trajectory.load(place)
        assert str(place) in str(caught.value)


@pytest.mark.parametrize("damage", ["cut off", "another archive", "a bare array"])
def test_a_damaged_trajectory_is_refused(tmp_path, damage):
    """A file cut off by a full disk or a kill, and arrays of something else, are bad input too; no file stays open."""
    path = tmp_path / "trajectory.npz"
    if damage == "cut off":
        TRAJECTORIES["a single epoch"]().save(path)
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "another archive":
        np.savez(path, weights=np.ones(3))
    else:
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    failure = None
    try:
        Trajectory.load(path)
    except Exception as error:
        failure = type(error)
    gc.collect()
    assert failure is InputError


def saved(make):
    """Return a trajectory's file."""
    make().save(file := BytesIO())
    return file.getvalue()


def changed(**arrays):
    """Return the file of the slow training with some arrays replaced; those that are None left out."""
    with np.load(BytesIO(saved(TRAJECTORIES["slow"]))) as content:
        values = {name: array for name, array in (dict(content) | arrays).items() if array is not None}
    np.savez(file := BytesIO(), **values)
    return file.getvalue()


def compressed():
    """Return 80 kB that 80 MB of zeros come out of."""
    np.savez_compressed(file := BytesIO(), avg_loss=np.zeros(10**7))
    return file.getvalue()


def boundless():
    """Return a file of which an array says that it has 8 TB."""
    file, header = BytesIO(), BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("avg_loss.npy", header.getvalue())
    return file.getvalue()


def overlapping():
    """Return an archive whose directory names one array of 8 kB a thousand times."""
    np.savez(file := BytesIO(), avg_loss=np.zeros(1000))
    with zipfile.ZipFile(file, "a") as archive:
        [entry] = archive.infolist()
        for k in range(1000):
            again = copy.copy(entry)
            again.filename = f"{k}.npy"
            archive.filelist.append(again)
        archive._didModify = True
    return file.getvalue()


OTHER_FILES = {
    "a bomb": (compressed, "do not lie in its"),
    "entries that overlap": (overlapping, "do not lie in its"),
    "pickles": (lambda: changed(avg_loss=np.array([{}], dtype=object)), "allow_pickle"),
    "a curve of two dimensions": (lambda: changed(avg_loss=np.ones((3, 3))), r"avg_loss has the shape \(3, 3\)"),
    "a curve of another type": (lambda: changed(avg_loss=np.ones(30, dtype=np.float32)), "the type float32"),
    "a curve of text": (lambda: changed(train_mse=np.array(["a"] * 30)), "train_mse has"),
    "a short curve": (lambda: changed(train_mse=np.ones(4)), "its curves have 4 values at 19 epochs"),
    "epochs that did not run": (lambda: changed(recorded_epochs=np.arange(13, 32)), "epochs that it did not run"),
    "epoch 0": (lambda: changed(recorded_epochs=np.arange(19)), "epochs that it did not run"),
    "other units": (lambda: changed(dead_units=np.ones(3, dtype=bool)), "3 dead_units of 2 hidden units"),
    "an end that is a list": (lambda: changed(end_late_rise=np.ones(2)), "end_late_rise has the shape"),
    "no predictions": (lambda: changed(predictions=None), "predictions"),
    "another start": (lambda: changed(start=np.ones(8)), "cannot hold 2 features and 2 units"),
    "a shape of three": (lambda: changed(shape=np.array([2, 2, 2])), "too many values"),
}


@pytest.mark.parametrize(("content", "reason"), OTHER_FILES.values(), ids=OTHER_FILES.keys())
def test_a_file_of_something_else_is_refused(content, reason):
    """Whatever is in it: a sentence that says so, within the memory of the file."""
    content = content()
    tracemalloc.start()
    with pytest.raises(InputError, match=f"^it is not a recorded trajectory: .*({reason})") as caught:
        Trajectory.load(BytesIO(content), name="it")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21 + 3 * len(content)
    assert len(str(caught.value)) < 400


def test_an_array_that_says_it_is_boundless_is_refused():
    """Its memory cannot be had, or is given back untouched, as the file ends at once."""
    with pytest.raises(InputError, match=r"^it is not a recorded trajectory: (Unable to allocate|EOF: reading)"):
        Trajectory.load(BytesIO(boundless()), name="it")


def test_whatever_byte_is_damaged_the_rest_is_refused_or_whole():
    """A flipped byte or an early end of a file is an InputError, if it does not leave the arrays as they were."""
    content, generator = saved(TRAJECTORIES["collapsed"]), np.random.default_rng(1)
    whole, refusals = Trajectory.load(BytesIO(content)), []
    for place in generator.integers(0, len(content), 300):
        flipped = content[:place] + bytes([content[place] ^ int(generator.integers(1, 256))]) + content[place + 1 :]
        for damaged in (flipped, content[:place]):
            try:
                loaded = Trajectory.load(BytesIO(damaged), name="it")
            except InputError as error:
                refusals.append(str(error))
            else:
                assert bits(loaded.avg_loss) == bits(whole.avg_loss)
                assert bits(loaded.final) == bits(whole.final)
    assert len(refusals) > 500
    assert all(refusal.isprintable() and len(refusal) < 400 for refusal in refusals)


def test_log_spaced_epochs_by_hand():
    """Four points from 1 to 1000 are the powers of ten; three from 1 to 100 are 1, 10, 100."""
    assert log_spaced_epochs(1000, 4).tolist() == [1, 10, 100, 1000]
    assert log_spaced_epochs(100, 3).tolist() == [1, 10, 100]
    assert log_spaced_epochs(1000, 2).tolist() == [1, 1000]
    assert log_spaced_epochs(1, 2).tolist() == [1]


@given(epochs=st.integers(1, 100_000), points=st.integers(2, 400))
def test_log_spaced_epochs_keep_the_first_and_the_last(epochs, points):
    """There are at most `points` of them, increasing whole numbers from 1 to `epochs`."""
    chosen = log_spaced_epochs(epochs, points)
    assert (chosen[0], chosen[-1]) == (1, epochs)
    assert len(chosen) <= points
    assert (np.diff(chosen) > 0).all()
    assert chosen.dtype == np.int64
    # Neighbours keep the ratio r of the log spacing, up to rounding by one half at both ends, or are one epoch apart.
    ratio = epochs ** (1 / max(1, min(points, epochs) - 1))
    assert (np.diff(chosen) <= np.maximum(1, (ratio - 1) * (chosen[:-1] + 0.5) + 1)).all()


@pytest.mark.parametrize("points", [1, 0, -3])
def test_a_curve_has_two_points(points):
    """The first and the last epoch are always kept, so fewer points than two are refused."""
    with pytest.raises(InputError, match=rf"points={points}: at least 2"):
        log_spaced_epochs(100, points)
