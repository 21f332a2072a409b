"""One run: what it prints, and what it tells MLflow."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from student_score.config.identity import flattened, plain
from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrackingConfig, TrainingConfig
from student_score.data.rows import Scale
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.model.sampling import Sampling
from student_score.paths import REPOSITORY
from student_score.runs import execution, recording
from student_score.runs.execution import Run, execute
from student_score.runs.provenance import provenance
from student_score.runs.recording import failure, record, run_name
from student_score.runs.task import prepare
from student_score.runs.transcript import transcript
from student_score.stability.landscape import Landscape
from student_score.training.setup import Observable
from student_score.training.trajectory import Trajectory

DATA = REPOSITORY / "data/student_scores.csv"
NEW = [[6, 7], [3, 5], [9, 8]]


def configured(**changes: object) -> Config:
    """Return the article's configuration with some training fields changed."""
    return Config(
        dataset=DatasetConfig(path=str(DATA), new_inputs=NEW),
        training=TrainingConfig(**changes),  # type: ignore[arg-type] # each test passes fields of TrainingConfig
    )


def done(config: Config) -> Run:
    """Return the run of a configuration."""
    return execute(prepare(config))


def test_the_transcript_prints_the_articles_lines():
    """The lines stand as the article prints them: 0.8 without a trailing zero, 80.0 with its decimal."""
    small = list(transcript(done(configured(learning_rate=0.0001))))
    assert small[:2] == ["Epoch 50: Avg Loss = 2.68", "Epoch 100: Avg Loss = 1.59"]
    assert small[19] == "Epoch 1000: Avg Loss = 0.8"
    assert "Input: [studied: 5h, slept: 8h] -> Predicted score: 86.1" in small
    assert "Input: [studied: 9h, slept: 8h] -> Predicted score: 105.7" in small
    assert "  studied -> h1: 1.336, h2: 1.122" in small
    large = list(transcript(done(configured(learning_rate=0.01))))
    assert large[19] == "Epoch 1000: Avg Loss = 218.85"
    assert "Input: [studied: 6h, slept: 7h] -> Predicted score: 80.0" in large


def test_the_transcript_says_what_the_article_does_not():
    """Outcome with its sentence, collapse epoch, both losses and the baseline follow the article's lines."""
    text = "\n".join(transcript(done(configured(learning_rate=0.01))))
    assert "Outcome: collapsed - the network predicts the same score for every student" in text
    assert "Collapsed in epoch: 2" in text
    assert "Mean squared error at the final weights: 216.7" in text
    assert "Mean score on the same rows: 216.7" in text
    assert "Linear regression on the same rows:" in text


WITHOUT_EPOCH = (
    "Collapsed in epoch: no single one (the predictions ended within 0.001 points of each other; hidden units were "
    "active up to the last epoch)"
)


@pytest.mark.parametrize(
    ("training", "network", "outcome", "line"),
    [
        (
            {"learning_rate": 0.01},
            {},
            "collapsed",
            "Collapsed in epoch: 2 (first epoch without a hidden unit active on any training row)",
        ),
        (
            {"learning_rate": 0.0018, "sampling": Sampling.with_replacement, "seed": 15},
            {},
            "oscillating",
            "Collapsed in epoch: never",
        ),
        *(
            (
                {"learning_rate": 0.1},
                {"activation": activation},
                "collapsed",
                WITHOUT_EPOCH,
            )
            for activation in (Activation.tanh, Activation.sigmoid)
        ),
        ({"learning_rate": 0.0001}, {}, "slow", "Collapsed in epoch: never"),
    ],
)
def test_line_note_and_metric_say_of_a_collapse_what_the_outcome_says(training, network, outcome, line):
    """A collapse has its epoch, or the reason why it has none; what has not collapsed never did."""
    run = done(replace(configured(**training), network=NetworkConfig(**network)))
    lines, kept = list(transcript(run)), record(run)
    assert run.trajectory.outcome.name == kept.tags["outcome"] == outcome
    assert [text for text in lines if "ollapsed in" in text] == [line]
    assert (f" {line}." in kept.note) == ("Collapsed in epoch" in kept.note) == (outcome == "collapsed")
    assert ("collapse_epoch" in kept.metrics) == ("Collapsed in epoch: 2" in line)


def test_the_interval_follows_the_configuration():
    """print_every=300 gives a line at 300, 600 and 900."""
    lines = transcript(done(replace(configured(), print_every=300)))
    assert [line.split(":")[0] for line in lines if line.startswith("Epoch")] == ["Epoch 300", "Epoch 600", "Epoch 900"]


def test_large_networks_and_tables_are_not_listed(tmp_path):
    """Above 10 rows and 50 parameters, rows and weights go to files, not to the terminal or the metrics."""
    path = tmp_path / "many.csv"
    path.write_text("a,b,score\n" + "".join(f"{k},{k % 3},{k * 2}\n" for k in range(11)))
    config = Config(
        dataset=DatasetConfig(path=str(path), features=["a", "b"], target="score", scale=Scale.features),
        network=NetworkConfig(hidden_size=13, initialisation=Initialisation.he),
        training=TrainingConfig(epochs=5),
    )
    run = done(config)
    text = "\n".join(transcript(run))
    assert "Input:" not in text
    assert "53 numbers, see weights.json" in text
    assert not any(name.startswith("weight/") for name in record(run).metrics)


def test_a_record_holds_the_whole_run():
    """Params are the flattened configuration; tags, curves, baselines, weights and inputs are all there."""
    kept = record(done(configured(learning_rate=0.0001)))
    assert kept.name == "lr=0.0001 relu h=2 seed=0"
    assert kept.params["training.learning_rate"] == "0.0001"
    assert kept.params["training.row_order"] == "null"
    assert kept.tags["outcome"] == "slow"
    assert len(kept.tags["config_hash"]) == len(kept.tags["data.sha256"]) == 64
    epochs, losses = kept.curves["avg_loss"]
    assert (epochs[0], epochs[-1]) == (1, 1000)
    assert len(epochs) <= 200
    assert round(losses[-1], 2) == 0.8
    assert kept.metrics["baseline/mean/train_mse"] == pytest.approx(np.var([85, 60, 95]))
    assert kept.metrics["weight.w1_1_1"] == pytest.approx(1.336, abs=5e-4)
    assert [item.context for item in kept.inputs] == ["training"]
    assert "slow" in kept.note


def test_a_diverged_run_sends_nothing_that_is_not_finite():
    """At rate 3 the record says in which epoch it diverged, and every number in it is finite."""
    kept = record(done(configured(learning_rate=3)))
    assert kept.metrics["diverged_epoch"] > 1
    assert kept.tags["outcome"] == "diverged"
    assert all(math.isfinite(value) for _, values in kept.curves.values() for value in values)
    assert all(map(math.isfinite, kept.metrics.values()))


def test_a_loss_of_exactly_zero_has_no_logarithm_and_is_left_out():
    """One row that is fitted exactly gives avg_loss 0, whose logarithm MLflow could not store."""
    rows = DATA.parent / "student_scores.csv"
    config = Config(
        dataset=DatasetConfig(path=str(rows), test_fraction=0.6),
        training=TrainingConfig(learning_rate=0.001, epochs=2000),
    )
    kept = record(done(config))
    assert kept.curves["avg_loss"][1][-1] == 0.0
    assert "training.log10_train_mse" not in kept.metrics


def test_the_losses_are_charted_first_and_nothing_that_did_not_happen_is():
    """MLflow lists in the order of recording, charts names with a slash above others, and would chart rows of zeros."""
    kept = record(done(configured(learning_rate=0.0001)))
    names = list(dict.fromkeys(name for name, _, _ in kept.points()))
    assert names[:2] == ["avg_loss", "train_mse"]
    assert sorted(name for name in names if "/" not in name)[:2] == ["avg_loss", "train_mse"]
    assert {name.split("/")[0] for name in names if "/" in name} == {"baseline"}
    assert not {"diverged", "collapsed", "diverged_epoch", "collapse_epoch", "units.dead"} & set(names)
    dead = record(done(configured(learning_rate=0.01)))
    assert (dead.metrics["units.dead"], dead.metrics["collapse_epoch"]) == (2, 2)


@pytest.mark.parametrize("rate", [0.0001, 3])
def test_the_rate_can_be_an_axis(rate):
    """Its logarithm has the epoch of the last train_mse, of a run that diverged too, so that a chart can pair them."""
    kept = record(done(configured(learning_rate=rate)))
    assert kept.metrics["training.learning_rate"] == rate
    epochs, values = kept.curves["training.log10_learning_rate"]
    assert epochs == kept.curves["train_mse"][0][-1:]
    assert values == [math.log10(rate)]


def test_the_files_can_be_used_without_this_project(tmp_path):
    """weights.json reproduces predictions.csv with ten lines of plain arithmetic."""
    run = done(
        replace(
            configured(learning_rate=0.01),
            dataset=DatasetConfig(path=str(DATA), scale=Scale.features_and_target, new_inputs=NEW),
        )
    )
    record(run).write_files(tmp_path)
    weights = json.loads((tmp_path / "weights.json").read_text())
    with (tmp_path / "predictions.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["rows"] for row in table] == ["training"] * 3 + ["new"] * 3
    for row in table:
        x = [
            (float(row[name]) - mean) / deviation
            for name, mean, deviation in zip(
                ("hours_studied", "hours_slept"), weights["feature_means"], weights["feature_deviations"], strict=True
            )
        ]
        hidden = [max(0, x[0] * weights["w1"][0][j] + x[1] * weights["w1"][1][j] + weights["b1"][j]) for j in (0, 1)]
        output = hidden[0] * weights["w2"][0] + hidden[1] * weights["w2"][1] + weights["b2"]
        score = output * weights["target_deviation"] + weights["target_mean"]
        assert score == pytest.approx(float(row["prediction"]), rel=1e-12)
    saved = Trajectory.load(tmp_path / "trajectory.npz")
    assert saved.final.flat().tobytes() == run.trajectory.final.flat().tobytes()
    assert (tmp_path / "config.yaml").read_text().startswith("dataset:")
    assert (tmp_path / "transcript.txt").read_text().startswith("Epoch 50: Avg Loss = ")


def test_weights_that_are_not_finite_are_null():
    """JSON has no nan: a diverged weight is written as null."""
    run = done(configured(learning_rate=3))
    final = replace(run.trajectory.final, b2=math.inf)
    broken = replace(run, trajectory=replace(run.trajectory, final=final))
    assert recording.weights(broken)["b2"] is None
    json.dumps(recording.weights(broken), allow_nan=False)


@pytest.mark.parametrize(
    ("swept", "name"),
    [
        ((), "lr=0.0001 relu h=2 seed=0"),
        (("network.hidden_size",), "h=2 lr=0.0001 relu seed=0"),
        (("training.epochs", "network.activation"), "epochs=1000 relu lr=0.0001 h=2 seed=0"),
    ],
)
def test_a_runs_name_says_first_what_was_swept(swept, name):
    """Swept keys come first, in their order; the standing ones follow."""
    assert run_name(flattened(plain(Config())), swept) == name


def test_git_that_is_missing_is_no_error(monkeypatch):
    """Without git, or outside a repository, a run simply does not say which commit it was."""
    monkeypatch.setenv("PATH", "")
    provenance.cache_clear()
    assert "git.commit" not in provenance()
    provenance.cache_clear()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(network=NetworkConfig(hidden_size=3)), "article has 2 features and 2 hidden units"),
        (Config(training=TrainingConfig(row_order=[0, 1])), "row_order"),
        (Config(training=TrainingConfig(row_order=[0, 1, 1])), "row_order"),
        (Config(dataset=DatasetConfig(test_fraction=0.9)), "leaves no row to train on"),
        (Config(dataset=DatasetConfig(features=["hours_studied"])), "article has 2 features"),
    ],
)
def test_prepare_refuses_what_cannot_be_trained(config, said):
    """What only shows once the rows are known is refused before training, naming the value."""
    config.dataset.path = str(DATA)
    with pytest.raises(InputError, match=said):
        prepare(config)


def test_a_value_too_long_for_mlflow_says_where_the_whole_is():
    """The order of two thousand rows fits no parameter; config.yaml has it."""
    order = list(range(2000))
    text = recording.value_text(order)
    assert len(text) == 6000
    assert text.startswith("[0, 1, 2, ")
    assert text.endswith(" ... (the whole is in config.yaml)")
    assert recording.value_text(order[:1000]) == str(order[:1000])


SHARPNESS = [Observable.sharpness]


@pytest.mark.parametrize("scale", Scale)
@pytest.mark.parametrize("sampling", [Sampling.cyclic, Sampling.shuffled, Sampling.full_batch])
def test_sharpness_is_that_of_the_training_rows_as_the_network_sees_them(tmp_path, scale, sampling):
    """The last values are those of the final weights: without the test rows, scaled, the ratio to 2 / learning_rate."""
    path = tmp_path / "many.csv"
    path.write_text("a,b,score\n" + "".join(f"{k},{k % 3},{k * 2 + k % 2}\n" for k in range(11)))
    run = done(
        Config(
            dataset=DatasetConfig(
                path=str(path), features=["a", "b"], target="score", test_fraction=0.3, scale=scale, new_inputs=[]
            ),
            network=NetworkConfig(hidden_size=3, initialisation=Initialisation.he),
            training=TrainingConfig(learning_rate=0.002, epochs=40, sampling=sampling, observe=SHARPNESS),
        )
    )
    split, trajectory = run.task.split, run.trajectory
    expected = Landscape(split.scaling.apply(split.train), 3).sharpness(trajectory.final.flat())
    kept = record(run)
    epochs, sharpness = kept.curves["sharpness"]
    assert epochs == trajectory.recorded_epochs.tolist() == kept.curves["avg_loss"][0]
    assert sharpness[-1] == pytest.approx(expected, rel=1e-12)
    assert kept.curves["sharpness_ratio"][0] == epochs
    assert kept.curves["sharpness_ratio"][1] == pytest.approx(np.array(sharpness) * 0.001, rel=1e-12)


def test_at_a_dead_network_the_sharpness_is_one_and_the_ratio_half_the_rate():
    """Only b2 still learns, and the half loss has curvature 1 along it."""
    kept = record(done(configured(learning_rate=0.01, epochs=50, observe=SHARPNESS)))
    assert kept.tags["outcome"] == "collapsed"
    assert kept.curves["sharpness"][1][-1] == pytest.approx(1.0, rel=1e-12)
    assert kept.curves["sharpness_ratio"][1][-1] == pytest.approx(0.005, rel=1e-12)


def test_the_sharpness_of_a_diverged_run_stops_with_its_curves():
    """No value is recorded from the diverged epoch on, and none that is not finite; at once diverged, none at all."""
    kept = record(done(configured(learning_rate=3, observe=SHARPNESS)))
    for name in ("sharpness", "sharpness_ratio"):
        epochs, values = kept.curves[name]
        assert 0 < len(epochs) == len(values)
        assert epochs[-1] < kept.metrics["diverged_epoch"]
        assert all(map(math.isfinite, values))
    assert record(done(configured(learning_rate=1e308, observe=SHARPNESS))).curves["sharpness"] == ([], [])


def test_a_hessian_that_overflows_is_left_out():
    """A network of huge, finite weights has a curvature beyond the largest double: that epoch has no point."""
    run = done(configured(epochs=3, observe=SHARPNESS))
    observed = run.trajectory.observed.copy()
    observed[1] = 1e200
    trajectory = replace(run.trajectory, observed=observed)
    broken = replace(run, trajectory=trajectory, sharpness=execution.sharpness(run.task, trajectory))
    assert recording.curves(broken)["sharpness"][0] == recording.curves(broken)["sharpness_ratio"][0] == [1, 3]


def test_sharpness_does_not_depend_on_how_many_hessians_are_held_at_once(monkeypatch):
    """One at a time gives the same curve."""
    run = done(configured(epochs=60, observe=SHARPNESS))
    monkeypatch.setattr(execution, "HESSIAN_VALUES", 1)
    assert execution.sharpness(run.task, run.trajectory) == pytest.approx(run.sharpness, rel=1e-12)


def test_an_observed_run_differs_only_in_its_curves():
    """Identity, metrics, other curves and parameters agree; the parameter training.observe says what was asked for."""
    usual, observed = (record(done(configured(epochs=40, observe=observe))) for observe in ([], SHARPNESS))
    assert set(observed.curves) - set(usual.curves) == {"sharpness", "sharpness_ratio"}
    assert {name: observed.curves[name] for name in usual.curves} == usual.curves
    assert usual.tags["config_hash"] == observed.tags["config_hash"]
    assert usual.tags["job_hash"] != observed.tags["job_hash"]
    assert {**usual.metrics, "seconds": 0} == {**observed.metrics, "seconds": 0}
    assert (usual.params["training.observe"], observed.params["training.observe"]) == ("[]", '["sharpness"]')


def test_observed_tasks_are_not_trained_with_others():
    """They ask for another trainer, which takes one at a time."""
    alone, observed = (prepare(configured(observe=observe)) for observe in ([], SHARPNESS))
    assert alone.together != observed.together
    assert (observed.most_together, alone.most_together > 1) == (1, True)


def test_a_network_too_large_to_observe_is_refused_before_training():
    """125 units have 501 parameters; without `observe` they are fine."""
    network = NetworkConfig(hidden_size=125, initialisation=Initialisation.he)
    prepare(replace(configured(), network=network))
    with pytest.raises(InputError, match=r"observe=\[sharpness\]: a network of 501 parameters is too large.*500"):
        prepare(replace(configured(observe=SHARPNESS), network=network))


def test_a_password_is_part_of_no_record():
    """It is masked in what config.yaml and the parameters hold, and in what a failed run raised; no hash has it."""
    address = "postgresql://ann:{}@host/db"
    tasks = [
        prepare(replace(configured(), tracking=TrackingConfig(uri=uri)))
        for uri in (None, address.format("secret"), address.format("other"))
    ]
    none, ours, others = (task.description for task in tasks)
    assert none.nested["tracking"]["uri"] is None
    assert ours.nested["tracking"]["uri"] == ours.flat["tracking.uri"] == address.format("***")
    assert ours == others
    assert (ours.config_hash, ours.job_hash) == (none.config_hash, none.job_hash)
    failed = failure(tasks[1], ValueError(f"no answer from {address.format('secret')}"), swept=(), tags={})
    assert failed.tags["error"] == f"ValueError: no answer from {address.format('***')}"
    assert "secret" not in str((failed.params, failed.tags, failed.name))
