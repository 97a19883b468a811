//! Exemplars with their photographs.

use std::path::Path;

use deepinside::files::Array;
use deepinside::vision::photograph::{self, LoadOptions};
use deepinside::{Error, Model, Result};

use super::{Best, EXEMPLARS, Exemplars, Unit};
use crate::input::{Inputs, Reader};
use crate::task::identity;

/// What a job found, and the photographs in which it did. Files name photographs by their rows alone: which these are is said by whom
/// opens them, so that a stranger's file shows no other picture of this machine.
#[derive(Debug)]
pub struct Gallery {
    found: Exemplars,
    inputs: Inputs,
}

impl Gallery {
    /// Opens the exemplars in a folder, which must be a finished job's of these photographs and this model.
    ///
    /// # Errors
    /// When it is another one's, or cannot be read.
    pub fn open(model: &Model, folder: &Path, inputs: Inputs) -> Result<Self> {
        let found = Exemplars::read(&folder.join(EXEMPLARS))?;
        found.expect_of(model, &inputs, folder)?;
        Ok(Self { found, inputs })
    }

    /// What was found.
    pub fn found(&self) -> &Exemplars {
        &self.found
    }

    /// What was found of a unit.
    ///
    /// # Errors
    /// When the job did not look at such a layer, or it has no such unit.
    pub fn unit(&self, layer: &str, unit: usize) -> Result<&Unit> {
        let known = self.found.layers.iter().find(|known| known.name == layer);
        let known =
            known.ok_or_else(|| Error::Option(format!("there are no exemplars of a layer '{layer}'")))?;
        known.units.get(unit).ok_or_else(|| {
            Error::Option(format!("'{layer}' has units 0 to {}, found {unit}", known.units.len().max(1) - 1))
        })
    }

    /// The name of a photograph.
    pub fn key(&self, row: u64) -> &str {
        usize::try_from(row).ok().and_then(|row| self.inputs.items.get(row)).map_or("", |item| &item.key)
    }

    /// The file in which a photograph is, or the archive.
    pub fn file(&self, row: u64) -> Option<&Path> {
        self.inputs.items.get(usize::try_from(row).ok()?)?.file()
    }

    /// What the model that this gallery was opened for reads of an exemplar's photograph, `C × H × W`.
    ///
    /// # Errors
    /// When the photograph cannot be read any more.
    pub fn input(&self, model: &Model, best: &Best) -> Result<Array> {
        let refused = |what: String| Error::Option(format!("photograph {}: {what}", best.row));
        let item = usize::try_from(best.row).ok().and_then(|row| self.inputs.items.get(row));
        let item = item.ok_or_else(|| refused("there is none".to_owned()))?;
        let bytes = Reader::default().read(item).map_err(refused)?;
        let colour = model.transformer.colour();
        let photograph = photograph::from_bytes(&bytes, &item.key, colour, LoadOptions::default())?;
        let crop = self.found.job.get("crop").and_then(serde_json::Value::as_str);
        let crop = match crop.map(str::parse) {
            None => model.crop,
            Some(parsed) => parsed.map_err(|_| Error::Option("the exemplars' crop is none".to_owned()))?,
        };
        model.input_of(&photograph, crop)
    }
}

impl Exemplars {
    /// Expects these to be a finished job's of this model and these photographs, which are named by their rows.
    pub(crate) fn expect_of(&self, model: &Model, inputs: &Inputs, folder: &Path) -> Result<()> {
        let refused =
            |what: &str| Err(Error::Option(format!("{}: the exemplars are {what}", folder.display())));
        if self.job.get("list") != Some(&inputs.digest().into()) {
            return refused("of other photographs than those that are named");
        }
        if self.job.get("model") != Some(&identity(model)?) {
            return refused("of another network, or of other choices about its pictures");
        }
        if self.done < inputs.items.len() as u64 {
            return refused("not finished; run that job again first");
        }
        Ok(())
    }
}
