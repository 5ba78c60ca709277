"""Images a second: our training loop against a plain one, on the same network, in the same run.

The plain loop is what most projects on FER2013 have: picture files, PIL, one picture after the other through its
transforms, a DataLoader, fp32, torch's own convolutions. It gets the better of no workers and one worker a core. Both take
turns, because machines are faster in one minute than in the next, and the median of the rounds' ratios counts. Each has a
process of its own from beginning to end: ours keeps freed memory as `mien train` does, and the plain loop is not to gain or lose
by that. A round before them is not counted: memory that nobody has touched yet is slow, in virtual machines above all.

Our recipes show small faces first (`train.sizes`); what a run gains by that, which plain loops have not, is a line of its own.

    python benchmarks/training_throughput.py [--images 1280] [--rounds 3] [--threads 2] [--at-least 3] [--device cuda]

On a GPU both compute there and ours changes its faces there; give it more images, an epoch of 1,280 is over too soon.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import torch
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from mien.data import open_dataset
from mien.data.dataset import Dataset
from mien.models.conv import Conv3x3
from mien.models.zoo import MODELS, build_network
from mien.preprocess import InputSpec
from mien.processors import usable_cores
from mien.recipe import HeadOptions, Recipe, load_recipe
from mien.runtime import choose_device, choose_precision, keep_freed_memory, machine
from mien.training.loop import Trainer

RECIPE = Path(__file__).parents[1] / "recipes" / "mien-s-start.toml"


class PlainFaces(TorchDataset[tuple[torch.Tensor, int]]):
    """Picture files, opened and changed one by one."""

    def __init__(self, folder: Path, data: Dataset, spec: InputSpec, recipe: Recipe) -> None:
        """Write the faces as PNG files."""
        self._labels, self._spec, self._how = data.labels, spec, recipe.augment
        self._files = [folder / f"{row}.png" for row in range(len(data))]
        for file, image in zip(self._files, data.images, strict=True):
            PIL.Image.fromarray(image).save(file)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        how, side = self._how, self._spec.size
        picture = PIL.Image.open(self._files[row])
        if random.random() < 0.5:
            picture = picture.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
        angle = math.radians(random.uniform(-how.rotate_deg, how.rotate_deg))
        zoom = math.exp(random.uniform(-how.scale, how.scale))
        cos, sin, centre = math.cos(angle) * zoom, math.sin(angle) * zoom, (side - 1) / 2
        x, y = (random.uniform(-how.shift, how.shift) * side + centre for _ in range(2))
        matrix = (
            cos,
            -sin,
            x - cos * centre + sin * centre,
            sin,
            cos,
            y - sin * centre - cos * centre,
        )
        picture = picture.transform(
            picture.size, PIL.Image.Transform.AFFINE, matrix, PIL.Image.Resampling.BILINEAR
        )
        picture = PIL.ImageEnhance.Brightness(picture).enhance(
            1 + random.uniform(-how.brightness, how.brightness)
        )
        picture = PIL.ImageEnhance.Contrast(picture).enhance(
            1 + random.uniform(-how.contrast, how.contrast)
        )
        pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255.0)[None]
        pixels = (pixels - self._spec.mean) / self._spec.std
        if random.random() < how.erase:
            edge = random.randint(*how.erase_px)
            top, left = random.randint(0, side - edge), random.randint(0, side - edge)
            pixels[:, top : top + edge, left : left + edge] = 0
        return pixels, int(self._labels[row])


def network_of(recipe: Recipe) -> nn.Module:
    """Build the network that both loops train."""
    return build_network(recipe.model.name, num_classes=7, seed=0, **recipe.model.options)


def with_torchs_convolutions(network: nn.Module) -> nn.Module:
    """Put torch's 3x3 convolutions in the places of ours, which are part of our loop; the weights stay."""
    for name, child in network.named_children():
        if isinstance(child, Conv3x3):
            one = nn.Conv2d(
                child.in_channels,
                child.out_channels,
                3,
                child.stride,
                1,
                bias=child.bias is not None,
            )
            one.load_state_dict(child.state_dict())
            setattr(network, name, one)
        else:
            with_torchs_convolutions(child)
    return network


@cache
def task(num_images: int) -> tuple[Recipe, InputSpec, Dataset]:
    """Return what ours does, an epoch at each size, and plain at full size: one head, no augmentation that plain loops have not."""
    recipe = load_recipe(RECIPE)
    recipe = replace(
        recipe,
        heads=(HeadOptions(label_smoothing=0.1),),
        augment=replace(recipe.augment, jpeg=0.0, shrink=0.0),
        train=replace(recipe.train, epochs=len(recipe.train.sizes), ema=0.0),
    )
    known = MODELS[recipe.model.name]
    spec = InputSpec(mean=known.input_mean, std=known.input_std)
    return recipe, spec, open_dataset(Path(f"synthetic:{num_images}"), use_cache=False)


def begin(threads: int, is_ours: bool) -> None:
    """Set a process up for one of the loops."""
    torch.set_num_threads(threads)
    if is_ours:
        keep_freed_memory()


def ours(num_images: int, precision: str, device: torch.device) -> tuple[float, float]:
    """Return images a second at full size, and over one epoch at each of the recipe's sizes, after some that warm up."""
    recipe, spec, data = task(num_images)
    few = data.take(np.arange(256))
    _epochs(Trainer(recipe, network_of(recipe), spec, few, device, precision))
    trainer = Trainer(recipe, network_of(recipe), spec, data, device, precision)
    seconds = _epochs(trainer)
    seen = trainer.steps_per_epoch * recipe.train.batch_size
    return seen / seconds[-1], seen * len(seconds) / sum(seconds)


def _epochs(trainer: Trainer) -> list[float]:
    """Train to the end; return what each epoch took."""
    seconds = []
    for _ in range(trainer.recipe.train.epochs):
        started = time.perf_counter()
        trainer.run_epoch(lambda _: None)
        seconds.append(time.perf_counter() - started)
        trainer.progress.start_epoch()
    return seconds


def plain(num_images: int, folder: Path, num_workers: int, device: torch.device) -> float:
    """Return images a second of the plain loop, its first two batches not counted."""
    recipe, spec, data = task(num_images)
    faces = PlainFaces(folder, data, spec, recipe)
    network, loss_of = (
        with_torchs_convolutions(network_of(recipe)).train().to(device),
        nn.CrossEntropyLoss(label_smoothing=0.1),
    )
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    loader = DataLoader(
        faces, recipe.train.batch_size, shuffle=True, drop_last=True, num_workers=num_workers
    )
    seen, started = 0, 0.0
    for batch, (inputs, labels) in enumerate(loader):
        if batch == 2:
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = loss_of(network(inputs.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        seen += len(inputs) if batch >= 2 else 0
        loss.item()  # ours looks at every loss too
    return seen / (time.perf_counter() - started)


def main() -> None:
    """Measure both and print them."""
    asked = _arguments()
    recipe, _, _ = task(asked.images)
    device = choose_device(asked.device)
    precision = choose_precision(recipe.train.precision, device)
    print(
        f"{recipe.model.name} {recipe.model.options}, batch {recipe.train.batch_size}; {machine(device)}"
    )
    ratios, with_sizes = [], []
    with (
        tempfile.TemporaryDirectory() as name,
        _process(asked.threads, is_ours=True) as our_process,
        _process(asked.threads, is_ours=False) as plain_process,
    ):
        for round_ in range(1 + max(1, asked.rounds)):
            our_rate, our_mean = our_process.submit(ours, asked.images, precision, device).result()
            rates = {
                workers: plain_process.submit(
                    plain, asked.images, Path(name), workers, device
                ).result()
                for workers in (0, asked.threads)
            }
            ratio = our_rate / max(rates.values())
            if round_:
                ratios.append(ratio)
                with_sizes.append(our_mean / max(rates.values()))
            shown = ", ".join(
                f"{rate:.0f} with {workers} workers" for workers, rate in rates.items()
            )
            print(
                f"{'' if round_ else 'not counted: '}ours, {precision}: {our_rate:.0f} images/s; plain, fp32: {shown}; {ratio:.2f} times"
            )
    ratio = statistics.median(ratios)
    print(f"ratio, median: {ratio:.2f}")
    sizes = ", ".join(map(str, recipe.train.sizes))
    print(f"with faces of {sizes} px in thirds of the run: {statistics.median(with_sizes):.2f}")
    sys.exit(ratio < asked.at_least)


def _process(threads: int, *, is_ours: bool) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), begin, (threads, is_ours))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=int, default=1280, help="drawn faces an epoch, at least 640"
    )
    parser.add_argument("--rounds", type=int, default=3, help="in which both take turns")
    parser.add_argument(
        "--at-least", type=float, default=0.0, help="fail when we are not so many times as fast"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto; of both loops")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="of both loops")
    asked = parser.parse_args()
    if asked.images < 640:
        parser.error(f"--images is {asked.images}; expected at least 640, five batches")
    return asked


if __name__ == "__main__":
    main()
