//! How NumPy stores one number.

/// The kinds of real numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

/// How one element is stored.
#[derive(Clone, Copy)]
pub(crate) struct ElementType {
    kind: Kind,
    width: usize,
    big_endian: bool,
}

impl ElementType {
    /// The type that NumPy writes so (`<f4`); `None` for everything that is not a real number of a known width. Numbers of one
    /// byte have no order (`|u1`), which some writers state all the same; without any mark it is the machine's.
    pub fn named(name: &str) -> Option<Self> {
        let (order, rest) = match name.chars().next()? {
            order @ ('<' | '>' | '|' | '=') => (order, &name[1..]),
            _ => ('=', name),
        };
        let (kind, widths): (Kind, &[usize]) = match rest.chars().next()? {
            'b' => (Kind::Bool, &[1]),
            'i' => (Kind::Signed, &[1, 2, 4, 8]),
            'u' => (Kind::Unsigned, &[1, 2, 4, 8]),
            'f' => (Kind::Float, &[2, 4, 8]),
            _ => return None,
        };
        let width = rest[1..].parse().ok().filter(|width| widths.contains(width))?;
        let big_endian = order == '>' || (order == '=' && cfg!(target_endian = "big"));
        (order != '|' || width == 1).then_some(Self { kind, width, big_endian })
    }

    /// How many bytes it takes.
    pub fn width(self) -> usize {
        self.width
    }

    /// The value of one element; `bytes` has the element's width.
    pub fn decode(self, bytes: &[u8]) -> f64 {
        let mut little = [0u8; 8];
        little[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            little[..bytes.len()].reverse();
        }
        let bits = u64::from_le_bytes(little);
        match (self.kind, self.width) {
            (Kind::Float, 8) => f64::from_bits(bits),
            (Kind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (Kind::Float, _) => half_to_f64(bits as u16),
            (Kind::Signed, width) => {
                // Moving the sign bit to the top and back again extends the sign.
                let unused = 64 - 8 * width as u32;
                (((bits << unused) as i64) >> unused) as f64
            }
            _ => bits as f64,
        }
    }
}

/// IEEE 754 binary16: one sign bit, five exponent bits (bias 15), ten fraction bits.
fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = ((bits >> 10) & 31, f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(exponent) - 15),
    }
}
