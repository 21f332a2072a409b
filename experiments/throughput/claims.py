"""What is claimed of the engine's speed; the thresholds are design targets and stand in the rules."""

from student_score.studies.claims import Claim, Whose

STEP_TOLERANCE = 1.25
"""Half the steps between sizes are factors of 4 and more: a cost that grew with a power of 1.2 would exceed this."""

TIMES_REFERENCE = Claim(
    name="times_reference",
    whose=Whose.ours,
    sentence="On one thread 10,000 networks train at least 400 times as fast as in the reference trainer.",
    source="design target",
    rule="The median over the rounds of cost(reference) / cost(engine, 10,000 networks, one thread) is at least 400.",
)
TIMES_NUMPY = Claim(
    name="times_numpy",
    whose=Whose.ours,
    sentence="On one thread the engine is at least 8 times as fast as NumPy batched over networks.",
    source="design target",
    rule="The median ratio to the faster of two batched NumPy forms, plain and in place, is at least 8.",
)
TIMES_SKLEARN = Claim(
    name="times_sklearn",
    whose=Whose.ours,
    sentence="On one thread the engine is at least 30,000 times as fast as MLPRegressor.",
    source="design target",
    rule="The median ratio to MLPRegressor (batch_size=1, fewer epochs scaled up) is at least 30,000.",
)
C_COST = Claim(
    name="c_cost",
    whose=Whose.ours,
    sentence="On one thread a network costs the engine at most 8/6 of what it costs a loop written in C.",
    source="design target",
    rule="The median ratio of the cost of 10,000 networks on one thread to that in loop.c, compiled by cc -O3 "
    "-march=native -ffp-contract=off, is at most 8/6; undecided without a C compiler.",
)
TWO_THREADS = Claim(
    name="two_threads",
    whose=Whose.ours,
    sentence="Two threads train at least 1.8 times as many networks a second as one.",
    source="design target",
    rule="The median ratio of one thread's to two threads' cost, 10,000 networks each, is at least 1.8.",
)
MILLION = Claim(
    name="million",
    whose=Whose.ours,
    sentence="A million trainings with their outcomes take less than 6 s and 600 MB on all threads.",
    source="design target",
    rule="The median wall time is below 6 s and every round's peak memory of the whole process below 600 MB.",
)
LINEAR = Claim(
    name="linear",
    whose=Whose.ours,
    sentence="Cost grows no faster than networks, rows and epochs, nor than the number of parameters up to 64 units.",
    source="design target",
    rule="No step of a sweep costs more than 1.25 times its share; a step is the median over the rounds.",
)
SMOOTH = Claim(
    name="smooth",
    whose=Whose.ours,
    sentence="With sigmoid and tanh the engine is at least 100 times as fast as the reference trainer.",
    source="design target",
    rule="The median ratio on one thread is at least 100 for either activation.",
)
LARGE = Claim(
    name="large",
    whose=Whose.ours,
    sentence="One network of 16 units on 10,000 rows trains at least 50 times as fast as in MLPRegressor.",
    source="design target",
    rule="The median ratio of the costs is at least 50: 100 epochs of the engine, 1 epoch of MLPRegressor scaled up.",
)
FIRST_CALL = Claim(
    name="first_call",
    whose=Whose.ours,
    sentence="The first call of a special kernel takes less than 4 s, and less than 0.4 s where it is cached.",
    source="design target",
    rule="For each network tried, the medians of train_many's first call, imports aside, are below 4 s and 0.4 s.",
)
CLAIMS = (
    TIMES_REFERENCE,
    TIMES_NUMPY,
    TIMES_SKLEARN,
    C_COST,
    TWO_THREADS,
    MILLION,
    LINEAR,
    SMOOTH,
    LARGE,
    FIRST_CALL,
)
