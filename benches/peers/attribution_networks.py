"""Compares methods and metrics of `deepinside` with the formulas of their papers, as PyTorch computes them, on networks made on
the spot: residual sums with rectifiers in place, concatenations, depthwise filters with gates, grey pictures that are not square, one
score, several results, several pictures at a time, channels last, token grids with and without a class token, windows.

    python3 benches/peers/attribution_networks.py [--program deepinside] [--only NETWORK] [--method NAME] [--folder FOLDER]

Every expected array is computed in double precision; a case passes within max(1e-5, 5 × float32 noise) of the largest number. That noise is what
the same computation is off by in single precision, or with its inputs rounded to single precision alone, whichever is more: a rounded input may
lie on the other side of a rectifier's switch. Correlations are compared as they are. Needs torch, onnx, onnxruntime, timm, SciPy.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from small_networks import NETWORKS, ruled, settle
from torch import nn
from torch.nn import functional

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


class Case:
    """One network in both precisions, with its layers' activations."""

    def __init__(self, name, precision, folder, rounds=False):
        self.name, self.rounds = name, rounds
        make, self.shape, self.target, self.layers = NETWORKS[name]
        torch.manual_seed(5)
        model = settle(make(), self.shape)
        self.x = torch.randn(self.shape)
        if self.shape[0] > 1:   # one picture is explained; the file computes it beside others
            self.x = self.x[:1]
        self.model, self.x, self.precision = model.to(precision), self.x.to(precision), precision
        self.folder = folder

    def rounded(self, x):
        return x.float().to(x.dtype) if self.rounds else x

    def scores(self, x):
        x = self.rounded(x)
        found = self.model(x)
        return found[0] if isinstance(found, tuple) else found

    def score(self, x, target=None):
        return self.scores(x)[:, self.target if target is None else target]

    def gradient(self, x, model=None):
        x = self.rounded(x).detach().clone().requires_grad_()
        found = (model or self.model)(x)
        found = found[0] if isinstance(found, tuple) else found
        return torch.autograd.grad(found[:, self.target].sum(), x)[0]

    def at(self, layer, x, number=None):
        """Activation of a layer and the gradient with respect to it, C × H × W."""
        kept = {}

        def hook(_, __, output):
            output = output[0] if isinstance(output, tuple) else output
            output.retain_grad()
            kept["value"] = output
            return output.clone()   # what is done in place afterwards does not reach it

        handle = self.model.get_submodule(layer).register_forward_hook(hook)
        with torch.enable_grad():
            (self.score(x.detach().clone().requires_grad_()) if number is None else number(x.detach().clone().requires_grad_())).sum().backward()
        handle.remove()
        return self.grid(kept["value"].detach()), self.grid(kept["value"].grad)

    def grid(self, value):
        value = value[0]
        if value.dim() == 2:   # tokens × channels
            leading = value.shape[0] - int(value.shape[0] ** 0.5) ** 2
            side = int(value.shape[0] ** 0.5)
            return value[leading:].T.reshape(-1, side, side)
        if "swin" in str(type(self.model)).lower():
            return value.permute(2, 0, 1)
        return value

    def value_of(self, layer):
        """The name that the file has for a layer's output, found by its numbers."""
        kept = {}
        handle = self.model.get_submodule(layer).register_forward_hook(lambda _, __, out: kept.update(value=(out[0] if isinstance(out, tuple) else out).detach().clone()))
        self.scores(self.x)
        handle.remove()
        wanted = kept["value"].float().numpy()
        best = min((numpy.abs(array[: len(wanted)] - wanted).max(), name) for name, array in self.values.items() if array.shape[1:] == wanted.shape[1:])
        assert best[0] < 1e-3 * numpy.abs(wanted).max(), (layer, best)
        return best[1]

    def read_values(self, path):
        model = onnx.load(path)
        model = onnx.shape_inference.infer_shapes(model)
        known = {value.name: value for value in model.graph.value_info}
        names = [name for node in model.graph.node for name in node.output if name in known and known[name].type.tensor_type.elem_type == 1]
        outputs = [output.name for output in model.graph.output]
        model.graph.output.extend(known[name] for name in names if name not in outputs)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        x = self.x.float().numpy()
        x = numpy.repeat(x, self.shape[0], 0)
        found = session.run(None, {"x": x})
        self.values = dict(zip([output.name for output in session.get_outputs()], found))


def cam_of(kind, activation, gradient):
    """The formulas of the papers, in the precision of the arguments; no rectifier at the end."""
    a, g = activation, gradient
    if kind == "grad-cam":
        return (g.mean((1, 2))[:, None, None] * a).sum(0)
    if kind == "hi-res-cam":
        return (g * a).sum(0)
    if kind == "layer-cam":
        return (g.clamp(min=0) * a).sum(0)
    if kind == "grad-cam-elementwise":
        return (g * a).clamp(min=0).sum(0)
    if kind == "xgrad-cam":
        return ((g * a).sum((1, 2)) / (a.sum((1, 2)) + 1e-7))[:, None, None].mul(a).sum(0)
    if kind == "grad-cam-plus-plus":
        denominator = 2 * g**2 + a.sum((1, 2))[:, None, None] * g**3
        alpha = torch.where(g != 0, g**2 / torch.where(denominator == 0, torch.ones_like(denominator), denominator), 0)
        return ((alpha * g.clamp(min=0)).sum((1, 2))[:, None, None] * a).sum(0)
    rows = (a if kind == "eigen-cam" else a * g).reshape(a.shape[0], -1).T
    rows = rows - rows.mean(0)
    found = (rows @ torch.linalg.svd(rows, full_matrices=False)[2][0]).reshape(a.shape[1:])
    return found if found.max() >= -found.min() else -found


def enlarged(mask, size, **how):
    return functional.interpolate(mask[None, None], size=size, mode="bilinear", **how)[0, 0]


def planes(case, x):
    """Channels × rows × columns, whatever the network's order."""
    return x[0].permute(2, 0, 1) if "channels-last" == case.name else x[0]


def unplanes(case, planes):
    return planes.permute(1, 2, 0)[None] if "channels-last" == case.name else planes[None]


def given_arrays(case, folder):
    """What both sides are given, made once in single precision."""
    generator = numpy.random.default_rng(11)
    x = planes(case, case.x).numpy()
    channels, rows, columns = x.shape
    down, across = numpy.mgrid[:rows, :columns]
    segments = (down * 4 // rows) * 7 + (across * 3 // columns) * 2   # with gaps in their numbers
    count = len(numpy.unique(segments))
    arrays = {
        "x": x, "noise": generator.standard_normal((4, *x.shape)), "baseline": 0.5 * generator.standard_normal(x.shape),
        "baselines": 0.5 * generator.standard_normal((3, *x.shape)), "alphas": generator.uniform(size=7), "indices": generator.integers(0, 3, 7),
        "masks": generator.uniform(size=(9, rows, columns)), "segments": segments, "coalitions": generator.integers(0, 2, (40, count)),
        "weights": generator.uniform(0.1, 1, 40), "permutations": numpy.stack([generator.permutation(count) for _ in range(5)]),
        "perturbations": 0.1 * generator.standard_normal((6, *x.shape)), "subsets": generator.integers(0, 2, (25, rows, columns)),
        "map": generator.standard_normal(x.shape), "one-segment": numpy.zeros((rows, columns)),
    }
    for name, array in arrays.items():
        numpy.save(folder / f"{name}.npy", array.astype(numpy.float32))
    return {name: torch.from_numpy(array.astype(numpy.float32)) for name, array in arrays.items()}


def methods(case, given):
    """Per method: its choices, its layer, and the expected array from a case in one precision."""
    of = lambda name: given[name].to(case.precision)
    x, size = case.x, planes(case, case.x).shape[1:]
    to = lambda array: unplanes(case, array)
    back = lambda array: planes(case, array)
    number = lambda array: case.score(to(array)[None][0]).detach()[0]
    gradient = lambda array: back(case.gradient(to(array)))
    own = back(x)

    def line(points, weights, start, end):
        return sum(weight * gradient(start + point * (end - start)) for point, weight in zip(points, weights)) * (end - start)

    legendre = numpy.polynomial.legendre.leggauss(12)
    legendre = ((legendre[0] + 1) / 2, legendre[1] / 2)
    yield "gradient", {}, None, lambda: gradient(own)
    yield "input-x-gradient", {}, None, lambda: gradient(own) * own
    if any(isinstance(module, nn.ReLU) for module in case.model.modules()) and not any(isinstance(module, (nn.ReLU6, nn.Hardswish)) for module in case.model.modules()):
        for rule in ("guided", "deconvnet"):
            yield rule, {}, None, lambda rule=rule: back(case.gradient(x, ruled(case.model, rule)))
    yield "integrated-gradients", {"steps": 12, "baseline": "baseline"}, None, lambda: line(*legendre, of("baseline"), own)
    trapezoid = (numpy.linspace(0, 1, 9), numpy.r_[0.5, numpy.ones(7), 0.5] / 8)
    yield "integrated-gradients", {"steps": 9, "quadrature": "trapezoid"}, None, lambda: line(*trapezoid, 0 * own, own)
    yield "integrated-gradients", {"steps": 9, "quadrature": "pair", "baseline": 0.25}, None, lambda: line(trapezoid[0], numpy.full(9, 1 / 9), 0 * own + 0.25, own)
    yield "integrated-gradients", {"steps": 1}, None, lambda: line([0.5], [1.0], 0 * own, own)
    noisy = lambda: torch.stack([gradient(own + 0.15 * (own.max() - own.min()) * noise) for noise in of("noise")])
    yield "smooth-grad", {"noise": "noise"}, None, lambda: noisy().mean(0)
    yield "smooth-grad-squared", {"noise": "noise"}, None, lambda: noisy().square().mean(0)
    yield "var-grad", {"noise": "noise"}, None, lambda: noisy().var(0, unbiased=False)
    yield "expected-gradients", {"baselines": "baselines", "alphas": "alphas", "indices": "indices"}, None, lambda: torch.stack([
        gradient(of("baselines")[int(at)] + alpha * (own - of("baselines")[int(at)])) * (own - of("baselines")[int(at)])
        for alpha, at in zip(of("alphas"), given["indices"])]).mean(0)

    def sliding(window, stride, baseline):
        whole, sums, counts = number(own), torch.zeros(size, dtype=case.precision), torch.zeros(size, dtype=case.precision)
        spots = lambda extent: range(-(-max(extent - window, 0) // stride) + 1)
        for top in spots(size[0]):
            for left in spots(size[1]):
                spot = slice(top * stride, top * stride + window), slice(left * stride, left * stride + window)
                changed = own.clone()
                changed[:, spot[0], spot[1]] = baseline[:, spot[0], spot[1]]
                sums[spot] += whole - number(changed)
                counts[spot] += 1
        return sums / counts

    yield "occlusion", {"window": 11, "stride": 7, "baseline": "baseline"}, None, lambda: sliding(11, 7, of("baseline"))
    yield "occlusion", {"window": 1000, "stride": 3}, None, lambda: sliding(1000, 3, 0 * own)
    yield "occlusion", {"window": 9, "stride": 9, "baseline": "mean"}, None, lambda: sliding(9, 9, own.mean((1, 2), keepdim=True).expand_as(own))
    labels = given["segments"].unique()
    with_on = lambda on, baseline: torch.where(torch.isin(given["segments"], labels[on]), own, baseline)
    spread = lambda numbers: numbers[torch.searchsorted(labels, given["segments"])]
    all_on = torch.ones(len(labels), dtype=torch.bool)
    without = lambda one: all_on & (torch.arange(len(labels)) != one)
    yield "feature-ablation", {"segments": "segments", "baseline": "baseline"}, None, lambda: spread(torch.stack([
        number(own) - number(with_on(without(one), of("baseline"))) for one in range(len(labels))]))
    yield "feature-ablation", {"segments": "one-segment"}, None, lambda: (number(own) - number(0 * own)).expand(size)
    masks = lambda: of("masks")
    yield "rise", {"masks": "masks"}, None, lambda: sum(number(own * mask) * mask for mask in masks()) / (9 * 0.5)
    yield "rise", {"masks": "masks", "normalisation": "coverage"}, None, lambda: sum(number(own * mask) * mask for mask in masks()) / masks().sum(0)
    coalitions = given["coalitions"].bool()
    answers = lambda: torch.stack([number(with_on(on, of("baseline"))) for on in coalitions])

    def least_squares(rows, y, weights, ridge, intercept):
        rows = torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], 1) if intercept else rows
        punished = torch.full((rows.shape[1],), float(ridge), dtype=rows.dtype)
        if intercept:
            punished[-1] = 0
        return torch.linalg.solve(rows.T @ (weights[:, None] * rows) + torch.diag(punished), rows.T @ (weights * y))

    shared = {"segments": "segments", "masks": "coalitions", "baseline": "baseline"}
    for ridge in (0, 1):
        yield "lime", {**shared, "weights": "weights", "ridge": ridge}, None, lambda ridge=ridge: spread(
            least_squares(coalitions.to(case.precision), answers(), of("weights"), ridge, True)[:-1])

    def cosine_lime():
        on = coalitions.to(case.precision)
        distance = 1 - functional.cosine_similarity(on, torch.ones_like(on))
        return spread(least_squares(on, answers(), torch.exp(-((distance / 0.25) ** 2)), 1, True)[:-1])

    yield "lime", shared, None, cosine_lime

    def shap(kind):
        on, y = coalitions.to(case.precision), answers()
        sizes, count = coalitions.sum(1), len(labels)
        if kind == "captum":
            return spread(least_squares(on, y, torch.where((sizes == 0) | (sizes == count), 1e6, 1.0).to(case.precision), 0, True)[:-1])
        nothing, everything = number(of("baseline")), number(own)
        binomial = torch.exp(torch.lgamma(torch.tensor(count + 1.0)) - torch.lgamma(sizes + 1.0) - torch.lgamma(count - sizes + 1.0)).to(case.precision)
        weights = torch.ones_like(y) if kind == "sampled" else (count - 1) / (binomial * sizes * (count - sizes))
        inside = (sizes > 0) & (sizes < count)
        rows = on[inside, :-1] - on[inside, -1:]
        values = least_squares(rows, y[inside] - nothing - on[inside, -1] * (everything - nothing), weights[inside], 0, False)
        return spread(torch.cat([values, (everything - nothing - values.sum())[None]]))

    for kind in ("captum", "sampled", "shapley"):
        yield "kernel-shap", {**shared, "kernel": kind}, None, lambda kind=kind: shap(kind)

    def sampling():
        sums = torch.zeros(len(labels), dtype=case.precision)
        for order in given["permutations"].long():
            on, before = ~all_on, number(of("baseline"))
            for segment in order:
                on = on.clone()
                on[segment] = True
                now = number(with_on(on, of("baseline")))
                sums[segment] += (now - before) / len(given["permutations"])
                before = now
        return spread(sums)

    yield "shapley-sampling", {"segments": "segments", "permutations": "permutations", "baseline": "baseline"}, None, sampling
    for layer in case.layers:
        for kind in ("grad-cam", "hi-res-cam", "layer-cam", "grad-cam-elementwise", "xgrad-cam", "grad-cam-plus-plus", "eigen-cam", "eigen-grad-cam"):
            yield kind, {"positive": "false"}, layer, lambda kind=kind, layer=layer: cam_of(kind, *case.at(layer, x))
        yield "grad-cam", {}, layer, lambda layer=layer: cam_of("grad-cam", *case.at(layer, x)).clamp(min=0)

        def score_cam(layer, **how):
            a, _ = case.at(layer, x)
            answers = []
            for channel in a:
                mask = enlarged(channel, size, **how)
                answers.append(number(own * ((mask - mask.min()) / (mask.max() - mask.min() + 1e-8))))
            return (torch.softmax(torch.stack(answers), 0)[:, None, None] * a).sum(0)

        yield "score-cam", {"positive": "false"}, layer, lambda layer=layer: score_cam(layer, align_corners=True)
        yield "score-cam", {"positive": "false", "enlargement": "half-pixel"}, layer, lambda layer=layer: score_cam(layer, align_corners=False)
        if "swin" not in case.name and "vit" not in case.name:
            def ablation(layer):
                a, _ = case.at(layer, x)
                whole, falls = number(own), []
                for channel in range(len(a)):
                    def without(_, __, output):
                        output = output.clone()
                        output[:, channel] = 0
                        return output
                    handle = case.model.get_submodule(layer).register_forward_hook(without)
                    falls.append((whole - number(own)) / whole)
                    handle.remove()
                return (torch.stack(falls)[:, None, None] * a).sum(0)

            yield "ablation-cam", {"positive": "false"}, layer, lambda layer=layer: ablation(layer)
        if case.scores(x).shape[1] > 3:
            def finer(layer, weighting):
                scores = case.scores(x)[0].detach()
                near = sorted((other for other in range(len(scores)) if other != case.target), key=lambda other: abs(scores[other] - scores[case.target]))[:3]

                def difference(x):
                    scores = case.scores(x)[0]
                    if weighting == "equal":
                        return scores[case.target] - scores[near].mean()
                    probabilities = torch.softmax(scores, 0)[near]
                    return (probabilities * (scores[case.target] - scores[near])).sum() / (probabilities.sum() + 1e-9)

                return cam_of("grad-cam", *case.at(layer, x, difference))

            for weighting in ("equal", "probability"):
                yield "finer-cam", {"positive": "false", "weighting": weighting}, layer, lambda layer=layer, weighting=weighting: finer(layer, weighting)
        yield "layer-gradient-x-activation", {"channels": "sum"}, layer, lambda layer=layer: torch.mul(*case.at(layer, x)).sum(0)
        def influence(layer):
            return sum(weight * case.at(layer, to(point * own))[1] for point, weight in zip(*legendre))
        yield "internal-influence", {"steps": 12}, layer, lambda layer=layer: influence(layer)
        def conductance(layer):
            found = [case.at(layer, to(point * own)) for point in numpy.linspace(0, 1, 9)]
            return sum(0.5 * (left[1] + right[1]) * (right[0] - left[0]) for left, right in zip(found, found[1:]))
        yield "layer-conductance", {"steps": 8}, layer, lambda layer=layer: conductance(layer)
        if case.name in ("residual", "dense", "two-results", "channels-last"):
            def guided_cam(layer, **how):
                cam = cam_of("grad-cam", *case.at(layer, x)).clamp(min=0)
                return back(case.gradient(x, ruled(case.model, "guided"))) * functional.interpolate(cam[None, None], size=size, **how)[0, 0]
            yield "guided-grad-cam", {"enlargement": "bilinear"}, layer, lambda layer=layer: guided_cam(layer, mode="bilinear", align_corners=False)
            yield "guided-grad-cam", {"enlargement": "nearest"}, layer, lambda layer=layer: guided_cam(layer, mode="nearest")
    if case.name.startswith("vit"):
        yield from attention(case)


def attention(case):
    """Rollout, gradient × attention, LeGrad with the final score, from the softmaxes of the blocks."""
    def kept():
        found, handles = [], []
        for block in case.model.blocks:
            def keep(_, __, output):
                output.retain_grad()
                found.append(output)
            # timm computes the softmax as a function: its dropout sees the result.
            handles.append(block.attn.attn_drop.register_forward_hook(keep))
        case.score(case.x.clone().requires_grad_()).sum().backward()
        for handle in handles:
            handle.remove()
        return [(own.detach()[0], own.grad[0]) for own in found]

    leading = 1 if case.model.cls_token is not None else 0
    read = lambda mixed: (mixed[0, 1:] if leading else mixed.mean(0)).reshape(int(mixed.shape[0] ** 0.5), -1)

    def rollout(heads):
        mixed = None
        for own, _ in kept():
            own = (own.mean(0) if heads == "mean" else own.max(0)[0]) + torch.eye(own.shape[1], dtype=own.dtype)
            own = own / own.sum(1, keepdim=True)
            mixed = own if mixed is None else own @ mixed
        return read(mixed)

    def relevance():
        mixed = None
        for own, slope in kept():
            mixed = torch.eye(own.shape[1], dtype=own.dtype) if mixed is None else mixed
            mixed = mixed + (own * slope).clamp(min=0).mean(0) @ mixed
        return read(mixed)

    def legrad():
        found = [slope.clamp(min=0).mean((0, 1))[leading:] for _, slope in kept()]
        return torch.stack(found).mean(0).reshape(4, 4)

    for heads in ("mean", "max"):
        yield "attention-rollout", {"heads": heads}, None, lambda heads=heads: rollout(heads)
    yield "gradient-x-attention", {}, None, relevance
    yield "le-grad", {"score": "final"}, None, legrad


def metrics(case, given):
    """Per metric: its choices, whether the map is given, and the expected numbers by name."""
    of = lambda name: given[name].to(case.precision)
    own = planes(case, case.x)
    number = lambda array: case.score(unplanes(case, array)).detach()[0]
    gradient = lambda array: planes(case, case.gradient(unplanes(case, array)))
    flat = lambda: of("map").sum(0).flatten()

    def curve(start, end, steps):
        order = torch.argsort(-flat().double(), stable=True)
        each, found = -(-len(order) // steps), []
        for point in range(-(-len(order) // each) + 1):
            changed = start.clone().flatten(1)
            changed[:, order[: point * each]] = end.flatten(1)[:, order[: point * each]]
            found.append(number(changed.reshape(own.shape)))
        found = torch.stack(found)
        return {"curve": found, "value": (found[1:] + found[:-1]).mean() / 2}

    yield "deletion", {"steps": 7, "baseline": "baseline"}, True, lambda: curve(own, of("baseline"), 7)
    yield "insertion", {"steps": 13}, True, lambda: curve(0 * own, own, 13)

    def flipping():
        order = torch.argsort(-of("map").flatten().double(), stable=True)
        changed, found = own.flatten().clone(), []
        for part in order.split(50):
            changed[part] = own.min()
            found.append(number(changed.reshape(own.shape)))
        found = torch.stack(found)
        return {"curve": found, "area": ((found[1:] + found[:-1]) / 2).sum()}

    yield "pixel-flipping", {"values": 50}, True, flipping

    def infidelity(normalise):
        products = torch.stack([(taken * of("map")).sum() for taken in of("perturbations")])
        changes = torch.stack([number(own) - number(own - taken) for taken in of("perturbations")])
        scale = (products * changes).sum() / products.square().sum() if normalise else 1
        return {"value": (scale * products - changes).square().mean()}

    for normalise in (False, True):
        yield "infidelity", {"perturbations": "perturbations", "normalise": str(normalise).lower()}, True, lambda normalise=normalise: infidelity(normalise)

    def sensitivity():
        sums, losses = [], []
        for subset in given["subsets"].bool():
            sums.append(flat()[subset.flatten()].sum())
            losses.append(number(own) - number(torch.where(subset, 0, own)))
        return {"value": torch.corrcoef(torch.stack([torch.stack(sums), torch.stack(losses)]))[0, 1]}

    yield "sensitivity-n", {"subsets": "subsets"}, True, sensitivity

    def most():
        start = gradient(own)
        return {"value": max((gradient(own + added) - start).norm() for added in of("perturbations")) / start.norm()}

    yield "max-sensitivity", {"perturbations": "perturbations"}, False, most
    yield "completeness", {"baseline": "baseline"}, True, lambda: {"value": of("map").sum() - (number(own) - number(of("baseline")))}

    def gini():
        sorted_, _ = of("map").abs().flatten().sort()
        count = len(sorted_)
        return {"value": ((2 * torch.arange(1, count + 1) - count - 1) * sorted_).sum() / (count * sorted_.sum())}

    yield "sparseness", {}, True, gini

    def road():
        from scipy.sparse import lil_matrix
        from scipy.sparse.linalg import spsolve
        rows, columns = own.shape[1:]
        found = {"curve": [], "least": []}
        for name, map_ in (("curve", flat().numpy()), ("least", 1 - flat().numpy())):
            for percentile in (20, 50, 90):
                removed = map_ >= numpy.percentile(map_, percentile)
                places = numpy.flatnonzero(removed)
                index = {place: at for at, place in enumerate(places)}
                matrix, right = lil_matrix((len(places), len(places))), numpy.zeros((len(places), own.shape[0]))
                values = own.double().flatten(1).numpy()
                for at, place in enumerate(places):
                    row, column = divmod(place, columns)
                    total = 0
                    for down in (-1, 0, 1):
                        for across in (-1, 0, 1):
                            r, c = row + down, column + across
                            if (down or across) and 0 <= r < rows and 0 <= c < columns:
                                weight = 1 / 12 if down and across else 1 / 6
                                total += weight
                                other = r * columns + c
                                if removed[other]:
                                    matrix[at, index[other]] -= weight
                                else:
                                    right[at] += weight * values[:, other]
                    matrix[at, at] = total
                filled = values.copy()
                filled[:, places] = spsolve(matrix.tocsr(), right).reshape(len(places), -1).T
                found[name].append(number(torch.from_numpy(filled.reshape(own.shape)).to(case.precision)) - number(own))
        return {name: torch.stack(numbers) for name, numbers in found.items()}

    yield "road", {"percentiles": "20,50,90"}, True, road


def text_of(value, folder, given):
    return f"{folder}/{value}.npy" if value in given else str(value)


def run(words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="deepinside")
    parser.add_argument("--only", default="")
    parser.add_argument("--method", default="")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    home = arguments.folder or Path(tempfile.mkdtemp())
    counts = {"passed": 0, "failed": 0, "refused": 0}

    def tell(label, found, expected, noisy, largest=None):
        found, expected, *noisy = (numpy.asarray(array, numpy.float64).ravel() for array in (found, expected, *noisy))
        if found.shape != expected.shape:
            counts["failed"] += 1
            return print(f"FAILED {label}: {found.shape} numbers, expected {expected.shape}", flush=True)
        largest = numpy.abs(expected).max() if largest is None else largest
        error, *floors = (numpy.abs(array - expected).max() / largest for array in (found, *noisy))
        bound = max(1e-5, 5 * max(floors))
        is_within = error <= bound
        counts["passed" if is_within else "failed"] += 1
        if not is_within or error > 0.2 * bound:
            print(f"{'ok' if is_within else 'FAILED'} {label}: {error:.1e} (at most {bound:.1e})", flush=True)

    for name in NETWORKS:
        if arguments.only not in name:
            continue
        folder = home / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "model.onnx"
        cases = [Case(name, torch.float64, folder), Case(name, torch.float32, folder), Case(name, torch.float64, folder, rounds=True)]
        exported = torch.randn(cases[1].shape)
        torch.onnx.export(cases[1].model, exported, path, input_names=["x"], opset_version=17, dynamo=False)
        for case in cases:
            case.read_values(path)
        given = given_arrays(cases[1], folder)
        common = ["-m", path, "--array", folder / "x.npy", "--target", str(cases[0].target)]
        for double, *noisy in zip(*(methods(case, given) for case in cases)):
            method, sets, layer, expect = double
            if arguments.method not in method:
                continue
            label = f"{name} {method} {' '.join(f'{key}={value}' for key, value in sets.items())} {layer or ''}"
            words = [f"--set={key}={text_of(value, folder, given)}" for key, value in sets.items()]
            if layer:
                words += ["--layer", cases[0].value_of(layer)]
            done = run([arguments.program, "explain", *common, "--method", method, "--raw", folder / "raw.npy", *words])
            if done.returncode:
                counts["refused"] += 1
                print(f"REFUSED {label}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            tell(label, numpy.load(folder / "raw.npy"), expect().detach(), [other[3]().detach() for other in noisy])
        for double, *noisy in zip(*(metrics(case, given) for case in cases)):
            metric, sets, is_given, expect = double
            if arguments.method not in metric:
                continue
            label = f"{name} metric {metric} {' '.join(f'{key}={value}' for key, value in sets.items())}"
            words = [f"--set={key}={text_of(value, folder, given)}" for key, value in sets.items()]
            words += ["--attribution", folder / "map.npy"] if is_given else ["--method", "gradient"]
            done = run([arguments.program, "metric", metric, *common, *words, "--json"])
            if done.returncode:
                counts["refused"] += 1
                print(f"REFUSED {label}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            found, expected, noisy = json.loads(done.stdout), expect(), [other[3]() for other in noisy]
            for key in expected:
                # The mean of a curve is as exact as the curve, and a correlation as it is.
                largest = numpy.abs(expected["curve"]).max() if "curve" in expected else 1 if metric == "sensitivity-n" else None
                tell(f"{label} {key}", found[key], expected[key], [other[key] for other in noisy], largest)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(bool(counts["failed"] or counts["refused"]))


if __name__ == "__main__":
    main()
