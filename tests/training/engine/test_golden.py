"""The reference trainer's numbers, once written down, still come out of the engine.

`python tests/training/engine/test_golden.py` writes golden_engine.json anew, by the reference trainer alone.
"""

import itertools
import json
from pathlib import Path

import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import split_rows
from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.training.setup import Effort, Trainer
from student_score.training.train import train

GOLDEN = Path(__file__).with_name("golden_engine.json")
EPOCHS = 1000


def golden_cases():
    """Return the settings of the golden runs: 32 of them, half inside the chaotic band."""
    rates = [1e-4, 1e-3, 1.9e-3, 2.0e-3, 2.1e-3, 2.2e-3, 1e-2, 0.5]
    orders = list(itertools.permutations(range(3)))
    return [
        {
            "learning_rate": rate,
            "sampling": sampling.value,
            "row_order": list(orders[k % 6]) if sampling in {Sampling.cyclic, Sampling.full_batch} else None,
            "seed": k,
        }
        for k, (rate, sampling) in enumerate(itertools.product(rates, Sampling))
    ]


def test_the_golden_runs_are_the_ones_described():
    """The file holds the settings above, in their order, and nine hex floats for each."""
    golden = json.loads(GOLDEN.read_text())
    finals = [case.pop("final") for case in golden]
    assert golden == golden_cases()
    assert {len(final) for final in finals} == {9}


@pytest.mark.parametrize("special", [True, False], ids=["special kernel", "general kernel"])
@pytest.mark.parametrize("sampling", Sampling)
def test_golden_bit_patterns(train_article, sampling, special):
    """The reference trainer once wrote these hex floats; both kernels still produce them, the runs side by side."""
    cases = [case for case in json.loads(GOLDEN.read_text()) if case["sampling"] == sampling.value]
    orders = [case["row_order"] for case in cases]
    trained = train_article(
        [case["learning_rate"] for case in cases],
        epochs=EPOCHS,
        sampling=sampling,
        row_order=orders if orders[0] else None,
        seed=[case["seed"] for case in cases],
        effort=Effort(special=special),
    )
    assert len(cases) == 8
    for final, case in zip(trained.finals.tolist(), cases, strict=True):
        assert [value.hex() for value in final] == case["final"], case


def write_golden():
    """Write the golden runs, computed by the reference trainer."""
    cases = golden_cases()
    for case in cases:
        settings = {**case, "sampling": Sampling(case["sampling"]), "epochs": EPOCHS, "trainer": Trainer.reference}
        final = train(split_rows(ARTICLE_ROWS), ARTICLE_START, **settings).final.flat()
        case["final"] = [value.hex() for value in final.tolist()]
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    write_golden()
