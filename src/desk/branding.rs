//! The company on the pages: its name, colour and greeting. They are checked when the options are parsed, so that a
//! page never has to handle a bad one.

use std::fmt;

use crate::config::{ACCENT_ON_DARK_CONTRAST_MIN, ACCENT_ON_LIGHT_CONTRAST_MIN};

/// The company on the pages. Without it they say "Support", in green.
#[derive(Clone, Debug, Default)]
pub struct Branding {
    /// The company's name.
    pub name: Option<String>,
    /// The company's colour.
    pub accent: Option<Accent>,
    /// The first question that users are asked.
    pub greeting: Option<String>,
    /// The origins of pages that may show the user's page in a frame.
    pub(crate) embedders: Vec<String>,
}

/// The company's colour, for links and buttons. The colours of the light and the dark theme are derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent(Rgb);

impl Accent {
    /// Parses `#rrggbb` or `#rgb`.
    ///
    /// # Errors
    /// The text is not a colour, or the colour cannot be read on white.
    pub fn parse(text: &str) -> Result<Self, String> {
        let colour =
            Rgb::parse(text).ok_or("a colour is # and six digits 0 to 9 or a to f, such as #0b6b5d")?;
        let contrast = colour.contrast(Rgb::WHITE);
        if contrast < ACCENT_ON_LIGHT_CONTRAST_MIN {
            return Err(format!(
                "it is too light to be read on white: its contrast is {contrast:.1}:1, and \
                 {ACCENT_ON_LIGHT_CONTRAST_MIN:.0}:1 is needed; a darker shade will do"
            ));
        }
        Ok(Self(colour))
    }

    /// Returns the colour for the light theme. White text can be read on it.
    pub(super) fn on_light(self) -> Rgb {
        self.0
    }

    /// Returns the colour for the dark theme, mixed with as much white as it needs to be readable there. Black text can
    /// be read on it.
    pub(super) fn on_dark(self) -> Rgb {
        let shades = (0..=u8::MAX).map(|white| self.0.mixed_with_white(white));
        let is_legible = |shade: &Rgb| shade.contrast(Rgb::BLACK) >= ACCENT_ON_DARK_CONTRAST_MIN;
        shades.clone().find(is_legible).unwrap_or(Rgb::WHITE)
    }
}

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rgb([u8; 3]);

impl Rgb {
    const WHITE: Self = Self([u8::MAX; 3]);
    const BLACK: Self = Self([0; 3]);

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let part = |from: usize, length: usize| u8::from_str_radix(&digits[from..from + length], 16).ok();
        match digits.len() {
            6 => Some(Self([part(0, 2)?, part(2, 2)?, part(4, 2)?])),
            3 => Some(Self([part(0, 1)? * 17, part(1, 1)? * 17, part(2, 1)? * 17])),
            _ => None,
        }
    }

    fn mixed_with_white(self, white: u8) -> Self {
        let mix = |part: u8| {
            let mixed = u16::from(part) + (u16::from(u8::MAX - part) * u16::from(white)) / u16::from(u8::MAX);
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self(self.0.map(mix))
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2, "contrast ratio": 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_in_both_themes() {
        for (text, on_light) in [("#0b6b5d", "#0b6b5d"), ("#001F5B", "#001f5b"), ("#a00", "#aa0000")] {
            let accent = Accent::parse(text).unwrap();
            assert_eq!(accent.on_light().to_string(), on_light);
            assert!(accent.on_light().contrast(Rgb::WHITE) >= ACCENT_ON_LIGHT_CONTRAST_MIN);
            assert!(accent.on_dark().contrast(Rgb::BLACK) >= ACCENT_ON_DARK_CONTRAST_MIN, "{text}");
        }
        assert_eq!(Rgb::BLACK.contrast(Rgb::WHITE).round(), 21.0);
    }

    #[test]
    fn shades_and_their_luminance_are_those_of_the_specifications() {
        assert_eq!(Rgb::parse("#123"), Some(Rgb([0x11, 0x22, 0x33])));
        let colour = Rgb([0, 55, 255]);
        assert_eq!(colour.mixed_with_white(0), colour);
        assert_eq!(colour.mixed_with_white(51), Rgb([51, 95, 255]), "a fifth of the way");
        assert_eq!(colour.mixed_with_white(255), Rgb::WHITE);
        // Below and above the point where the curve of sRGB begins.
        for (part, luminance) in [(10, 0.003_035), (11, 0.003_347), (128, 0.215_861)] {
            assert!((Rgb([part; 3]).luminance() - luminance).abs() < 0.000_001, "{part}");
        }
    }

    #[test]
    fn anything_but_a_colour_that_is_dark_enough_is_refused() {
        for text in ["", "red", "0b6b5d", "#12345", "#1234567", "#ggg", "#+1+1+1", "#é12"] {
            assert!(Accent::parse(text).unwrap_err().starts_with("a colour is #"), "{text}");
        }
        let error = Accent::parse("#ffcc00").unwrap_err();
        assert!(error.contains("too light") && error.contains("1.5:1"), "{error}");
    }
}
