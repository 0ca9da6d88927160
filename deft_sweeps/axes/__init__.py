"""One file an axis: a verb that changes a model in place as its config says, and the maths beside
it as pure functions.
"""
