"""A data set of JPEG files explained by `deepinside batch explain`, beside Captum fed by a PyTorch DataLoader.

    python3 benches/peers/data_loader.py target/release/deepinside PHOTOGRAPHS [--count 128] [--rounds 3]

Both sides read the files, shrink them to 256 on the shorter side, cut 224 × 224 from the middle, and keep the attributions of the most
probable class (Captum's in memory, ours as a WebDataset on the disk). Captum gets the number of workers and the batch, of a few, with which it is
fastest on a part. Whole processes' rounds are interleaved; without the time to import PyTorch, which is told apart, and with the time to
start ours. Needs torch, torchvision, captum, Pillow, onnx.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import captum.attr
import networks
import PIL.Image
import torch
import torchvision
from speed import export

METHODS = {"gradient": 1, "integrated-gradients": 50}


class Photographs(torch.utils.data.Dataset):
    """Files as torchvision prepares them."""

    def __init__(self, files):
        self.files = files
        self.prepare = torchvision.transforms.Compose([
            torchvision.transforms.Resize(256), torchvision.transforms.CenterCrop(224), torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return self.prepare(PIL.Image.open(self.files[index]).convert("RGB"))


def explain_by_captum(model, files, method, batch, workers):
    """Seconds for all files."""
    begin = time.perf_counter()
    kept = []
    for pictures in torch.utils.data.DataLoader(Photographs(files), batch_size=batch, num_workers=workers):
        with torch.no_grad():
            target = model(pictures).argmax(1)
        if method == "gradient":
            found = captum.attr.Saliency(model).attribute(pictures, target=target, abs=False)
        else:
            found = captum.attr.IntegratedGradients(model).attribute(pictures, target=target, n_steps=50, internal_batch_size=batch)
        kept.append(found.detach().numpy())
    assert sum(len(found) for found in kept) == len(files)
    return time.perf_counter() - begin


def explain_by_us(program, network, files, method, folder):
    """Seconds for all files, the process included."""
    listed, out = pathlib.Path(folder) / "files.txt", pathlib.Path(folder) / f"out-{time.monotonic_ns()}"
    listed.write_text("\n".join(map(str, files)) + "\n")
    parameters = [] if method == "gradient" else ["--set", "steps=50"]
    begin = time.perf_counter()
    told = subprocess.run(
        [program, "batch", "explain", listed, "-m", network, "--method", method, *parameters, "--threads", "2", "--format", "webdataset",
         "--out", out, "--json"],
        check=True, capture_output=True, text=True,
    )
    taken = time.perf_counter() - begin
    assert json.loads(told.stdout)["done"] == len(files)
    return taken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=["squeezenet1_1", "resnet50"])
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    files = sorted(arguments.photographs.glob("*.jpg"))
    print("| network | method | photographs | Captum, photographs/s | with | deepinside, photographs/s | time, ours / Captum's |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, method in itertools.product(arguments.networks, METHODS):
            model = networks.network(name)
            network = pathlib.Path(folder) / f"{name}.onnx"
            export(model, networks.picture(1, networks.SIDES[name]), network)
            own = files[: max(8, arguments.count * (4 if name == "squeezenet1_1" else 1) // METHODS[method])]
            part = own[: max(2, len(own) // 4)]
            choices = list(itertools.product((1, 8, 32), (0, 2)))
            batch, workers = min(choices, key=lambda choice: explain_by_captum(model, part, method, *choice) / len(part))
            ours, theirs = [], []
            for _ in range(arguments.rounds):
                theirs.append(explain_by_captum(model, own, method, batch, workers))
                ours.append(explain_by_us(arguments.program.resolve(), network, own, method, folder))
            ratios = sorted(a / b for a, b in zip(ours, theirs))
            rates = [len(own) / statistics.median(times) for times in (theirs, ours)]
            print(
                f"| {name} | {method} | {len(own)} | {rates[0]:.1f} | batches of {batch}, {workers} workers | {rates[1]:.1f} | "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
