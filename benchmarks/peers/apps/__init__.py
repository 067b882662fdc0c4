"""One module a queue: its three jobs, and how they are sent.

Each has `one(number)`, `many(numbers)`, `send(sent)` and `nap(numbers)`, plain or coroutines; where
it has to be `prepare(url)`, which makes the store fit, `configure(url)`, `begin()` and `end()`.
"""
