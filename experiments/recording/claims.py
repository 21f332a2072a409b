"""What is claimed of the cost of sweeping and recording; the thresholds are design targets and stand in the rules."""

from student_score.studies.claims import Claim, Whose

THOUSAND = Claim(
    name="thousand",
    whose=Whose.ours,
    sentence="A sweep of 1,000 runs takes less than 25 s and 800 MB, from the command to the summary.",
    source="design target",
    rule="Kernels compiled before: the median wall time of the command is below 25 s, every round's peak memory below "
    "800 MB, on the machine that measured it.",
)
HALF_THE_CLIENT = Claim(
    name="half_the_client",
    whose=Whose.ours,
    sentence="A run of a sweep costs at most half of what MLflow's client alone takes to store the same record.",
    source="design target",
    rule="The median over the rounds of cost(sweep of 1,000 runs, everything included) / cost(client, 50 of these "
    "records, the store open before) is at most 0.5.",
)
TIMES_SCRIPT = Claim(
    name="times_script",
    whose=Whose.ours,
    sentence="A run of a sweep is at least 6 times as fast as one of a plain Hydra and MLflow script with log_batch.",
    source="design target",
    rule="The median ratio of cost(script, from the end of its first job to that of its last) to cost(sweep of 1,000 "
    "runs, everything included) is at least 6.",
)
TIMES_EACH_EPOCH = Claim(
    name="times_each_epoch",
    whose=Whose.ours,
    sentence="It is at least 200 times as fast as one of the script that calls mlflow.log_metric in each epoch.",
    source="design target",
    rule="The median ratio of the time between the end of a job of 1 epoch and that of the next, of 1000 epochs, to "
    "cost(sweep of 1,000 runs, everything included) is at least 200.",
)
SERVER = Claim(
    name="server",
    whose=Whose.ours,
    sentence="Through a tracking server a sweep of 1,000 runs takes at most 1.3 times as long as the client alone.",
    source="design target",
    rule="The median ratio of the times of 1,000 runs is at most 1.3: the sweep's is that of one run plus 999 times "
    "what each further run adds to it in a sweep of 40; the client's is that of the same 40 records, scaled up.",
)
PLAN = Claim(
    name="plan",
    whose=Whose.ours,
    sentence="10,000 jobs are expanded, checked and identified in less than 15 s.",
    source="design target",
    rule="The median wall time of the command with sweep.dry_run=true, everything included, is below 15 s.",
)
CLAIMS = (THOUSAND, HALF_THE_CLIENT, TIMES_SCRIPT, TIMES_EACH_EPOCH, SERVER, PLAN)
