"""Rules that hold in every run: what is watched, and one module of rules for each subject."""
