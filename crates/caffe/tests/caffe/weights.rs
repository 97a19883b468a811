//! Trained weights in every form, and mean images.

use crate::common::{bytes, fixture, network};
use deepinside_caffe::{
    CaffeError, LayerWeights, WeightFile,
    proto::{BlobProto, BlobShape, LayerParameter, NetParameter, V0LayerParameter, V1LayerParameter},
    read_mean, read_mean_bytes, read_weights, read_weights_bytes,
};
use deepinside_graph::DataType;
use prost::Message;

fn weights(path: &str) -> WeightFile {
    read_weights(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The layers that have weights, with the values.
fn values(file: &WeightFile) -> Vec<(String, Vec<Vec<f32>>)> {
    let of = |layer: &LayerWeights| {
        (layer.name.clone(), layer.blobs.iter().map(|blob| blob.values().collect()).collect())
    };
    let mut all: Vec<_> = file.layers.iter().filter(|layer| !layer.blobs.is_empty()).map(of).collect();
    // HDF5 lists its groups by name.
    all.sort_by(|one: &(String, _), other| one.0.cmp(&other.0));
    all
}

#[test]
fn six_forms_of_one_network_hold_the_same_weights() {
    // The oracle is prost's decoder of the message in Caffe's own form, which shares no code with ours.
    let saved =
        NetParameter::decode(&bytes(fixture("legacy_v1/upgraded.caffemodel"))[..]).expect("a caffemodel");
    let mut expected: Vec<_> = saved
        .layer
        .iter()
        .filter(|layer| !layer.blobs.is_empty())
        .map(|layer| {
            (layer.name().to_owned(), layer.blobs.iter().map(|blob| blob.data.clone()).collect::<Vec<_>>())
        })
        .collect();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(expected.len() >= 5);
    for form in [
        "upgraded.caffemodel",
        "weights.caffemodel",
        "weights_double_data.caffemodel",
        "weights_shape_field.caffemodel",
        "weights_with_diff.caffemodel",
    ] {
        let found = values(&weights(&format!("legacy_v1/{form}")));
        for (name, blobs) in &expected {
            let layer = found.iter().find(|layer| layer.0 == *name);
            assert_eq!(layer.map(|layer| &layer.1), Some(blobs), "{form}: {name}");
        }
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_weights_hold_the_same() {
    let hdf5 = weights("legacy_v1/weights.caffemodel.h5");
    assert!(hdf5.file.is_none());
    let binary = weights("legacy_v1/upgraded.caffemodel");
    // The binary file has one layer more, which is in no network: those that the HDF5 file has must be the same.
    let (found, mut expected) = (values(&hdf5), values(&binary));
    expected.retain(|layer| layer.0 != "old_classifier");
    assert!(found.len() == 5 && found == expected);
    let shapes = |file: &WeightFile, name: &str| {
        let layer = file.layers.iter().find(|layer| layer.name == name);
        layer.map(|layer| layer.blobs.iter().map(|blob| blob.shape.clone()).collect::<Vec<_>>())
    };
    assert_eq!(shapes(&hdf5, "fc6"), Some(vec![vec![12, 72], vec![12]]));
}

#[test]
fn legacy_shapes_fit_with_ones_in_front() {
    let old = weights("legacy_v1/weights.caffemodel");
    let fc6 = old.layers.iter().find(|layer| layer.name == "fc6").expect("fc6");
    assert_eq!(fc6.kind, "InnerProduct");
    let [weight, bias] = &fc6.blobs[..] else { panic!("two arrays") };
    assert_eq!(
        (&weight.shape[..], &bias.shape[..], weight.legacy),
        (&[1, 1, 12, 72][..], &[1, 1, 1, 12][..], true)
    );
    assert!(weight.fits(&[12, 72]) && weight.fits(&[1, 12, 72]) && bias.fits(&[12]));
    assert!(
        !weight.fits(&[72, 12])
            && !weight.fits(&[12, 72, 1])
            && !weight.fits(&[1, 1, 1, 12, 72])
            && !bias.fits(&[])
    );
    let new = weights("legacy_v1/upgraded.caffemodel");
    let conv = new.layers.iter().find(|layer| layer.name == "conv1").expect("conv1");
    assert!(conv.blobs.iter().any(|blob| blob.shape == [4, 3, 3, 3]));
}

#[test]
fn doubles_keep_their_precision_until_asked_for_floats() {
    let file = weights("legacy_v1/weights_double_data.caffemodel");
    // The one layer with floats in this file is in no network.
    let doubles = file.layers.iter().filter(|layer| layer.name != "old_classifier");
    let blobs: Vec<_> = doubles.flat_map(|layer| &layer.blobs).collect();
    assert_eq!(blobs.len(), 9);
    for blob in blobs {
        assert_eq!(blob.data_type, DataType::F64);
        assert_eq!(blob.len() * 8, blob.bytes.len());
        assert!(!blob.is_empty());
    }
}

#[test]
fn arrays_are_slices_of_the_mapped_file() {
    let file = weights("mini_squeezenet/weights.caffemodel");
    let whole = file.file.as_ref().expect("mapped").bytes();
    let range = whole.as_ptr_range();
    let blobs: Vec<_> = file.layers.iter().flat_map(|layer| &layer.blobs).collect();
    assert!(blobs.len() >= 10);
    for blob in blobs {
        assert!(range.contains(&blob.bytes.as_ptr()), "no copy");
    }
    assert_eq!(file.name, "mini_squeezenet");
    let network = network(fixture("mini_squeezenet/model.prototxt"));
    let kinds = |name: &str| network.layers.iter().find(|layer| layer.parameter.name() == name);
    for layer in &file.layers {
        assert_eq!(
            kinds(&layer.name).map(|found| found.parameter.r#type()),
            Some(layer.kind.as_str()),
            "{}",
            layer.name
        );
    }
}

fn blob(shape: &[i64], data: &[f32]) -> BlobProto {
    BlobProto { shape: Some(BlobShape { dim: shape.to_vec() }), data: data.to_vec(), ..BlobProto::default() }
}

fn one_layer(blob: BlobProto) -> Vec<u8> {
    let layer = LayerParameter { name: Some("l".to_owned()), blobs: vec![blob], ..LayerParameter::default() };
    NetParameter { layer: vec![layer], ..NetParameter::default() }.encode_to_vec()
}

fn read(bytes: Vec<u8>) -> Result<WeightFile, CaffeError> {
    read_weights_bytes(bytes.into())
}

#[test]
fn the_first_generation_names_its_layers_inside() {
    let inner = V0LayerParameter {
        name: Some("c".to_owned()),
        r#type: Some("conv".to_owned()),
        blobs: vec![blob(&[2], &[3.0, 4.0])],
        ..V0LayerParameter::default()
    };
    let layer = V1LayerParameter { layer: Some(inner), ..V1LayerParameter::default() };
    let file =
        read(NetParameter { layers: vec![layer], ..NetParameter::default() }.encode_to_vec()).expect("right");
    assert_eq!((file.layers[0].name.as_str(), file.layers[0].kind.as_str()), ("c", "Convolution"));
    assert_eq!(file.layers[0].blobs[0].values().collect::<Vec<_>>(), [3.0, 4.0]);
}

/// A field that holds bytes, by hand.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128 && number < 16);
    let mut bytes = vec![number << 3 | 2, content.len() as u8];
    bytes.extend_from_slice(content);
    bytes
}

/// The file with one layer, one array, and these fields in it.
fn with_array(fields: &[u8]) -> Vec<u8> {
    let mut layer = field(1, b"l");
    layer.extend(field(7, fields));
    // Field 100 has a key of two bytes.
    let mut file = vec![0xa2, 0x06, layer.len() as u8];
    file.extend(layer);
    file
}

#[test]
fn values_in_pieces_or_unpacked_are_gathered() {
    let [one, two, three] = [1.0_f32, 2.0, 3.0].map(f32::to_le_bytes);
    let shape = field(7, &field(1, &[3]));
    let packed = [field(5, &one), field(5, &[two, three].concat())].concat();
    let key = [5 << 3 | 5];
    let unpacked = [&key[..], &one, &key, &two, &key, &three].concat();
    let mixed = [&field(5, &one)[..], &key, &two, &field(5, &three)].concat();
    let unpacked_shape = field(7, &[1 << 3, 3]);
    for (shape, data) in
        [(&shape, packed), (&shape, unpacked.clone()), (&shape, mixed), (&unpacked_shape, unpacked)]
    {
        for fields in [[&shape[..], &data].concat(), [&data[..], shape].concat()] {
            let file = read(with_array(&fields)).expect("right");
            let blob = &file.layers[0].blobs[0];
            assert_eq!((&blob.shape[..], blob.values().collect::<Vec<_>>()), (&[3][..], vec![1.0, 2.0, 3.0]));
        }
    }
}

#[test]
fn shapes_that_do_not_fit_their_values_are_refused() {
    for (shape, data, expected) in [
        (&[3_i64][..], &[1.0_f32][..], "the shape [3] does not fit the 1 values that are stored"),
        (&[-1], &[], "negative"),
        (&[1 << 40, 1 << 40], &[1.0], "does not fit"),
        (&[i64::MAX], &[1.0], "does not fit"),
        (&[1; 33], &[1.0], "33 axes"),
    ] {
        let error = read(one_layer(blob(shape, data))).expect_err("a wrong shape");
        assert!(matches!(error, CaffeError::Blob { .. }), "{error}");
        assert!(
            error.to_string().starts_with("weights 0 of layer 'l': ") && error.to_string().contains(expected),
            "{error}"
        );
    }
    let error =
        read(with_array(&[field(7, &field(1, &[1])), field(5, &[0; 6])].concat())).expect_err("six bytes");
    assert!(error.to_string().contains("1 values and 2 bytes"), "{error}");
    let legacy = BlobProto { num: Some(-1), ..BlobProto::default() };
    assert!(read(one_layer(legacy)).expect_err("negative").to_string().contains("negative"));
    // A scalar has one value, an empty array none.
    assert_eq!(read(one_layer(blob(&[], &[5.0]))).expect("a scalar").layers[0].blobs[0].len(), 1);
    assert!(read(one_layer(blob(&[0, 4], &[]))).expect("empty").layers[0].blobs[0].is_empty());
}

#[test]
fn files_of_other_kinds_are_named() {
    let html = b"<!DOCTYPE html>\n<html><title>Not found</title></html>".to_vec();
    for (bytes, expected) in [
        (Vec::new(), "the file is empty"),
        (bytes(fixture("mini_resnet/model.prototxt")), "it is text that begins with \"name:"),
        (html, "it is text that begins with \"<!DOCTYPE html>\""),
        (b"PK\x03\x04\x14\0\0\0\0\0".to_vec(), "ZIP archive"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip"),
    ] {
        let error = read(bytes).expect_err("another kind");
        assert!(matches!(error, CaffeError::WrongFormat { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = read(bytes(fixture("mean/mean.binaryproto"))).expect_err("a mean image");
    assert!(matches!(error, CaffeError::Network { .. } | CaffeError::Corrupt { .. }), "{error}");
    let error = read_weights(fixture("nothing here")).expect_err("missing");
    assert!(matches!(error, CaffeError::Io { .. }) && error.to_string().contains("nothing here"), "{error}");
}

#[test]
fn a_cut_file_says_where_and_how_long_it_is() {
    let mut cut = bytes(fixture("mini_resnet/weights.caffemodel"));
    cut.truncate(5_000);
    let message = read(cut).expect_err("cut").to_string();
    assert!(message.contains("of 5000; the file may be damaged or an incomplete download"), "{message}");
    assert!(message.contains("a field claims"), "{message}");
}

#[test]
fn mean_images_of_both_shapes() {
    let expected = deepinside_files::npy::read(fixture("mean/mean_f32.npy")).expect("an array");
    for (name, shape) in [("mean", &[1, 3, 8, 8][..]), ("mean_shape", &[3, 8, 8])] {
        let mean = read_mean(fixture(&format!("mean/{name}.binaryproto"))).expect("a mean");
        assert_eq!(mean.values, expected.data(), "{name}");
        assert_eq!(mean.shape, shape, "{name}");
    }
    assert!(matches!(
        read_mean_bytes(Vec::new().into()),
        Err(CaffeError::Corrupt { .. } | CaffeError::WrongFormat { .. })
    ));
    let caffemodel = bytes(fixture("mini_resnet/weights.caffemodel"));
    assert!(read_mean_bytes(caffemodel.into()).is_err());
}
