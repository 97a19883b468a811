"""Makes crates/vision/tests/fixtures/graph_cut: pictures, colour mixtures, markers, and the labels of the cheapest cut.

The energy is written down from its definition (Rother, Kolmogorov and Blake 2004, equations 2, 9 and 11); the cut is found by
PyMaxflow, which wraps the max-flow program of Boykov and Kolmogorov."""

import pathlib

import maxflow
import numpy

GAMMA, CERTAIN = 50.0, 450.0
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "crates/vision/tests/fixtures/graph_cut"
NEIGHBOURS = [(0, 1), (1, 0), (1, 1), (1, -1)]


def cost_of_colours(picture, mixture):
    weights, means, covariances = mixture[:5], mixture[5:20].reshape(5, 3), mixture[20:].reshape(5, 3, 3)
    density = 0
    for weight, mean, covariance in zip(weights, means, covariances):
        offset = picture - mean
        distance = numpy.einsum("yxi,ij,yxj->yx", offset, numpy.linalg.inv(covariance), offset)
        density = density + weight / numpy.sqrt(numpy.linalg.det(covariance)) * numpy.exp(-distance / 2)
    return -numpy.log(numpy.maximum(density, 1e-300))


def pairs(height, width):
    """Row-major numbers of neighbours, and their distance."""
    numbers = numpy.arange(height * width).reshape(height, width)
    for down, right in NEIGHBOURS:
        first = numbers[: height - down, max(0, -right) : width - max(0, right)]
        second = numbers[down:, max(0, right) : width + min(0, right)]
        yield first.ravel(), second.ravel(), numpy.hypot(down, right)


def labels(picture, foreground, background, markers):
    height, width, _ = picture.shape
    flat = picture.reshape(-1, 3)
    edges = [(a, b, length, ((flat[a] - flat[b]) ** 2).sum(1)) for a, b, length in pairs(height, width)]
    beta = 1 / (2 * numpy.concatenate([squares for *_, squares in edges]).mean())
    source = cost_of_colours(picture, background).ravel()
    sink = cost_of_colours(picture, foreground).ravel()
    if markers is not None:
        source = numpy.where(markers.ravel() > 0, CERTAIN, numpy.where(markers.ravel() < 0, 0, source))
        sink = numpy.where(markers.ravel() > 0, 0, numpy.where(markers.ravel() < 0, CERTAIN, sink))
    graph = maxflow.GraphFloat()
    graph.add_nodes(height * width)
    for a, b, length, squares in edges:
        for i, j, capacity in zip(a, b, GAMMA / length * numpy.exp(-beta * squares)):
            graph.add_edge(int(i), int(j), float(capacity), float(capacity))
    shared = numpy.minimum(source, sink)
    for i in range(height * width):
        graph.add_tedge(i, float(source[i] - shared[i]), float(sink[i] - shared[i]))
    graph.maxflow()
    found = [graph.get_segment(i) == 0 for i in range(height * width)]
    return numpy.array(found, numpy.float32).reshape(height, width)


def mixture(random, centre):
    weights = random.dirichlet(numpy.full(5, 4.0))
    means = centre + random.normal(0, 12, (5, 3))
    roots = random.normal(0, 5, (5, 3, 3))
    covariances = roots @ roots.transpose(0, 2, 1) + 250 * numpy.eye(3)
    return numpy.concatenate([weights, means.ravel(), covariances.ravel()])


def main():
    random = numpy.random.RandomState(0)
    mixtures = numpy.stack([mixture(random, [150, 90, 90]), mixture(random, [95, 120, 130])]).astype(numpy.float32)
    height, width = 24, 31
    y, x = numpy.mgrid[:height, :width]
    blobs = numpy.kron(random.rand(4, 5), numpy.ones((6, 7)))[:height, :width] ** 0.5
    disc = numpy.hypot(y - 12, x - 14) < 8
    pictures = {
        "disc": numpy.where(disc[..., None], [150, 90, 90], [95, 120, 130]) + random.normal(0, 8, (height, width, 3)),
        "blobs": blobs[..., None] * [150, 90, 90] + (1 - blobs[..., None]) * [95, 120, 130] + random.normal(0, 5, (height, width, 3)),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    save = lambda name, array: numpy.save(FOLDER / f"{name}.npy", numpy.ascontiguousarray(array, numpy.float32))
    save("mixtures", mixtures)
    markers = numpy.where(numpy.hypot(y - 12, x - 14) < 3, 1, numpy.where(y < 2, -1, 0))
    for name, picture in pictures.items():
        picture = picture.clip(0, 255).round()
        save(f"{name}_picture", picture)
        save(f"{name}_markers", markers)
        exact = mixtures.astype(float)
        save(f"{name}_labels", labels(picture, exact[0], exact[1], None))
        save(f"{name}_labels_clamped", labels(picture, exact[0], exact[1], markers))


if __name__ == "__main__":
    main()
