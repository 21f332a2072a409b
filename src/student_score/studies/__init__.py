"""Studies: questions with claims that can turn out false, judged on recorded trainings, told on one page."""
