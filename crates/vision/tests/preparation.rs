//! Resizing and preprocessing beyond the goldens: extreme sizes, wrong settings.

use deepinside_files::{self as files, Array};
use deepinside_vision::{ChannelOrder, Error, Interpolation, Mean, Photograph, Transformer, crops, resize};

const BOTH: [Interpolation; 2] = [Interpolation::Bilinear, Interpolation::AntiAliased];

/// A photograph of distinct values in `[0, 1)`.
fn scrambled(height: usize, width: usize, channels: usize) -> Photograph {
    let count = height * width * channels;
    let data = (0..count).map(|index| (index * 7919 % 1009) as f32 / 1009.0).collect();
    Photograph::new(height, width, channels, data).unwrap()
}

/// The same resize, written from the definition in double precision: blur every pixel, then interpolate.
fn slow_resize(source: &Photograph, size: [usize; 2], interpolation: Interpolation) -> Vec<f64> {
    let (rows, columns, channels) = (source.height() as i64, source.width() as i64, source.channels());
    let smallest = source.data().iter().copied().fold(f32::INFINITY, f32::min);
    let blur = |factor: f64, distance: i64| -> f64 {
        let deviation = (factor - 1.0).max(0.0) / 2.0;
        let radius = (4.0 * deviation + 0.5) as i64;
        let weight =
            |x: i64| if deviation == 0.0 { 1.0 } else { (-0.5 * (x as f64 / deviation).powi(2)).exp() };
        let sum: f64 = (-radius..=radius).map(weight).sum();
        if distance.abs() > radius { 0.0 } else { weight(distance) / sum }
    };
    let factors = [rows as f64 / size[0] as f64, columns as f64 / size[1] as f64];
    let pixel = |y: i64, x: i64, channel: usize| -> f64 {
        let value = source.data()[((y * columns + x) as usize) * channels + channel];
        f64::from(value) - f64::from(smallest)
    };
    let blurred = |y: i64, x: i64, channel: usize| -> f64 {
        if !(0..rows).contains(&y) || !(0..columns).contains(&x) {
            return 0.0;
        }
        if interpolation == Interpolation::Bilinear {
            return pixel(y, x, channel);
        }
        let mut sum = 0.0;
        for row in 0..rows {
            for column in 0..columns {
                sum += blur(factors[0], row - y) * blur(factors[1], column - x) * pixel(row, column, channel);
            }
        }
        sum
    };
    let mut result = Vec::new();
    for y in 0..size[0] {
        for x in 0..size[1] {
            for channel in 0..channels {
                let at = |index: usize, factor: f64| (index as f64 + 0.5) * factor - 0.5;
                let (down, right) = (at(y, factors[0]), at(x, factors[1]));
                let mut sum = f64::from(smallest);
                for row in [down.floor(), down.floor() + 1.0] {
                    for column in [right.floor(), right.floor() + 1.0] {
                        let weight = (1.0 - (down - row).abs()) * (1.0 - (right - column).abs());
                        sum += weight * blurred(row as i64, column as i64, channel);
                    }
                }
                result.push(sum);
            }
        }
    }
    result
}

#[test]
fn resizing_equals_the_slow_definition_at_every_kind_of_size() {
    for (rows, columns, channels) in [(1, 1, 1), (2, 7, 3), (13, 5, 1), (9, 16, 3)] {
        let source = scrambled(rows, columns, channels);
        for [height, width] in [[1, 1], [1, 9], [8, 2], [3, 31], [20, 20]] {
            for interpolation in BOTH {
                let found = resize::resize_image(&source, height, width, interpolation).unwrap();
                let slow = slow_resize(&source, [height, width], interpolation);
                // A photograph of one value is constant, and stays so.
                let constant = source.data().len() == 1;
                for (value, slow) in found.data().iter().zip(slow) {
                    let expected = if constant { f64::from(source.data()[0]) } else { slow };
                    let difference = (f64::from(*value) - expected).abs();
                    assert!(
                        difference < 1e-6,
                        "{rows}×{columns}×{channels} to {height}×{width}: {difference}"
                    );
                }
            }
        }
    }
}

#[test]
fn impossible_sizes_are_errors_and_take_no_memory() {
    let source = scrambled(3, 4, 3);
    let resized = |height, width| resize::resize_image(&source, height, width, Interpolation::Bilinear);
    assert!(matches!(resized(0, 5), Err(Error::Files(files::Error::Empty { .. }))));
    assert!(matches!(resized(1 << 20, 1 << 20), Err(Error::PictureTooLarge { .. })));
    assert!(matches!(resized(usize::MAX, 2), Err(Error::PictureTooLarge { .. })));
    assert!(resize::resize_map(&Array::filled([2, 2, 2], 0.0).unwrap(), 4, 4).is_err());
}

#[test]
fn a_map_for_display_keeps_its_border_and_its_mean() {
    let constant = Array::filled([3, 5], 0.7).unwrap();
    for (height, width) in [(1, 1), (9, 2), (30, 40)] {
        let resized = resize::resize_map(&constant, height, width).unwrap();
        assert!(resized.data().iter().all(|value| (value - 0.7).abs() < 1e-6));
    }
}

#[test]
fn channel_orders_and_scales_by_hand() {
    let photograph = Photograph::new(1, 2, 3, vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).unwrap();
    let mean = Mean::Image(Array::new([3, 1, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap());
    let transformer = Transformer { raw_scale: 10.0, mean, input_scale: vec![0.5], ..Transformer::new(1, 2) };
    let close = |found: &[f32], expected: [f32; 6]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    };
    let blob = transformer.preprocess(&photograph).unwrap();
    close(blob.data(), [1.0, 2.0, -0.5, 0.5, -2.0, -1.0]);
    close(transformer.deprocess(&blob).unwrap().data(), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    let rgb = Transformer { channel_order: ChannelOrder::Rgb, ..transformer };
    close(rgb.preprocess(&photograph).unwrap().data(), [0.0, 1.0, -0.5, 0.5, -1.0, 0.0]);
}

#[test]
fn wrong_settings_are_named() {
    let photograph = scrambled(4, 4, 3);
    let message = |transformer: Transformer| transformer.preprocess(&photograph).unwrap_err().to_string();
    let base = Transformer::new(4, 4);
    assert!(message(Transformer { raw_scale: 0.0, ..base.clone() }).contains("raw_scale"));
    assert!(message(Transformer { input_scale: vec![1.0; 2], ..base.clone() }).contains("input scale"));
    assert!(message(Transformer { input_scale: vec![f32::NAN], ..base.clone() }).contains("input_scale"));
    assert!(message(Transformer { height: 0, ..base.clone() }).contains("empty"));
    let grey = Transformer { channel_order: ChannelOrder::Grey, ..base.clone() };
    assert!(message(grey).contains("needs 1 channels and found 3"));
    let mean = |mean| Transformer { mean, ..base.clone() };
    assert!(message(mean(Mean::Pixel(vec![1.0]))).contains("mean pixel"));
    assert!(message(mean(Mean::Pixel(vec![1.0, f32::NAN, 0.0]))).contains("1 of 3"));
    assert!(message(mean(Mean::Image(Array::filled([4, 4], 0.0).unwrap()))).contains("mean image"));
    assert!(message(mean(Mean::Image(Array::filled([1, 4, 4], 0.0).unwrap()))).contains("mean image"));
    let other_size = Array::filled([3, 5, 5], 0.0).unwrap();
    assert!(base.deprocess(&other_size).is_ok(), "without a mean image any size can be shown");
    let with_image = mean(Mean::Image(Array::filled([3, 8, 8], 0.0).unwrap()));
    assert!(with_image.deprocess(&other_size).is_err());
    assert!(base.deprocess(&Array::filled([2, 3, 4, 4], 0.0).unwrap()).is_err());
    assert!(crops::classifier_inputs(&photograph, [8, 8], &base, &[]).is_err());
    assert!(crops::classifier_inputs(&photograph, [3, 8], &base, &crops::Crop::TEN).is_err());
}

#[test]
fn the_mean_pixel_of_a_mean_image() {
    let image = Array::new([1, 2, 1, 2], vec![1.0, 3.0, 10.0, 20.0]).unwrap();
    assert_eq!(Mean::pixel_of_image(&image).unwrap(), Mean::Pixel(vec![2.0, 15.0]));
    assert!(Mean::pixel_of_image(&Array::filled([4], 0.0).unwrap()).is_err());
}
