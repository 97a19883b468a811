"""Compares `deepinside explain` and `deepinside metric` with the arrays and numbers that other libraries compute for the same network, input and target.

    python3 benches/peers/attribution.py REFERENCE MODELS GOLDENS [--program deepinside] [--only METHOD]

REFERENCE is a folder with INDEX.json, which names per case network, method, target class, layer and array; MODELS holds
squeezenet_v1.1, GOLDENS mini_caffenet and its weights. Arrays and curves pass within max(1e-5, 5 × their own float32 noise)
of their largest number, numbers within the same of themselves or of what the case compares. Prints one line a case and the number that failed; needs NumPy.
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


def baselines_of(files, made):
    """The three baselines of a network: a file of its own, or the zero input, the blurred one and that mirrored."""
    if (files / "baselines.npy").exists():
        return files / "baselines.npy"
    blurred = numpy.load(files / "baseline_blur.npy").reshape(numpy.load(files / "input.npy").shape[-3:])
    stacked = made / "baselines.npy"
    numpy.save(stacked, numpy.stack([0 * blurred, blurred, blurred[..., ::-1]]).astype(numpy.float32))
    return stacked


def command_of(case, folder, made):
    """What `explain` is asked for; nothing for cases of other commands or of methods that are not there. Arrays that a case
    describes in words are written to the folder `made`."""
    method, net = case["method"], case["net"]
    files = folder / net
    noise = files / "noise.npy" if (files / "noise.npy").exists() else None
    cam = {
        "gradcam_raw": ["grad-cam"], "gradcam_norelu": ["grad-cam"], "hirescam": ["hi-res-cam"], "xgradcam": ["xgrad-cam"],
        "layercam_raw": ["layer-cam"], "gradcampp_paper": ["grad-cam-plus-plus"],
        "gradcampp_lib": ["grad-cam-plus-plus", "stabiliser=1e-6"], "eigencam": ["eigen-cam"], "eigengradcam": ["eigen-grad-cam"],
        "scorecam": ["score-cam"], "scorecam_halfpixel": ["score-cam", "enlargement=half-pixel"], "ablationcam": ["ablation-cam"],
        "finercam_plain_a1": ["finer-cam"], "finercam_a1": ["finer-cam", "weighting=probability"],
        "gradcam_elementwise": ["grad-cam-elementwise"], "finercam_a0.6": ["finer-cam", "weighting=probability", "alpha=0.6"],
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
        "legrad_finalscore": ("le-grad", ["score=final"]), "chefer_generic": ("gradient-x-attention", []),
        "ig25_pair": ("integrated-gradients", ["steps=25", "quadrature=pair"]),
        "feature_ablation_vector": ("feature-ablation", [f"segments={files}/segments.npy"]),
        "neuron_gradient": ("gradient", []), "channel_mean_gradient": ("gradient", []), "deeplift_rescale": ("deep-lift", []), "occlusion_patches": ("occlusion", ["window=8", "stride=8"]),
        "shapley_sampling_grid3x3": ("shapley-sampling", [f"segments={files}/grid3x3.npy",
                                                          f"permutations={files}/shapley_permutations.npy"]),
    }
    if method in plain:
        name, sets = plain[method]
        return name, sets, None
    channels = "channels=sum" if net == "squeezenet" else "channels=each"
    of_units = {
        "layer_gradxact": ("layer-gradient-x-activation", [channels]),
        "layer_conductance20": ("layer-conductance", ["steps=20", "rule=captum", channels]),
        "layer_conductance20_textbook": ("layer-conductance", ["steps=20", channels]),
        "internal_influence20": ("internal-influence", ["steps=20", channels]),
    }
    if method in of_units:
        return *of_units[method], layer_of(case)
    inner = ["of=integrated-gradients", "steps=10", f"noise={noise}", "deviation=0.1"]
    if method.startswith("noisetunnel_ig"):
        name = {"": "smooth-grad", "_sq": "smooth-grad-squared", "_var": "var-grad"}[method.removeprefix("noisetunnel_ig")]
        return name, inner, None
    if method == "deepliftshap_rescale":
        return "deep-lift", [f"baselines={baselines_of(files, made)}"], None
    if method == "shapley_exact_grid3x3":   # every coalition in the Shapley kernel gives the exact values
        coalitions = made / "coalitions.npy"
        numpy.save(coalitions, (numpy.arange(512)[:, None] >> numpy.arange(9) & 1).astype(numpy.float32))
        return "kernel-shap", [f"segments={files}/grid3x3.npy", f"masks={coalitions}", "kernel=shapley"], None
    if method in {"expected_gradients", "gradientshap_noise"}:
        baselines = baselines_of(files, made)
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


def scaled(source, target, factor):
    """An array that is kept in few bits, as the numbers it stands for."""
    numpy.save(target, (numpy.load(source).astype(numpy.float64) * factor).astype(numpy.float32))
    return target


def weights_of(case, files, made):
    """A folder with the weights that a case of parameter randomisation puts in, by the names of their layers."""
    folder = made / "weights"
    folder.mkdir()
    for given in case["inputs"]:
        layer = re.match(r"mprt_(.*?)(_row\d+|_i8)?\.npy", Path(given).name)
        name, kind = layer[1], layer[2] or ""
        array = numpy.load(files / Path(given).name).astype(numpy.float64)
        if kind == "_i8":
            array *= 0.001289323321543634
        if kind.startswith("_row"):   # one row is kept; the others change no other score
            whole = numpy.zeros((1000, array.size))
            whole[int(kind[4:])] = array.ravel()
            array = whole
        name = re.sub(r"_e(\d)$", r"__expand\1x\1", name)
        numpy.save(folder / f"{name}.npy", array.astype(numpy.float32))
    return folder


def metric_of(case, folder, made):
    """What `metric` is asked for, and by which names its numbers stand in the case: arguments and pairs of names."""
    method, net, target = case["method"], case["net"], case.get("target_class")
    files = folder / net
    saliency = ["--attribution", files / f"map_saliency_c{target}.npy"]
    curve = [("curve", None), ("value", "auc")]
    if method.startswith(("deletion_", "insertion_")):
        name, kind = method.split("_")
        return name, [*saliency, "--set=steps=99" if net == "squeezenet" else "--set=steps=65"], curve
    if method.startswith("pixelflip_"):
        black = "black" in method
        each = int(re.search(r"(\d+) single VALUES", case["params"])[1])
        sets = [f"--set=values={each}", f"--set=baseline={'minimum' if black else 'zero'}"]
        return "pixel-flipping", [*saliency, *sets], [("curve", None), ("area", "auc_trapz_unit")]
    if method == "road_most":
        return "road", saliency, [("curve", None), ("value", "mean")]
    if method == "road_least":
        return "road", saliency, [("least", None)]
    if method == "road_combined":
        return "road", saliency, [("combined", "value")]
    if method.startswith("infidelity"):
        deviation = float(re.search(r"I_k = ([\d.]+)", case["params"] if "I_k = " in case["params"] else "I_k = 25.496782684326174")[1])
        perturbations = scaled(files / "infidelity_noise_i8.npy", made / "perturbations.npy", deviation / 32)
        return "infidelity", ["--attribution", files / f"gradient_c{target}.npy", f"--set=perturbations={perturbations}",
                              f"--set=normalise={str('scaled' in method).lower()}"], [("value", "value"), ("scale", "beta")]
    if method.startswith("sensitivity_n_"):
        count = method.removeprefix("sensitivity_n_")
        return "sensitivity-n", ["--attribution", files / f"map_gradxinput_c{target}.npy",
                                 f"--set=subsets={files}/sensitivity_subsets_n{count}.npy"], [("value", "value")]
    if method.startswith("max_sensitivity_"):
        radius = float(re.search(r"r_k = ([\d.]+)", case["params"])[1])
        perturbations = scaled(files / "perturbations_i8.npy", made / "perturbations.npy", radius / 127)
        name = {"gradient": "gradient", "gradxinput": "input-x-gradient"}[method.removeprefix("max_sensitivity_")]
        return "max-sensitivity", ["--method", name, f"--set=perturbations={perturbations}"], [
            ("value", "value"), ("unnormalised", "unnormalised")]
    if method.startswith("mprt_cascade"):
        return "randomisation", [f"--set=weights={weights_of(case, files, made)}"], [
            ("value", "spearman_saliency"), ("signed", "spearman_signed")]
    if method.startswith("ig_completeness_gl"):
        steps = method.removeprefix("ig_completeness_gl")
        return "completeness", ["--method=integrated-gradients", f"--method-set=steps={steps}"], [("value", "value")]
    return None


def error_of(found, expected, bound, absolute):
    """The largest difference, relative to the largest number unless `absolute`, and whether it is within the bound."""
    found, expected = numpy.asarray(found, numpy.float64).ravel(), numpy.asarray(expected, numpy.float64).ravel()
    if found.shape != expected.shape:
        return float("inf"), False
    error = numpy.abs(found - expected).max() / (1 if absolute else numpy.abs(expected).max())
    return error, error <= bound


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

    def tell(label, error, is_within, bound):
        counts["passed" if is_within else "failed"] += 1
        print(f"{'ok' if is_within else 'FAILED'} {label}: {error:.1e} (at most {bound:.1e})", flush=True)

    for case in json.loads((arguments.reference / "INDEX.json").read_text()):
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder)
            asked = command_of(case, arguments.reference, made)
            measured = None if asked else metric_of(case, arguments.reference, made)
            name = (asked or measured or [None])[0]
            if name is None or arguments.only not in name or case["net"] not in networks:
                counts["left out"] += 1
                continue
            network, array = networks[case["net"]]
            target = str(case.get("target_class"))
            if target == "None":
                target = {"squeezenet": "281"}.get(case["net"], "3")
            if "prob" in case["method"] or case["method"] in {"deletion_zero", "insertion_zero"}:
                target = f"p({target})"
            if "neuron" in case:
                target = f"\"{layer_of(case)}\"[{','.join(map(str, case['neuron']))}]"
            if case["method"] == "channel_mean_gradient":
                channel = re.search(r"channel (\d+)", case["params"])[1]
                target = f"mean(\"{layer_of(case)}\"[{channel}])"
            bound = max(1e-5, 5 * (case.get("noise_floor_f32") or 0))
            raw = made / "raw.npy"
            common = ["-m", *network, "--array", array, "--target", target]
            if asked:
                _, sets, layer = asked
                command = [arguments.program, "explain", *common, "--method", name, "--raw", raw, *[f"--set={pair}" for pair in sets]]
                if layer:
                    command += ["--layer", layer]
            else:
                command = [arguments.program, "metric", name, *common, *measured[1], "--json"]
            label = f"{case['net']} {case['method']} {asked[2] or '' if asked else ''}"
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if done.returncode:
                print(f"FAILED {label}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                counts["failed"] += 1
                continue
            if measured:
                found = json.loads(done.stdout)
                for own, theirs in measured[2]:
                    expected = numpy.load(arguments.reference / case["file"]) if theirs is None else case.get(theirs)
                    if expected is None:
                        continue
                    # Correlations are compared as they are.
                    absolute = name in {"sensitivity-n", "randomisation"}
                    if name == "completeness":   # a small rest of two large numbers, relative to the change that should be explained
                        change = case["value"] / case["relative"]
                        expected, found[own] = 1.0, 1.0 + (found[own] - expected) / change
                    tell(f"{label} {own}", *error_of(found[own], expected, bound, absolute), bound)
                continue
            found = numpy.load(raw)
        expected = numpy.load(arguments.reference / case["file"])
        if expected.ndim == 1:   # one number a segment, and perhaps an intercept
            segments = "grid3x3.npy" if "grid3x3" in case["method"] else "segments.npy"
            of = numpy.load(arguments.reference / case["net"] / segments)
            expected = expected[numpy.searchsorted(numpy.unique(of), of)]
        if case["method"] == "occlusion_patches":   # one number a patch
            expected = numpy.kron(expected, numpy.ones((8, 8)))
        tell(label, *error_of(found, expected.reshape(found.shape), bound, False), bound)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(bool(counts["failed"]))


if __name__ == "__main__":
    main()
