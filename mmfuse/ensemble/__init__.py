"""Model-level fusion of predictions in memory: what its rules learn, apply and are scored by.

Shapes: M models, n rows, C classes. `p`, `(M, n, C)` float64, are the models' predictions, zeros
where a model has none for a row; `present`, `(n, M)` bool, says which it has. `y`, `(n,)`, are
class numbers (int64), or numbers (float64) that models predict: then C is 1.
"""

LEAST = 1e-12
"""What a probability counts as where it is less, so that no logarithm is infinite."""
