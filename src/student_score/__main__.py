"""`python -m student_score` is `student-score`."""

from student_score.commands.main import main

main()
