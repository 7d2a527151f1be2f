"""What a predictor can do: one interface a task, shapes and units in the types.

Pictures go in as people have them (uint8 RGB); normalising, padding and resizing are the predictor's own affair,
so a benchmark never has to know how a network was trained.
"""
