"""The loop: exact resume, checkpoints that survive, losses that are watched, placement that is recorded."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from torch import nn

from zoo.contracts import Batch, Facts, Family, Inputs, Learner, Recipe, Scalars
from zoo.training import EMA, Diverged, Progress, Updater, shuffled, train
from zoo.training.checkpoint import Checkpoints
from zoo.training.loop import Stopwatch, _mix
from zoo.training.order import _order
from zoo.training.placement import loaders_for
from zoo.training.updater import linear_decay

STEPS = 600


class Noisy(Learner):
    """A linear layer that draws random numbers, follows itself by EMA and has a schedule: all that can go wrong."""

    def __init__(self, recipe: Recipe, _facts: Facts) -> None:
        super().__init__()
        self.network = nn.Linear(4, 1)
        self.average = EMA(self.network, decay=0.9)
        self.update = Updater(
            self.network.parameters(), torch.optim.Adam, lr=0.01, schedule=linear_decay(recipe.steps), clip=1.0
        )

    def step(self, batch: Batch) -> Scalars:
        loss = (self.network(batch["x"]) + torch.randn(1)).square().mean() * batch["scale"]
        self.update(loss)
        self.average.update(self.network)
        return {"loss": loss.detach()}

    def predictor(self) -> nn.Module:
        return self.average.average


class Normal:
    """Batches of normal numbers; the loss turns NaN at a step, if asked."""

    facts = Facts()

    def __init__(self, recipe: Recipe, nan_at: int | None = None) -> None:
        self.recipe, self.nan_at = recipe, nan_at

    def __call__(self, step: int) -> Batch:
        x = np.random.default_rng([self.recipe.seed, step]).normal(size=(self.recipe.batch_size, 4))
        scale = torch.tensor(float("nan") if step == self.nan_at else 1.0)
        return {"x": torch.from_numpy(x.astype(np.float32)), "scale": scale}


def family(nan_at: int | None = None) -> Family:
    recipe = Recipe(dataset="none", steps=STEPS, batch_size=4)
    return Family(
        name="noisy",
        paper="",
        recipes={"smoke": recipe},
        learner=Noisy,
        training_set=lambda recipe, _: Normal(recipe, nan_at),
        benchmark=lambda *_: pytest.fail("the loop never evaluates"),
    )


def run(folder: Path, of: Family, stop_after: int | None = None) -> Learner:
    def report(progress: Progress) -> None:
        if stop_after is not None and progress.step >= stop_after:
            raise KeyboardInterrupt

    recipe = of.recipe("smoke")
    return train(of, recipe, Inputs(datasets=folder), folder, report=report, checkpoint_seconds=0).learner


def equal(a: Learner, b: Learner) -> bool:
    mine, other = a.state_dict(), b.state_dict()
    moments = a.update.optimizer.state_dict()["state"], b.update.optimizer.state_dict()["state"]
    same = all(torch.equal(mine[k], other[k]) for k in mine if isinstance(mine[k], torch.Tensor))
    return same and all(torch.equal(moments[0][i][k], moments[1][i][k]) for i in moments[0] for k in moments[0][i])


def curve(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def test_a_run_begins_once_however_often_it_is_resumed(tmp_path: Path) -> None:
    begun: list[Path] = []

    class Published(Noisy):
        def begin(self, inputs: Inputs) -> None:
            begun.append(inputs.datasets)

    of = replace(family(), learner=Published)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, of, stop_after=100)
    run(tmp_path, of)
    assert begun == [tmp_path]


def test_resuming_is_bit_exact(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", family())
    for stop in (100, 250, 400):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", family(), stop_after=stop)
    assert equal(whole, run(tmp_path / "parts", family()))
    assert curve(tmp_path / "whole") == curve(tmp_path / "parts")
    assert curve(tmp_path / "whole")[-1]["step"] == STEPS


@pytest.mark.parametrize("loaders", [2, 5])
def test_loaders_work_side_by_side_and_decide_no_weight(tmp_path: Path, loaders: int) -> None:
    """The first batches wait until each loader has one in hand, and the later ones overtake each other."""
    together = Barrier(loaders, timeout=60)

    class Overtaking(Normal):
        def __call__(self, step: int) -> Batch:
            if step < loaders:
                together.wait()
            time.sleep(0.001 * (step % loaders == 0))
            return super().__call__(step)

    slow = replace(family(), training_set=lambda recipe, _: Overtaking(recipe))
    inputs, recipe = Inputs(datasets=tmp_path), slow.recipe("smoke")
    one = run(tmp_path / "one", family())
    trained = train(slow, recipe, inputs, tmp_path / "many", loaders=loaders)
    assert equal(one, trained.learner)
    assert curve(tmp_path / "one") == curve(tmp_path / "many")
    assert trained.placement.loaders == loaders
    recorded = json.loads((tmp_path / "many" / "placement.json").read_text())
    assert recorded["loaders"] == loaders


def test_a_run_from_before_loaders_were_recorded_goes_on(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", family())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", family(), stop_after=300)
    path = tmp_path / "parts" / "placement.json"
    path.write_text('{"device": "cpu", "precision": "fp32", "channels_last": false, "threads": 1, "measured": {}}')
    assert equal(whole, run(tmp_path / "parts", family()))
    assert json.loads(path.read_text())["loaders"] == 1


def test_loaders_follow_the_machine() -> None:
    cores = len(os.sched_getaffinity(0))
    assert loaders_for("cpu") == 1
    assert loaders_for("cuda") == max(1, cores - 1)
    assert loaders_for("cuda:1", workers=cores) == 1
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})  # this thread's alone
        assert loaders_for("cuda") == 1
    finally:
        os.sched_setaffinity(0, mine)


def test_another_seed_trains_another_model(tmp_path: Path) -> None:
    of = family()
    one = train(of, of.recipe("smoke"), Inputs(datasets=tmp_path), tmp_path / "one").learner
    two = train(of, of.recipe("smoke", seed=1), Inputs(datasets=tmp_path), tmp_path / "two").learner
    assert not equal(one, two)


def test_a_nan_stops_the_run_with_its_step_and_keeps_the_checkpoint_before_it(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"loss is nan at step 401.*the checkpoint of step \d+ is kept"):
        run(tmp_path, family(nan_at=401))
    newest = Checkpoints(tmp_path / "checkpoints").newest("cpu")
    assert newest is not None
    assert all(value.isfinite().all() for value in newest[1].values() if isinstance(value, torch.Tensor))


def test_a_flipped_byte_in_a_checkpoint_is_named_and_the_one_before_it_used(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", family())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "hurt", family(), stop_after=300)
    newest = Checkpoints(tmp_path / "hurt" / "checkpoints").listed()[-1]
    path = tmp_path / "hurt" / "checkpoints" / newest.file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=newest.file):
        assert equal(whole, run(tmp_path / "hurt", family()))
    assert path.with_suffix(".damaged").exists()


def test_a_full_disk_loses_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"x": torch.zeros(3)}, step=1, seconds=0.0)

    class Unwritable:
        def __reduce__(self) -> str:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        checkpoints.save({"x": Unwritable()}, step=2, seconds=0.0)
    newest = checkpoints.newest("cpu")
    assert newest is not None
    assert newest[0].step == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.json", "step-00000001.pt"]


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (7, 7), (5, 12)])
def test_shuffled_shows_every_example_equally_often(count: int, batch: int) -> None:
    seen = np.concatenate([shuffled(count, batch, seed=3, step=step) for step in range(count)])
    assert np.array_equal(np.bincount(seen, minlength=count), np.full(count, batch))
    assert not np.array_equal(seen[:count], seen[count : 2 * count]) or batch == 1


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (7, 7), (5, 12)])
def test_shuffled_is_numpys_order_of_each_epoch(count: int, batch: int) -> None:
    """In whatever order the steps are asked for, and whatever is done to what was given."""
    order = [np.random.default_rng([3, epoch]).permutation(count) for epoch in range(2 * batch + 1)]
    expected = np.concatenate(order)
    for step in (*range(count), *reversed(range(2 * count))):
        seen = shuffled(count, batch, seed=3, step=step)
        assert np.array_equal(seen, expected[step * batch : (step + 1) * batch])
        seen[:] = -1


def test_an_epoch_is_drawn_once() -> None:
    _order.cache_clear()
    for step in range(100):
        shuffled(1000, 25, seed=8, step=step)
    assert _order.cache_info().misses == 3  # 2.5 epochs


def test_seeds_of_steps_never_meet() -> None:
    assert len({_mix(seed, step) for seed in range(20) for step in range(-1, 1000)}) == 20 * 1001


def test_ema_is_the_weighted_mean_of_what_it_saw() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    average = EMA(layer, decay=0.75)
    for value in (2.0, 4.0):
        layer.weight.data.fill_(value)
        average.update(layer)
    assert average.average.weight.item() == pytest.approx(0.75 * (0.75 * 1 + 0.25 * 2) + 0.25 * 4)


def test_updater_follows_its_schedule() -> None:
    weight = nn.Parameter(torch.tensor(0.0))
    update = Updater([weight], torch.optim.SGD, lr=1.0, schedule=linear_decay(4))
    steps = []
    for _ in range(5):
        before = weight.item()
        update(weight * 1.0)
        steps.append(before - weight.item())
    assert steps == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


def test_a_run_costs_the_time_of_the_processor_it_computes_on_else_what_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {"process_time": 1.0, "monotonic": 10.0}
    for name in clocks:
        monkeypatch.setattr(time, name, lambda name=name: clocks[name])
    watch = Stopwatch()
    clocks |= {"process_time": 3.5, "monotonic": 17.0}
    assert (watch.seconds("cpu"), watch.seconds("cuda:0")) == (2.5, 7.0)
