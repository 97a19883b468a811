//! Everything that can go wrong between a photograph, a network's input and a picture, by cause.
//!
//! Each message is one sentence that names the file or the value, what was expected, what was found and, where it
//! is not obvious, what to do about it. `origin` is the path of a file, or a name given to bytes in memory.

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written, or numbers do not fill a shape.
    #[error(transparent)]
    Files(#[from] deepinside_files::Error),

    /// The numbers of channels do not fit together.
    #[error("{what} needs {expected} channels and found {found}")]
    Channels {
        /// What needs them.
        what: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },

    /// A setting lies outside its range.
    #[error("{name} must be {expected}, found {found}")]
    Parameter {
        /// The setting.
        name: &'static str,
        /// Its accepted values, in words.
        expected: &'static str,
        /// The value that was given.
        found: String,
    },

    /// Values that are not finite where a picture or an input is to be made of them.
    #[error("{what}: {count} of {total} values are NaN or infinite")]
    NotFinite {
        /// What the values belong to.
        what: &'static str,
        /// How many are NaN or infinite.
        count: usize,
        /// How many there are altogether.
        total: usize,
    },

    /// The bytes are in no picture format that this crate decodes.
    #[error(
        "{origin} is not a picture that can be read: the formats are JPEG, PNG, WebP, TIFF, GIF, BMP and PNM"
    )]
    UnknownPictureFormat {
        /// The file.
        origin: String,
    },

    /// A picture in a format that is known and not decoded.
    #[error(
        "{origin} is a picture in {format}, which is not read: convert it to PNG or JPEG first, as with ImageMagick \
         (`magick {origin} picture.png`)"
    )]
    UnreadPictureFormat {
        /// The file.
        origin: String,
        /// The format.
        format: &'static str,
    },

    /// A file that is known and no picture.
    #[error("{origin} is {what}")]
    NoPicture {
        /// The file.
        origin: String,
        /// What it is, and the remedy.
        what: &'static str,
    },

    /// A picture of floats holds numbers of another range than 0 to 1.
    #[error(
        "the picture {origin} holds floats up to {most}; they must be from 0 to 1 (divide those of bytes by 255)"
    )]
    FloatRange {
        /// The file.
        origin: String,
        /// The largest magnitude.
        most: f32,
    },

    /// A picture file is damaged or uses a feature that its decoder does not know.
    #[error("cannot decode the picture {origin}: {source}")]
    Decode {
        /// The file.
        origin: String,
        /// What the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The decoding was asked to stop.
    #[error("the decoding was stopped before it was finished")]
    Stopped,

    /// A JPEG file passes over its pixels too often.
    #[error(
        "the JPEG file {origin} of {pixels} pixels has {scans} scans, at most {most} are decoded: \
         save it again, for example as a baseline JPEG"
    )]
    TooManyScans {
        /// The file.
        origin: String,
        /// How many pixels it has.
        pixels: u64,
        /// How many scans it has.
        scans: usize,
        /// How many a picture of that size may have.
        most: usize,
    },

    /// A JPEG file ends in the middle of its picture.
    #[error("the JPEG file {origin} is truncated: it ends before its end-of-image marker")]
    TruncatedJpeg {
        /// The file.
        origin: String,
    },

    /// A four-channel JPEG without Adobe's marker, whose ink polarity nothing states.
    #[error(
        "the JPEG file {origin} has four channels (CMYK) and no Adobe marker to say how its inks are stored: \
         convert it to RGB first"
    )]
    UnmarkedCmyk {
        /// The file.
        origin: String,
    },

    /// A photograph has more pixels than are accepted.
    #[error("the picture {origin} is {width}×{height} pixels and at most {limit} pixels are decoded")]
    TooManyPixels {
        /// The file.
        origin: String,
        /// Its width in pixels.
        width: u64,
        /// Its height in pixels.
        height: u64,
        /// The largest number of pixels that is decoded.
        limit: u64,
    },

    /// A large picture is packed into a very short file.
    #[error(
        "the picture {origin} has {width}×{height} pixels in {bytes} bytes; of so many pixels at least {expected} are expected: make it smaller"
    )]
    DensePicture {
        /// The file.
        origin: String,
        /// Its width in pixels.
        width: u64,
        /// Its height in pixels.
        height: u64,
        /// The file's length.
        bytes: usize,
        /// The length that is expected.
        expected: u64,
    },

    /// A picture to be made is larger than is sensible.
    #[error("a picture of {width}×{height} pixels is larger than the {limit} pixels that are made")]
    PictureTooLarge {
        /// The width asked for, in pixels.
        width: usize,
        /// The height asked for, in pixels.
        height: usize,
        /// The largest number of pixels that is made.
        limit: usize,
    },

    /// A crop does not fit into the resized photograph.
    #[error(
        "a crop of {crop_height}×{crop_width} (height × width) does not fit into a photograph resized to \
         {height}×{width}: resize it to at least the network's input size"
    )]
    CropTooLarge {
        /// Rows of the crop.
        crop_height: usize,
        /// Columns of the crop.
        crop_width: usize,
        /// Rows of the resized photograph.
        height: usize,
        /// Columns of the resized photograph.
        width: usize,
    },

    /// A word that names nothing.
    #[error("unknown {what} {text:?}: the names are {known}")]
    UnknownName {
        /// What was to be named.
        what: &'static str,
        /// The word that was given.
        text: String,
        /// The accepted words.
        known: String,
    },
}
