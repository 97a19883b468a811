//! The photographs that were uploaded, in memory within bounds, and the example photographs.

use std::sync::{Arc, OnceLock};

use deepinside::Interrupt;
use deepinside::drawing::Picture;
use deepinside::vision::{Colour, Interpolation, LoadOptions, Photograph, photograph, resize};
use sha2::{Digest as _, Sha256};

use crate::inventory::Inventory;
use crate::problem::{Answer, Problem};

/// The longer side of a photograph's frame: maps in the photograph's own frame, and previews, are not larger.
pub const FRAME: usize = 1024;

/// The quality of a preview.
const QUALITY: u8 = 88;

/// A photograph that is there for everybody.
pub struct Example {
    /// What requests call it.
    pub id: &'static str,
    /// What it shows.
    pub name: &'static str,
    /// Whose it is.
    pub credit: &'static str,
    /// The file in the source tree, for command lines.
    pub file: &'static str,
    /// The kind of file.
    pub media_type: &'static str,
    /// The file.
    pub bytes: &'static [u8],
}

/// The example photographs.
pub const EXAMPLES: [Example; 3] = [
    Example {
        id: "example-cat",
        name: "Chelsea the cat",
        credit: "Stéfan van der Walt, CC0",
        file: "examples/cat.png",
        media_type: "image/png",
        bytes: include_bytes!("../../../examples/cat.png"),
    },
    Example {
        id: "example-coffee",
        name: "A cup of coffee",
        credit: "Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0",
        file: "examples/coffee.png",
        media_type: "image/png",
        bytes: include_bytes!("../../../examples/coffee.png"),
    },
    Example {
        id: "example-rocket",
        name: "A Falcon 9 carrying DSCOVR",
        credit: "SpaceX, public domain",
        file: "examples/rocket.jpg",
        media_type: "image/jpeg",
        bytes: include_bytes!("../../../examples/rocket.jpg"),
    },
];

/// A decoded photograph.
pub struct Kept {
    /// What requests call it.
    pub id: String,
    /// All its pixels, red first, eight bits each.
    pub photograph: Photograph,
    /// The same with at most [`FRAME`] pixels a side; none where that is the photograph itself.
    reduced: OnceLock<Photograph>,
    preview: OnceLock<Vec<u8>>,
}

impl Kept {
    /// Decodes a file.
    fn decode(id: String, bytes: &[u8], maximum_pixels: u64, interrupt: &Interrupt) -> Answer<Self> {
        let options = LoadOptions { maximum_pixels, ..LoadOptions::default() };
        let stop = || interrupt.is_asked();
        let decoded = photograph::from_bytes_until(bytes, "'photograph'", Colour::Rgb, options, &stop)?;
        // Deeper pictures are kept in eight bits: memory is bounded, and no network sees the difference.
        let photograph = in_bytes(&decoded)?;
        Ok(Self { id, photograph, reduced: OnceLock::new(), preview: OnceLock::new() })
    }

    /// The photograph with at most [`FRAME`] pixels a side: the frame of maps that are averaged over crops.
    ///
    /// # Errors
    /// When it is so long and thin that nothing would be left of its other side.
    pub fn frame(&self) -> Answer<&Photograph> {
        let whole = &self.photograph;
        let longer = whole.height().max(whole.width());
        if longer <= FRAME {
            return Ok(whole);
        }
        if let Some(reduced) = self.reduced.get() {
            return Ok(reduced);
        }
        let side = |side: usize| ((side * FRAME) as f64 / longer as f64).round().max(1.0) as usize;
        let (height, width) = (side(whole.height()), side(whole.width()));
        let reduced = resize::resize_image(whole, height, width, Interpolation::AntiAliased)?;
        Ok(self.reduced.get_or_init(|| in_bytes(&reduced).unwrap_or(reduced)))
    }

    /// The frame as a JPEG file.
    ///
    /// # Errors
    /// As [`Kept::frame`].
    pub fn preview(&self) -> Answer<&[u8]> {
        if let Some(preview) = self.preview.get() {
            return Ok(preview);
        }
        let preview = Picture::from_photograph(self.frame()?)?.to_jpeg(QUALITY)?;
        Ok(self.preview.get_or_init(|| preview))
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let pixels = self.photograph.height() * self.photograph.width();
        // The reduced one may be made, with a preview.
        3 * pixels + 4 * FRAME * FRAME
    }
}

fn in_bytes(photograph: &Photograph) -> Answer<Photograph> {
    let (height, width) = (photograph.height(), photograph.width());
    let picture = Picture::from_photograph(photograph)?;
    Ok(Photograph::from_samples(height, width, 3, picture.into_rgb())?)
}

/// The photographs in memory.
pub struct Photographs {
    kept: Inventory<Kept>,
    maximum_pixels: u64,
}

impl Photographs {
    /// Keeps at most that many bytes, and takes photographs of at most that many pixels.
    pub fn new(limit: usize, maximum_pixels: u64) -> Self {
        Self { kept: Inventory::new(limit), maximum_pixels }
    }

    /// The name of a file's content.
    pub fn id_of(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Decodes a photograph and keeps it; slow.
    ///
    /// # Errors
    /// When it is no picture that can be read, or too large.
    pub fn add(&self, bytes: &[u8], interrupt: &Interrupt) -> Answer<Arc<Kept>> {
        let id = Self::id_of(bytes);
        match self.kept.find(&id) {
            Some(kept) => Ok(kept),
            None => self.decode(id, bytes, interrupt),
        }
    }

    /// A photograph by its name; examples are decoded when they are first asked for.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn get(&self, id: &str) -> Answer<Arc<Kept>> {
        if let Some(kept) = self.kept.find(id) {
            return Ok(kept);
        }
        match EXAMPLES.iter().find(|example| example.id == id) {
            Some(example) => self.decode(id.to_owned(), example.bytes, &Interrupt::default()),
            None => {
                let id: String = id.chars().take(64).collect();
                Err(Problem::not_found(format!("no photograph has the id '{id}'; upload it again")))
            }
        }
    }

    /// How many there are, and about how many bytes they take.
    pub fn size(&self) -> [usize; 2] {
        self.kept.size()
    }

    fn decode(&self, id: String, bytes: &[u8], interrupt: &Interrupt) -> Answer<Arc<Kept>> {
        let kept = Arc::new(Kept::decode(id, bytes, self.maximum_pixels, interrupt)?);
        self.kept.keep(kept.id.clone(), Arc::clone(&kept), kept.bytes());
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: usize, height: usize, grey: u8) -> Vec<u8> {
        Picture::filled(width, height, [grey; 3]).unwrap().to_png().unwrap()
    }

    #[test]
    fn the_one_used_longest_ago_is_dropped() {
        let two = 2 * 4 * FRAME * FRAME + 1000;
        let photographs = Photographs::new(two, 1 << 20);
        let ids: Vec<String> = (0..2)
            .map(|grey| photographs.add(&png(4, 4, grey), &Interrupt::default()).unwrap().id.clone())
            .collect();
        photographs.get(&ids[0]).unwrap();
        photographs.add(&png(4, 4, 9), &Interrupt::default()).unwrap();
        assert!(photographs.get(&ids[0]).is_ok());
        assert_eq!(photographs.get(&ids[1]).err().unwrap().status.as_u16(), 404);
        assert_eq!(photographs.size()[0], 2);
    }

    #[test]
    fn the_same_file_has_the_same_name() {
        let photographs = Photographs::new(1 << 20, 1 << 20);
        let id = photographs.add(&png(4, 4, 7), &Interrupt::default()).unwrap().id.clone();
        assert_eq!(photographs.add(&png(4, 4, 7), &Interrupt::default()).unwrap().id, id);
        assert_eq!(photographs.size()[0], 1);
        assert_eq!(id.len(), 32);
    }

    #[test]
    fn frames_keep_the_proportions() {
        let photographs = Photographs::new(1 << 30, 1 << 24);
        let kept = photographs.add(&png(3000, 1500, 7), &Interrupt::default()).unwrap();
        let frame = kept.frame().unwrap();
        assert_eq!([frame.width(), frame.height()], [1024, 512]);
        assert_eq!(kept.preview().unwrap()[..2], [0xff, 0xd8]);
        let small = photographs.get("example-cat").unwrap();
        assert_eq!([small.frame().unwrap().width(), small.frame().unwrap().height()], [451, 300]);
        let line = photographs.add(&png(5000, 1, 7), &Interrupt::default()).unwrap();
        assert_eq!([line.frame().unwrap().width(), line.frame().unwrap().height()], [1024, 1]);
    }
}
