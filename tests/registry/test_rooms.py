"""The registry's modules stand on one another, never in a circle; the gate's statistics know no registry."""

from itertools import combinations

import grimp


def test_no_two_modules_import_each_other() -> None:
    graph = grimp.build_graph("registry", "zoo", include_external_packages=True, cache_dir=None)
    modules = graph.find_children("registry")
    circles = [
        (one, other)
        for one, other in combinations(sorted(modules), 2)
        if graph.chain_exists(one, other) and graph.chain_exists(other, one)
    ]
    assert len(modules) > 10
    assert circles == []
    reached = graph.find_upstream_modules("registry.gate")
    statistics = {"registry.patience", "registry.weighing"}  # the rule of before, and what both rules weigh with
    assert {module for module in reached if module.partition(".")[0] in ("registry", "mlflow")} == statistics
