"""How long this project takes beside a plain Ray Tune script that trains the same configurations.

    python -m benchmarks.makespan            3 interleaved pairs of 8 trials x 20 steps
    python -m benchmarks.makespan --quick    one small pair
    python -m benchmarks.makespan --check    a float32 pair before, whose losses must agree

- `workload`: the configurations, as a spec of this project and as settings of the script;
- `plain_script` and `plain_trial`: the script; they know nothing of this project;
- `process_tree`: runs a program, adds up its CPU seconds, ends what it leaves behind;
- `sides`: runs either side and reads what it did;
- `phases`: from moments to seconds a phase;
- `agreement`: whether both sides trained the same;
- `makespan_table`: the table.

This file imports nothing: the script's workers import the package.
"""
