"""Jobs over data sets, and on a cluster. What is written is read by other people's libraries where they are installed."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

import deepinside

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def model():
    return deepinside.builtin(threads=2)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The examples several times over, each with other bytes behind its end, and one that is broken."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(4):
        for name in ("cat.png", "coffee.png"):
            (folder / f"{number}-{name}").write_bytes((EXAMPLES / name).read_bytes() + bytes(number))
    (folder / "2-broken.jpg").write_bytes(b"\xff\xd8 broken")
    return folder


def results(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != "journal.jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_parquet_has_a_row_a_photograph(model, photographs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: what is written as Parquet is not read")
    done = model.batch("explain", photographs, tmp_path / "out", method="gradient", top=3, rows_per_file=4)
    assert done == {"rows": 9, "done": 9, "before": 0, "failed": 1}
    rows = [row for path in sorted((tmp_path / "out").glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]
    assert [row["row"] for row in rows] == list(range(9))
    for row in rows:
        image = Path(row["key"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(image).hexdigest()
        if "broken" in row["key"]:
            assert row["error"] and row["map"] == [] and row["target"] is None
            continue
        found = model.explain(image, "gradient")
        assert row["error"] is None and row["target"] == found.target and row["number"] == found.number
        assert np.array_equal(np.array(row["map"], np.float32).reshape(row["shape"]), found.map)
        named = model.classify(image, top=3)
        assert row["classes"] == [own.index for own in named]
        assert row["names"] == [own.name for own in named]
        assert np.array_equal(np.array(row["scores"], np.float32), np.array([own.score for own in named], np.float32))


def test_pandas_reads_parquet(model, photographs, tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    model.batch("localise", photographs, tmp_path / "out", method="grad-cam", top=2)
    table = pandas.read_parquet(tmp_path / "out" / "part-00000.parquet")
    assert len(table) == 9
    good = table[table["error"].isna()]
    assert all(len(boxes) == 8 and len(classes) == 2 for boxes, classes in zip(good["boxes"], good["box_classes"]))
    assert all(len(row["map"]) == row["height"] * row["width"] for _, row in good.iterrows())


def test_parquet_is_read(model, photographs, tmp_path):
    """Photographs in a Parquet file, their bytes or their paths; texts lead nowhere else."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    names = ["0-cat.png", "0-coffee.png", "2-broken.jpg"]
    images = [{"bytes": (photographs / name).read_bytes(), "path": name} for name in names]
    parquet.write_table(pyarrow.table({"image": images, "label": [281, 504, 3]}), tmp_path / "bytes.parquet", compression="snappy")
    hostile = ["0-cat.png", "../../etc/passwd", "/etc/passwd", "link.png", None]
    root = tmp_path / "root"
    root.mkdir()
    (root / "0-cat.png").write_bytes((photographs / "0-cat.png").read_bytes())
    os.symlink("/etc/passwd", root / "link.png")
    parquet.write_table(pyarrow.table({"path": hostile}), tmp_path / "paths.parquet")
    model.batch("explain", tmp_path / "bytes.parquet", tmp_path / "a", format="jsonl", target_column="label", method="gradient")
    rows = [json.loads(line) for line in (tmp_path / "a" / "part-00000.jsonl").read_text().splitlines()]
    assert [row.get("target") for row in rows] == ["281", "504", None]
    assert rows[0]["number"] == model.explain(images[0]["bytes"], "gradient", 281).number
    model.batch("classify", tmp_path / "paths.parquet", tmp_path / "b", format="jsonl", root=root)
    rows = [json.loads(line) for line in (tmp_path / "b" / "part-00000.jsonl").read_text().splitlines()]
    assert rows[0]["classes"][0]["index"] == model.classify(root / "0-cat.png")[0].index
    reasons = [row.get("error", "") for row in rows]
    assert all("leads out" in reason for reason in reasons[1:3]) and "link" in reasons[3] and "no path" in reasons[4]


def test_webdataset_is_read_and_written(model, photographs, tmp_path):
    shard = tmp_path / "in-000.tar"
    with tarfile.open(shard, "w") as archive:
        for number, name in enumerate(["0-cat.png", "0-coffee.png"]):
            for ending, content in (("png", (photographs / name).read_bytes()), ("cls", str(281 + number).encode())):
                member = tarfile.TarInfo(f"{number:06}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    model.batch("explain", shard, tmp_path / "out", format="webdataset", target_column="cls", method="gradient")
    with tarfile.open(tmp_path / "out" / "part-00000.tar") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}
    assert sorted(members) == ["00000000.json", "00000000.npy", "00000001.json", "00000001.npy"]
    row = json.loads(members["00000001.json"])
    assert (row["key"], row["target"]) == ("000001", "282")
    expected = model.explain((photographs / "0-coffee.png").read_bytes(), "gradient", 282)
    assert np.array_equal(np.load(io.BytesIO(members["00000001.npy"])), expected.map)
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed: its own reader is not tried")
    samples = list(webdataset.WebDataset(str(tmp_path / "out" / "part-00000.tar"), shardshuffle=False).decode())
    assert [sample["json"]["key"] for sample in samples] == ["000000", "000001"]
    assert np.array_equal(samples[1]["npy"], expected.map)


def test_shards_are_merged_to_the_whole(model, photographs, tmp_path):
    settings = {"method": "gradient", "rows_per_file": 2}
    model.batch("explain", photographs, tmp_path / "whole", **settings)
    for index in range(3):
        model.batch("explain", photographs, tmp_path / str(index), shard=(index, 3), threads=index + 1, **settings)
    deepinside._native.merge([str(tmp_path / str(index)) for index in range(3)], str(tmp_path / "merged"))
    assert results(tmp_path / "merged") == results(tmp_path / "whole")


def test_what_does_not_fit_is_said(model, photographs, tmp_path):
    for settings, sentence in [
        ({"format": "zip"}, "no format 'zip'"),
        ({"method": "gradients"}, "gradients"),
        ({"steps": 3}, "steps"),
        ({"shard": (2, 2)}, "below the count"),
        ({"target": "cos(_conv_head, x.npy)"}, "no array is called"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            model.batch("explain", photographs, tmp_path / "out", **settings)
    with pytest.raises(ValueError, match="no task"):
        model.batch("draw", photographs, tmp_path / "out")


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: nothing of deepinside.ray is tested")
    return ray


def test_ray_takes_batches(model, photographs):
    """Without a cluster: what map_batches calls, with arrays that cannot be written to."""
    from deepinside.ray import Classify, Explain

    images = np.array([(photographs / name).read_bytes() for name in ("0-cat.png", "2-broken.jpg", "0-coffee.png")], dtype=object)
    batch = {"image": images, "id": np.arange(3)}
    for values in batch.values():
        values.setflags(write=False)
    found = Explain(None, "gradient")(batch)
    assert list(found["id"]) == [0, 1, 2] and "image" not in found
    assert np.array_equal(found["map"][0], model.explain(images[0], "gradient").map)
    assert np.isnan(found["map"][1]).all() and found["error"][1] and not found["error"][0]
    named = Classify()(batch)
    assert list(named["class"]) == [model.classify(images[0])[0].index, -1, model.classify(images[2])[0].index]
    Image = pytest.importorskip("PIL.Image")

    pixels = np.stack([np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB").resize((240, 240)))] * 2)
    pixels.setflags(write=False)
    assert np.array_equal(Explain()({"image": pixels})["map"][1], model.explain(pixels[1], "gradient").map)


def test_a_cluster_that_loses_a_machine_writes_what_one_machine_writes(ray, model, photographs, tmp_path):
    import threading
    import time

    from ray.cluster_utils import Cluster

    from deepinside.ray import batch

    settings = {"method": "integrated-gradients", "rows_per_file": 1, "format": "parquet"}
    model.batch("explain", photographs, tmp_path / "one", **settings)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address)
    try:
        lost = threading.Event()

        def lose():
            # As soon as every shard has begun.
            shards = tmp_path / "many.shards"
            while not lost.is_set() and len(list(shards.glob("*/journal.jsonl"))) < 3:
                time.sleep(0.05)
            cluster.remove_node(nodes[0], allow_graceful=False)
            lost.set()

        thread = threading.Thread(target=lose)
        thread.start()
        rows = batch("explain", photographs, tmp_path / "many", shards=3, **settings)
        was_lost_before_the_end = lost.is_set()
        lost.set()
        thread.join()
        assert rows == 9 and was_lost_before_the_end
        assert results(tmp_path / "many") == results(tmp_path / "one")
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_exemplars_are_those_of_numpy(model, photographs, tmp_path):
    """All units of all layers against sorting the maxima of all activations; crops and maps against gradients of the same element."""
    found = model.exemplars(photographs, tmp_path / "out", top=3)
    assert found.photographs == 9 and list(found.failed) == [str(photographs / "2-broken.jpg")]
    keys = sorted(str(path) for path in photographs.iterdir() if "broken" not in path.name)
    # Photographs with the same pixels excite units equally, and the first then comes first.
    arrays = {key: model.prepare(key) for key in keys}
    activations = {key: model.forward(array, list(found.layers)) for key, array in arrays.items()}
    compared = 0
    for layer, count in found.layers.items():
        maxima = np.stack([activations[key][layer].reshape(count, -1).max(1) for key in keys])
        places = np.stack([activations[key][layer].reshape(count, -1).argmax(1) for key in keys])
        for index in range(count):
            unit = found.unit(layer, index)
            order = sorted(range(len(keys)), key=lambda row: (-maxima[row, index], row))[:3]
            shape = activations[keys[0]][layer].shape
            expected = [(maxima[row, index], keys[row], divmod(int(places[row, index]), shape[-1]) if len(shape) > 1 else (0, 0)) for row in order]
            assert [(own.activation, own.photograph, tuple(own.position)) for own in unit.exemplars] == expected, (layer, index)
            assert unit.photographs == len(keys) and unit.active == (maxima[:, index] > 0).sum() == sum(unit.histogram.values())
            assert np.isclose(unit.mean, maxima[:, index].mean(dtype=np.float64), rtol=0, atol=1e-6)
            compared += 1
    assert compared > 1000
    layer = "_bn0.relu6"
    best = found.unit(layer, 3).exemplars[0]
    row, column = best.position
    (gradient,) = model.backward(arrays[best.photograph], f"{layer}[3,{row},{column}]").values()
    map_ = np.abs(gradient).max(0)
    left, top, right, bottom = best.bounds
    assert np.array_equal(best.map, map_[top:bottom, left:right]) and best.map.max() > 0
    map_[top:bottom, left:right] = 0
    assert map_.max() == 0
    # Another method's map of the same activation.
    guided = found.unit(layer, 3, method="guided").exemplars[0]
    expected = np.abs(model.explain(arrays[best.photograph], method="guided", target=f'"{layer}"[3,{row},{column}]').values).max(0)
    assert guided.bounds == best.bounds and np.array_equal(guided.map, expected[top:bottom, left:right])
    with pytest.raises(ValueError, match="no method"):
        found.unit(layer, 3, method="none").exemplars[0].map
    assert best.crop.shape == best.overlay.shape == (*best.map.shape, 3) and best.crop.dtype == np.uint8
    # What is done is opened; another job's folder is refused.
    again = model.exemplars(photographs, tmp_path / "out", top=3)
    assert again.unit(layer, 3) == found.unit(layer, 3)
    with pytest.raises(ValueError, match="other settings"):
        model.exemplars(photographs, tmp_path / "out", top=4)
    with pytest.raises(ValueError, match="units 0 to"):
        found.unit(layer, 10**6)


def test_an_activation_at_the_bound_of_its_clip_is_explained_by_the_number_before_it(model, photographs, tmp_path):
    """The gradient of a ReLU6 at 6 is zero everywhere: its exemplars were whole photographs, with a black map."""
    layer, before = "_blocks.1._bn0.relu6", "_blocks.1._bn0"
    found = model.exemplars(photographs, tmp_path / "out", layers=[layer], top=1)
    bests = [found.unit(layer, index).exemplars[0] for index in range(found.layers[layer])]
    index, best = next((index, best) for index, best in enumerate(bests) if best.activation == 6)
    row, column = best.position
    (gradient,) = model.backward(model.prepare(best.photograph), f'"{before}"[{index},{row},{column}]').values()
    map_ = np.abs(gradient).max(0)
    left, top, right, bottom = best.bounds
    assert 0 < right - left < 20 and 0 < bottom - top < 20
    assert np.array_equal(best.map, map_[top:bottom, left:right]) and best.map.max() > 0
    assert found.unit(layer, index, method="gradient").exemplars[0].map.max() > 0


def test_zarr_has_a_chunk_a_photograph(model, photographs, tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3", reason="zarr is not installed: what is written as Zarr is not read")
    model.batch("explain", photographs, tmp_path / "out", format="zarr", method="gradient", rows_per_file=4)
    array = zarr.open_array(str(tmp_path / "out" / "maps"), mode="r")
    rows = [json.loads(line) for path in sorted((tmp_path / "out").glob("part-*.jsonl")) for line in path.read_text().splitlines()]
    assert array.shape == (9, *rows[0]["shape"]) and array.dtype == np.float32
    for row in rows:
        if row.get("error"):
            assert np.isnan(array[row["row"]]).all()
        else:
            assert np.array_equal(array[row["row"]], model.explain(row["key"], "gradient").map)
    # Maps of each photograph's own size are no array.
    with pytest.raises(ValueError, match="one array does not hold"):
        model.batch("localise", photographs, tmp_path / "boxes", format="zarr", method="grad-cam")
