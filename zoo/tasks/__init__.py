"""What a predictor can do: one interface a task, shapes and units in the types.

Pictures go in as people have them (uint8 RGB); normalising, padding and resizing are the predictor's own affair,
so a benchmark never has to know how a network was trained.

Tensors lie on the device of the model's weights unless its interface says otherwise; `zoo.load` puts these on the CPU,
and a benchmark carries pictures there and answers back. `docs/tasks/` is generated from these files: `make docs`.
"""
