"""The benchmark (`make bench`): our figures and their baselines side by side, in one run."""
