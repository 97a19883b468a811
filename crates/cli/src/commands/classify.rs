//! `deepinside classify`.

use deepinside::classify::{Prediction, mean_scores, predictions, suspicion};
use deepinside::vision::Crop;
use serde::Serialize;

use crate::arguments::{ClassifyArguments, CropChoice};
use crate::failure::{Failure, Outcome};
use crate::{output, pictures, progress};

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
}

pub fn run(arguments: &ClassifyArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    let model = super::open(&arguments.model, false)?;
    model.expect_classes()?;
    let mut runner = super::runner(&model, arguments.run.threads)?;
    let crops = match arguments.crop {
        None => vec![model.crop],
        Some(CropChoice::One(crop)) => vec![crop],
        Some(CropChoice::Ten) => Crop::TEN.to_vec(),
    };
    pictures::each(&paths, |path| {
        let photograph = model.load_photograph(path)?;
        let mut scores = Vec::new();
        for &crop in &crops {
            scores.push(runner.scores(model.input_of(&photograph, crop)?.data())?);
        }
        let mean =
            mean_scores(&scores).ok_or_else(|| Failure::Message("no crop was looked at".to_owned()))?;
        let top = predictions(&model, &mean, arguments.top);
        if let Some(sentence) = suspicion(&mean) {
            progress::note(format_args!("warning: {}: {sentence}", path.display()));
        }
        if arguments.run.json {
            return output::json(&Result { image: &path.to_string_lossy(), top: &top });
        }
        if paths.len() > 1 {
            output::line(path.display());
        }
        output::line("probability      score  class  name");
        for Prediction { index, name, score, probability, .. } in &top {
            output::line(format_args!("{probability:11.4}  {score:9.3}  {index:5}  {name}"));
        }
        Ok(())
    })
}
