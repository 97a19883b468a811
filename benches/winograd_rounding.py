"""Where a Winograd convolution loses digits: in its transforms, or in the order of its sums?

    python3 benches/winograd_rounding.py

Needs NumPy. One convolution of 3 × 3 over rectified noise is computed by F(4×4, 3×3) at the engine's points, in single precision with one rounding for
each product and sum, but for how the products of an element are summed over channels; the distance to float64 (relative L2) is printed.
"""

from fractions import Fraction

import numpy as np

#: The engine's points; infinity comes last.
POINTS = [Fraction(0), Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2)]
FILTERS = 64


def transforms():
    """Aᵀ, G and Bᵀ of F(4, 3) by Lagrange's interpolation."""

    def polynomial(roots):
        coefficients = [Fraction(1)]
        for root in roots:
            shifted, scaled = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
            coefficients = [above - root * own for above, own in zip(shifted, scaled)]
        return coefficients

    def others(point):
        return [other for other in POINTS if other != point]

    def scale(point):
        product = Fraction(1)
        for other in others(point):
            product *= point - other
        return product

    filters = [[point**power / scale(point) for power in range(3)] for point in POINTS] + [[0, 0, 1]]
    results = [[point**power for point in POINTS] + [int(power == 3)] for power in range(4)]
    sources = [[*polynomial(others(point)), Fraction(0)] for point in POINTS] + [polynomial(POINTS)]
    return [np.array(matrix, dtype=np.float64) for matrix in (results, filters, sources)]


def applied(matrix, array, axis):
    """A matrix along an axis, rounded to float32 after every term."""
    array, rows = np.moveaxis(array, axis, 0), []
    for row in matrix:
        total = np.zeros_like(array[0])
        for factor, numbers in zip(row, array):
            if factor:
                total = (np.float32(factor) * numbers.astype(np.float64) + total).astype(np.float32)
        rows.append(total)
    return np.moveaxis(np.stack(rows), 0, axis)


def chained(terms, shape, block):
    """The sum of terms, each added with one rounding; the sums of blocks of so many are added to each other."""
    total, part = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for count, term in enumerate(terms, 1):
        part = (term + part).astype(np.float32)
        if block and count % block == 0:
            total, part = total + part, np.zeros(shape, np.float32)
    return total + part


def distances(channels, size):
    random = np.random.default_rng(0)
    x = np.maximum(random.normal(size=(channels, size, size)), 0).astype(np.float32).astype(np.float64)
    w = (random.normal(size=(FILTERS, channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32).astype(np.float64)
    results, filters, sources = transforms()
    tiles = (size - 2) // 4
    extent = 4 * tiles
    windows = [x[:, 4 * i : 4 * i + 6, 4 * j : 4 * j + 6] for i in range(tiles) for j in range(tiles)]
    source = applied(sources, applied(sources, np.stack(windows).astype(np.float32), 2), 3).transpose(2, 3, 1, 0).astype(np.float64)
    filter_ = np.einsum("ai,ocij,bj->aboc", filters, w, filters).astype(np.float32).astype(np.float64)
    taps = [(i, j) for i in range(3) for j in range(3)]
    cut = [x[:, i : i + extent, j : j + extent] for i, j in taps]
    exact = sum(np.einsum("oc,chw->ohw", w[:, :, i, j], part) for (i, j), part in zip(taps, cut))

    def off(found):
        return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))

    def winograd(products):
        tile = applied(results, applied(results, products, 0), 1)
        return tile.reshape(4, 4, FILTERS, tiles, tiles).transpose(2, 3, 0, 4, 1).reshape(FILTERS, extent, extent)

    shape = (6, 6, FILTERS, tiles * tiles)
    for label, block in [("one chain", 0), ("blocks of 128", 128), ("blocks of 64", 64)]:
        terms = (filter_[:, :, :, channel, None] * source[:, :, None, channel] for channel in range(channels))
        yield f"F(4×4), {label}", off(winograd(chained(terms, shape, block)))
    yield "F(4×4), exact sums", off(winograd(np.einsum("aboc,abct->abot", filter_, source).astype(np.float32)))
    terms = (w[:, channel, i, j][:, None, None] * part[channel][None] for (i, j), part in zip(taps, cut) for channel in range(channels))
    yield "direct, one chain", off(chained(terms, (FILTERS, extent, extent), 0))


def main():
    print("| channels | way | off float64 |\n|---|---|---|")
    for channels in (128, 512):
        for label, distance in distances(channels, 10):
            print(f"| {channels} | {label} | {distance:.2e} |", flush=True)


if __name__ == "__main__":
    main()
