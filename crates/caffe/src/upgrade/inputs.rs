//! Input blobs declared at the top of the file become one `Input` layer.

use crate::{
    Layer,
    error::CaffeError,
    proto::{BlobShape, InputParameter, LayerParameter, NetParameter},
    text::Location,
};

/// The layer for `input` with `input_shape` or `input_dim`, or `None` if the description declares its inputs otherwise.
///
/// There is one layer for all inputs, called "input": names of split blobs depend on that.
pub(super) fn input_layer(
    network: &NetParameter,
    location: Option<Location>,
) -> Result<Option<Layer>, CaffeError> {
    let inputs = &network.input;
    if inputs.is_empty() {
        return Ok(None);
    }
    let shape = if network.input_shape.is_empty() {
        let (needed, found) = (4 * inputs.len(), network.input_dim.len());
        if found < needed {
            return Err(CaffeError::Network {
                message: format!(
                    "{} input blobs ({}) need {needed} numbers in input_dim (batch, channels, height and width of \
                     each) or an input_shape each; there are {found}",
                    inputs.len(),
                    inputs.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", "),
                ),
            });
        }
        let of_four =
            |four: &[i32]| BlobShape { dim: four.iter().map(|length| i64::from(*length)).collect() };
        network.input_dim.chunks_exact(4).take(inputs.len()).map(of_four).collect()
    } else {
        let found = network.input_shape.len();
        if found < inputs.len() {
            return Err(CaffeError::Network {
                message: format!("there are {} input blobs but only {found} input_shape", inputs.len()),
            });
        }
        network.input_shape.iter().take(inputs.len()).cloned().collect()
    };
    let parameter = LayerParameter {
        name: Some("input".to_owned()),
        r#type: Some("Input".to_owned()),
        top: inputs.clone(),
        input_param: Some(InputParameter { shape }),
        ..LayerParameter::default()
    };
    Ok(Some(Layer { parameter, location: location.unwrap_or_default() }))
}
