"""Compares `deepinside explain` with the arrays that other libraries compute for the same network, input and target.

    python3 benches/peers/attribution.py REFERENCE MODELS GOLDENS [--program deepinside] [--only METHOD]

REFERENCE is a folder with INDEX.json, which names per case network, method, target class, layer and array; MODELS holds
squeezenet_v1.1, GOLDENS mini_caffenet and its weights. A case passes within max(1e-5, 5 × its own float32 noise) of the array's
largest number. Prints one line a case and the number that failed; needs NumPy.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy


def layer_of(case):
    """The layer's value in the network's own file."""
    if "onnx_tensor" in case:
        return case["onnx_tensor"]
    text = case.get("layer") or case.get("params", "")
    found = re.match(r"(fire\d/concat|conv\d|res\d\w|\S+/concat)", text)
    return found[1] if found else None


def command_of(case, folder):
    """What `explain` is asked for; nothing for cases of other commands or of methods that are not there."""
    method, net = case["method"], case["net"]
    files = folder / net
    noise = files / "noise.npy" if (files / "noise.npy").exists() else None
    cam = {
        "gradcam_raw": ["grad-cam"], "gradcam_norelu": ["grad-cam"], "hirescam": ["hi-res-cam"], "xgradcam": ["xgrad-cam"],
        "layercam_raw": ["layer-cam"], "gradcampp_paper": ["grad-cam-plus-plus"],
        "gradcampp_lib": ["grad-cam-plus-plus", "stabiliser=1e-6"], "eigencam": ["eigen-cam"], "eigengradcam": ["eigen-grad-cam"],
        "scorecam": ["score-cam"], "scorecam_halfpixel": ["score-cam", "enlargement=half-pixel"], "ablationcam": ["ablation-cam"],
        "finercam_plain_a1": ["finer-cam"], "finercam_a1": ["finer-cam", "weighting=probability"],
        "finercam_a0.6": ["finer-cam", "weighting=probability", "alpha=0.6"],
    }
    if method in cam:
        name, *sets = cam[method]
        return name, [*sets, "positive=false"], layer_of(case)
    rectified = {"gradcam_relu": "grad-cam", "layercam": "layer-cam", "gradcampp": "grad-cam-plus-plus"}
    if method in rectified:
        return rectified[method], [], layer_of(case)
    plain = {
        "gradient": ("gradient", []), "gradxinput": ("input-x-gradient", []), "guided": ("guided", []),
        "deconvnet": ("deconvnet", []), "ig_gausslegendre50": ("integrated-gradients", []),
        "ig_gausslegendre20": ("integrated-gradients", ["steps=20"]),
        "ig_trapezoid50": ("integrated-gradients", ["quadrature=captum-trapezoid"]),
        "ig_trapezoid51_textbook": ("integrated-gradients", ["steps=51", "quadrature=trapezoid"]),
        "smoothgrad_n4": ("smooth-grad", [f"noise={noise}"]), "smoothgrad_sq_n4": ("smooth-grad-squared", [f"noise={noise}"]),
        "occlusion_15_8": ("occlusion", []), "occlusion_8_4": ("occlusion", ["window=8", "stride=4"]),
        "occlusion_8_4_ownmean": ("occlusion", ["window=8", "stride=4", "baseline=mean"]),
        "feature_ablation": ("feature-ablation", [f"segments={files}/segments.npy"]),
        "rise_score": ("rise", [f"masks={files}/rise_masks_u8.npy"]), "rise_prob": ("rise", [f"masks={files}/rise_masks_u8.npy"]),
        "rise_score_coverage": ("rise", [f"masks={files}/rise_masks_u8.npy", "normalisation=coverage"]),
        "attention_rollout": ("attention-rollout", []), "attention_rollout_max": ("attention-rollout", ["heads=max"]),
        "legrad": ("le-grad", []), "legrad_clstoken": ("le-grad", ["score=class-token"]),
        "legrad_finalscore": ("le-grad", ["score=final"]),
    }
    if method in plain:
        name, sets = plain[method]
        return name, sets, None
    inner = ["of=integrated-gradients", "steps=10", f"noise={noise}", "deviation=0.1"]
    if method.startswith("noisetunnel_ig"):
        name = {"": "smooth-grad", "_sq": "smooth-grad-squared", "_var": "var-grad"}[method.removeprefix("noisetunnel_ig")]
        return name, inner, None
    if method in {"expected_gradients", "gradientshap_noise"}:
        baselines = files / "baselines.npy"
        if not baselines.exists():
            return None
        sets = [f"baselines={baselines}", f"alphas={files}/gshap_alphas.npy", f"indices={files}/gshap_baseline_index.npy"]
        if method == "gradientshap_noise":
            sets += [f"noise={noise}", "deviation=0.05"]
        return "expected-gradients", sets, None
    if method.startswith("guided_gradcam"):
        return "guided-grad-cam", [f"enlargement={method.removeprefix('guided_gradcam_')}"], layer_of(case)
    segments = [f"segments={files}/segments.npy"]
    if method.startswith("lime_") and (files / "lime_masks.npy").exists():
        lime = [*segments, f"masks={files}/lime_masks.npy", f"weights={files}/lime_weights.npy"]
        return "lime", [*lime, f"ridge={0 if method == 'lime_ls' else 1}"], None
    if method.startswith("kernelshap_") and (files / "kernelshap_masks.npy").exists():
        kernel = {"captumweights": "captum", "constrained_sampled": "sampled", "constrained_kernel": "shapley"}
        return "kernel-shap", [*segments, f"masks={files}/kernelshap_masks.npy",
                               f"kernel={kernel[method.removeprefix('kernelshap_')]}"], None
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("goldens", type=Path)
    parser.add_argument("--program", default="deepinside")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    squeezenet = arguments.models / "squeezenet_v1.1"
    networks = {
        "squeezenet": ([squeezenet / "deploy.prototxt", "--weights", squeezenet / "squeezenet_v1.1.caffemodel"],
                       arguments.reference / "squeezenet" / "input.npy"),
        "mini_caffenet": ([arguments.goldens / "mini_caffenet" / "model.prototxt", "--weights",
                           arguments.goldens / "mini_caffenet" / "weights.caffemodel"],
                          arguments.goldens / "mini_caffenet" / "in_data.npy"),
    }
    for onnx in arguments.reference.glob("*/*.onnx"):
        networks[onnx.parent.name] = ([onnx], onnx.parent / "x.npy")
    counts = {"passed": 0, "failed": 0, "left out": 0}
    for case in json.loads((arguments.reference / "INDEX.json").read_text()):
        asked = command_of(case, arguments.reference)
        if asked is None or arguments.only not in asked[0] or "file" not in case or case["net"] not in networks:
            counts["left out"] += 1
            continue
        name, sets, layer = asked
        network, array = networks[case["net"]]
        target = str(case["target_class"])
        if "prob" in case["method"]:
            target = f"p({target})"
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw.npy"
            command = [arguments.program, "explain", "-m", *network, "--array", array, "--target", target,
                       "--method", name, "--raw", raw, *[f"--set={pair}" for pair in sets]]
            if layer:
                command += ["--layer", layer]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            label = f"{case['net']} {case['method']} {layer or ''}"
            if done.returncode:
                print(f"FAILED {label}: {done.stderr.strip().splitlines()[-1]}")
                counts["failed"] += 1
                continue
            found = numpy.load(raw)
        expected = numpy.load(arguments.reference / case["file"])
        if expected.ndim == 1:   # one number a segment, and perhaps an intercept
            of = numpy.load(arguments.reference / case["net"] / "segments.npy")
            expected = expected[numpy.searchsorted(numpy.unique(of), of)]
        expected = expected.reshape(found.shape)
        error = numpy.abs(found - expected).max() / numpy.abs(expected).max()
        bound = max(1e-5, 5 * (case.get("noise_floor_f32") or 0))
        counts["passed" if error <= bound else "failed"] += 1
        print(f"{'ok' if error <= bound else 'FAILED'} {label}: {error:.1e} (at most {bound:.1e})")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(bool(counts["failed"]))


if __name__ == "__main__":
    main()
