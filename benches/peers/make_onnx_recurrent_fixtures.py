"""Makes small ONNX networks with recurrent layers in `crates/cli/tests/fixtures/onnx`.

As `make_onnx_fixtures.py`, whose functions it uses: readers of text in pictures (CRNN, Shi et al. 2015) and layers along rows and columns
(Sequencer, Tatsunami and Taki 2022) are exported by PyTorch, and what PyTorch does not write is made by hand, with ONNX Runtime's scores.
"""

import pathlib
import sys

import numpy
import torch
from onnx import helper
from torch import nn

from make_onnx_fixtures import exported, made, save


class TextReader(nn.Module):
    """Columns of a picture as the steps of two layers in both directions; the scores are means over the steps."""

    def __init__(self, layer=nn.LSTM, **options):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.MaxPool2d((2, 1)), nn.Conv2d(6, 8, (4, 1)))
        self.layers = layer(8, 6, 2, bidirectional=True, **options)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        columns = self.features(x).squeeze(2).permute(2, 0, 1)
        states, _ = self.layers(columns)
        return self.head(states).mean(0)


class RowsAndColumns(nn.Module):
    """A layer along the rows and one along the columns, joined; the last state of a further layer counts."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.rows = nn.LSTM(8, 4, 1, bidirectional=True, batch_first=True)
        self.columns = nn.LSTM(8, 4, 1, bidirectional=True, batch_first=True)
        self.mix = nn.Linear(16, 8)
        self.last = nn.GRU(8, 6, 1, batch_first=True)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        count, rows, columns, _ = x.shape
        along = self.rows(x.reshape(-1, columns, 8))[0].reshape(-1, rows, columns, 8)
        down = self.columns(x.permute(0, 2, 1, 3).reshape(-1, rows, 8))[0].reshape(-1, columns, rows, 8).permute(0, 2, 1, 3)
        x = x + self.mix(torch.cat([along, down], 3))
        return self.head(self.last(x.flatten(1, 2))[1][0])


def by_hand(folder):
    rng = numpy.random.default_rng(6)
    node = helper.make_node

    def noise(*shape):
        return (rng.standard_normal(shape) / 2).astype(numpy.float32)

    def case(name, operator, gates, *more, further=(), **attributes):
        directions = 2 if attributes.get("direction") == "bidirectional" else 1
        initialisers = {
            "w": noise(directions, gates * 4, 24), "r": noise(directions, gates * 4, 4), "b": noise(directions, gates * 8),
            "matrix": noise(8 * directions * 4, 5), "order": numpy.array([2, 0, 1, 3], numpy.int64),
            "rows": numpy.array([0, 0, 24], numpy.int64), "flat": numpy.array([2, -1], numpy.int64), **dict(further)}
        model = made([
            # 2×3×8×8 as pictures × 8 steps × 24 numbers, with the steps first.
            node("Transpose", ["images"], ["columns"], perm=[3, 0, 1, 2]), node("Reshape", ["columns", "rows"], ["steps"]),
            node(operator, ["steps", "w", "r", "b", *more], ["states"], hidden_size=4, **attributes),
            node("Transpose", ["states"], ["pictures"], perm=[2, 0, 1, 3]), node("Reshape", ["pictures", "flat"], ["row"]),
            node("MatMul", ["row", "matrix"], ["scores"]),
        ], {key: value for key, value in initialisers.items() if key != "order"}, shape=(2, 3, 8, 8), opset=14)
        save(folder, name, model, {"images": noise(2, 3, 8, 8)})

    case("recurrent_peepholes", "LSTM", 4, "", "h", "c", "p", direction="bidirectional",
         further={"h": noise(2, 2, 4), "c": noise(2, 2, 4), "p": noise(2, 12)}.items())
    case("recurrent_coupled_gates", "LSTM", 4, "lengths", direction="reverse", input_forget=1, activations=["HardSigmoid", "Softsign", "Relu"],
         activation_alpha=[0.3], activation_beta=[0.4], further={"lengths": numpy.array([8, 8], numpy.int32)}.items())
    case("recurrent_reset_before", "GRU", 3, "", "h", direction="bidirectional", linear_before_reset=0, further={"h": noise(2, 2, 4)}.items())
    case("recurrent_plain", "RNN", 1, direction="reverse", activations=["Relu"])


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/fixtures/onnx")
    exported(folder, "recurrent_text_reader", TextReader, False, opset=18, size=16)
    exported(folder, "recurrent_text_reader_dynamo", TextReader, True, opset=18, size=16, open_batch=False)
    exported(folder, "recurrent_gated_reader_dynamo", lambda: TextReader(nn.GRU), True, opset=18, size=16, open_batch=False)
    exported(folder, "recurrent_rows_and_columns", RowsAndColumns, False, opset=18, size=16)
    by_hand(folder)


if __name__ == "__main__":
    main()
