"""The network as a regressor of scikit-learn's."""

import os
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from student_score import InputError, Outcome, StudentScoreRegressor
from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.data.rows import Scale
from student_score.estimator import ADVICE
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.model.sampling import Sampling
from student_score.runs.execution import Run, execute
from student_score.runs.task import prepare

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = ["hours studied", "hours slept", "papers"]

NEW = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]]


def students(n: int = 60, seed: int = 0) -> pd.DataFrame:
    """Return students whose score is no straight line of what is known of them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.uniform(0, 10, (n, 3)), columns=NAMES)
    frame["score"] = 40 + 3 * frame.iloc[:, 0] - (frame.iloc[:, 1] - 5) ** 2 + rng.normal(size=n)
    return frame


def model(**changes: object) -> StudentScoreRegressor:
    """Return a small network with some parameters changed."""
    settings = {"hidden_size": 4, "epochs": 20, "random_state": 3} | changes
    return StudentScoreRegressor(**settings)  # type: ignore[arg-type] # each test passes parameters


def fitted(**changes: object) -> StudentScoreRegressor:
    """Return it, trained on the students."""
    frame = students()
    return model(**changes).fit(frame[NAMES], frame["score"])


def bits(network: StudentScoreRegressor) -> tuple[bytes, bytes]:
    """Return every bit of where a network ended, and of how it went there."""
    return network.parameters_.flat().tobytes(), network.loss_curve_.tobytes()


# --- What scikit-learn asks.


@parametrize_with_checks([StudentScoreRegressor()])
def test_it_passes_each_check_of_scikit_learn(estimator, check):
    """None is expected to fail; one asks for SCIPY_ARRAY_API, and is skipped without, for every estimator."""
    check(estimator)


def test_no_check_fails_or_is_expected_to():
    """Of all checks only that of array namespaces is skipped, and that for a variable of the environment."""
    results = check_estimator(StudentScoreRegressor(), on_skip=None)
    others = {result["check_name"]: str(result["exception"]) for result in results if result["status"] != "passed"}
    assert set(others) <= {"check_array_api_input"}
    assert all("SCIPY_ARRAY_API is not set" in reason for reason in others.values())
    assert not any(result["expected_to_fail"] for result in results)
    assert len(results) > 45


@pytest.mark.slow
def test_the_check_of_array_namespaces_passes_too():
    """Where SCIPY_ARRAY_API is set before SciPy is imported, no check is skipped."""
    code = """
from sklearn.utils.estimator_checks import check_estimator
from student_score import StudentScoreRegressor
print({result["status"] for result in check_estimator(StudentScoreRegressor(), on_skip=None)})
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "{'passed'}\n"


def test_the_tags_are_those_of_a_regressor_and_no_check_is_tagged_away():
    """It takes one target and dense numbers, is deterministic, and does not ask for lower scores."""
    tags = StudentScoreRegressor().__sklearn_tags__()
    assert tags.estimator_type == "regressor"
    assert not tags.regressor_tags.poor_score
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags.input_tags.sparse
    assert not tags.target_tags.multi_output


# --- The same as the command.


def command(path: str, *, scale: Scale, sampling: Sampling, activation: Activation) -> Run:
    """Return what `student-score` makes of a file."""
    config = Config(
        dataset=DatasetConfig(path=path, features=NAMES, target="score", scale=scale, new_inputs=NEW),
        network=NetworkConfig(hidden_size=5, activation=activation, initialisation=Initialisation.he, seed=7),
        training=TrainingConfig(learning_rate=0.003, epochs=40, sampling=sampling, seed=7),
    )
    return execute(prepare(config))


@pytest.mark.parametrize("scale", Scale)
@pytest.mark.parametrize(
    ("sampling", "activation"), list(zip(Sampling, [*Activation][:4], strict=True)), ids=lambda choice: choice.name
)
def test_it_equals_the_command_bit_for_bit(tmp_path, scale, sampling, activation):
    """The same file and settings, one random_state for both seeds: the same weights, losses, predictions, outcome."""
    frame = students()
    frame.to_csv(tmp_path / "grades.csv", index=False)
    run = command(str(tmp_path / "grades.csv"), scale=scale, sampling=sampling, activation=activation)
    network = StudentScoreRegressor(
        5,
        activation=activation.name,
        initialisation="he",
        learning_rate=0.003,
        epochs=40,
        sampling=sampling.name,
        scale=scale.name,
        random_state=7,
    ).fit(frame[NAMES], frame["score"])
    assert bits(network) == (run.trajectory.final.flat().tobytes(), run.trajectory.avg_loss.tobytes())
    assert network.predict(frame[NAMES]).tobytes() == run.trajectory.predictions.tobytes()
    assert network.predict(pd.DataFrame(NEW, columns=NAMES)).tobytes() == run.predictions.tobytes()
    assert network.outcome_ is run.trajectory.outcome


def test_it_trains_the_article():
    """The article's three students and start, as the command's defaults have them, end where the article ends."""
    hours, scores = [[5, 8], [2, 6], [8, 7]], [85, 60, 95]
    network = StudentScoreRegressor(
        2, initialisation="article", learning_rate=0.0001, epochs=1000, sampling="cyclic", scale="none"
    ).fit(hours, scores)
    assert network.predict(hours).round(1).tolist() == [86.1, 59.2, 94.6]
    assert network.outcome_ is Outcome.slow


def test_how_rows_lie_in_memory_changes_no_bit():
    """Columns side by side, as pandas has them, rows, lists, and every second row of more are the same numbers."""
    frame = students()
    features, scores = frame[NAMES].to_numpy(), frame["score"].to_numpy()
    twice = np.repeat(features, 2, axis=0)[::2], np.repeat(scores, 2)[::2]
    forms = [
        (np.asfortranarray(features), scores),
        (np.ascontiguousarray(features), scores),
        (features.tolist(), scores.tolist()),
        twice,
    ]
    assert len({bits(model().fit(*form)) for form in forms} | {bits(fitted())}) == 1


# --- Chance.


def test_random_state_decides_everything():
    """The same integer gives the same network, another gives another; None draws anew, from NumPy's own generator."""
    assert bits(fitted(random_state=1)) == bits(fitted(random_state=np.int64(1)))
    assert bits(fitted(random_state=1)) != bits(fitted(random_state=2))
    np.random.seed(5)  # noqa: NPY002 - what None means to scikit-learn
    first, second = bits(fitted(random_state=None)), bits(fitted(random_state=None))
    np.random.seed(5)  # noqa: NPY002 - what None means to scikit-learn
    assert first == bits(fitted(random_state=None))
    assert first != second


def test_a_random_state_is_asked_for_one_seed():
    """A generator gives each fit another seed, which start and order share."""
    frame, generator = students(), np.random.RandomState(0)
    seeds = np.random.RandomState(0).randint(2**31, size=2)
    network = model(random_state=generator)
    for seed in seeds.tolist():
        assert bits(network.fit(frame[NAMES], frame["score"])) == bits(fitted(random_state=seed))


@pytest.mark.parametrize("random_state", ["0", -1, 2**32, 0.5])
def test_other_random_states_are_refused(random_state):
    """The range is that of the configuration's seeds."""
    with pytest.raises(ValueError, match=r"[Ss]eed"):
        fitted(random_state=random_state)


# --- Training goes on.


@pytest.mark.parametrize("sampling", Sampling)
def test_so_many_partial_fits_are_a_fit(sampling):
    """One call is one epoch, and the random order goes on where it was: every bit is that of fit."""
    frame = students()
    network = model(sampling=sampling.name)
    for epoch in range(1, 21):
        assert network.partial_fit(frame[NAMES], frame["score"]) is network
        assert network.n_iter_ == len(network.loss_curve_) == epoch
    whole = fitted(sampling=sampling.name)
    assert bits(network) == bits(whole)
    assert network.outcome_ is whole.outcome_


def test_partial_fit_goes_on_from_fit():
    """Twenty epochs and ten more are thirty; fit after that begins anew."""
    frame = students()
    network = fitted()
    for _ in range(10):
        network.partial_fit(frame[NAMES], frame["score"])
    assert bits(network) == bits(fitted(epochs=30))
    assert bits(network.fit(frame[NAMES], frame["score"])) == bits(fitted())


def test_partial_fit_takes_other_rows_and_keeps_the_scaling():
    """A stream of rows trains, standardised as the first of them, at whatever rate is set."""
    frame = students(200)
    network = model(random_state=0)
    for first in [*range(0, 200, 50)] * 10:
        some = frame.iloc[first : first + 50]
        network.set_params(learning_rate=0.02).partial_fit(some[NAMES], some["score"])
        assert network.scaling_.feature_means.tolist() == pytest.approx(frame[NAMES][:50].mean().tolist())
    assert network.score(frame[NAMES], frame["score"]) > 0.8


@pytest.mark.parametrize(
    ("name", "value"), [("hidden_size", 5), ("activation", "tanh"), ("initialisation", "glorot"), ("scale", "none")]
)
def test_partial_fit_refuses_what_cannot_change(name, value):
    """The network that is being trained has its size, activation, start and scaling."""
    frame, network = students(), fitted()
    with pytest.raises(InputError, match=rf"^{name}={value}: the training in progress began with .*; fit begins anoth"):
        network.set_params(**{name: value}).partial_fit(frame[NAMES], frame["score"])


def test_predict_uses_the_activation_that_was_trained():
    """A parameter set after fit waits for the next fit, as scikit-learn's rule is."""
    frame, network = students(), fitted()
    before = network.predict(frame[NAMES])
    assert network.set_params(activation="tanh", scale="none").predict(frame[NAMES]).tolist() == before.tolist()


# --- How it ended.


def warned(network: StudentScoreRegressor, rows: tuple[np.ndarray, np.ndarray]) -> str:
    """Return the one warning of a fit, which names this file."""
    with pytest.warns(ConvergenceWarning) as caught:
        network.fit(*rows)
    [warning] = caught
    assert warning.filename == __file__
    return str(warning.message)


SOUND = make_friedman1(100, random_state=0)
NOISE = np.random.default_rng(0).normal(size=(2, 400))[0][:, None], np.random.default_rng(1).normal(size=400)


@pytest.mark.parametrize(
    ("outcome", "changes", "rows", "advice"),
    [
        ("diverged", {"learning_rate": 5.0}, SOUND, "lower learning_rate."),
        (
            "diverged",
            {"learning_rate": 9.0, "scale": "none"},
            SOUND,
            "or standardise with scale='features_and_target'.",
        ),
        ("collapsed", {"learning_rate": 0.3, "scale": "none"}, SOUND, "leaky_relu"),
        ("oscillating", {"learning_rate": 0.1}, SOUND, "lower learning_rate"),
        ("stuck", {"learning_rate": 0.001, "hidden_size": 1, "epochs": 100}, NOISE, "features may not tell"),
        ("slow", {"learning_rate": 0.0001}, SOUND, "raise epochs"),
    ],
)
def test_fit_warns_how_it_ended_and_what_to_try(outcome, changes, rows, advice):
    """One ConvergenceWarning with the outcome's sentence, at the line that called fit."""
    network = model(random_state=0, **changes)
    message = warned(network, rows)
    assert network.outcome_.name == outcome
    where = f"in epoch {network.n_iter_} (learning_rate={changes['learning_rate']:g})"
    assert message.startswith(
        f"StudentScoreRegressor ended as {outcome} {where}: {Outcome[outcome].sentence}. To try: "
    )
    assert advice in message


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [("settled", {"epochs": 300}), ("converged", {"activation": "identity", "epochs": 300})],
)
@pytest.mark.filterwarnings("error")
def test_fit_is_quiet_where_it_ended_well(outcome, changes):
    """Converged and settled are no warning; every other outcome has its advice."""
    frame = students()
    score = frame[NAMES].sum(axis=1) if outcome == "converged" else frame["score"]
    assert model(**changes).fit(frame[NAMES], score).outcome_.name == outcome
    assert set(ADVICE) == set(Outcome) - {Outcome.settled, Outcome.converged}


def test_targets_too_small_to_judge_are_said():
    """Of targets within a thousandth the outcome would say converged of anything; equal ones need no multiplying."""
    features, targets = SOUND
    with pytest.warns(
        ConvergenceWarning, match=r"^the targets differ by no more than 2.*e-05, where .* multiply them$"
    ):
        assert model(epochs=1).fit(features, targets / 1e6).outcome_ is Outcome.converged
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the targets")
        model().fit(features, np.full(100, 0.1))


@pytest.mark.filterwarnings("error")
def test_partial_fit_warns_of_divergence_alone():
    """After one epoch everything is slow, which is no news."""
    frame = students()
    assert model().partial_fit(frame[NAMES], frame["score"]).outcome_ is Outcome.slow
    with pytest.warns(ConvergenceWarning, match=r"ended as diverged in epoch 1 \(learning_rate=1e\+06\)"):
        model(learning_rate=1e6).partial_fit(frame[NAMES], frame["score"])


def test_a_diverged_network_does_not_predict():
    """Neither predict, score nor partial_fit uses it, and they say why; fit begins anew."""
    network, (features, targets) = model(learning_rate=5.0).fit(*SOUND), SOUND
    assert not network.parameters_.is_finite() or not np.isfinite(network.loss_curve_[-1])
    assert network.n_iter_ < 20
    sentence = rf"^the training diverged in epoch {network.n_iter_}, so that there is no network to use; lower"
    for use in (
        lambda: network.predict(features),
        lambda: network.score(features, targets),
        lambda: network.partial_fit(features, targets),
    ):
        with pytest.raises(InputError, match=sentence):
            use()
    assert network.set_params(learning_rate=0.01).fit(features, targets).score(features, targets) > 0


def test_losses_are_in_the_targets_units():
    """The last loss is near the mean squared error of the predictions, whatever was standardised."""
    features, targets = SOUND
    for scale in Scale:
        network = model(scale=scale.name, learning_rate=0.001, epochs=300).fit(features, targets)
        error = np.mean((network.predict(features) - targets) ** 2)
        assert network.loss_curve_[-1] == pytest.approx(error, rel=0.2)


# --- In company.


@pytest.mark.slow
def test_it_works_in_searches_and_pipelines():
    """GridSearchCV, cross_val_score, clone, a pipeline with named columns: as any regressor of scikit-learn's."""
    frame = students(150).assign(school=["north", "south", "east"] * 50)
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["school"]), remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(encode, StandardScaler(), model(epochs=100)).set_output(transform="pandas")
    search = GridSearchCV(pipeline, {"studentscoreregressor__learning_rate": [0.0001, 0.01]}, cv=3)
    search.fit(frame.drop(columns="score"), frame["score"])
    assert search.best_params_ == {"studentscoreregressor__learning_rate": 0.01}
    network = search.best_estimator_[-1]
    assert network.feature_names_in_.tolist() == ["school_east", "school_north", "school_south", *NAMES]
    assert network.n_features_in_ == 6
    scores = cross_val_score(clone(search.best_estimator_), frame.drop(columns="score"), frame["score"], cv=3)
    assert scores.mean() == pytest.approx(search.best_score_)
    doubled = TransformedTargetRegressor(model(epochs=100), func=np.sqrt, inverse_func=np.square)
    assert doubled.fit(frame[NAMES], frame["score"].abs()).score(frame[NAMES], frame["score"].abs()) > 0.8


@pytest.mark.slow
def test_a_search_in_several_processes_finds_the_same():
    """Networks go to other processes and come back; their bits are the same."""
    search = GridSearchCV(model(), {"learning_rate": [0.001, 0.01], "hidden_size": np.array([2, 4])}, cv=3)
    alone, together = (clone(search).set_params(n_jobs=jobs).fit(*SOUND) for jobs in (1, 2))
    assert alone.cv_results_["mean_test_score"].tolist() == together.cv_results_["mean_test_score"].tolist()
    assert bits(alone.best_estimator_) == bits(together.best_estimator_)


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores are non-finite")
def test_a_rate_that_breaks_does_not_break_a_search():
    """The rate at which trainings diverge has no score, and another is the best."""
    search = GridSearchCV(model(), {"learning_rate": [0.01, 5.0]}, cv=3).fit(*SOUND)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.best_params_ == {"learning_rate": 0.01}


def test_it_survives_pickling_and_cloning():
    """A pickled network predicts the same bits and trains on; a clone has the parameters and is not fitted."""
    frame, network = students(), fitted()
    again = pickle.loads(pickle.dumps(network))  # noqa: S301 - its own
    assert again.predict(frame[NAMES]).tobytes() == network.predict(frame[NAMES]).tobytes()
    assert bits(again.partial_fit(frame[NAMES], frame["score"])) == bits(fitted(epochs=21))
    copy = clone(network)
    assert copy.get_params() == network.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(frame[NAMES])


def test_score_is_r_squared():
    """`score` is that of scikit-learn's regressors."""
    frame, network = students(), fitted()
    assert network.score(frame[NAMES], frame["score"]) == r2_score(frame["score"], network.predict(frame[NAMES]))


def test_enum_members_are_as_good_as_their_names():
    """A parameter may be the member that the package's functions take."""
    members = {"activation": Activation.tanh, "sampling": Sampling.cyclic, "scale": Scale.features}
    assert bits(fitted(**members)) == bits(fitted(**{name: member.name for name, member in members.items()}))


# --- What cannot be used.


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"hidden_size": 0}, InputError, "hidden_size"),
        ({"hidden_size": 2.0}, TypeError, "hidden_size must be an instance of int"),
        ({"epochs": 0}, InputError, "epochs=0: it must be at least 1"),
        ({"epochs": "10"}, TypeError, "epochs must be an instance of int"),
        ({"learning_rate": 0.0}, InputError, "learning_rate=0.0: it must be a positive, finite number"),
        ({"learning_rate": float("nan")}, InputError, "learning_rate=nan: it must be a positive, finite number"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate must be an instance of float"),
        (
            {"activation": "softplus"},
            InputError,
            "activation='softplus': it can be relu, leaky_relu, tanh, sigm",
        ),
        ({"initialisation": None}, InputError, "initialisation=None: it can be article, he, glorot"),
        ({"initialisation": "article"}, InputError, "initialisation=article has 2 features and 2 hidden units"),
        (
            {"sampling": "random"},
            InputError,
            "sampling='random': it can be cyclic, shuffled, with_replacement",
        ),
        ({"scale": True}, InputError, "scale=True: it can be none, features, features_and_target"),
    ],
)
def test_parameters_out_of_range_are_refused(changes, error, sentence):
    """At fit and partial_fit, not before, and with a sentence."""
    frame, network = students(), model(**changes)
    for method in (network.fit, network.partial_fit):
        with pytest.raises(error, match=re.escape(sentence)):
            method(frame[NAMES], frame["score"])
    assert not hasattr(network, "parameters_")


HOURS = np.arange(12.0).reshape(6, 2)
SCORES = np.arange(6.0)


@pytest.mark.parametrize(
    ("features", "targets", "error", "sentence"),
    [
        (np.where(HOURS == 3, np.nan, HOURS), SCORES, ValueError, "Input X contains NaN"),
        (np.where(HOURS == 3, np.inf, HOURS), SCORES, ValueError, "Input X contains infinity"),
        (HOURS, np.where(SCORES == 3, np.nan, SCORES), ValueError, "Input y contains NaN"),
        (sparse.csr_matrix(HOURS), SCORES, TypeError, "Sparse data was passed"),
        (HOURS.astype(str).astype(object) + "h", SCORES, ValueError, "could not convert string to float"),
        (HOURS, SCORES.astype(str).astype(object) + "p", ValueError, "could not convert string to float"),
        (HOURS + 1j, SCORES, ValueError, "Complex data not supported"),
        (HOURS[:, 0], SCORES, ValueError, "Expected 2D array, got 1D array instead"),
        (HOURS[:0], SCORES[:0], ValueError, "Found array with 0 sample"),
        (HOURS[:, :0], SCORES, ValueError, "Found array with 0 feature"),
        (HOURS[:5], SCORES, ValueError, "inconsistent numbers of samples"),
        (HOURS, np.column_stack([SCORES, SCORES]), ValueError, "y should be a 1d array"),
        (HOURS, None, ValueError, "requires y to be passed"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(features, targets, error, sentence):
    """The sentences are scikit-learn's usual ones, and nothing is half-fitted."""
    network = model()
    with pytest.raises(error, match=re.escape(sentence)):
        network.fit(features, targets)
    assert not hasattr(network, "parameters_")


@pytest.mark.parametrize("place", ["features", "targets", "both"])
@pytest.mark.parametrize("second", [1.0, -1e308])
def test_numbers_too_large_to_standardise_get_a_sentence(place, second):
    """Cells of 1e308 are finite, their variance is not: a sentence, and no warning of NumPy's before it.

    scikit-learn takes a column for constant whose numbers are so large and whose mean is 0.
    """
    features, targets = HOURS.copy(), SCORES.copy()
    if place != "targets":
        features[:2, 1] = 1e308, second
    if place != "features":
        targets[:2] = 1e308, second
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            InputError, match=r"^scale=features_and_target: numbers of (a feature|the target) reach 1e\+308"
        ):
            model().fit(features, targets)


@pytest.mark.parametrize("place", ["features", "targets"])
@pytest.mark.filterwarnings("error")
def test_numbers_too_large_to_train_on_diverge(place):
    """Without standardising, cells of 1e308 make a training diverge, which is warned of once; NumPy is quiet."""
    features = np.where(HOURS == 3, 1e308, HOURS) if place == "features" else HOURS
    targets = np.where(SCORES == 3, -1e308, SCORES) if place == "targets" else SCORES
    message = warned(model(scale="none", activation="identity"), (features, targets))
    assert "ended as diverged" in message


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_new_rows_too_large_to_predict_are_refused():
    """Finite numbers whose prediction is not finite get a sentence with their number, not infinity."""
    network = model().fit(HOURS / 100, SCORES)
    with pytest.raises(InputError, match=r"^X: 2 of 3 rows have predictions beyond what a double can hold$"):
        network.predict([[0.1, 0.2], [1.7e308, 0], [0, -1.7e308]])


@pytest.mark.parametrize("scale", Scale)
def test_rows_that_say_little_are_trained_on(scale):
    """One row, equal targets, equal features, and whole numbers as objects: predictions are finite and near."""
    constant = np.full((6, 2), 3.0)
    for features, targets in [
        (HOURS[:1] / 10, np.array([2.0])),
        (HOURS / 10, np.full(6, 2.0)),
        (constant, np.full(6, 2.0)),
        ((HOURS / 10).astype(object), np.full(6, 2).astype(object)),
    ]:
        network = model(scale=scale.name, epochs=300).fit(features, targets)
        assert network.predict(features) == pytest.approx(np.full(len(features), 2.0), abs=0.5)


def test_a_column_of_scores_is_flattened_with_a_warning():
    """As everywhere in scikit-learn."""
    with pytest.warns(DataConversionWarning, match=r"column-vector y was passed"):
        model().fit(HOURS, SCORES[:, None])


def test_other_columns_are_refused():
    """After fit, names and number of the columns are those of fit."""
    network = fitted()
    with pytest.warns(UserWarning, match=r"X does not have valid feature names"):
        network.predict(students()[NAMES].to_numpy())
    with pytest.raises(ValueError, match=r"feature names should match those that were passed during fit"):
        network.predict(students()[NAMES[::-1]])
    with pytest.raises(ValueError, match=r"X has 2 features, but StudentScoreRegressor is expecting 3 features"):
        model().fit(students()[NAMES].to_numpy(), students()["score"]).predict(HOURS)
    with pytest.raises(TypeError, match=r"sample_weight"):
        network.fit(HOURS, SCORES, sample_weight=SCORES)


# --- As good as others.


@pytest.mark.slow
def test_it_beats_a_straight_line_where_there_is_a_curve():
    """On Friedman's first function a search over rates finds a network far better than linear regression."""
    features, targets = make_friedman1(400, noise=1.0, random_state=0)
    train, test, train_targets, test_targets = train_test_split(features, targets, random_state=0)
    search = GridSearchCV(StudentScoreRegressor(random_state=0), {"learning_rate": [0.001, 0.01]}, cv=3)
    line = LinearRegression().fit(train, train_targets).score(test, test_targets)
    assert search.fit(train, train_targets).score(test, test_targets) > line + 0.1


@pytest.mark.slow
def test_it_is_as_good_as_scikit_learns_network():
    """On 4,000 students whose score is a straight line and noise, the test error is within 1 % of MLPRegressor's."""
    rng = np.random.default_rng(0)
    features = rng.integers([1, 40, 0, 4, 0], [10, 100, 2, 10, 10], (4000, 5)).astype(np.float64)
    targets = features @ [2.85, 1.018, 0.61, 0.48, 0.19] - 34 + rng.normal(0, 2, 4000)
    train, test, train_targets, test_targets = train_test_split(features, targets, random_state=0)
    theirs = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=100, random_state=0)),
        transformer=StandardScaler(),
    )
    ours = StudentScoreRegressor(8, learning_rate=0.001, epochs=50, random_state=0)
    errors = [
        np.mean((network.fit(train, train_targets).predict(test) - test_targets) ** 2) for network in (ours, theirs)
    ]
    assert errors[0] < 1.01 * errors[1]


def test_it_is_no_worse_than_the_line_where_the_line_is_good():
    """On scikit-learn's diabetes data, a small rate and few epochs, within a twentieth of linear regression's R²."""
    features, targets = load_diabetes(return_X_y=True)
    line = cross_val_score(LinearRegression(), features, targets).mean()
    network = StudentScoreRegressor(2, learning_rate=0.001, random_state=0)
    assert cross_val_score(network, features, targets).mean() > line - 0.05
