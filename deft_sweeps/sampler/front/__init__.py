"""The sampler `front`: multi-objective Bayesian optimisation with thresholds.

A trial trains one configuration and is evaluated at several thresholds. One Gaussian process per
metric predicts what a configuration gives at every threshold at the end of its training. A
candidate's acquisition value is the expected gain of hypervolume of all of its points together.

`front_sampler` proposes. `candidate` gives it configurations to choose from, and
`surrogate_model` their values. The model combines:

- `observation`, `encoding`: what was measured of trainings, and their configurations as vectors;
- `search_goal`, `training_memory`: objectives and limits, and which trainings are learned from;
- `regression_data`: inputs and targets; unfinished trainings are extrapolated by a `rung_model`;
- `kernel`, `hyperparameter_fit`, `posterior`: the Gaussian process;
- `acquisition`: the expected `hypervolume_gain` of candidates.

Notation. Units: "std" is the standardised metric, mean 0 and variance 1 over the exact targets.

| symbol     | meaning                                      | shape     | unit  | where            |
| ---------- | -------------------------------------------- | --------- | ----- | ---------------- |
| n          | observed points                              |           |       | posterior        |
| c          | candidates                                   |           |       | acquisition      |
| T          | thresholds of every trial                    |           |       | observation      |
| d, G       | coordinates of a configuration; groups       |           |       | encoding         |
| m          | objectives                                   |           |       | hypervolume_gain |
| x          | encoded configuration                        | (d,)      | 1     | encoding         |
| t          | position of a threshold, in [0, 1]           |           | 1     | kernel           |
| y          | metric at the end of a training              | (n,)      | std   | posterior        |
| f(t)       | part that all configurations share           |           | std   | kernel           |
| g(x, t)    | part of a configuration                      |           | std   | kernel           |
| h(x, t)    | part of one training (its seed)              |           | std   | kernel           |
| e          | noise of one point                           |           | std   | kernel           |
| s2_f, ...  | variances of f, g, h and e                   |           | std^2 | kernel           |
| l_k        | length scale of group k                      | (G,)      | 1     | kernel           |
| w_k        | 1 / l_k^2; w_t of g and h, w_f of f, along t | (G,)      | 1     | kernel           |
| K          | covariance of observed points, with noise    | (n, n)    | std^2 | posterior        |
| L          | lower Cholesky factor of K                   | (n, n)    | std   | posterior        |
| alpha      | K^-1 y                                       | (n,)      | 1/std | posterior        |
| mu         | posterior mean of candidates                 | (c, T)    | std   | posterior        |
| Sigma      | posterior covariance of candidates           | (c, T, T) | std^2 | posterior        |
| r          | metric at a rung: r = a + b y + u + v        |           | model | rung_model       |
| a, b       | intercept of each threshold, slope           | (T,), 1   | model | rung_model       |
| s2_u, s2_v | variances of u (training) and v (point)      |           | model | rung_model       |
| q          | direction on the positive unit sphere        | (D, m)    | 1     | hypervolume_gain |

"model" is the metric's unit, or its logarithm where the metric is minimised (`metric_scale`).
"""
