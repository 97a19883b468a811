"""The exports that `beyond_classifiers.py` compares: each case makes a file and says what is fed to it."""


import numpy as np

from zoo import spread

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Export:
    """A file, what is fed to it, and what PyTorch knows of it."""

    def __init__(self, file, inputs, target=None, model=None, tolerance=1e-4, notes=(), peer=None):
        self.file, self.inputs, self.target, self.model, self.tolerance = file, inputs, target, model, tolerance
        self.peer = peer or file  # what ONNX Runtime opens, if it cannot open the file itself


def picture(side, *extents):
    return np.random.default_rng(0).standard_normal(extents or (1, 3, side, side)).astype(np.float32)


def export(model, arrays, file, names=("image",), results=("scores",), dynamo=True, operator_set=18, **options):
    import torch

    options = dict(input_names=list(names), output_names=list(results), opset_version=operator_set, **options)
    options |= dict(dynamo=True, external_data=False, verbose=False) | options if dynamo else dict(dynamo=False)
    torch.onnx.export(model, tuple(torch.tensor(array) for array in arrays), str(file), **options)


def seeded(make, *arguments, **options):
    import torch

    torch.manual_seed(0)
    return spread(make(*arguments, **options))


class Named:
    """A module that returns what is wanted of another one's results."""

    def __new__(cls, model, *names):
        import torch

        class Wrapped(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, *inputs):
                result = self.model(*inputs)
                picked = tuple(result[name] if not isinstance(result, tuple) else result[int(name)] for name in names)
                return picked[0] if len(picked) == 1 else picked

        return Wrapped().eval()


def whole(name, model, folder, side, target, results, dynamo=True, tolerance=1e-4, **options):
    """The plain case: one picture."""
    image = picture(side)
    file = folder / "model.onnx"
    export(model, [image], file, results=results, dynamo=dynamo, **options)
    return Export(file, {"image": image}, target, (model, results), tolerance)


# Segmentation and depth.


def torchvision_segmentation(name, dynamo):
    def make(folder):
        import torchvision

        model = Named(seeded(torchvision.models.get_model, name, weights=None, weights_backbone=None, num_classes=21), "out")
        return whole(name, model, folder, 96, "sum(map[15,:,:])", ["map"], dynamo)
    return make


for _name in ("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large", "fcn_resnet50"):
    for _dynamo in (True, False):
        CASES[f"{_name}-{'dynamo' if _dynamo else 'torchscript'}"] = torchvision_segmentation(_name, _dynamo)


def transformers_model(kind, config, result, side, target="mean(map)", dynamo=True, **options):
    def make(folder):
        import transformers

        model = seeded(lambda: getattr(transformers, kind)(getattr(transformers, config)(**options)))
        import torch

        class Wrapped(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, image):
                found = self.model(pixel_values=image)
                picked = tuple(getattr(found, name) for name in result)
                return picked[0] if len(picked) == 1 else picked

        names = ["map"] if len(result) == 1 else list(result)
        return whole(kind, Wrapped().eval(), folder, side, target, names, dynamo)
    return make


SMALL = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64)
for _dynamo in (True, False):
    _suffix = "dynamo" if _dynamo else "torchscript"
    CASES[f"SegFormer-{_suffix}"] = transformers_model("SegformerForSemanticSegmentation", "SegformerConfig", ["logits"], 128,
                                                       "sum(map[15,:,:])", _dynamo, num_labels=19, depths=[1, 1, 1, 1])
    CASES[f"DPT-{_suffix}"] = transformers_model(
        "DPTForDepthEstimation", "DPTConfig", ["predicted_depth"], 64, "map[:20,:]", _dynamo, image_size=64, patch_size=16,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16, is_hybrid=False, **SMALL)
    CASES[f"DPT-segmentation-{_suffix}"] = transformers_model(
        "DPTForSemanticSegmentation", "DPTConfig", ["logits"], 64, "sum(map[5,:,:])", _dynamo, image_size=64, patch_size=16, num_labels=9,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16, is_hybrid=False, **SMALL)
    CASES[f"YOLOS-{_suffix}"] = transformers_model(
        "YolosForObjectDetection", "YolosConfig", ["logits", "pred_boxes"], 64, "logits[3,1]", _dynamo, image_size=[64, 64],
        patch_size=16, num_detection_tokens=10, **SMALL)
    CASES[f"BEiT-segmentation-{_suffix}"] = transformers_model(
        "BeitForSemanticSegmentation", "BeitConfig", ["logits"], 64, "sum(map[5,:,:])", _dynamo, image_size=64, patch_size=16,
        num_labels=9, out_indices=[1, 2, 3, 4], use_auxiliary_head=False, **SMALL)
    CASES[f"GLPN-{_suffix}"] = transformers_model("GLPNForDepthEstimation", "GLPNConfig", ["predicted_depth"], 64, "map[:20,:]", _dynamo,
                                                  depths=[1, 1, 1, 1])
    CASES[f"MobileNetV2-segmentation-{_suffix}"] = transformers_model(
        "MobileNetV2ForSemanticSegmentation", "MobileNetV2Config", ["logits"], 96, "sum(map[5,:,:])", _dynamo, num_labels=9)


def depth_anything(dynamo):
    def make(folder):
        import transformers

        backbone = transformers.Dinov2Config(image_size=56, patch_size=14, out_features=["stage1", "stage2", "stage3", "stage4"],
                                             reshape_hidden_states=False, apply_layernorm=True, hidden_size=32, num_hidden_layers=4,
                                             num_attention_heads=2)
        return transformers_model("DepthAnythingForDepthEstimation", "DepthAnythingConfig", ["predicted_depth"], 56, "map[:20,:]", dynamo,
                                  backbone_config=backbone, patch_size=14, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16],
                                  fusion_hidden_size=16, head_hidden_size=8,
                                  depth_estimation_type="metric", max_depth=10)(folder)
    return make


CASES["DepthAnything-dynamo"], CASES["DepthAnything-torchscript"] = depth_anything(True), depth_anything(False)


# Detectors.


def torchvision_detection(name, dynamo, side, **options):
    def make(folder):
        import torchvision

        model = seeded(torchvision.models.get_model, name, weights=None, weights_backbone=None, **options)
        image = np.random.default_rng(0).uniform(0, 1, (3, side, side)).astype(np.float32)
        file = folder / "model.onnx"
        import torch

        options_of_export = dict(dynamo=True, external_data=False, verbose=False) if dynamo else dict(dynamo=False)
        torch.onnx.export(model, ([torch.tensor(image)],), str(file), input_names=["image"], opset_version=18, **options_of_export)
        return Export(file, {"image": image})
    return make


for _dynamo in (True, False):
    _suffix = "dynamo" if _dynamo else "torchscript"
    CASES[f"ssdlite320-{_suffix}"] = torchvision_detection("ssdlite320_mobilenet_v3_large", _dynamo, 320)
    CASES[f"retinanet-{_suffix}"] = torchvision_detection("retinanet_resnet50_fpn", _dynamo, 128, min_size=128, max_size=128)
    CASES[f"fcos-{_suffix}"] = torchvision_detection("fcos_resnet50_fpn", _dynamo, 128, min_size=128, max_size=128)
    CASES[f"fasterrcnn-{_suffix}"] = torchvision_detection("fasterrcnn_mobilenet_v3_large_320_fpn", _dynamo, 160, min_size=160, max_size=160)


def yolo_head(style):
    """A backbone of a few convolutions under the head of YOLOv5 (anchors and grids) or YOLOv8 (distributions of distances), decoded."""
    import torch
    from torch import nn

    class Block(nn.Sequential):
        def __init__(self, inputs, outputs, stride):
            super().__init__(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU())

    class Network(nn.Module):
        classes = 5

        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(Block(3, 8, 2), Block(8, 16, 2), Block(16, 24, 2))
            self.down = nn.ModuleList([Block(24, 24, 2), Block(24, 24, 2)])
            self.fuse = Block(48, 24, 1)
            if style == 5:
                self.heads = nn.ModuleList(nn.Conv2d(24, 3 * (5 + self.classes), 1) for _ in range(3))
                self.register_buffer("anchors", torch.tensor([[[10, 13], [16, 30], [33, 23]], [[30, 61], [62, 45], [59, 119]],
                                                              [[116, 90], [156, 198], [373, 326]]]).float())
            else:
                self.boxes = nn.ModuleList(nn.Conv2d(24, 64, 1) for _ in range(3))
                self.classes_ = nn.ModuleList(nn.Conv2d(24, self.classes, 1) for _ in range(3))
                self.distances = nn.Conv2d(16, 1, 1, bias=False).requires_grad_(False)
                self.distances.weight.data[:] = torch.arange(16.0).view(1, 16, 1, 1)

        def levels(self, x):
            first = self.stem(x)
            second = self.down[0](first)
            third = self.down[1](second)
            up = nn.functional.interpolate(second, scale_factor=2, mode="nearest")
            return [self.fuse(torch.cat((first, up), 1)), second, third]

        def forward(self, x):
            levels = self.levels(x)
            return self.version5(levels) if style == 5 else self.version8(levels)

        def version5(self, levels):
            found = []
            for index, (level, head) in enumerate(zip(levels, self.heads)):
                batch, _, rows, columns = level.shape
                y = head(level).view(batch, 3, 5 + self.classes, rows, columns).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
                stride = 8 * 2**index
                grid = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), -1).float() - 0.5
                xy, wh, rest = y.split((2, 2, self.classes + 1), 4)
                xy = (xy * 2 + grid) * stride
                wh = (wh * 2) ** 2 * self.anchors[index].view(1, 3, 1, 1, 2)
                found.append(torch.cat((xy, wh, rest), 4).view(batch, -1, 5 + self.classes))
            return torch.cat(found, 1)

        def version8(self, levels):
            both = [torch.cat((boxes(level), classes(level)), 1) for level, boxes, classes in zip(levels, self.boxes, self.classes_)]
            batch = both[0].shape[0]
            points, strides = [], []
            for index, level in enumerate(both):
                rows, columns = level.shape[2:]
                sx, sy = torch.arange(columns) + 0.5, torch.arange(rows) + 0.5
                y, x = torch.meshgrid(sy, sx, indexing="ij")
                points.append(torch.stack((x, y), -1).view(-1, 2))
                strides.append(torch.full((rows * columns, 1), 8.0 * 2**index))
            points, strides = torch.cat(points).transpose(0, 1)[None], torch.cat(strides).transpose(0, 1)
            joined = torch.cat([level.view(batch, 64 + self.classes, -1) for level in both], 2)
            boxes, classes = joined.split((64, self.classes), 1)
            places = boxes.shape[-1]
            distances = self.distances(boxes.view(batch, 4, 16, places).transpose(2, 1).softmax(1)).view(batch, 4, places)
            left, right = distances.chunk(2, 1)
            low, high = points - left, points + right
            boxes = torch.cat(((low + high) / 2, high - low), 1) * strides
            return torch.cat((boxes, classes.sigmoid()), 1)

    return Network()


for _style, _target in ((5, "output0[17,6]"), (8, "output0[6,17]")):
    for _dynamo in (True, False):
        CASES[f"yolov{_style}-{'dynamo' if _dynamo else 'torchscript'}"] = (
            lambda folder, style=_style, target=_target, dynamo=_dynamo: whole(
                "yolo", seeded(yolo_head, style), folder, 64, target, ["output0"], dynamo))


# Files as tools leave them.


def resnet(**options):
    import torchvision

    return seeded(torchvision.models.resnet18, weights=None, **options)


def half(folder, kind, how):
    """A network in half precision: exported so, or converted with inputs and results as they were or not."""
    import onnx
    import torch

    model, image = resnet(), picture(96)
    file, reference = folder / "model.onnx", folder / "float32.onnx"
    export(model, [image], reference)
    if how == "exported":
        lower = resnet().to(kind)
        torch.onnx.export(lower, (torch.tensor(image).to(kind),), str(file), input_names=["image"], output_names=["scores"],
                          dynamo=True, external_data=False, verbose=False, opset_version=18)
    else:
        from onnxconverter_common import float16

        onnx.save(float16.convert_float_to_float16(onnx.load(str(reference)), keep_io_types=how == "kept"), str(file))
    # What is compared is the same network with its weights rounded to 11 or 8 bits.
    tolerance = 0.1 if kind == torch.bfloat16 else 2e-2
    return Export(file, {"image": image}, "scores[3]", (resnet().to(kind), ["scores"]), tolerance, peer=reference)


@case
def float16_exported(folder):
    import torch
    return half(folder, torch.float16, "exported")


@case
def bfloat16_exported(folder):
    import torch
    return half(folder, torch.bfloat16, "exported")


@case
def float16_converted(folder):
    import torch
    return half(folder, torch.float16, "converted")


@case
def float16_converted_keeping_inputs(folder):
    import torch
    return half(folder, torch.float16, "kept")


def small_vit(name="deit_tiny_patch16_224", **options):
    import timm

    return seeded(timm.create_model, name, pretrained=False, num_classes=20, **options)


def optimised(folder, model, side, level):
    import onnxruntime

    image, file, source = picture(side), folder / "model.onnx", folder / "source.onnx"
    export(model, [image], source)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level}")
    options.optimized_model_filepath = str(file)
    onnxruntime.InferenceSession(str(source), options)
    return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))


def _optimised(make, side, level):
    return lambda folder: optimised(folder, make(), side, level)


def torchvision_model(name):
    def make():
        import torchvision

        return seeded(torchvision.models.get_model, name, weights=None)
    return make


for _level in ("ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL"):
    CASES[f"optimised-resnet18-{_level}"] = _optimised(resnet, 96, _level)
    CASES[f"optimised-mobilenet_v3-{_level}"] = _optimised(torchvision_model("mobilenet_v3_small"), 96, _level)
    CASES[f"optimised-convnext-{_level}"] = _optimised(torchvision_model("convnext_tiny"), 96, _level)
    CASES[f"optimised-deit-{_level}"] = _optimised(small_vit, 224, _level)
    CASES[f"optimised-densenet-{_level}"] = _optimised(torchvision_model("densenet121"), 96, _level)
    CASES[f"optimised-googlenet-{_level}"] = _optimised(torchvision_model("shufflenet_v2_x0_5"), 96, _level)


@case
def open_sizes_torchscript(folder):
    image, model, file = picture(96), resnet(), folder / "model.onnx"
    export(model, [image], file, dynamo=False, dynamic_axes={"image": {0: "batch", 2: "height", 3: "width"}, "scores": {0: "batch"}})
    return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))


@case
def open_sizes_dynamo(folder):
    import torch

    image, model, file = picture(96), resnet(), folder / "model.onnx"
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=32), 3: torch.export.Dim("width", min=32)}
    export(model, [np.concatenate([image, image])], file, dynamic_shapes=(sizes,))
    return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))


@case
def open_batch_vit(folder):
    import torch

    image, model, file = picture(224), small_vit(), folder / "model.onnx"
    export(model, [np.concatenate([image, image])], file, dynamic_shapes=({0: torch.export.Dim("batch")},))
    return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))


def open_segmenter(dynamo):
    def make(folder):
        import torch
        import torchvision

        image, file = picture(96), folder / "model.onnx"
        model = Named(seeded(torchvision.models.segmentation.lraspp_mobilenet_v3_large, weights=None, weights_backbone=None), "out")
        if dynamo:
            sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=64), 3: torch.export.Dim("width", min=64)}
            export(model, [np.concatenate([image, image])], file, results=["map"], dynamic_shapes=({0: sizes[0], 2: sizes[2], 3: sizes[3]},))
        else:
            axes = {0: "batch", 2: "height", 3: "width"}
            export(model, [image], file, results=["map"], dynamo=False, dynamic_axes={"image": axes, "map": axes})
        return Export(file, {"image": image}, "sum(map[15,:,:])", (model, ["map"]))
    return make


CASES["open_sizes_lraspp-dynamo"], CASES["open_sizes_lraspp-torchscript"] = open_segmenter(True), open_segmenter(False)


def preprocessing(network, channels_last, whole_numbers):
    """A network that takes a picture's bytes and normalises them itself."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network
            self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1))
            self.register_buffer("deviation", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1))

        def forward(self, x):
            if channels_last:
                x = x.permute(0, 3, 1, 2)
            x = (x.to(self.mean.dtype) if whole_numbers else x) - self.mean
            return self.network(x / self.deviation)

    return Network().eval()


def bytes_in(channels_last, whole_numbers, dynamo):
    def make(folder):
        file = folder / "model.onnx"
        model = preprocessing(resnet(), channels_last, whole_numbers)
        image = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3) if channels_last else (1, 3, 96, 96))
        image = image.astype(np.uint8 if whole_numbers else np.float32)
        export(model, [image], file, dynamo=dynamo)
        return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))
    return make


for _dynamo in (True, False):
    _suffix = "dynamo" if _dynamo else "torchscript"
    CASES[f"bytes-{_suffix}"] = bytes_in(False, True, _dynamo)
    CASES[f"bytes-channels-last-{_suffix}"] = bytes_in(True, True, _dynamo)
    CASES[f"channels-last-{_suffix}"] = bytes_in(True, False, _dynamo)


@case
def external_data(folder):
    import torch

    image, model, file = picture(96), resnet(), folder / "model.onnx"
    torch.onnx.export(model, (torch.tensor(image),), str(file), input_names=["image"], output_names=["scores"], dynamo=True,
                      external_data=True, verbose=False, opset_version=18)
    return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))


@case
def external_data_many_files(folder):
    import onnx

    image, model, file, source = picture(96), resnet(), folder / "model.onnx", folder / "source.onnx"
    export(model, [image], source)
    onnx.save(onnx.load(str(source)), str(file), save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0,
              convert_attribute=True)
    return Export(file, {"image": image}, "scores[3]", (model, ["scores"]))


def odd_names(name, result):
    def make(folder):
        image, model, file = picture(96), resnet(), folder / "model.onnx"
        export(model, [image], file, names=[name], results=[result], dynamo=False)
        return Export(file, {name: image}, f'"{result}"[3]', (model, [result]))
    return make


for _index, (_name, _result) in enumerate((("serving_default_x:0", "StatefulPartitionedCall:0"), ("画像", "スコア"), ("input image", "a - b"),
                                           ("/a/b*c", "p(281)"), ("0", "281"), ("image=1", "sum(x[1])"), ("-x", "--help"))):
    CASES[f"odd-names-{_index}"] = odd_names(_name, _result)


def two_inputs(second):
    """A picture and something beside it: a mask, a size, one number, an embedding."""
    def make(folder):
        import torch
        from torch import nn

        kinds = {"mask": np.random.default_rng(1).uniform(0, 1, (1, 1, 96, 96)).astype(np.float32),
                 "size": np.array([[96, 96]], np.int64), "number": np.array([0.5], np.float32),
                 "embedding": np.random.default_rng(1).standard_normal((1, 16)).astype(np.float32)}

        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.network = resnet(num_classes=16)

            def forward(self, image, beside):
                if second == "mask":
                    return self.network(image * beside)
                scores = self.network(image)
                return scores * (beside.to(scores.dtype).sum(-1, keepdim=True) if second == "size" else beside)

        image, model, file = picture(96), seeded(Network), folder / "model.onnx"
        export(model, [image, kinds[second]], file, names=["image", second])
        return Export(file, {"image": image, second: kinds[second]}, "scores[3]", (model, ["scores"]))
    return make


for _second in ("mask", "size", "number", "embedding"):
    CASES[f"two-inputs-{_second}"] = two_inputs(_second)


def quantised(make, side, how):
    """Quantised by ONNX Runtime's own tools, compared with its own result."""
    def build(folder):
        import onnxruntime
        from onnxruntime import quantization

        model, image = make(), picture(side)
        source, prepared, file = folder / "source.onnx", folder / "prepared.onnx", folder / "model.onnx"
        export(model, [image], source, dynamo=False, operator_set=17)
        quantization.shape_inference.quant_pre_process(str(source), str(prepared))
        if how == "dynamic":
            quantization.quantize_dynamic(str(prepared), str(file))
        else:
            class Reader(quantization.CalibrationDataReader):
                def __init__(self):
                    rng = np.random.default_rng(5)
                    self.left = [image] + [rng.standard_normal(image.shape).astype(np.float32) for _ in range(3)]

                def get_next(self):
                    return {"image": self.left.pop()} if self.left else None

            quantization.quantize_static(str(prepared), str(file), Reader(), quant_format=getattr(quantization.QuantFormat, how))
        return Export(file, {"image": image}, "scores[3]", (model, ["scores"]), tolerance=1e-2)
    return build


for _how in ("QDQ", "QOperator", "dynamic"):
    CASES[f"int8-resnet18-{_how}"] = quantised(resnet, 96, _how)
    CASES[f"int8-mobilenet_v3-{_how}"] = quantised(torchvision_model("mobilenet_v3_small"), 96, _how)
    CASES[f"int8-deit-{_how}"] = quantised(small_vit, 224, _how)
