"""The commands, and what they share: sentences, exit codes and progress."""
